"""What the records of Zoho CRM say: deals, accounts, sales orders, invoices; also some changed fields of one."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from services.ingest.sources.payload import Speaker, day, decimal, instant, label, money, required, text
from services.ingest.sources.zoho.settings import ACCOUNTS, DEALS, INVOICES, LINES, ORDERS, ZohoSettings
from shared.kernel.money import EXACT, plain

Fields = dict[str, object]
_CANCELLED = "Cancelled"
_ACCOUNT_LABELS = ("name", "sector", "tier", "region", "country")


@dataclass(frozen=True, slots=True)
class Found:
    """One record, its fields called by our names."""

    module: str
    record: Mapping[str, Any]
    speaker: Speaker
    whole: bool = True
    """False: only what changed is there, and only that is said."""

    @property
    def settings(self) -> ZohoSettings:
        settings: ZohoSettings = self.speaker.account.settings
        return settings

    def has(self, name: str) -> bool:
        return self.whole or self.settings.names(self.module)[name] in self.record

    def value(self, name: str) -> object:
        theirs = self.settings.names(self.module)[name]
        return self.record.get(theirs) if theirs else None

    def label(self, name: str) -> str | None:
        return label(self.value(name))

    def ref(self, name: str) -> str | None:
        """Another record: `{"id": …, "name": …}`, or the id alone."""
        found = self.value(name)
        return self.speaker.ref(found.get("id") if isinstance(found, dict) else found)

    def instant(self, name: str) -> datetime | None:
        return instant(self.value(name)) if text(self.value(name)) else None

    def day(self, name: str) -> str | None:
        """The day that people see: of a time, the one in the offset that it is written in."""
        return day(self.value(name))

    def number(self, name: str) -> Decimal | None:
        return decimal(self.value(name))

    def money(self, name: str) -> dict[str, str] | None:
        return money(self.value(name), self.currency) if self.number(name) is not None else None

    @property
    def currency(self) -> str | None:
        return text(self.value("currency")) or self.settings.currency

    @property
    def lacks_currency(self) -> bool:
        """An amount changed, and the record's currency, which may not be the home currency, is not told."""
        told = self.settings.names(self.module)["currency"] in self.record
        return not self.whole and self.settings.several_currencies and self.has("amount") and not told

    def rows(self) -> Iterator[tuple[str, "Row"]]:
        found = self.value("rows")
        for item in found if isinstance(found, list) else []:
            if isinstance(item, dict) and not item.get("$delete"):
                yield required(item.get("id"), "The id of a row"), Row(item, self)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of an order or invoice."""

    record: Mapping[str, Any]
    of: Found

    def say(self, names: tuple[str, ...]) -> Fields:
        """Its amounts by these names; net is after discount and before tax."""
        theirs = self.of.settings.names(LINES)
        product, quantity = self.record.get(theirs["product_id"]), decimal(self.record.get(theirs["quantity"]))
        said: Fields = {
            "product_id": self.of.speaker.ref(product.get("id") if isinstance(product, dict) else product),
            "quantity": None if quantity is None else plain(quantity),
        }
        return said | {name: self.money(theirs[name]) for name in names}

    def money(self, name: str) -> dict[str, str] | None:
        found = decimal(self.record.get(name))
        return None if found is None else money(plain(found), self.of.currency)


@dataclass(frozen=True, slots=True)
class Module:
    """What the records of one module become."""

    entity: str
    say: Callable[[Found], Fields]
    partly: bool = False
    """Whether some changed fields say something without the rest."""
    alone: bool = False
    """Its rows come only with reading one record by itself."""
    ends_when: str = ""
    """The status that ends it."""


def _deal(found: Found) -> Fields:
    fields: Fields = {name: found.label(name) for name in ("title", "stage", "loss_reason") if found.has(name)}
    fields |= {name: found.ref(name) for name in ("customer_id", "owner_id") if found.has(name)}
    if found.has("amount") and not found.lacks_currency:
        fields["amount"] = found.money("amount")
    if found.has("probability"):
        fields["probability"] = _share(found.number("probability"))
    if found.has("expected_close_on"):
        fields["expected_close_on"] = found.day("expected_close_on")
    if found.has("pipeline"):
        fields["pipeline_id"] = found.speaker.account.pipeline(_name(found.value("pipeline")))
    if found.has("created_at"):
        fields["created_on"] = found.day("created_at")
    return fields


def _account(found: Found) -> Fields:
    fields: Fields = {name: found.ref(name) for name in ("owner_id", "parent_id") if found.has(name)}
    fields |= {name: found.label(name) for name in _ACCOUNT_LABELS if found.has(name)}
    return {"kind": "company", **fields} if fields else {}


def _order(found: Found) -> Fields:
    rows = {identifier: row.say(("unit_price", "discount", "net", "tax")) for identifier, row in found.rows()}
    return {
        "customer_id": found.ref("customer_id"),
        "owner_id": found.ref("owner_id"),
        "deal_id": found.ref("deal_id"),
        "status": found.settings.order_statuses.get(found.label("status") or "", "confirmed"),
        "ordered_on": found.day("ordered_on"),
        "lines": rows | _rest(found),
    }


def _rest(found: Found) -> Fields:
    """The discount, tax and adjustment on the whole order, which belong to no row."""
    less, more = found.number("discount") or Decimal(0), found.number("adjustment") or Decimal(0)
    tax = found.number("tax") or Decimal(0)
    net = EXACT.subtract(more, less)
    if not net and not tax:
        return {}
    amounts = {"net": money(plain(net), found.currency), "tax": money(plain(tax), found.currency)}
    return {"rest": {"product_id": None, "quantity": None, "unit_price": None, "discount": None, **amounts}}


def _invoice(found: Found) -> Fields:
    gross, tax = found.number("total"), _whole_tax(found)
    return {
        "customer_id": found.ref("customer_id"),
        "owner_id": found.ref("owner_id"),
        "order_id": found.ref("order_id"),
        "issued_on": found.day("issued_on"),
        "due_on": _due(found),
        "net": None if gross is None else money(plain(EXACT.subtract(gross, tax)), found.currency),
        "tax": money(plain(tax), found.currency),
        "gross": found.money("total"),
        "lines": {identifier: row.say(("net",)) for identifier, row in found.rows()},
    }


def _whole_tax(found: Found) -> Decimal:
    """Of the rows and of the whole."""
    theirs = found.settings.names(LINES)["tax"]
    rows = (decimal(row.record.get(theirs)) or Decimal(0) for _, row in found.rows())
    return EXACT.add(sum(rows, Decimal(0)), found.number("tax") or Decimal(0))


def _due(found: Found) -> str | None:
    """A due date before the date of issue is a slip that Zoho lets pass: it counts as not said."""
    issued, due = found.day("issued_on"), found.day("due_on")
    return None if issued and due and due < issued else due


def _share(percent: Decimal | None) -> str | None:
    return None if percent is None or not 0 <= percent <= 100 else plain(percent.scaleb(-2))


def _name(value: object) -> str | None:
    """A choice comes as its text, or as `{"name": …, "id": …}`."""
    return text(value.get("name") if isinstance(value, dict) else value)


RECORDS: Mapping[str, Module] = {
    ACCOUNTS: Module("customer", _account, partly=True),
    DEALS: Module("deal", _deal, partly=True),
    ORDERS: Module("order", _order, alone=True),
    INVOICES: Module("invoice", _invoice, alone=True, ends_when=_CANCELLED),
}
"""By the module's API name."""
