"""What sales people work on: leads, deals, activities with customers, and what customers answer."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta

from shared.contracts.events.data import EntityData, Part, Said
from shared.contracts.values import (
    Amount,
    AwareDatetime,
    Date,
    EntityId,
    Label,
    Money,
    Personal,
    Probability,
    Quantity,
)

Choice = Annotated[str, Meta(min_length=1, max_length=100)] | int | bool
Minutes = Annotated[int, Meta(ge=0, le=100_000)]


class Competitor(Part, kw_only=True, frozen=True):
    """A competitor on a deal; so far there is nothing to say but that it is there."""


class Lead(EntityData, kw_only=True, frozen=True):
    """Somebody who may become a customer."""

    customer_id: Said[EntityId] = UNSET
    owner_id: Said[EntityId] = UNSET
    """The responsible member."""
    channel_id: Said[EntityId] = UNSET
    """Where the lead came from."""
    campaign: Said[Label] = UNSET
    status: Said[Literal["open", "converted", "disqualified"]] = UNSET
    reason: Said[Label] = UNSET
    """Why it was disqualified."""
    deal_id: Said[EntityId] = UNSET
    """The deal into which it was converted."""
    contact_name: Said[Personal] = UNSET
    contact_email: Said[Personal] = UNSET
    contact_phone: Said[Personal] = UNSET
    created_on: Said[Date] = UNSET


class Deal(EntityData, kw_only=True, frozen=True):
    """A sales opportunity on its way through a pipeline."""

    title: Said[Label] = UNSET
    customer_id: Said[EntityId] = UNSET
    owner_id: Said[EntityId] = UNSET
    """The responsible member."""
    pipeline_id: Said[EntityId] = UNSET
    """Which sales pipeline; absent: the default one."""
    stage: Said[Label] = UNSET
    """The source's own label, read through the stage map of its source and pipeline, or a canonical stage slug."""
    amount: Said[Money] = UNSET
    """Net of tax. Without it the deal is valued from the dated price list and marked as estimated."""
    product_id: Said[EntityId] = UNSET
    quantity: Said[Quantity] = UNSET
    channel_id: Said[EntityId] = UNSET
    business_line: Said[EntityId] = UNSET
    lead_id: Said[EntityId] = UNSET
    expected_close_on: Said[Date] = UNSET
    probability: Said[Probability] = UNSET
    """Of winning, as the source says it."""
    loss_reason: Said[Label] = UNSET
    competitor_ids: Said[dict[EntityId, Competitor | None]] = UNSET
    """Competitors by their own id: `{}` for one that takes part, null for one that no longer does."""
    created_on: Said[Date] = UNSET
    """The day on which the source says that the deal was created, if not the day of its first event."""


class Activity(EntityData, kw_only=True, frozen=True):
    """One touch with a customer."""

    kind: Said[Literal["call", "email", "meeting", "visit", "task", "social", "other"]] = UNSET
    direction: Said[Literal["inbound", "outbound"]] = UNSET
    deal_id: Said[EntityId] = UNSET
    customer_id: Said[EntityId] = UNSET
    lead_id: Said[EntityId] = UNSET
    owner_id: Said[EntityId] = UNSET
    started_at: Said[AwareDatetime] = UNSET
    minutes: Said[Minutes] = UNSET
    """How long it took."""
    outcome: Said[Label] = UNSET
    """A choice from the source's own list, never free text."""
    subject_text: Said[Personal] = UNSET
    """Free text: it may name persons."""


class Feedback(EntityData, kw_only=True, frozen=True):
    """What a customer answered to a questionnaire, on the phone or on a visit."""

    customer_id: Said[EntityId] = UNSET
    deal_id: Said[EntityId] = UNSET
    survey: Said[EntityId] = UNSET
    channel_id: Said[EntityId] = UNSET
    kind: Said[Literal["questionnaire", "phone", "visit", "other"]] = UNSET
    score: Said[Amount] = UNSET
    scale_max: Said[Amount] = UNSET
    """The best score of the scale."""
    answers: Said[dict[EntityId, Choice]] = UNSET
    """Answers by question: the label of a choice, a whole number or a truth value; said as a whole. Free text belongs
    into `comment`."""
    comment: Said[Personal] = UNSET
    """Free text: it may name persons."""
    given_on: Said[Date] = UNSET
