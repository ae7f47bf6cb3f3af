"""Who buys, who sells, and what: `res.partner`, `res.users`, `crm.team`, `product.product`."""

from services.ingest.sources.odoo.values import Fields, Row, Said, linked, named, own_id, say_money
from services.ingest.sources.payload import Speaker, label, personal, text

PARTNER_FIELDS = (
    "name", "is_company", "parent_id", "active", "user_id", "country_id", "street", "street2", "zip", "city", "email",
    "phone", "mobile", "function", "write_date",
)  # fmt: skip
USER_FIELDS = ("name", "email", "login", "active", "sale_team_id", "write_date")
TEAM_FIELDS = ("name", "user_id", "active", "write_date")
PRODUCT_FIELDS = (
    "name", "active", "uom_id", "categ_id", "lst_price", "currency_id", "standard_price", "cost_currency_id",
    "write_date",
)  # fmt: skip
_ADDRESS = ("street", "street2", "zip", "city")


def says_what(row: Row) -> bool:
    """Whether the row says if it is a company: else its name may be that of a person."""
    return "is_company" in row


def partner(row: Row, speaker: Speaker) -> list[Said]:
    """A person who belongs to another partner is a contact of it."""
    company, above = row.get("is_company") is True, linked(row.get("parent_id"))
    if above is not None and not company:
        contact = None if row.get("active") is False else _contact(row)
        return [Said("customer", above, {"contacts": {speaker.account.entity_id(own_id(row)): contact}})]
    fields: Fields = {"kind": "company" if company else "person"}
    if "name" in row:
        fields["name" if company else "person_name"] = label(row["name"])
    if "parent_id" in row:
        fields["parent_id"] = speaker.ref(above)
    if "user_id" in row:
        fields["owner_id"] = speaker.ref(linked(row["user_id"]))
    if "country_id" in row and (named(row["country_id"]) or not linked(row["country_id"])):
        fields["country"] = named(row["country_id"])
    if any(name in row for name in _ADDRESS):
        fields["address"] = personal(", ".join(found for name in _ADDRESS if (found := text(row.get(name)))))
    return [Said("customer", own_id(row), fields, _archived(row))]


def _contact(row: Row) -> Fields:
    said: Fields = {
        ours: personal(row[theirs])
        for theirs, ours in (("name", "name"), ("email", "email"), ("phone", "phone"), ("function", "role"))
        if theirs in row
    }
    if not said.get("phone") and text(row.get("mobile")):
        said["phone"] = personal(row["mobile"])
    return said


def user(row: Row, speaker: Speaker) -> list[Said]:
    """A member; one who is archived is not active any more."""
    fields: Fields = {}
    if "name" in row:
        fields["name"] = personal(row["name"])
    if "email" in row or "login" in row:
        fields["email"] = personal(row.get("email")) or personal(row.get("login"))
    if "active" in row:
        fields["active"] = row["active"] is not False
    if "sale_team_id" in row:
        fields["unit_id"] = speaker.ref(_team_id(row["sale_team_id"]))
    return [Said("member", own_id(row), fields)]


def team(row: Row, speaker: Speaker) -> list[Said]:
    """A sales team and who leads it."""
    fields: Fields = {"kind": "team"}
    if "name" in row:
        fields["name"] = label(row["name"])
    if "user_id" in row:
        fields["manager_id"] = speaker.ref(linked(row["user_id"]))
    return [Said("organisation-unit", _team_id(own_id(row)) or "", fields, _archived(row))]


def _team_id(value: object) -> str | None:
    """Organisation units come from several sources and from the company itself: a bare number would be anybody's."""
    found = linked(value)
    return None if found is None else f"crm.team/{found}"


def product(row: Row, speaker: Speaker) -> list[Said]:
    """A variant: what lines refer to."""
    fields: Fields = {}
    if "name" in row:
        fields["name"] = label(row["name"])
    if named(row.get("uom_id")):
        fields["unit"] = named(row["uom_id"])
    if named(row.get("categ_id")):
        fields["category"] = named(row["categ_id"])
    say_money(fields, "price", row, "lst_price", "currency_id", speaker.account)
    say_money(fields, "cost", row, "standard_price", "cost_currency_id", speaker.account)
    return [Said("product", own_id(row), fields, _archived(row))]


def _archived(row: Row) -> bool | None:
    return row["active"] is False if "active" in row else None
