"""`crm.lead`: leads and opportunities, which Odoo keeps in one table."""

from services.ingest.sources.odoo.values import Fields, Row, Said, day_of, linked, named, number, own_id, say_money
from services.ingest.sources.payload import Speaker, label, personal, text

LEAD_FIELDS = (
    "name", "type", "active", "probability", "won_status", "expected_revenue", "company_currency", "date_deadline",
    "create_date", "date_conversion", "stage_id", "team_id", "user_id", "partner_id", "commercial_partner_id",
    "lost_reason_id", "campaign_id", "contact_name", "email_from", "phone", "write_date",
)  # fmt: skip
_HUNDRED = 100


def says_which(row: Row) -> bool:
    """Whether the row says if it is a lead or an opportunity."""
    return text(row.get("type")) is not None


def lead_or_deal(row: Row, speaker: Speaker) -> list[Said]:
    """A lead that became an opportunity keeps its id: then both are said."""
    if text(row.get("type")) == "lead":
        return [_lead(row, speaker)]
    found = own_id(row)
    converted: Fields = {"status": "converted", "deal_id": speaker.ref(found)}
    return [_deal(row, speaker), *([Said("lead", found, converted)] if text(row.get("date_conversion")) else [])]


def _deal(row: Row, speaker: Speaker) -> Said:
    fields = _shared(row, speaker)
    if "name" in row:
        fields["title"] = label(row["name"])
    if "stage_id" in row:
        fields["stage"] = linked(row["stage_id"])
    if "date_deadline" in row:
        fields["expected_close_on"] = text(row["date_deadline"])
    if "probability" in row:
        percent = number(row["probability"])
        fields["probability"] = None if percent is None else format(percent / _HUNDRED, "f")
    if "lost_reason_id" in row:
        fields |= _reason("loss_reason", row)
    if "team_id" in row:
        fields["pipeline_id"] = speaker.account.pipeline(linked(row["team_id"]))
    say_money(fields, "amount", row, "expected_revenue", "company_currency", speaker.account)
    if _is_lost(row):
        fields["stage"] = "lost"
    return Said("deal", own_id(row), fields, _ended(row))


def _lead(row: Row, speaker: Speaker) -> Said:
    fields = _shared(row, speaker)
    if "active" in row:
        fields["status"] = "disqualified" if _is_lost(row) else "open"
    if "lost_reason_id" in row:
        fields |= _reason("reason", row)
    if named(row.get("campaign_id")):
        fields["campaign"] = named(row["campaign_id"])
    for theirs, ours in (("contact_name", "contact_name"), ("email_from", "contact_email"), ("phone", "contact_phone")):
        if theirs in row:
            fields[ours] = personal(row[theirs])
    return Said("lead", own_id(row), fields, _ended(row))


def _shared(row: Row, speaker: Speaker) -> Fields:
    fields: Fields = {}
    if "create_date" in row:
        fields["created_on"] = day_of(row["create_date"], speaker.account)
    say_buyer(fields, row, speaker)
    if "user_id" in row:
        fields["owner_id"] = speaker.ref(linked(row["user_id"]))
    return fields


def say_buyer(fields: Fields, row: Row, speaker: Speaker) -> None:
    """The company behind a contact person. A webhook may name the person alone: then the read tells the company."""
    if linked(row.get("commercial_partner_id")):
        fields["customer_id"] = speaker.ref(linked(row["commercial_partner_id"]))
    elif "partner_id" in row and not (linked(row["partner_id"]) and speaker.account.settings.api_key):
        fields["customer_id"] = speaker.ref(linked(row["partner_id"]))


def _reason(name: str, row: Row) -> Fields:
    """A raw id says nothing: the read from the API brings the name."""
    value = row["lost_reason_id"]
    return {name: named(value)} if named(value) or not linked(value) else {}


def _is_lost(row: Row) -> bool:
    """Odoo archives what is lost and sets its probability to nothing."""
    if text(row.get("won_status")) == "lost":
        return True
    return row.get("active") is False and not number(row.get("probability", False))


def _ended(row: Row) -> bool | None:
    """Archived without being lost."""
    return (row["active"] is False and not _is_lost(row)) if "active" in row else None
