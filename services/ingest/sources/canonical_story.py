"""The made-up story in Quintant's own contract, for senders that speak it."""

from collections.abc import Mapping, Sequence

from services.ingest.sources.story import SimulatedDeal, Step, customer_name


def said_of(step: Step, name: str) -> Sequence[tuple[str, Mapping[str, object]]]:
    """(entity, data) of one step: the deal; before it the customer, when the deal is new."""
    deal = step.now
    if not isinstance(deal, SimulatedDeal):
        return ()
    customer = [("customer", _customer(deal, name))] if step.before is None else []
    return [*customer, ("deal", _deal(deal, name))]


def _deal(deal: SimulatedDeal, name: str) -> Mapping[str, object]:
    if deal.deleted:
        return {"id": f"{name}:{deal.number}", "ended": True}
    return {
        "id": f"{name}:{deal.number}",
        "title": deal.title,
        "stage": deal.stage,
        "amount": {"amount": str(deal.amount), "currency": deal.currency},
        "customer_id": f"{name}:c{deal.customer}",
        "owner_id": f"{name}:u{deal.owner}",
        "expected_close_on": deal.close_on.isoformat(),
        "created_on": deal.created_at.date().isoformat(),
    }


def _customer(deal: SimulatedDeal, name: str) -> Mapping[str, object]:
    return {"id": f"{name}:c{deal.customer}", "kind": "company", "name": customer_name(deal.customer)}
