"""Questions about reference data that every fold asks in the same words."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache, partial
from typing import NamedTuple

from shared.kernel.journal import Value
from shared.kernel.money import EXACT, Money, inverse
from shared.sales.company import DEFAULT_PIPELINE, UNMAPPED, Company
from shared.sales.references import Key, View

_key = lru_cache(maxsize=16_384)(Key)
"""The same members, customers and products are asked for again and again."""


@lru_cache(maxsize=16_384)
def _stage_map(source: str, pipeline: str) -> Key:
    return Key("stage-map", f"{source}#{pipeline}")


@lru_cache(maxsize=16_384)
def _alias(customer: str) -> Key:
    return Key("alias", f"customer:{customer}")


_DEEPEST = 12
"""How far a chain of units or aliases is followed: a loop in the data must end."""


class Seat(NamedTuple):
    """Where a member sits in the organisation on a day."""

    member: str | None
    team: str | None
    manager: str | None
    region: str | None


class Buyer(NamedTuple):
    """Who buys, under the id that survives merges."""

    customer: str | None
    sector: str | None
    related: bool
    """An intercompany customer: left out of totals unless asked for."""


_seat, _buyer = partial(tuple.__new__, Seat), partial(tuple.__new__, Buyer)
"""Of their values in order: half as slow as to call the classes."""


@dataclass(slots=True)
class Converted:
    """One amount in the company's money. None where no rate is known yet: counted as unconverted, never as zero.

    Never changed; not frozen, as an amount.
    """

    original: Money
    base: Decimal | None
    constant: Decimal | None


def seat_of(view: View, member: str | None, day: date) -> Seat:
    """The member's team, the team's manager and the nearest region above, on a business date."""
    if member is None:
        return Seat(None, None, None, None)
    unit = view.text(_key("member", member), "unit_id", day)
    team = manager = region = None
    for _ in range(_DEEPEST):
        if unit is None:
            break
        key = _key("organisation-unit", unit)
        kind = view.text(key, "kind", day)
        if kind == "team" and team is None:
            team, manager = unit, view.text(key, "manager_id", day)
        if kind == "region":
            region = unit
            break
        unit = view.text(key, "parent_id", day)
    return _seat((member, team, manager, region))


def buyer_of(view: View, customer: str | None, day: date) -> Buyer:
    """The customer after merges, with its sector and whether it is a related party, on a business date."""
    survivor = survivor_of(view, customer, day)
    if survivor is None:
        return Buyer(None, None, related=False)
    key = _key("customer", survivor)
    return _buyer((survivor, view.text(key, "sector", day), view.value(key, "related_party", day) is True))


def survivor_of(view: View, customer: str | None, day: date) -> str | None:
    """The customer after merges, on a business date."""
    if customer is None:
        return None
    survivor = customer
    for _ in range(_DEEPEST):
        into = view.text(_alias(survivor), "into_id", day)
        if into is None:
            break
        survivor = into
    return survivor


def category_of(view: View, product: str | None, day: date) -> str | None:
    """The product's category on a business date."""
    return view.text(_key("product", product), "category", day) if product else None


def price_of(view: View, product: str, day: date) -> Money | None:
    """The list price on a business date."""
    return money(view.value(_key("product", product), "price", day))


def cost_of(view: View, product: str, day: date) -> Money | None:
    """The unit cost on a business date."""
    return money(view.value(_key("product", product), "cost", day))


def unit_of(view: View, product: str | None, day: date) -> str | None:
    """The product's unit of measure on a business date."""
    return view.text(_key("product", product), "unit", day) if product else None


def rate_of(view: View, base: str, quote: str, day: date, rate_type: str = "spot") -> Decimal | None:
    """Units of `quote` for one unit of `base`: the rate said for the pair, else the inverse of the opposite pair."""
    if base == quote:
        return Decimal(1)
    direct = view.value(_key("exchange-rate", f"{rate_type}:{base}/{quote}"), "rate", day)
    if isinstance(direct, str):
        return Decimal(direct)
    opposite = view.value(_key("exchange-rate", f"{rate_type}:{quote}/{base}"), "rate", day)
    return inverse(Decimal(opposite)) if isinstance(opposite, str) else None


def converted(view: View, amount: Money, company: Company, day: date) -> Converted:
    """The amount in base currency at the rate of `day` and at the constant rate. Zero needs no rate."""

    def at(on: date) -> Decimal | None:
        if not amount.amount:
            return amount.amount
        rate = rate_of(view, amount.currency, company.base_currency, on)
        return None if rate is None else EXACT.multiply(amount.amount, rate)

    return Converted(amount, at(day), at(company.constant_rate_on))


def stage_of(view: View, company: Company, *, source: str, pipeline: str, label: str, day: date) -> str:
    """The stage that a source's own label stands for: by its stage map, else the label itself if it is a stage."""
    mapped = view.text(_stage_map(source, pipeline), f"stages.{label}.stage", day)
    stage = mapped or label
    return stage if company.pipelines.knows(pipeline, stage) else UNMAPPED


def money(value: Value) -> Money | None:
    """A said amount of money; None if it is unsaid, cleared or something else."""
    if isinstance(value, dict) and isinstance(value.get("amount"), str) and isinstance(value.get("currency"), str):
        return _money(value["amount"], value["currency"])
    return None


@lru_cache(maxsize=4096)
def _money(amount: str, currency: str) -> Money:
    """The states of a deal say the same amount again and again."""
    return Money(Decimal(amount), currency)


def decimal(value: Value) -> Decimal | None:
    """A said decimal; whole numbers count too."""
    if isinstance(value, str):
        return Decimal(value)
    return Decimal(value) if isinstance(value, int) and not isinstance(value, bool) else None


def day_of(value: Value) -> date | None:
    """A said business date."""
    return date.fromisoformat(value) if isinstance(value, str) else None


def pipeline_of(value: Value) -> str:
    """The pipeline that a deal names, or the default one."""
    return value if isinstance(value, str) else DEFAULT_PIPELINE
