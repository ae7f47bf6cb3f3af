"""How outcomes are told: one by one, with a token to read one's own writes."""

from collections.abc import Sequence
from typing import Any

import msgspec
from starlette.responses import Response

from services.ingest.domain.candidates import Outcome, Status
from shared.http.problems import TYPE_PREFIX, fault_body, status_of
from shared.kernel.errors import QuintantError
from shared.kernel.tokens import Token, text_of

_JSON = (b"content-type", b"application/json")
_encode = msgspec.json.Encoder().encode
_RANK = {Status.ACCEPTED: 202, Status.QUARANTINED: 202, Status.DUPLICATE: 200, Status.REJECTED: 422}


class Answer(Response):
    """JSON of texts, numbers, lists and objects alone, made in a tenth of the time that others take."""

    def __init__(self, content: object, status: int) -> None:
        self.status_code, self.background = status, None
        self.body = _encode(content)
        self.raw_headers = [_JSON, (b"content-length", b"%d" % len(self.body))]


def one(outcome: Outcome) -> Response:
    """The answer for a single event. Raises what it was refused for."""
    if outcome.error is not None and outcome.status is Status.REJECTED:
        raise outcome.error
    return Answer(_item(outcome), _RANK[outcome.status])


class _Item(msgspec.Struct):
    """What became of one event."""

    source: str | None
    id: str | None
    status: Status
    token: str | msgspec.UnsetType | None = msgspec.UNSET
    quarantine_id: str | msgspec.UnsetType = msgspec.UNSET
    problem: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET


def many(outcomes: Sequence[Outcome]) -> Response:
    """The answer for a batch: 202 if anything was taken in, 200 if all of it was known, 422 if nothing was good."""
    statuses = [outcome.status for outcome in outcomes]
    taken = Status.ACCEPTED in statuses or Status.QUARANTINED in statuses
    status = 202 if taken else 200 if Status.DUPLICATE in statuses or not statuses else 422
    body = {
        "items": [_item(outcome) for outcome in outcomes],
        "counts": {name.value: statuses.count(name) for name in Status},
        "token": token(outcomes),
    }
    return Answer(body, status)


def token(outcomes: Sequence[Outcome]) -> str | None:
    """What to give as `after=` to see these events; None if none was published."""
    found = Token.at([place for outcome in outcomes for place in outcome.places])
    return found.encode() if found else None


def problem_of(error: QuintantError) -> dict[str, Any]:
    """The problem of one event inside a batch."""
    return {
        "type": TYPE_PREFIX + error.slug,
        "status": status_of(error),
        "detail": error.detail,
        "errors": [fault_body(fault) for fault in error.faults],
    }


def _item(outcome: Outcome) -> _Item:
    item = _Item(outcome.source, outcome.id, outcome.status)
    if len(outcome.places) == 1:
        item.token = text_of(*outcome.places[0])
    elif outcome.places:
        item.token = token([outcome])
    if outcome.quarantine_id is not None:
        item.quarantine_id = outcome.quarantine_id
    if outcome.error is not None:
        item.problem = problem_of(outcome.error)
    return item
