"""A library that repeats itself is heard once a minute, and nothing of what it says is lost."""

import io
import json
import logging
import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from shared.kernel.clock import SystemClock
from shared.telemetry.repeats import Repeats

LOST, DOWN = "no connection to %s", "the group is down"


class HandClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.seconds, UTC)

    def monotonic(self) -> float:
        return self.seconds


class Heard(logging.Handler):
    """What came through, and of whom."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.ended = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@pytest.fixture
def heard() -> Iterator[Heard]:
    handler, root = Heard(), logging.getLogger()
    root.addHandler(handler)
    yield handler
    root.removeHandler(handler)


def test_a_repeated_line_is_written_once_and_again_after_a_minute_with_how_often(heard: Heard) -> None:
    clock = HandClock()
    heard.addFilter(Repeats(("aiokafka",), clock, quiet=3600))
    library = logging.getLogger("aiokafka.client")
    for second in range(125):
        clock.seconds = float(second)
        library.error(LOST, "a")
    assert heard.lines == [
        "no connection to a",
        "no connection to a (said 60 times since the last line)",
        "no connection to a (said 60 times since the last line)",
    ]


def test_troubles_are_told_apart_and_others_are_left_alone(heard: Heard) -> None:
    heard.addFilter(Repeats(("aiokafka",), HandClock(), quiet=3600))
    for _ in range(3):
        logging.getLogger("aiokafka.client").error(LOST, "a")
        logging.getLogger("aiokafka.client").error(LOST, "b")
        logging.getLogger("aiokafka.group").error(DOWN)
        logging.getLogger("aiokafkaesque").error("ours")
    assert heard.lines == ["no connection to a", "no connection to b", DOWN, "ours", "ours", "ours"]


def test_so_many_troubles_at_once_do_not_fill_the_memory(heard: Heard) -> None:
    heard.addFilter(Repeats(("aiokafka",), HandClock(), quiet=3600))
    for number in range(1000):
        logging.getLogger("aiokafka.client").error(LOST, number)
    assert len(heard.lines) == 201


def test_the_end_of_a_trouble_is_told_with_how_often_it_was_said(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    told = io.StringIO()
    monkeypatch.setattr("shared.telemetry.repeats._log", _Log(told, heard.ended))
    heard.addFilter(Repeats(("aiokafka",), SystemClock(), quiet=0.05))
    for _ in range(7):
        logging.getLogger("aiokafka.client").error(LOST, "a")
    assert heard.ended.wait(10)
    said = json.loads(told.getvalue())
    assert (said["library"], said["said"], said["times"]) == ("aiokafka.client", "no connection to a", 7)


class _Log:
    def __init__(self, told: io.StringIO, ended: threading.Event) -> None:
        self._told = told
        self._ended = ended

    def info(self, _event: str, **said: object) -> None:
        self._told.write(json.dumps(said))
        self._ended.set()
