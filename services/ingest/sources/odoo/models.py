"""The models of Odoo that are read, and how."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from services.ingest.sources.odoo import customers, deals, orders
from services.ingest.sources.odoo.values import Row, Said, own_id
from services.ingest.sources.payload import Speaker


@dataclass(frozen=True, slots=True)
class Model:
    """One model."""

    says: Callable[[Row, Speaker], Sequence[Said]]
    entities: Sequence[str]
    """What its records may be here."""
    fields: Sequence[str]
    """What is read of it through the API, as far as the version has it."""
    is_enough: Callable[[Row], bool] = bool
    """Whether a webhook with the fields that somebody picked says what the record is."""
    needed: str = ""
    """The fields that it then lacks. Empty: it is taken for the first of the entities."""


MODELS: Mapping[str, Model] = {
    "crm.lead": Model(deals.lead_or_deal, ("deal", "lead"), deals.LEAD_FIELDS, deals.says_which),
    "res.partner": Model(
        customers.partner, ("customer",), customers.PARTNER_FIELDS, customers.says_what, "is_company and parent_id"
    ),
    "sale.order": Model(orders.order, ("order",), orders.ORDER_FIELDS),
    "account.move": Model(
        orders.invoice_or_credit_note,
        ("invoice", "credit-note"),
        orders.MOVE_FIELDS,
        orders.says_document,
        "move_type",
    ),
    "account.payment": Model(
        orders.payment, ("payment",), orders.PAYMENT_FIELDS, orders.says_direction, "payment_type and partner_type"
    ),
    "product.product": Model(customers.product, ("product",), customers.PRODUCT_FIELDS),
    "res.users": Model(customers.user, ("member",), customers.USER_FIELDS),
    "crm.team": Model(customers.team, ("organisation-unit",), customers.TEAM_FIELDS),
}


def ended(model: str, row: Row, speaker: Speaker) -> Sequence[Said]:
    """A record that was deleted; if nothing says what it was, all that it may have been."""
    telling = {name: row[name] for name in _TELLING if name in row}
    if not MODELS[model].is_enough(telling):
        return [Said(entity, own_id(row), {}, ended=True) for entity in MODELS[model].entities]
    return [_gone(one) for one in MODELS[model].says(telling, speaker)]


_TELLING = ("_id", "id", "type", "is_company", "parent_id", "move_type", "payment_type", "partner_type")


def _gone(said: Said) -> Said:
    """A contact leaves its company; the company stays."""
    contacts = said.fields.get("contacts")
    if isinstance(contacts, dict):
        return replace(said, fields={"contacts": dict.fromkeys(contacts)})
    return replace(said, fields={}, ended=True)
