"""A small company of deals with everything that a question can be about: known day by day, read in Shanghai."""

from typing import Any

from tests.integration.pipeline.telling import Event, event


def usd(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "USD"}


def eur(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "EUR"}


def _reference(entity: str, subject: str, known_on: str = "2026-03-01", since: str | None = None, **said: Any) -> Event:
    return event(entity, subject, f"{known_on}T00:00:00Z", source="/hr", since=since, **said)


REFERENCES = [
    _reference("organisation-unit", "emea", kind="region"),
    _reference("organisation-unit", "north", kind="team", parent_id="emea", manager_id="max"),
    _reference("organisation-unit", "south", kind="team"),
    _reference("member", "ann", unit_id="north"),
    _reference("member", "bo", unit_id="south"),
    _reference("product", "bolt", category="metal", price=usd("3")),
    _reference("product", "nut", category="metal", price=usd("2")),
    _reference("exchange-rate", "spot:EUR/USD", base="EUR", quote="USD", rate="1.25", rate_type="spot"),
    _reference("alias", "customer:acme-2", of_type="customer", into_id="acme"),
    _reference(
        "stage-map", "/crm#default", of_source="/crm", pipeline_id="default", stages={"Angebot": {"stage": "proposal"}}
    ),
]

FIRST_KNOWN = "2026-03-01"

DEALS = [
    # Through three stages to a win; its amount is said late.
    event("deal", "D-1", "2026-03-02T01:00:00Z", owner_id="ann", customer_id="acme", product_id="bolt", quantity="10",
          title="First", channel_id="web", business_line="tools"),
    event("deal", "D-1", "2026-03-05T01:00:00Z", stage="Angebot", amount=eur("100")),
    event("deal", "D-1", "2026-03-20T17:00:00Z", stage="won", amount=eur("120")),
    # Open for long, valued by the price list, customer known by the id of a merged one.
    event("deal", "D-2", "2026-03-03T01:00:00Z", owner_id="ann", customer_id="acme-2", product_id="nut",
          stage="qualification", expected_close_on="2026-06-30", created_on="2026-02-15"),
    # Lost, learned two days late.
    event("deal", "D-3", "2026-03-04T01:00:00Z", owner_id="bo", customer_id="zeta", product_id="nut", amount=usd("50")),
    event("deal", "D-3", "2026-03-10T01:00:00Z", "2026-03-12", stage="lost"),
    # Nobody's, without a rate, in another pipeline.
    event("deal", "D-4", "2026-03-06T01:00:00Z", pipeline_id="renewals", stage="notice",
          amount={"amount": "7", "currency": "CHF"}, expected_close_on="2026-05-01"),
    # A stage that nobody has mapped, no amount and no price.
    event("deal", "D-5", "2026-03-07T01:00:00Z", owner_id="bo", product_id="washer", stage="Phase X"),
    # Deleted.
    event("deal", "D-6", "2026-03-08T01:00:00Z", owner_id="bo", amount=usd("1000")),
    event("deal", "D-6", "2026-03-09T01:00:00Z", ended=True),
    # In a pipeline that nobody configured.
    event("deal", "D-7", "2026-03-09T01:00:00Z", pipeline_id="partners", stage="won", amount=usd("5")),
    # Back to an earlier stage, and an id that looks like a path.
    event("deal", "team/8", "2026-03-10T01:00:00Z", owner_id="bo", stage="proposal", amount=usd("20")),
    event("deal", "team/8", "2026-03-11T01:00:00Z", stage="qualification"),
    event("deal", "team/8", "2026-03-14T01:00:00Z", stage="proposal"),
]  # fmt: skip
