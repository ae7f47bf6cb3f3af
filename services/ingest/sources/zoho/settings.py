"""What a person says about one Zoho CRM organisation, and which field of its modules holds what."""

from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

from services.ingest.sources.adapter import Account, Secret, SourceSettings
from services.ingest.sources.payload import currency_code
from shared.kernel.errors import QuintantError
from shared.kernel.ids import derived_id

DEALS, ACCOUNTS, ORDERS, INVOICES = "Deals", "Accounts", "Sales_Orders", "Invoices"
LINES = "lines"
"""The rows of orders and invoices, in `FIELDS`."""

_COMMON = {"owner_id": "Owner", "currency": "Currency", "created_at": "Created_Time", "changed_at": "Modified_Time"}
_DOCUMENT = _COMMON | {
    "customer_id": "Account_Name",
    "status": "Status",
    "discount": "Discount",
    "tax": "Tax",
    "adjustment": "Adjustment",
    "total": "Grand_Total",
}
FIELDS: Mapping[str, Mapping[str, str]] = {
    DEALS: _COMMON
    | {
        "title": "Deal_Name",
        "customer_id": "Account_Name",
        "pipeline": "Pipeline",
        "stage": "Stage",
        "amount": "Amount",
        "probability": "Probability",
        "expected_close_on": "Closing_Date",
        "loss_reason": "Reason_For_Loss__s",
    },
    ACCOUNTS: _COMMON
    | {
        "name": "Account_Name",
        "parent_id": "Parent_Account",
        "sector": "Industry",
        "tier": "Rating",
        "region": "",
        "country": "Billing_Country",
    },
    ORDERS: _DOCUMENT | {"deal_id": "Deal_Name", "ordered_on": "Created_Time", "rows": "Ordered_Items"},
    INVOICES: _DOCUMENT
    | {"order_id": "Sales_Order", "issued_on": "Invoice_Date", "due_on": "Due_Date", "rows": "Invoiced_Items"},
    LINES: {
        "product_id": "Product_Name",
        "quantity": "Quantity",
        "unit_price": "List_Price",
        "discount": "Discount",
        "net": "Total_After_Discount",
        "tax": "Tax",
    },
}
"""Module → our name → the API name of its field; "" is none unless a setting names one."""

MODULES = (ACCOUNTS, DEALS, ORDERS, INVOICES)
_STATUSES = {"Created": "confirmed", "Approved": "confirmed", "Delivered": "fulfilled", "Cancelled": "cancelled"}
_KNOWN_STATUSES = ("draft", "confirmed", "fulfilled", "cancelled")
_CHANNEL_DIGITS = 10**15


class ZohoSettings(SourceSettings, kw_only=True, frozen=True):
    """How to reach the organisation, and how to read what it leaves open."""

    client_id: Annotated[str, Meta(title="Client id", description="Of a self client in the API console")] = ""
    client_secret: Annotated[Secret, Meta(title="Client secret")] = ""
    refresh_token: Annotated[Secret, Meta(title="Refresh token")] = ""
    accounts_url: Annotated[
        str,
        Meta(title="Accounts server of the data centre", description="Such as https://accounts.zoho.eu, .in, .com.cn"),
    ] = "https://accounts.zoho.com"
    api_url: Annotated[
        str, Meta(title="API domain of the data centre", description="Such as https://www.zohoapis.eu, .in, .com.cn")
    ] = "https://www.zohoapis.com"
    modules: Annotated[
        tuple[str, ...], Meta(title="Modules", description="Some of Accounts, Deals, Sales_Orders, Invoices")
    ] = (ACCOUNTS, DEALS)
    currency: Annotated[
        str | None, Meta(title="Home currency", description="Of amounts whose record names none: ISO 4217")
    ] = None
    several_currencies: Annotated[
        bool,
        Meta(
            title="Several currencies",
            description="Whether the organisation has switched on Currencies: then an amount without one is read again",
        ),
    ] = False
    channel_id: Annotated[
        str,
        Meta(
            title="Id of the notification channel",
            description="A number of up to 19 digits; empty: one derived from the source's name",
            pattern="^([1-9][0-9]{0,18})?$",
        ),
    ] = ""
    order_statuses: Annotated[
        dict[str, str],
        Meta(title="Statuses of sales orders", description="As in Zoho → draft, confirmed, fulfilled or cancelled"),
    ] = msgspec.field(default_factory=lambda: dict(_STATUSES))
    fields: Annotated[
        dict[str, dict[str, str]],
        Meta(
            title="Field names",
            description="Module → our name → API name of its field, where the organisation's differ from the table on "
            'the source\'s page: {"Deals": {"loss_reason": "Lost_Because"}}',
        ),
    ] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuses what no notification could be read with."""
        if self.currency is not None:
            try:
                currency_code(self.currency)
            except QuintantError as error:
                raise ValueError("currency must be an ISO 4217 code") from error
        if not self.modules or not set(self.modules) <= set(MODULES):
            raise ValueError(f"modules must be some of {', '.join(MODULES)}")
        if not set(self.order_statuses.values()) <= set(_KNOWN_STATUSES):
            raise ValueError(f"order_statuses must lead to {', '.join(_KNOWN_STATUSES)}")
        for module, names in self.fields.items():
            if not names.keys() <= FIELDS.get(module, {}).keys():
                raise ValueError(f"fields: {module} has no such name; known: {', '.join(FIELDS.get(module, FIELDS))}")

    @property
    def connected(self) -> bool:
        """Whether the API can be called."""
        return bool(self.client_id and self.client_secret and self.refresh_token)

    def names(self, module: str) -> Mapping[str, str]:
        """Our name → the field of this organisation."""
        return {**FIELDS[module], **self.fields.get(module, {})}


def channel_of(account: Account) -> str:
    """The channel through which this source is notified: the same every time, another for each source."""
    settings: ZohoSettings = account.settings
    if settings.channel_id:
        return settings.channel_id
    return str(_CHANNEL_DIGITS // 10 + int(derived_id("zoho", account.name), 16) % (_CHANNEL_DIGITS * 9 // 10))
