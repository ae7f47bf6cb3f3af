"""Which field of a Fxiaoke object holds what. Enterprises rename and add fields: a setting may override each."""

from collections.abc import Mapping

DEAL, CUSTOMER, ORDER, PAYMENT, REFUND = "NewOpportunityObj", "AccountObj", "SalesOrderObj", "PaymentObj", "RefundObj"
ORDER_LINE, PAYMENT_LINE = "SalesOrderProductObj", "OrderPaymentObj"

_COMMON = {
    "owner_id": "owner",
    "currency": "mc_currency",
    "changed_at": "last_modified_time",
    "created_at": "create_time",
    "life_status": "life_status",
    "deleted": "is_deleted",
}

FIELDS: Mapping[str, Mapping[str, str]] = {
    DEAL: _COMMON
    | {
        "title": "name",
        "customer_id": "account_id",
        "pipeline": "sales_process_id",
        "stage": "sales_stage",
        "status": "sales_status",
        "amount": "amount",
        "probability": "probability",
        "expected_close_on": "close_date",
        "loss_reason": "",
    },
    CUSTOMER: _COMMON
    | {
        "name": "name",
        "parent_id": "parent_account_id",
        "sector": "industry_level1",
        "tier": "account_level",
        "region": "",
        "country": "country",
    },
    ORDER: _COMMON
    | {
        "customer_id": "account_id",
        "deal_id": "new_opportunity_id",
        "ordered_on": "order_time",
        "amount": "order_amount",
    },
    ORDER_LINE: {
        "product_id": "product_id",
        "quantity": "quantity",
        "unit_price": "sales_price",
        "amount": "subtotal",
        "deleted": "is_deleted",
    },
    PAYMENT: _COMMON
    | {
        "customer_id": "account_id",
        "order_id": "order_id",
        "amount": "payment_amount",
        "received_on": "payment_time",
        "instrument": "payment_method",
    },
    PAYMENT_LINE: {"order_id": "order_id", "amount": "payment_amount", "deleted": "is_deleted"},
    REFUND: _COMMON
    | {
        "customer_id": "account_id",
        "order_id": "order_id",
        "amount": "refunded_amount",
        "received_on": "refunded_time",
        "instrument": "refunded_method",
    },
}
"""Object → our name → its field; "" is none unless a setting names one."""
