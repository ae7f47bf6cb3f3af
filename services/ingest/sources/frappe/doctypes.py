"""The doctypes that are read, and how."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from services.ingest.sources.frappe import documents, sales
from services.ingest.sources.frappe.values import Doc, Said, anonymous, is_true, name_of
from services.ingest.sources.payload import Speaker, text


@dataclass(frozen=True, slots=True)
class Doctype:
    """One doctype."""

    says: Callable[[Doc, Speaker], Iterator[Said]]
    entities: Sequence[str]
    """What its documents may be here."""
    needed: Sequence[str] = ()
    """Without these fields it cannot be told what a document is."""
    anonymous: bool = False
    """Whether the name may be a person's."""

    def foreign_id(self, speaker: Speaker, name: str) -> str:
        """The id of a document for the outside."""
        return (anonymous(speaker, name) or "") if self.anonymous else name


DOCTYPES: Mapping[str, Doctype] = {
    "Opportunity": Doctype(sales.opportunity, ("deal",)),
    "Lead": Doctype(sales.lead, ("lead",)),
    "Customer": Doctype(sales.customer, ("customer",), anonymous=True),
    "Sales Order": Doctype(documents.sales_order, ("order",)),
    "Sales Invoice": Doctype(documents.sales_invoice, ("invoice", "credit-note"), ("is_return", "docstatus")),
    "Payment Entry": Doctype(documents.payment_entry, ("payment",), ("payment_type", "party_type", "docstatus")),
    "Item": Doctype(sales.item, ("product",)),
    "User": Doctype(sales.user, ("member",), anonymous=True),
}


def lacking(doc: Doc) -> str:
    """What a document needs to say what it is; empty if it does."""
    doctype = DOCTYPES[str(doc["doctype"])]
    return ", ".join(name for name in doctype.needed if text(doc.get(name)) is None and doc.get(name) is not True)


def ended(doc: Doc, speaker: Speaker) -> Iterator[Said]:
    """A document that was deleted; if nothing says what it was, all that it may have been."""
    doctype = DOCTYPES[str(doc["doctype"])]
    entities = doctype.entities
    if "is_return" in doc:
        entities = ["credit-note" if is_true(doc["is_return"]) else "invoice"]
    for entity in entities:
        yield Said(entity, doctype.foreign_id(speaker, name_of(doc)), {}, ended=True)
