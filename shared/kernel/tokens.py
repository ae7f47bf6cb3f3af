"""The token of read-your-writes: which event of which partition an answer must have applied. Opaque to callers."""

import base64
import binascii
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from shared.kernel.errors import MalformedError

_LONGEST = 16_384
_LARGEST = 2**63 - 1

Place = tuple[int, int, int, int]
"""Generation, epoch, partition and number, under which an event is published."""


@dataclass(frozen=True, slots=True)
class Token:
    """In topic generation `generation`, everything up to these numbers. `positions` is sorted by partition."""

    generation: int
    positions: tuple[tuple[int, int], ...]
    also: "Token | None" = None
    """The same events in the generation that is about to take its place."""
    epoch: int = 1
    """In which the numbers count: one more after each restore of the inbox from a backup."""

    @classmethod
    def of(cls, generation: int, numbers: Iterable[tuple[int, int]]) -> Self:
        """From (partition, number) pairs in any order; the highest number of a partition counts."""
        highest: dict[int, int] = {}
        for partition, number in numbers:
            highest[partition] = max(number, highest.get(partition, 0))
        return cls(generation, tuple(sorted(highest.items())))

    @classmethod
    def at(cls, places: Iterable[Place]) -> "Token | None":
        """From places in any order; None if there are none. Of a generation the latest epoch counts: what an earlier
        one has left valid is applied when that begins."""
        highest: dict[int, dict[int, int]] = {}
        epochs: dict[int, int] = {}
        for generation, epoch, partition, number in places:
            numbers = highest.get(generation) or highest.setdefault(generation, {})
            if number > numbers.get(partition, -1):
                numbers[partition] = number
            if epoch > epochs.get(generation, 0):
                epochs[generation] = epoch
        token: Token | None = None
        for generation in sorted(highest, reverse=True):
            token = cls(generation, tuple(sorted(highest[generation].items())), token, epochs[generation])
        return token

    def within(self, generation: int) -> "Token | None":
        """What it says of one generation; None if it says nothing."""
        if self.generation == generation or self.also is None:
            return self if self.generation == generation else None
        return self.also.within(generation)

    def encode(self) -> str:
        """Base64url text without padding."""
        return _encoded(_text(self))

    @classmethod
    def decode(cls, text: str) -> Self:
        """Read what `encode` wrote; anything else raises MalformedError."""
        try:
            token = cls._read(text)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError, binascii.Error) as error:
            raise MalformedError(_NOT_OURS) from error
        if token.encode() != text:
            raise MalformedError(_NOT_OURS)
        return token

    @classmethod
    def _read(cls, text: str) -> Self:
        if len(text) > _LONGEST:
            raise ValueError(_NOT_OURS)
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        return cls._made(json.loads(raw))

    @classmethod
    def _made(cls, body: Mapping[str, Any]) -> Self:
        return cls(
            _whole(body["generation"]),
            tuple(sorted((_whole(int(p)), _whole(n)) for p, n in body["positions"].items())),
            cls._made(body["also"]) if "also" in body else None,
            _whole(body.get("epoch", 1), least=1),
        )

    def missing(self, applied: Mapping[int, int]) -> int:
        """How many of the awaited events are not applied yet, given the number applied in each partition, all of them
        of the token's epoch."""
        return sum(max(0, number - applied.get(partition, 0)) for partition, number in self.positions)


_NOT_OURS = "This is no token that ingest gave out: pass on the `token` of its answer unchanged."


def text_of(generation: int, epoch: int, partition: int, number: int) -> str:
    """The token of a single place as text: what `Token.encode` gives, for the answer to every event."""
    return _encoded(f'{{"generation":{generation}{_said(epoch)},"positions":{{"{partition}":{number}}}}}')


def _encoded(text: str) -> str:
    return binascii.b2a_base64(text.encode(), newline=False).translate(_URL_SAFE, b"=").decode()


_URL_SAFE = bytes.maketrans(b"+/", b"-_")


def _text(token: Token) -> str:
    """Compact JSON, written by hand: every accepted event is answered with one."""
    positions = ",".join([f'"{partition}":{number}' for partition, number in token.positions])
    also = "" if token.also is None else f',"also":{_text(token.also)}'
    return f'{{"generation":{token.generation}{_said(token.epoch)},"positions":{{{positions}}}{also}}}'


def _said(epoch: int) -> str:
    return "" if epoch == 1 else f',"epoch":{epoch}'


def _whole(value: object, least: int = 0) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= _LARGEST:
        raise ValueError(_NOT_OURS)
    return value
