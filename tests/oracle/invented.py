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
PIPELINES = {
    "default": ("prospecting", "qualification", "needs-analysis", "solution-presentation", "proposal-negotiation"),
    "partners": ("first-talk", "trial"),
}
"""What a company may set as its pipelines; deals name these, and one that nobody knows."""
LABELS = {
    "Lead": "prospecting", "Qualified": "qualification", "Needs": "needs-analysis", "Demo": "solution-presentation",
    "Offer": "proposal-negotiation", "Talk": "first-talk", "Closed Won": "won", "Closed Lost": "lost",
}  # fmt: skip
CURRENCIES = ("USD", "EUR", "CNY", "JPY")
TEAMS = ("north-1", "north-2", "south-1")

Data = dict[str, Any]
Say = Iterator[tuple[str, str, Data]]
"""Source, entity and what is said."""


@dataclass(slots=True)
class Invented:
    """Draws `size` events. `said` is filled once, in no particular order."""

    seed: int
    size: int = 1500
    said: list[Data] = field(default_factory=list)
    draw: random.Random = field(init=False)
    members: Sequence[str] = field(init=False)
    customers: Sequence[str] = field(init=False)
    products: Sequence[str] = field(init=False)

    def __post_init__(self) -> None:
        self.draw = random.Random(self.seed)  # noqa: S311 - repeatable
        self.members, self.customers, self.products = (
            [f"{kind}{n}" for n in range(1, 8 + self.size // 300)] for kind in ("m", "c", "p")
        )
        around = [*self._organisation(), *self._markets(), *self._goods()]
        for source, entity, data in self.draw.sample(around, min(len(around), self.size * 2 // 5)):
            self._say(source, entity, data)
        number = 0
        while len(self.said) < self.size:
            number += 1
            chosen = self.draw.choices((self._deal, self._trade, self._payment), (8, 5, 5))[0]
            for source, entity, data in chosen(number):
                self._say(source, entity, data)
        del self.said[self.size :]

    def _say(self, source: str, entity: str, data: Data) -> None:
        at = START + timedelta(hours=self.draw.randrange(DAYS * 6) * 4)
        event: Data = {"specversion": "1.0", "type": f"io.quintant.{entity}.changed.v1", "source": source}
        event |= {"id": f"e{len(self.said) + 1}", "time": at.isoformat(), "data": data}
        if self.draw.random() < 0.3:
            event["sequence"] = str(self.draw.randrange(5))
        self.said.append(event)

    def _one(self, among: Sequence[str], *, or_none: float = 0.0) -> str | None:
        return None if self.draw.random() < or_none else self.draw.choice(among)

    def _day(self) -> str:
        return (START.date() + timedelta(days=self.draw.randrange(DAYS))).isoformat()

    def _money(self, currency: str, most: int = 5000) -> Data:
        cents = self.draw.randrange(most * 100) if self.draw.random() < 0.97 else 0
        return {"amount": f"{cents / 100:.2f}", "currency": currency}

    def _currency(self, usual: str) -> str:
        """Of one event; another one may contradict it."""
        return usual if self.draw.random() < 0.95 else self.draw.choice(CURRENCIES)

    def _some(self, said: Data, least: int, most: int | None = None) -> Data:
        """What one event says of all that might be said."""
        return dict(self.draw.sample(sorted(said.items()), self.draw.randrange(least, (most or len(said)) + 1)))

    def _dated(self, data: Data) -> Data:
        """Most reference values change on a date; some were always so; what ended had held all the same."""
        return data | ({"since": self._day()} if self.draw.random() < 0.7 else {}) | self._end(0.03)

    def _end(self, often: float = 0.1) -> Data:
        return {"ended": self.draw.random() < 0.5} if self.draw.random() < often else {}

    def _organisation(self) -> Say:
        for region in ("north", "south"):
            yield HR, "organisation-unit", {"id": region, "kind": "region"}
        for team in TEAMS:
            for _ in range(2):
                parent = self._one(("north", "south"))
                data = {"id": team, "kind": "team", "parent_id": parent, "manager_id": self._one(self.members)}
                yield HR, "organisation-unit", self._dated(data)
        for member in (*self.members, *self.members):
            yield HR, "member", self._dated({"id": member, "unit_id": self._one(TEAMS, or_none=0.1)})

    def _markets(self) -> Say:
        for customer in (*self.customers, *self.customers):
            data = {"sector": self._one(("retail", "steel")), "owner_id": self._one(self.members, or_none=0.3)}
            data["channel_id"] = self._one(("web", "partner"), or_none=0.3)
            yield ERP, "customer", self._dated({"id": customer, **self._some(data, 1)})
        for related in (True, False, True):
            yield ERP, "customer", self._dated({"id": self.customers[5], "related_party": related})
        for merged, into in ((6, 4), (4, 0), (6, 1), (4, None)):  # one after another, elsewhere, and taken back
            alias = {"id": f"customer:{self.customers[merged]}", "of_type": "customer"}
            yield ERP, "alias", self._dated(alias | {"into_id": None if into is None else self.customers[into]})
        for base, quote in (("EUR", "USD"), ("USD", "CNY"), ("EUR", "USD"), ("USD", "EUR"), ("USD", "CNY")):
            said = {"id": f"spot:{base}/{quote}", "rate_type": "spot", "base": base, "quote": quote}
            yield ERP, "exchange-rate", self._dated(said | {"rate": f"{self.draw.randrange(500, 9000) / 1000}"})
        for source, pipeline in ((CRM, "default"), (OTHER_CRM, "default"), (CRM, "partners")):
            chart: Data = {"id": f"{source}#{pipeline}", "of_source": source, "pipeline_id": pipeline}
            yield source, "stage-map", chart | {"stages": {label: {"stage": it} for label, it in LABELS.items()}}
            label, stage = self.draw.choice(tuple(LABELS)), self._one(tuple(LABELS.values()), or_none=0.2)
            yield source, "stage-map", self._dated(chart | {"stages": {label: stage and {"stage": stage}}})

    def _goods(self) -> Say:
        for product in self.products:
            conversions = {"box": {"factor": "12"}} if self.draw.random() < 0.6 else {}
            unit = self._one(("piece", "kg"))
            yield ERP, "product", {"id": product, "unit": unit, "conversions": conversions}
            for _ in range(3):
                said: Data = {"price": self._money("EUR", 200), "cost": self._money("USD", 100)}
                said |= {"category": self._one(("tools", "parts"))}
                yield ERP, "product", self._dated({"id": product, **self._some(said, 1)})

    def _deal(self, number: int) -> Say:
        labels = (*LABELS, "Closed Won", "Closed Lost", "won")
        source, usual = self.draw.choice((CRM, CRM, OTHER_CRM)), self.draw.choice(CURRENCIES)
        for _ in range(self.draw.randrange(2, 9)):
            said: Data = {
                "stage": self._one(labels, or_none=0.05), "owner_id": self._one(self.members, or_none=0.1),
                "customer_id": self._one(self.customers, or_none=0.1),
                "product_id": self._one(self.products, or_none=0.2),
                "amount": None if self.draw.random() < 0.3 else self._money(self._currency(usual)),
                "quantity": str(self.draw.randrange(9)), "channel_id": self._one(("web", "partner")),
                "business_line": self._one(("a", "b"), or_none=0.3), "created_on": self._day(),
                "pipeline_id": self._one(("default", "default", "partners", "unheard-of"), or_none=0.3),
            }  # fmt: skip
            yield source, "deal", {"id": f"D{number}", **self._some(said, 1, 4), **self._end()}

    def _lines(self, currency: str, *, ordered: bool = False) -> Data:
        lines: Data = {}
        for n in self.draw.sample("1234", self.draw.randrange(1, 4)):
            line: Data = {
                "product_id": self._one(self.products, or_none=0.1), "quantity": str(self.draw.randrange(40) / 2),
                "unit": self._one(("piece", "kg", "box"), or_none=0.5), "net": self._money(currency),
            }  # fmt: skip
            if ordered and self.draw.random() < 0.5:
                del line["net"]
                line |= {"unit_price": self._money(currency, 100), "discount": self._money(currency, 10)}
            lines[n] = self._some(line, 2)
        return {key: None if self.draw.random() < 0.1 else line for key, line in lines.items()}

    def _trade(self, number: int) -> Say:
        kinds = {"order": "ordered_on", "shipment": "shipped_on", "return": "returned_on", "invoice": "issued_on"}
        for kind, dated in (kinds | {"credit-note": "issued_on"}).items():
            usual = self.draw.choice(CURRENCIES)
            for _ in range(self.draw.randrange(1, 5)):
                currency = self._currency(usual)
                said: Data = {
                    "customer_id": self._one(self.customers, or_none=0.1),
                    "owner_id": self._one(self.members, or_none=0.5),
                    "channel_id": self._one(("web", "partner"), or_none=0.5), dated: self._day(),
                    "business_line": self._one(("a", "b"), or_none=0.3),
                    "lines": self._lines(currency, ordered=kind == "order") if self.draw.random() < 0.97 else None,
                }  # fmt: skip
                said |= self._head(kind, currency)
                yield ERP, kind, {"id": f"{kind}-{number}", **self._some(said, 2), **self._end()}

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

    def _payment(self, number: int) -> Say:
        usual = self.draw.choice(CURRENCIES)
        for n in range(self.draw.randrange(1, 5)):
            currency = self._currency(usual)
            amount = self._money(currency) | {"amount": f"{self.draw.randrange(1, 500_000) / 100:.2f}"}
            settled = {f"invoice-{self.draw.randrange(9)}": self._money(currency, 900) for _ in range(2)}
            settled = settled if self.draw.random() < 0.7 else {"invoice-1": amount}
            said: Data = {
                "customer_id": self._one(self.customers, or_none=0.1),
                "kind": self._one(("receipt", "receipt", "refund")), "amount": amount,
                "received_on": self._day(), "cleared_on": self._day(), "business_line": self._one(("a", "b")),
                "reversed_on": self._day() if self.draw.random() < 0.3 else None,
                "allocations": settled if self.draw.random() < 0.9 else None,
                "instrument": self._one(("transfer", "bill", "letter_of_credit", "card"), or_none=0.2),
            }  # fmt: skip
            yield ERP, "payment", {"id": f"PAY{number}", **self._some(said, 1 if n else 4, 6), **self._end()}
