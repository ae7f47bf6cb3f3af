"""What never reaches a log."""

import json
import logging
from collections.abc import Iterator
from io import StringIO

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from shared.telemetry import tracing
from shared.telemetry.logging import configure, get_logger
from shared.telemetry.redaction import HIDDEN, is_secret_key, redact, scrub


@pytest.mark.parametrize(
    "name",
    ["authorization", "Authorization", "webhook-signature", "apiKey", "api_key", "APIKEY", "password", "client_secret",
     "DATABASE_URL", "key", "token", "dbPassword", "set-cookie"],
)  # fmt: skip
def test_secret_keys(name: str) -> None:
    assert is_secret_key(name)


@pytest.mark.parametrize("name", ["monkey", "partition_key", "keys_read", "event", "secretary", "tokenizer", "status"])
def test_other_keys(name: str) -> None:
    assert not is_secret_key(name)


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://u:hunter2@h/d",
        "postgresql://hunter2@h/d",
        "Authorization: Bearer hunter2",
        "basic hunter2",
        "whsec_hunter2",
        "password=hunter2&x=1",
        "Secret: hunter2",
        "hunter2@example.com wrote",
        "duplicate key\nDETAIL:  Key (name)=(hunter2) already exists.",
        "[type=int_parsing, input_value='hunter2', input_type=str]",
    ],
)
def test_secrets_inside_texts(text: str) -> None:
    assert "hunter2" in text
    assert "hunter2" not in scrub(text)
    assert "hunter2" not in json.dumps(redact({"note": [text, {"deep": (text,)}], "failure": ValueError(text)}))


@given(st.text("abcdefghij 0123456789.,/-"))
def test_plain_text_is_kept(text: str) -> None:
    assert scrub(text) == text


@pytest.fixture
def log() -> Iterator[StringIO]:
    root = logging.getLogger()
    before, level = root.handlers, root.level
    out = StringIO()
    configure(service="metrics", role="api", level="info", stream=out)
    yield out
    logging.captureWarnings(capture=False)
    root.handlers, root.level = before, level
    structlog.reset_defaults()


def lines(out: StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_a_line_is_json_and_says_who(log: StringIO) -> None:
    trace = tracing.new_trace()
    reset = tracing.CURRENT.set(trace)
    get_logger("quintant.test").info("deal_won", amount=3, api_key="hunter2", headers={"Authorization": "hunter2"})
    tracing.CURRENT.reset(reset)
    (line,) = lines(log)
    assert line.pop("at", "").endswith("Z")  # type: ignore[attr-defined]
    assert line == {
        "event": "deal_won",
        "level": "info",
        "logger": "quintant.test",
        "service": "metrics",
        "role": "api",
        "trace_id": trace.trace_id,
        "amount": 3,
        "api_key": HIDDEN,
        "headers": {"Authorization": HIDDEN},
    }


def test_libraries_go_the_same_way(log: StringIO) -> None:
    failure = ConnectionError("postgresql://u:hunter2@h/d is gone")
    logging.getLogger("some.library").error("lost %s", "whsec_hunter2", exc_info=failure)
    (line,) = lines(log)
    assert line["service"] == "metrics"
    assert line["level"] == "error"
    assert "ConnectionError" in str(line["exception"])
    assert "hunter2" not in log.getvalue()


def test_the_level_holds_for_both(log: StringIO) -> None:
    get_logger("quintant.test").debug("hidden")
    logging.getLogger("some.library").debug("hidden")
    logging.getLogger("httpx").info("hidden")
    assert log.getvalue() == ""
