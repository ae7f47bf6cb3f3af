"""A random company, the same for the same seed: what its systems say about it, in partial updates and corrections.

Nothing here knows what any of it amounts to. Late, twice and in disorder is how the caller sends it.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

START = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 180
CRM, OTHER_CRM, ERP, HR = "/crm/main", "/crm/bought", "/erp", "/hr"
LABELS = {
    "Lead": "prospecting", "Qualified": "qualification", "Needs": "needs-analysis", "Demo": "solution-presentation",
    "Offer": "proposal-negotiation", "Closed Won": "won", "Closed Lost": "lost",
}  # fmt: skip
CURRENCIES = ("USD", "EUR", "CNY", "JPY")
MEMBERS, CUSTOMERS, PRODUCTS = ([f"{kind}{n}" for n in range(1, 8)] for kind in ("m", "c", "p"))
TEAMS = ("north-1", "north-2", "south-1")

Data = dict[str, Any]
Say = Iterator[tuple[str, str, Data]]
"""Source, entity and what is said."""


@dataclass(slots=True)
class Invented:
    """Draws events. `said` is filled once, in no particular order."""

    seed: int
    scale: int = 1
    steady: bool = False
    """List prices do not change with the day, and every line says its quantity."""
    said: list[Data] = field(default_factory=list)
    draw: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.draw = random.Random(self.seed)  # noqa: S311 - repeatable
        for source, entity, data in self._everything():
            number = len(self.said) + 1
            at = START + timedelta(hours=self.draw.randrange(DAYS * 6) * 4)
            event: Data = {"specversion": "1.0", "type": f"io.quintant.{entity}.changed.v1", "source": source}
            event |= {"id": f"e{number}", "time": at.isoformat(), "data": data}
            if self.draw.random() < 0.3:
                event["sequence"] = str(self.draw.randrange(5))
            self.said.append(event)

    def _everything(self) -> Say:
        yield from self._organisation()
        yield from self._markets()
        yield from self._goods()
        for n in range(40 * self.scale):
            yield from self._deal(f"D{n}")
        for n in range(25 * self.scale):
            yield from self._trade(n)
        for n in range(25 * self.scale):
            yield from self._payment(f"PAY{n}")

    def _one(self, among: Sequence[str], *, or_none: float = 0.0) -> str | None:
        return None if self.draw.random() < or_none else self.draw.choice(among)

    def _day(self) -> str:
        return (START.date() + timedelta(days=self.draw.randrange(DAYS))).isoformat()

    def _money(self, currency: str, most: int = 5000) -> Data:
        return {"amount": f"{self.draw.randrange(100, most * 100) / 100:.2f}", "currency": currency}

    def _dated(self, data: Data) -> Data:
        """Most reference values change on a date; some were always so."""
        return data | ({"since": self._day()} if self.draw.random() < 0.7 else {})

    def _organisation(self) -> Say:
        for region in ("north", "south"):
            yield HR, "organisation-unit", {"id": region, "kind": "region"}
        for team in TEAMS:
            for _ in range(2):
                parent = self._one(("north", "south"))
                data = {"id": team, "kind": "team", "parent_id": parent, "manager_id": self._one(MEMBERS)}
                yield HR, "organisation-unit", self._dated(data)
        for member in MEMBERS * 3:
            yield HR, "member", self._dated({"id": member, "unit_id": self._one(TEAMS, or_none=0.1)})

    def _markets(self) -> Say:
        for customer in CUSTOMERS * 3:
            data = {"sector": self._one(("retail", "steel")), "owner_id": self._one(MEMBERS, or_none=0.3)}
            data["channel_id"] = self._one(("web", "partner"), or_none=0.3)
            some = dict(self.draw.sample(sorted(data.items()), 2))
            yield ERP, "customer", self._dated({"id": customer, **some})
        yield ERP, "customer", self._dated({"id": CUSTOMERS[5], "related_party": True})
        alias = {"id": f"customer:{CUSTOMERS[6]}", "of_type": "customer", "into_id": CUSTOMERS[0]}
        yield ERP, "alias", self._dated(alias)
        for base, quote in [("EUR", "USD"), ("USD", "CNY")] * 4:
            said = {"id": f"spot:{base}/{quote}", "rate_type": "spot", "base": base, "quote": quote}
            yield ERP, "exchange-rate", self._dated(said | {"rate": f"{self.draw.randrange(500, 9000) / 1000}"})
        for source in (CRM, OTHER_CRM):
            chart: Data = {"id": f"{source}#default", "of_source": source, "pipeline_id": "default"}
            yield source, "stage-map", chart | {"stages": {label: {"stage": it} for label, it in LABELS.items()}}
            changed = {self._one(tuple(LABELS)): {"stage": self._one(tuple(LABELS.values()))}}
            yield source, "stage-map", self._dated(chart | {"stages": changed})

    def _goods(self) -> Say:
        for product in PRODUCTS:
            conversions = {"box": {"factor": "12"}} if self.draw.random() < 0.6 else {}
            unit = self._one(("piece", "kg"))
            yield ERP, "product", {"id": product, "unit": unit, "conversions": conversions}
            for _ in range(3):
                said: Data = {"price": self._money("EUR", 200), "cost": self._money("USD", 100)}
                said |= {"category": self._one(("tools", "parts"))}
                some = dict(self.draw.sample(sorted(said.items()), 2))
                if self.steady:
                    yield ERP, "product", {"id": product, "price": some.pop("price", said["price"])}
                yield ERP, "product", self._dated({"id": product, **some})

    def _deal(self, key: str) -> Say:
        labels = (*LABELS, "Closed Won", "Closed Lost", "won")
        source, currency = self.draw.choice((CRM, CRM, OTHER_CRM)), self.draw.choice(CURRENCIES)
        for _ in range(self.draw.randrange(2, 9)):
            said: Data = {
                "stage": self._one(labels), "owner_id": self._one(MEMBERS, or_none=0.1),
                "customer_id": self._one(CUSTOMERS, or_none=0.1), "product_id": self._one(PRODUCTS, or_none=0.2),
                "amount": None if self.draw.random() < 0.3 else self._money(currency),
                "quantity": str(self.draw.randrange(1, 9)), "channel_id": self._one(("web", "partner")),
                "business_line": self._one(("a", "b"), or_none=0.3), "created_on": self._day(),
            }  # fmt: skip
            some = dict(self.draw.sample(sorted(said.items()), self.draw.randrange(1, 5)))
            yield source, "deal", {"id": key, **some, **self._end()}

    def _end(self) -> Data:
        return {"ended": self.draw.random() < 0.5} if self.draw.random() < 0.1 else {}

    def _lines(self, currency: str, *, ordered: bool = False) -> Data:
        lines: Data = {}
        for n in self.draw.sample("1234", self.draw.randrange(1, 4)):
            line: Data = {
                "product_id": self._one(PRODUCTS, or_none=0.1), "quantity": str(self.draw.randrange(1, 40) / 2),
                "unit": self._one(("piece", "kg", "box"), or_none=0.5), "net": self._money(currency),
            }  # fmt: skip
            if ordered and self.draw.random() < 0.5:
                del line["net"]
                line |= {"unit_price": self._money(currency, 100), "discount": self._money(currency, 10)}
            some = dict(self.draw.sample(sorted(line.items()), self.draw.randrange(2, len(line) + 1)))
            lines[n] = {**some, "quantity": line["quantity"]} if self.steady else some
        return {key: None if self.draw.random() < 0.1 else line for key, line in lines.items()}

    def _trade(self, n: int) -> Say:
        kinds = {"order": "ordered_on", "shipment": "shipped_on", "return": "returned_on", "invoice": "issued_on"}
        for kind, dated in (kinds | {"credit-note": "issued_on"}).items():
            currency = self.draw.choice(CURRENCIES)
            for _ in range(self.draw.randrange(1, 5)):
                said: Data = {
                    "customer_id": self._one(CUSTOMERS, or_none=0.1), "owner_id": self._one(MEMBERS, or_none=0.5),
                    "channel_id": self._one(("web", "partner"), or_none=0.5), dated: self._day(),
                    "lines": self._lines(currency, ordered=kind == "order"),
                }  # fmt: skip
                said |= self._head(kind, currency)
                some = dict(self.draw.sample(sorted(said.items()), self.draw.randrange(2, len(said) + 1)))
                yield ERP, kind, {"id": f"{kind}-{n}", **some, **self._end()}

    def _head(self, kind: str, currency: str) -> Data:
        match kind:
            case "order":
                return {"status": self._one(("draft", "confirmed", "fulfilled", "cancelled"), or_none=0.2)}
            case "invoice" | "credit-note":
                amounts = {name: self._money(currency) for name in ("net", "tax", "gross")}
                said: Data = {name: money for name, money in amounts.items() if self.draw.random() < 0.4}
                reason = self._one(("return", "allowance", "correction"), or_none=0.2)
                return said | ({"reason": reason} if kind == "credit-note" else {})
            case _:
                return {}

    def _payment(self, key: str) -> Say:
        currency = self.draw.choice(CURRENCIES)
        for n in range(self.draw.randrange(1, 5)):
            settled = {f"invoice-{self.draw.randrange(9)}": self._money(currency, 900) for _ in range(2)}
            said: Data = {
                "customer_id": self._one(CUSTOMERS, or_none=0.1), "kind": self._one(("receipt", "receipt", "refund")),
                "amount": self._money(currency), "received_on": self._day(), "cleared_on": self._day(),
                "reversed_on": self._day() if self.draw.random() < 0.3 else None, "allocations": settled,
                "instrument": self._one(("transfer", "bill", "letter_of_credit", "card"), or_none=0.2),
            }  # fmt: skip
            keep = self.draw.randrange(1, 6) if n else 4
            some = dict(self.draw.sample(sorted(said.items()), keep))
            yield ERP, "payment", {"id": key, **some, **self._end()}
