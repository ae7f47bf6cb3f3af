"""W3C Trace Context, version 00: parse, format and pass on. Pure but for one context variable; exports nothing."""

import re
from collections.abc import Callable
from contextvars import ContextVar

import msgspec

from shared.kernel.ids import new_id

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_SAMPLED = 0x01


class Trace(msgspec.Struct, frozen=True):
    """Where in a trace we are: 32 and 16 hexadecimal digits, neither all zero."""

    trace_id: str
    span_id: str
    sampled: bool = True

    def child(self, make_id: Callable[[], str] = new_id) -> "Trace":
        """The same trace, one step further."""
        return msgspec.structs.replace(self, span_id=make_id()[:16])

    def header(self) -> str:
        """The value of `traceparent`."""
        return f"00-{self.trace_id}-{self.span_id}-{_SAMPLED if self.sampled else 0:02x}"


def new_trace(make_id: Callable[[], str] = new_id) -> Trace:
    """Begin a trace."""
    return Trace(make_id(), make_id()[:16])


def parse(header: str | None) -> Trace | None:
    """Read a `traceparent`; anything that the standard calls invalid is `None`, as if it had not been sent."""
    match = _TRACEPARENT.fullmatch(header.strip()) if header else None
    if match is None:
        return None
    version, trace_id, span_id, flags, rest = match.groups()
    if version == "ff" or (version == "00" and rest) or not trace_id.strip("0") or not span_id.strip("0"):
        return None
    return Trace(trace_id, span_id, bool(int(flags, 16) & _SAMPLED))


def continued(header: str | None, make_id: Callable[[], str] = new_id) -> Trace:
    """A child of the caller's trace, or a new trace when it sent none."""
    parent = parse(header)
    return parent.child(make_id) if parent else new_trace(make_id)


CURRENT: ContextVar[Trace | None] = ContextVar("quintant_trace", default=None)
"""The trace of the request or batch that this task works on."""
