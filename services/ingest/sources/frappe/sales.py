"""Who sells what to whom: Opportunity, Lead, Customer, Item, User."""

from collections.abc import Iterator
from typing import Any

from services.ingest.sources.frappe.values import (
    Doc,
    Fields,
    Said,
    anonymous,
    anonymous_ref,
    currency_of,
    is_true,
    is_whole,
    name_of,
    number,
    priced,
    quantity,
)
from services.ingest.sources.payload import Speaker, day, label, personal, text

_OUTCOMES = {"Converted": "won", "Lost": "lost", "Closed": "lost"}
_LEAD_STATUS = {
    "Converted": "converted",
    "Opportunity": "converted",
    "Quotation": "converted",
    "Do Not Contact": "disqualified",
    "Lost Quotation": "disqualified",
}
_HUNDRED = 100


def opportunity(doc: Doc, speaker: Speaker) -> Iterator[Said]:
    """A deal. Its status ends it, else its sales stage is where it stands."""
    fields: Fields = {}
    if "title" in doc:
        fields["title"] = _title(doc)
    if outcome := _OUTCOMES.get(text(doc.get("status")) or ""):
        fields["stage"] = outcome
    elif "sales_stage" in doc:
        fields["stage"] = label(doc["sales_stage"])
    if "opportunity_from" in doc and "party_name" in doc:
        fields |= _party(doc, speaker)
    if "opportunity_owner" in doc:
        fields["owner_id"] = anonymous_ref(speaker, doc["opportunity_owner"])
    for theirs, ours in (("expected_closing", "expected_close_on"), ("transaction_date", "created_on")):
        if theirs in doc:
            fields[ours] = day(doc[theirs])
    _say_prospects(fields, doc, speaker)
    yield Said("deal", name_of(doc), fields)


def _title(doc: Doc) -> str | None:
    """ERPNext fills it with the name of the party, which may be a person: that one stays here."""
    found = label(doc["title"])
    names = [name for field in ("customer_name", "party_name") if (name := label(doc.get(field)))]
    return None if found is None or any(name in found for name in names) else found


def _party(doc: Doc, speaker: Speaker) -> Fields:
    """An opportunity is with a customer, or still with a lead or a prospect."""
    party, kind = doc["party_name"], text(doc["opportunity_from"])
    customer = anonymous_ref(speaker, party) if kind == "Customer" else None
    return {"customer_id": customer, "lead_id": speaker.ref(party) if kind == "Lead" else None}


def _say_prospects(fields: Fields, doc: Doc, speaker: Speaker) -> None:
    """How likely it is, why it was lost, and how much it is. Picked fields may leave the currency out: then the read
    from the API says the amount."""
    if "probability" in doc:
        percent = number(doc["probability"])
        fields["probability"] = quantity(None if percent is None else percent / _HUNDRED)
    if "lost_reasons" in doc:
        fields["loss_reason"] = next((label(row.get("lost_reason")) for row in _rows(doc, "lost_reasons")), None)
    code = currency_of(doc, speaker.account)
    if "opportunity_amount" in doc and (code or is_whole(doc) or not speaker.account.settings.api_key):
        fields["amount"] = priced(number(doc["opportunity_amount"]), code)


def lead(doc: Doc, speaker: Speaker) -> Iterator[Said]:
    """Somebody who may become a customer."""
    fields: Fields = {}
    if "status" in doc:
        fields["status"] = _LEAD_STATUS.get(text(doc["status"]) or "", "open")
    if "lead_owner" in doc:
        fields["owner_id"] = anonymous_ref(speaker, doc["lead_owner"])
    if campaign := label(doc.get("utm_campaign")) or label(doc.get("campaign_name")):
        fields["campaign"] = campaign
    if "creation" in doc:
        fields["created_on"] = day(doc["creation"])
    for theirs, ours in (("lead_name", "contact_name"), ("email_id", "contact_email"), ("mobile_no", "contact_phone")):
        if theirs in doc:
            fields[ours] = personal(doc[theirs])
    yield Said("lead", name_of(doc), fields)


def customer(doc: Doc, speaker: Speaker) -> Iterator[Said]:
    """A company, or a person whose name stays in ingest. Without the type it may be either."""
    kind = text(doc.get("customer_type"))
    person = kind not in ("Company", "Partnership")
    fields: Fields = {} if kind is None else {"kind": "person" if person else "company"}
    if "customer_name" in doc:
        fields["person_name" if person else "name"] = label(doc["customer_name"])
    for theirs, ours in (("industry", "sector"), ("customer_group", "tier"), ("territory", "region")):
        if theirs in doc:
            fields[ours] = label(doc[theirs])
    if "account_manager" in doc:
        fields["owner_id"] = anonymous_ref(speaker, doc["account_manager"])
    if "is_internal_customer" in doc:
        fields["related_party"] = is_true(doc["is_internal_customer"])
    if "primary_address" in doc:
        fields["address"] = personal(doc["primary_address"])
    yield Said("customer", anonymous(speaker, name_of(doc)) or "", fields, _disabled(doc))


def item(doc: Doc, speaker: Speaker) -> Iterator[Said]:
    """A product. Rates are in the company's currency; none is written as 0."""
    fields: Fields = {}
    for theirs, ours in (("item_name", "name"), ("item_group", "category"), ("stock_uom", "unit")):
        if theirs in doc:
            fields[ours] = label(doc[theirs])
    for theirs, ours in (("standard_rate", "price"), ("valuation_rate", "cost")):
        if theirs in doc:
            fields[ours] = priced(number(doc[theirs]) or None, speaker.account.settings.currency)
    if "uoms" in doc:
        fields["conversions"] = {
            str(unit): {"factor": quantity(number(row.get("conversion_factor")))}
            for row in _rows(doc, "uoms")
            if (unit := label(row.get("uom"))) and unit != label(doc.get("stock_uom"))
        }
    yield Said("product", name_of(doc), fields, _disabled(doc))


def user(doc: Doc, speaker: Speaker) -> Iterator[Said]:
    """A member, known here by a pseudonym of the mail address that is their name."""
    fields: Fields = {}
    if "full_name" in doc:
        fields["name"] = personal(doc["full_name"])
    if "email" in doc:
        fields["email"] = personal(doc["email"])
    if "enabled" in doc:
        fields["active"] = is_true(doc["enabled"])
    yield Said("member", anonymous(speaker, name_of(doc)) or "", fields)


def _disabled(doc: Doc) -> bool | None:
    return is_true(doc["disabled"]) if "disabled" in doc else None


def _rows(doc: Doc, table: str) -> list[dict[str, Any]]:
    found = doc.get(table)
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []
