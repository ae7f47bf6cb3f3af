"""Reference data: dated values that other facts are read with. Each is written to every partition."""

from collections.abc import Iterator
from typing import Annotated, Literal, get_args

from msgspec import UNSET, Meta, UnsetType

from shared.contracts.currencies import CODES
from shared.contracts.events.data import Part, ReferenceData, Said, ends_before
from shared.contracts.values import (
    Amount,
    ContactId,
    Currency,
    Date,
    EntityId,
    Label,
    Money,
    Personal,
    Rate,
    Slug,
)
from shared.kernel.errors import Fault

RateType = Literal["spot", "month_book", "contract"]
Days = Annotated[int, Meta(ge=0, le=3650)]


class Contact(Part, kw_only=True, frozen=True):
    """A person at a customer. Outside ingest only the id is known."""

    name: Said[Personal] = UNSET
    email: Said[Personal] = UNSET
    phone: Said[Personal] = UNSET
    role: Said[Personal] = UNSET


class Customer(ReferenceData, kw_only=True, frozen=True):
    """Who buys."""

    name: Said[Label] = UNSET
    """The name of a company. The name of a person goes into `person_name`."""
    person_name: Said[Personal] = UNSET
    kind: Said[Literal["company", "person"]] = UNSET
    sector: Said[Label] = UNSET
    tier: Said[Label] = UNSET
    region: Said[Label] = UNSET
    country: Said[Label] = UNSET
    channel_id: Said[EntityId] = UNSET
    owner_id: Said[EntityId] = UNSET
    """The responsible member."""
    parent_id: Said[EntityId] = UNSET
    """The customer to which this one belongs."""
    related_party: Said[bool] = UNSET
    """An intercompany customer: left out of totals unless asked for."""
    credit_limit: Said[Money] = UNSET
    credit_days: Said[Days] = UNSET
    """Credit term in days."""
    contacts: Said[dict[ContactId, Contact | None]] = UNSET
    """By contact id, which is no mail address; null removes one."""
    address: Said[Personal] = UNSET

    def conflicts(self) -> Iterator[Fault]:
        """Refuses a person's name where it would leave ingest."""
        if self.kind == "person" and isinstance(self.name, str):
            yield Fault("/name", "is for companies: the name of a person goes into person_name")


class UnitConversion(Part, kw_only=True, frozen=True):
    """How much of the product's own unit one of another unit is."""

    factor: Said[Rate] = UNSET


class Product(ReferenceData, kw_only=True, frozen=True):
    """What is sold."""

    name: Said[Label] = UNSET
    category: Said[Label] = UNSET
    unit: Said[EntityId] = UNSET
    """Its own unit of measure."""
    conversions: Said[dict[EntityId, UnitConversion | None]] = UNSET
    """By other unit of measure: the factor into the own unit. Unlike units are summed through nothing else."""
    price: Said[Money] = UNSET
    """List price of one unit, net of tax."""
    cost: Said[Money] = UNSET
    """Cost of one unit; its currency need not be that of the price."""
    launched_on: Said[Date] = UNSET


class OrganisationUnit(ReferenceData, kw_only=True, frozen=True):
    """A part of the own organisation."""

    kind: Said[Literal["company", "region", "team", "business_line", "other"]] = UNSET
    name: Said[Label] = UNSET
    parent_id: Said[EntityId] = UNSET
    manager_id: Said[EntityId] = UNSET
    """The member who leads it."""


class Member(ReferenceData, kw_only=True, frozen=True):
    """Somebody of the own organisation, known outside ingest by an id."""

    unit_id: Said[EntityId] = UNSET
    role: Said[Label] = UNSET
    active: Said[bool] = UNSET
    name: Said[Personal] = UNSET
    email: Said[Personal] = UNSET
    phone: Said[Personal] = UNSET


class Channel(ReferenceData, kw_only=True, frozen=True):
    """A distribution or marketing channel: how goods reach customers, or customers reach us."""

    name: Said[Label] = UNSET
    kind: Said[Label] = UNSET
    parent_id: Said[EntityId] = UNSET


class ExchangeRate(ReferenceData, kw_only=True, frozen=True):
    """Units of `quote` for one unit of `base`. Its id is `<rate_type>:<base>/<quote>`, such as `spot:USD/CNY`."""

    base: Said[Currency] = UNSET
    quote: Said[Currency] = UNSET
    rate: Said[Rate] = UNSET
    rate_type: Said[RateType] = UNSET
    rate_source: Said[Label] = UNSET
    """Who published it."""

    def conflicts(self) -> Iterator[Fault]:
        """Refuses an id that does not name what is said."""
        rate_type, _, pair = self.id.partition(":")
        base, _, quote = pair.partition("/")
        named = (rate_type, self.rate_type), (base, self.base), (quote, self.quote)
        agrees = all(_agrees(of_id, value) for of_id, value in named)
        if not agrees or rate_type not in get_args(RateType) or base == quote or not {base, quote} <= CODES:
            yield Fault("/id", "must be <rate_type>:<base>/<quote> with the values said, of two currencies")


class Target(ReferenceData, kw_only=True, frozen=True):
    """What a KPI should reach in a period, for a slice of the company."""

    kpi: Said[Slug] = UNSET
    period_start: Said[Date] = UNSET
    """First day."""
    period_end: Said[Date] = UNSET
    """Last day, inclusive."""
    slice: Said[dict[Slug, EntityId]] = UNSET
    """Dimension to value, such as `{"team": "east"}`; empty: the whole company; said as a whole."""
    value: Said[Amount] = UNSET
    currency: Said[Currency] = UNSET
    """For KPIs of money."""
    title: Said[Label] = UNSET
    owner_id: Said[EntityId] = UNSET

    def conflicts(self) -> Iterator[Fault]:
        """Refuses a period that ends before it starts."""
        if ends_before(self.period_start, self.period_end):
            yield Fault("/period_end", "must not be before period_start")


class StageOfLabel(Part, kw_only=True, frozen=True):
    """What a source's label stands for."""

    stage: Said[Slug] = UNSET
    """Canonical stage slug, such as `needs-analysis`, `won` or `lost`."""


class StageMap(ReferenceData, kw_only=True, frozen=True):
    """How one source names the stages of one pipeline. Its id is `<of_source>#<pipeline_id>`."""

    of_source: Said[EntityId] = UNSET
    """The CloudEvents source whose labels these are."""
    pipeline_id: Said[EntityId] = UNSET
    stages: Said[dict[Label, StageOfLabel | None]] = UNSET
    """By label as the source writes it; null removes one."""

    def conflicts(self) -> Iterator[Fault]:
        """Refuses an id that does not name what is said."""
        source, _, pipeline = self.id.rpartition("#")
        if not (source and pipeline and _agrees(source, self.of_source) and _agrees(pipeline, self.pipeline_id)):
            yield Fault("/id", "must be <of_source>#<pipeline_id> with the values said")


class Alias(ReferenceData, kw_only=True, frozen=True):
    """Two ids that mean one thing since a merge. Its id is `<of_type>:<id that was merged away>`."""

    of_type: Said[Literal["customer"]] = UNSET
    into_id: Said[EntityId] = UNSET
    """The id that survives; null takes the merge back."""

    def conflicts(self) -> Iterator[Fault]:
        """Refuses an id that does not name what is said, and a merge into itself."""
        of_type, _, merged = self.id.partition(":")
        if of_type != "customer" or not merged:
            yield Fault("/id", "must be customer:<id that was merged away>")
        elif merged == self.into_id:
            yield Fault("/into_id", "must not be the id that is merged away")


def _agrees(of_id: str, value: str | UnsetType | None) -> bool:
    """A field that is unsaid or cleared contradicts nothing."""
    return not isinstance(value, str) or value == of_id
