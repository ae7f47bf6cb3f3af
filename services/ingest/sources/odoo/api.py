"""Odoo's API: records by id and by write_date, through JSON-RPC (17, 18) or JSON-2 (from 19)."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from services.ingest.sources.adapter import Account, Record
from services.ingest.sources.api import NOTHING, Changed, Reach, StageFound
from services.ingest.sources.calling import Calling
from services.ingest.sources.odoo.models import MODELS
from services.ingest.sources.odoo.orders import ALLOCATIONS, LINES, MOVE_LINE_FIELDS, ORDER_LINE_FIELDS
from services.ingest.sources.odoo.remote import Remote, Rows, is_number, remote
from services.ingest.sources.odoo.values import linked
from services.ingest.sources.payload import decimal, text
from shared.contracts.strict_json import dumped

_PAGE = 100
_ARCHIVED_TOO = {"active_test": False}
_LINES: Mapping[str, tuple[str, str, str, Sequence[str]]] = {
    "sale.order": ("order_line", "sale.order.line", "order_id", ORDER_LINE_FIELDS),
    "account.move": ("invoice_line_ids", "account.move.line", "move_id", MOVE_LINE_FIELDS),
}
"""By model: the field of its lines, their model, the link back and what is read of them."""
_INVOICES = ("out_invoice", "out_receipt")
_SECOND = timedelta(seconds=1)


def connect(account: Account, calling: Calling) -> Reach:
    """The API, if there is a key for it."""
    if not account.settings.api_key:
        return NOTHING
    return Reach(api=OdooApi(remote(account, calling), calling))


class OdooApi:
    """One database."""

    at_once = _PAGE

    def __init__(self, database: Remote, calling: Calling) -> None:
        self._database = database
        self._calling = calling
        self._known: dict[str, Sequence[str]] = {}

    async def read(self, kind: str, ids: Sequence[str]) -> Sequence[Record]:
        """The records with these ids; what is not there any more comes back without a body."""
        read_at = self._calling.clock.now()
        wanted = [int(identifier) for identifier in ids if is_number(identifier)]
        records = await self._records(kind, [["id", "in", wanted]], read_at)
        found = {record.id for record in records}
        lost = [Record(kind, identifier, read_at, b"", gone=True) for identifier in ids if identifier not in found]
        return [*records, *lost]

    async def changed(self, kind: str, since: datetime, until: datetime, page: str | None) -> Changed:
        """By write_date, of documents also that of their lines; page after page in the order of ids, which no change
        moves. Deleted records are not told of."""
        read_at = self._calling.clock.now()
        begin, end = _stamp(since), _stamp(until + _SECOND)
        span: list[Any] = ["&", ["write_date", ">=", begin], ["write_date", "<", end]]
        if kind in _LINES:
            span = ["|", *span, [f"{_LINES[kind][0]}.write_date", ">=", begin]]
        after = [["id", ">", int(page)]] if page else []
        records = await self._records(kind, [*after, *span], read_at)
        return Changed(records, records[-1].id if len(records) == _PAGE else None)

    async def stages(self) -> Sequence[StageFound]:
        """The stages of crm.stage; one without a team is in every team's pipeline. None without the application CRM."""
        fields = await self._fields("crm.stage", ["name", "is_won", "team_id", "sequence"])
        rows = await self._database.search("crm.stage", [], fields, {"order": "sequence, id"}) if fields else []
        return [
            StageFound(
                linked(row.get("team_id") or None) or "",
                str(row["id"]),
                text(row.get("name")) or str(row["id"]),
                "won" if row.get("is_won") is True else "",
            )
            for row in rows
        ]

    async def _records(self, kind: str, domain: list[Any], read_at: datetime) -> list[Record]:
        """At most a page, in the order of ids."""
        fields = await self._fields(kind, MODELS[kind].fields)
        if not fields:
            return []
        limits = {"order": "id", "limit": _PAGE, "context": _ARCHIVED_TOO}
        rows = await self._with_companies(await self._database.search(kind, domain, fields, limits), fields)
        beside: Mapping[str, Any] = {}
        if rows and kind in _LINES:
            beside = await self._lines(kind, [int(row["id"]) for row in rows])
        elif rows and kind == "account.payment":
            beside = await self._settled([int(row["id"]) for row in rows])
        return [_record(kind, row, beside, read_at) for row in rows]

    async def _with_companies(self, rows: Rows, fields: Sequence[str]) -> Rows:
        """The company behind each contact person, where the model of this version does not have it."""
        if "partner_id" not in fields or "commercial_partner_id" in fields:
            return rows
        people = {int(one) for row in rows if (one := linked(row.get("partner_id"))) and is_number(one)}
        more = {"context": _ARCHIVED_TOO}
        found = await self._database.search(
            "res.partner", [["id", "in", sorted(people)]], ["commercial_partner_id"], more
        )
        companies = {str(one["id"]): one.get("commercial_partner_id") for one in found}
        return [{**row, "commercial_partner_id": companies.get(linked(row["partner_id"]) or "")} for row in rows]

    async def _fields(self, model: str, wanted: Sequence[str]) -> Sequence[str]:
        """Those that this version has; none as long as its application is not installed."""
        if not self._known.get(model):
            has = await self._database.fields(model)
            self._known[model] = [name for name in wanted if name in has]
        return self._known[model]

    async def _lines(self, kind: str, ids: list[int]) -> Mapping[str, Any]:
        _, model, back, wanted = _LINES[kind]
        fields = await self._fields(model, wanted)
        rows = await self._database.search(model, [[back, "in", ids]], fields, {"order": "id"})
        return {str(one): {LINES: [row for row in rows if linked(row.get(back)) == str(one)]} for one in ids}

    async def _settled(self, ids: list[int]) -> Mapping[str, Any]:
        """Which invoices the payments settle: the reconciliation of their entries in the books."""
        domain = ["|", ["credit_move_id.payment_id", "in", ids], ["debit_move_id.payment_id", "in", ids]]
        fields = ["credit_move_id", "debit_move_id", "credit_amount_currency"]
        matches = await self._database.search("account.partial.reconcile", domain, fields, {})
        sides = [linked(match.get(side)) for match in matches for side in fields[:2]]
        entries = {int(found) for found in sides if found and is_number(found)}
        wanted = ["move_id", "move_type", "payment_id"]
        rows = await self._database.search("account.move.line", [["id", "in", sorted(entries)]], wanted, {})
        lines = {str(row["id"]): row for row in rows}
        settled: dict[str, dict[str, Any]] = {str(one): {ALLOCATIONS: []} for one in ids}
        for match in matches:
            paid, owed = (lines.get(linked(match.get(side)) or "") for side in fields[:2])
            if paid and owed and owed.get("move_type") in _INVOICES and linked(paid.get("payment_id")) in settled:
                settled[str(linked(paid["payment_id"]))][ALLOCATIONS].append(
                    {"move": linked(owed.get("move_id")), "amount": match.get("credit_amount_currency")}
                )
        return {one: {ALLOCATIONS: _summed(beside[ALLOCATIONS])} for one, beside in settled.items()}


def _summed(parts: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """One payment may settle an invoice in several steps."""
    total: dict[str, Any] = {}
    for part in parts:
        move = str(part["move"])
        total[move] = (decimal(part["amount"]) or 0) + total.get(move, 0)
    return [{"move": move, "amount": format(amount, "f")} for move, amount in total.items()]


def _record(kind: str, row: Mapping[str, Any], beside: Mapping[str, Any], read_at: datetime) -> Record:
    identifier = str(row["id"])
    return Record(kind, identifier, read_at, dumped({**row, **beside.get(identifier, {})}))


def _stamp(when: datetime) -> str:
    """As Odoo writes times: UTC, whole seconds."""
    return when.replace(microsecond=0, tzinfo=None).isoformat(" ")
