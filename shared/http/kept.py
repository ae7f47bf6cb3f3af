"""Answers kept in memory, to be given again while nothing moves that they were read from.

An answer is fixed by the positions that it was read at: ledgers only grow, and readers see them up to the positions. So
it is kept without its freshness, and told with that of the latest snapshot that any request of this process saw.
"""

from collections import OrderedDict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from shared.http.answers import JsonResponse, encode
from shared.http.caching import caching_headers, etag_of, is_known
from shared.http.freshness import Freshness

VOUCHED = 0.05
"""Seconds for which a snapshot vouches for what is told after it: no hit is further behind, unless it waits (`after`).
Nobody has to tell this process that something moved, so nothing can be missed, and a lost database ends the hits."""
MOST_BYTES = 32 * 1024 * 1024
_BESIDE = 1_000
"""Bytes that an answer takes beside its own, about."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """What a snapshot saw of the state of the books."""

    build: tuple[str, ...]
    positions: Mapping[int, int]
    freshness: Freshness
    began: float
    """Monotonic seconds, before the snapshot was taken."""

    def is_same(self, other: "Sighting") -> bool:
        """Whether equal questions had equal answers."""
        return self.positions == other.positions and self.build == other.build

    def is_before(self, other: "Sighting") -> bool:
        """Whether it is of an earlier state of the same books: requests end in another order than they read."""
        return self.build == other.build and any(
            self.positions.get(partition, 0) < number for partition, number in other.positions.items()
        )


@dataclass(frozen=True, slots=True)
class Told:
    """An answer with its freshness, ready to be sent."""

    freshness: Freshness
    body: bytes
    etag: str
    headers: tuple[tuple[bytes, bytes], ...]
    unchanged_headers: tuple[tuple[bytes, bytes], ...]
    """Of a 304."""


@dataclass(slots=True)
class _Kept:
    data: bytes
    reconstructed: bool
    told: Told
    size: int


class KeptAnswers:
    """The answers at the positions that were seen last, those asked for lately: when these move, all are forgotten."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self.bytes = 0
        self._most_bytes = most_bytes
        self._seen: Sighting | None = None
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()

    def saw(self, sighting: Sighting) -> None:
        """A request of this process has read this."""
        seen = self._seen
        if seen is not None and (sighting.is_before(seen) or sighting.began < seen.began):
            return
        if seen is None or not sighting.is_same(seen):
            self._kept.clear()
            self.bytes = 0
        elif sighting.freshness == seen.freshness:
            sighting = replace(sighting, freshness=seen.freshness)  # the same object: what is told of it stays told
        self._seen = sighting

    def is_vouched_for(self, now: float) -> bool:
        """Whether what was seen last may be told again without another look."""
        return self._seen is not None and now - self._seen.began < VOUCHED

    def find(self, target: Hashable) -> Told | None:
        """The answer with the freshness that was seen last."""
        kept = self._kept.get(target)
        if kept is None or self._seen is None:
            return None
        self._kept.move_to_end(target)
        if kept.told.freshness is not self._seen.freshness:
            kept.told = tell(kept.data, self._seen.freshness, reconstructed=kept.reconstructed)
        return kept.told

    def answer(self, request: Request, body: Mapping[str, Any], sighting: Sighting, *, reconstructed: bool) -> Response:
        """The answer that was just read, kept if nothing has moved meanwhile."""
        data = encode(body)[:-1]
        told = tell(data, sighting.freshness, reconstructed=reconstructed)
        if self._seen is not None and self._seen.is_same(sighting):
            self._keep(target_of(request.scope), _Kept(data, reconstructed, told, len(data) + len(told.body) + _BESIDE))
        if is_known(request.headers.get("if-none-match"), told.etag):
            return Response(status_code=304, headers=caching_headers(told.etag))
        return Response(told.body, headers=caching_headers(told.etag), media_type=JsonResponse.media_type)

    def _keep(self, target: Hashable, kept: _Kept) -> None:
        self._forget(target)
        self._kept[target] = kept
        self.bytes += kept.size
        while self.bytes > self._most_bytes:
            self._forget(next(iter(self._kept)))

    def _forget(self, target: Hashable) -> None:
        before = self._kept.pop(target, None)
        self.bytes -= before.size if before else 0


def target_of(scope: Mapping[str, Any]) -> Hashable:
    """What was asked, to the byte: equal targets are equal questions."""
    return scope["path"], scope["query_string"]


def tell(data: bytes, freshness: Freshness, *, reconstructed: bool) -> Told:
    """JSON that lacks its last brace, with the freshness beside the data."""
    body = data + b"," + encode(replace(freshness, reconstructed=reconstructed).members())[1:]
    etag = etag_of(body)
    caching = tuple((name.encode(), value.encode()) for name, value in caching_headers(etag).items())
    length, kind = str(len(body)).encode(), JsonResponse.media_type.encode()
    return Told(freshness, body, etag, ((b"content-length", length), (b"content-type", kind), *caching), caching)
