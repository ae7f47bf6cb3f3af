"""The sources that are lived with for a day, each with the fake of its own tests."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from services.ingest.sources.story import Shown
from shared.kernel.clock import SystemClock
from tests.integration.sources.day import INGEST, Stand
from tests.integration.sources.frappe.fake import FakeFrappe
from tests.integration.sources.fxiaoke.fake import FakeFxiaoke
from tests.integration.sources.hubspot.fake import FakeHubspot
from tests.integration.sources.odoo.fake import FakeOdoo
from tests.integration.sources.pipedrive.fake import FakePipedrive
from tests.integration.sources.salesforce.fake import FakeSalesforce
from tests.integration.sources.salesforce.living import org_settings
from tests.integration.sources.shopify.fake import FakeShop
from tests.integration.sources.stripe.fake import FakeStripe
from tests.integration.sources.twenty.fake import FakeTwenty
from tests.integration.sources.zoho.fake import FakeZoho

Row = dict[str, Any]
Rows = dict[str, list[Row]]


def put(rows: Rows, name: str, key: str, row: Row) -> bool:
    """Put an object into the list of its kind, in place of its former version; whether there was one."""
    found = rows.setdefault(name, [])
    for place, other in enumerate(found):
        if other[key] == row[key]:
            found[place] = row
            return True
    found.append(row)
    return False


def _into(rows: Rows, names: Mapping[str, str], key: str) -> Callable[[Sequence[Shown], datetime], None]:
    """Shows objects in lists by the fake's own name of their kind."""

    def show(objects: Sequence[Shown], at: datetime) -> None:
        del at
        for one in objects:
            put(rows, names.get(one.kind, one.kind), key, dict(one.body))

    return show


def _marked(rows: Rows, name: str, key: str, mark: Callable[[datetime], Row]) -> Callable[[str, datetime], None]:
    """Marks an object as deleted, where it stays visible as such."""

    def delete(identifier: str, at: datetime) -> None:
        for row in rows[name]:
            if str(row[key]) == identifier:
                row |= mark(at)

    return delete


def _never(identifier: str, at: datetime) -> None:
    raise AssertionError(f"{identifier} is an order: at {at} it is cancelled, not deleted")


