"""W3C Trace Context."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.telemetry.tracing import Trace, continued, new_trace, parse

HEX = "0123456789abcdef"
TRACES = st.builds(
    Trace,
    st.text(HEX, min_size=32, max_size=32).filter(lambda t: t.strip("0")),
    st.text(HEX, min_size=16, max_size=16).filter(lambda t: t.strip("0")),
    st.booleans(),
)
VALID = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@given(TRACES)
def test_a_header_reads_back(trace: Trace) -> None:
    assert parse(trace.header()) == trace


@given(TRACES)
def test_a_child_stays_in_the_trace(trace: Trace) -> None:
    child = continued(trace.header())
    assert (child.trace_id, child.sampled) == (trace.trace_id, trace.sampled)
    assert child.span_id != trace.span_id


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "x",
        VALID.upper(),
        VALID[:-1],
        f"{VALID}-more",
        "ff" + VALID[2:],
        "00-" + "0" * 32 + "-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-" + "0" * 16 + "-01",
    ],
)
def test_the_invalid_begins_anew(header: str | None) -> None:
    assert parse(header) is None
    assert parse(continued(header).header()) is not None


def test_a_later_version_is_read_as_far_as_known() -> None:
    assert parse(f"01{VALID[2:]}-more") == parse(VALID)


def test_a_new_trace_is_new() -> None:
    assert new_trace() != new_trace()