def _millis(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _twenty() -> Stand:
    fake = FakeTwenty()

    def deleted(at: datetime) -> Row:
        return {"deletedAt": _millis(at), "updatedAt": _millis(at)}

    return Stand(
        "twenty",
        fake.serving,
        lambda url, _: {"api_url": url, "api_key": fake.key},
        _into(fake.records, {"opportunity": "opportunities"}, "id"),
        _marked(fake.records, "opportunities", "id", deleted),
    )


def _pipedrive() -> Stand:
    fake = FakePipedrive()

    def deleted(at: datetime) -> Row:
        when = at.isoformat().replace("+00:00", "Z")
        return {"is_deleted": True, "status": "deleted", "update_time": when}

    return Stand(
        "pipedrive",
        fake.serving,
        lambda url, _: {"api_url": url, "api_token": fake.token},
        _into(fake.objects, {}, "id"),
        _marked(fake.objects, "deals", "id", deleted),
        secret="quintant:not-a-secret",
    )


def _hubspot() -> Stand:
    fake = FakeHubspot()

    def show(objects: Sequence[Shown], at: datetime) -> None:
        for one in objects:
            item: Row = dict(one.body)
            fake.companies[one.id] = item.pop("associations")["companies"]
            properties = {"hs_object_id": one.id, "hs_lastmodifieddate": _millis(at)}
            put(fake.objects, one.kind, "id", item | {"properties": item["properties"] | properties})

    def settings(url: str, name: str) -> Row:
        return {"api_url": url, "access_token": fake.token, "target_url": f"{INGEST}/v1/webhooks/{name}"}

    def archived(at: datetime) -> Row:
        return {"archived": True, "archivedAt": _millis(at)}

    return Stand("hubspot", fake.serving, settings, show, _marked(fake.objects, "deals", "id", archived))


def _salesforce() -> Stand:
    fake = FakeSalesforce(lacking={"RecordTypeId", "IsPersonAccount"})

    def deleted(at: datetime) -> Row:
        return {"IsDeleted": True, "SystemModstamp": at.strftime("%Y-%m-%dT%H:%M:%S.000+0000")}

    def settings(url: str, _: str) -> Row:
        return org_settings(fake, url, several_currencies=True, change_events="")

    return Stand(
        "salesforce",
        fake.serving,
        settings,
        _into(fake.records, {}, "Id"),
        _marked(fake.records, "Opportunity", "Id", deleted),
    )


def _odoo() -> Stand:
    """With CRM, and without Sales and Invoicing."""
    fake = FakeOdoo()
    fake.rows["res.partner"] = [
        {"id": number, "name": f"Partner {number}", "commercial_partner_id": [number, f"Partner {number}"],
         "is_company": True, "active": True, "write_date": "2026-01-01 00:00:00"}
        for number in range(1, 5)
    ]  # fmt: skip

    def settings(url: str, _: str) -> Row:
        return {"api_url": url, "database": "acme", "login": "quintant", "api_key": fake.key}

    def delete(identifier: str, at: datetime) -> None:
        del at
        fake.rows["crm.lead"] = [row for row in fake.rows["crm.lead"] if str(row["id"]) != identifier]

    return Stand("odoo", fake.serving, settings, _into(fake.rows, {}, "id"), delete, tells_deletions=False)


def _fxiaoke() -> Stand:
    fake = FakeFxiaoke()

    def show(objects: Sequence[Shown], at: datetime) -> None:
        del at
        for one in objects:
            fake.objects.setdefault(one.kind, {})[one.id] = dict(one.body)

    def delete(identifier: str, at: datetime) -> None:
        del at
        del fake.objects["NewOpportunityObj"][identifier]

    def settings(url: str, _: str) -> Row:
        app = {"app_id": "FSAID_1", "app_secret": "secret-1", "permanent_code": "code-1", "user": "FSUID_1"}
        return {"api_url": url, "enterprise_account": "demoea", **app}

    secret = "ODc2NTQzMjEwOTg3NjU0MzIxMDk4NzY1NDMyMTA5ODc="
    return Stand("fxiaoke", fake.serving, settings, show, delete, tells_deletions=False, secret=secret)


def _zoho() -> Stand:
    fake = FakeZoho(SystemClock())

    def show(objects: Sequence[Shown], at: datetime) -> None:
        del at
        for one in objects:
            fake.records.setdefault(one.kind, {})[one.id] = dict(one.body)

    def delete(identifier: str, at: datetime) -> None:
        del fake.records["Deals"][identifier]
        fake.deleted.setdefault("Deals", []).append({"id": identifier, "deleted_time": at.isoformat()})

    def settings(url: str, _: str) -> Row:
        client = {"client_id": "client-1", "client_secret": "secret-1", "refresh_token": fake.refresh_token}
        return {"api_url": url, "accounts_url": url, "currency": "EUR", **client}

    return Stand("zoho", fake.serving, settings, show, delete)


def _frappe() -> Stand:
    """ERPNext without what its simulator does not tell of: these doctypes are not there."""
    fake = FakeFrappe(docs={"Deleted Document": []})

    def delete(identifier: str, at: datetime) -> None:
        fake.docs["Opportunity"] = [doc for doc in fake.docs["Opportunity"] if doc["name"] != identifier]
        deleted = {"deleted_doctype": "Opportunity", "deleted_name": identifier}
        when = at.replace(tzinfo=None).isoformat(" ", timespec="microseconds")
        fake.docs["Deleted Document"].append({"name": f"deleted-{identifier}", "creation": when, **deleted})

    def settings(url: str, _: str) -> Row:
        return {"api_url": url, "api_key": "key-1", "api_secret": "secret-1", "time_zone": "UTC"}

    return Stand("frappe", fake.serving, settings, _into(fake.docs, {}, "name"), delete)


def _shopify() -> Stand:
    fake = FakeShop()

    def show(objects: Sequence[Shown], at: datetime) -> None:
        del at
        for one in objects:
            order: Row = dict(one.body)
            fake.transactions[one.id] = order.pop("transactions", [])
            put(fake.objects, one.kind, "id", order)

    def settings(url: str, _: str) -> Row:
        return {"shop": "a.myshopify.com", "api_url": url, "access_token": fake.token}

    return Stand("shopify", fake.serving, settings, show, _never)


def _stripe() -> Stand:
    """Its objects name each other: what the simulator shows expanded stands where it belongs."""
    fake = FakeStripe()

    def show(objects: Sequence[Shown], at: datetime) -> None:
        for one in objects:
            known = put(fake.objects, one.kind, "id", row := _collapsed(fake, one))
            fake.tell(f"{row['object']}.{'updated' if known else 'created'}", row, int(at.timestamp()))

    return Stand("stripe", fake.serving, lambda url, _: {"api_url": url, "api_key": fake.key}, show, _never)


def _collapsed(fake: FakeStripe, one: Shown) -> Row:
    row: Row = dict(one.body)
    if one.kind == "refunds":
        row["charge"] = row["charge"]["id"]
    if one.kind == "charges":
        for paid in row.pop("invoice_payments")["data"]:
            put(fake.objects, "invoice_payments", "id", paid)
        fake.expanded[f"{row['id']}/refunds"] = row.pop("refunds")
        fake.expanded[f"{row['id']}/balance_transaction"] = row.pop("balance_transaction")
        fake.expanded[row["id"]] = row
        put(fake.objects, "payment_intents", "id", {"id": row["payment_intent"], "latest_charge": row["id"]})
    return row


def stands() -> Sequence[Stand]:
    """Every source with an API, each with a fake that has seen nothing yet."""
    return (
        _twenty(),
        _pipedrive(),
        _hubspot(),
        _salesforce(),
        _odoo(),
        _fxiaoke(),
        _zoho(),
        _frappe(),
        _shopify(),
        _stripe(),
    )
