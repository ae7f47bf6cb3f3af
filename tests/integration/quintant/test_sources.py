"""`quintant source` and `quintant replay` as typed, against a running ingest on a real PostgreSQL."""

import base64
import hashlib
import hmac
import json
import secrets
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from quintant.sources.secret import make_up
from quintant.stack import services
from quintant.stack.home import PROJECT, Home
from tests.running import Running

_SECONDS = 60
_KIND = "io.quintant.product.changed.v1"
_PUBLIC_URL = "https://sales.example/in"


def _listening_to_ctrl_c() -> None:
    """A run in the background of a shell ignores it, and so would what it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@dataclass(slots=True)
class Typed:
    """A terminal before a running ingest."""

    running: Running

    @property
    def ingest(self) -> str:
        return self.running.parts["ingest-api"].address

    def environment(self) -> dict[str, str]:
        return {
            **self.running.environment,
            "QUINTANT_INGEST_URL": self.ingest,
            "QUINTANT_PIPELINE_URL": "http://127.0.0.1:1",
            "COLUMNS": "160",
        }

    def __call__(self, *arguments: str, answers: str = "") -> str:
        """What the command says; it must end well."""
        ended = subprocess.run(
            [sys.executable, "-m", "quintant", *arguments],
            env=self.environment(),
            cwd=PROJECT,
            input=answers,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    @contextmanager
    def adding(self, adapter: str, name: str) -> Iterator[subprocess.Popen[str]]:
        """A command that ends by itself only when the source was heard."""
        with subprocess.Popen(
            [sys.executable, "-m", "quintant", "source", "add", adapter, "--name", name, "--yes", "--no-test"],
            env={**self.environment(), "PYTHONUNBUFFERED": "1"},
            cwd=PROJECT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=_listening_to_ctrl_c,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def source(self, name: str) -> dict[str, Any]:
        key = {"authorization": f"Bearer {self.running.key}"}
        with httpx.Client(trust_env=False, headers=key) as client:
            found: dict[str, Any] = client.get(f"{self.ingest}/v1/sources/{name}").json()
            return found

    def deliver(self, name: str, secret: str, kind: str, data: dict[str, Any]) -> int:
        """One Standard Webhooks delivery; the status of its answer."""
        at, identity = str(int(time.time())), f"msg_{secrets.token_hex(6)}"  # noqa: TID251 - the sender's clock
        body = json.dumps({"type": kind, "timestamp": "2026-03-01T10:00:00Z", "data": data}).encode()
        key = base64.b64decode(secret.removeprefix("whsec_"))
        signed = hmac.new(key, f"{identity}.{at}.".encode() + body, hashlib.sha256).digest()
        headers = {
            "webhook-id": identity,
            "webhook-timestamp": at,
            "webhook-signature": f"v1,{base64.b64encode(signed).decode()}",
        }
        with httpx.Client(trust_env=False) as client:
            url = f"{self.ingest}/v1/webhooks/{name}"
            return client.post(url, content=body, headers=headers).status_code

    def secrets(self, name: str) -> list[str]:
        entries = json.loads(self.running.home.sources_file.read_bytes())["sources"]
        return [one["value"] for one in entries[name]["secrets"]]


def until(text: str, process: subprocess.Popen[str]) -> str:
    """All that a command says up to this text."""
    said: list[str] = []
    assert process.stdout is not None
    for line in process.stdout:
        said.append(line)
        if text in line:
            break
    else:
        pytest.fail("".join(said))
    return "".join(said)


@pytest.fixture(scope="module")
def quintant(migrated_database_url: str, own_directory: Path) -> Iterator[Typed]:
    home = Home(own_directory)
    home.prepare()
    home.own_key()
    env = services.environment(home, migrated_database_url, "127.0.0.1:1")
    env |= {"QUINTANT_INGEST_PUBLIC_URL": _PUBLIC_URL, "QUINTANT_INGEST_SOURCES_FILE": str(home.sources_file)}
    running = Running(home, env)
    running.start(["ingest-api"])
    yield Typed(running)
    running.stop()


def test_what_can_be_connected_comes_from_ingest(quintant: Typed) -> None:
    assert "standard-webhooks" in quintant("source", "add")


def test_a_source_is_connected_and_its_first_event_is_shown(quintant: Typed) -> None:
    with quintant.adding("standard-webhooks", "erp") as adding:
        said = until("waiting for the first event", adding)
        (secret,) = quintant.secrets("erp")
        assert f"{_PUBLIC_URL}/v1/webhooks/erp" in said
        assert secret in said
        assert quintant.deliver("erp", make_up("standard-webhooks"), _KIND, {"id": "P-1"}) == 401
        assert "the secret there and here differ" in until("a delivery was refused (signature)", adding)
        assert quintant.deliver("erp", secret, _KIND, {"id": "P-1", "name": "Lamp"}) == 202
        rest, _ = adding.communicate(timeout=_SECONDS)
        assert adding.returncode == 0, rest
        assert "1 event accepted" in rest


def test_waiting_may_be_left(quintant: Typed) -> None:
    with quintant.adding("standard-webhooks", "left") as adding:
        until("waiting for the first event", adding)
        adding.send_signal(signal.SIGINT)
        rest, _ = adding.communicate(timeout=_SECONDS)
        assert adding.returncode == 0, rest
        assert "quintant source show left" in rest
    assert quintant.secrets("left")


def test_a_crm_is_connected_with_its_stages(quintant: Typed) -> None:
    said = quintant("source", "add", "twenty", "--yes", "--no-wait")
    assert "said what 7 stages stand for" in said
    found = quintant.source("twenty")
    assert found["accepted"] > 0
    assert found["quarantined"] == 0


def test_a_rotation_refuses_nothing_until_it_is_finished(quintant: Typed) -> None:
    quintant("source", "add", "standard-webhooks", "--name", "turned", "--yes", "--no-test", "--no-wait")
    quintant("source", "rotate", "turned")
    old, new = quintant.secrets("turned")
    product = {"id": "P-2", "name": "Pump"}
    for secret in (old, new):
        assert quintant.deliver("turned", secret, _KIND, product) == 202
    quintant("source", "rotate", "turned", "--finish", "--yes")
    statuses = [quintant.deliver("turned", one, _KIND, product) for one in (old, new)]
    assert statuses == [401, 202]
    assert [one["age_days"] for one in quintant.source("turned")["secrets"]] == [0]


def test_made_up_traffic_is_taken_counted_once_and_taken_away_again(quintant: Typed) -> None:
    said = quintant("source", "add", "standard-webhooks", "--name", "tried", "--yes", "--no-wait")
    assert "made-up deal or order" in said
    before = quintant.source("tried")
    more = ("--yes", "--things", "8", "--duplicates", "100", "--reorder")
    said = quintant("source", "simulate", "tried", *more)
    after = quintant.source("tried")
    assert "These are made-up numbers" in said
    assert after["accepted"] > before["accepted"]
    assert after["duplicate"] - before["duplicate"] == after["accepted"] - before["accepted"]
    assert not after["refused"]
    assert not after["rejected"]
    quintant("source", "simulate", "tried", "--things", "8", "--end", "--duplicates", "0")
    assert quintant.source("tried")["accepted"] > after["accepted"]


def test_a_replay_with_the_same_adapter_changes_nothing(quintant: Typed) -> None:
    before = quintant.source("tried")
    said = quintant("replay", "--source", "tried", "--since", "2026-01-01")
    counts = {line.rpartition("│")[0].strip("│ ").rpartition("│") for line in said.splitlines() if "│" in line}
    found = {meaning.strip(): count.strip() for meaning, _, count in counts}
    assert found["events that say the same as before"] == f"{before['accepted']:,}"
    assert found["events that say something else now"] == found["events that were not there before"] == "0"
    assert quintant.source("tried")["accepted"] == before["accepted"]


def test_a_removed_source_is_refused_and_its_history_stays(quintant: Typed) -> None:
    quintant("source", "add", "standard-webhooks", "--name", "gone", "--yes", "--no-test", "--no-wait")
    (secret,) = quintant.secrets("gone")
    product = {"id": "P-3", "name": "Valve"}
    assert quintant.deliver("gone", secret, _KIND, product) == 202
    quintant("source", "remove", "gone", "--yes")
    assert quintant.deliver("gone", secret, _KIND, product) == 401
    assert "/sources/gone" in quintant("source", "list")


def test_every_source_is_listed_and_no_secret_is_shown(quintant: Typed) -> None:
    said = quintant("source", "list") + quintant("source", "show", "erp")
    assert "erp" in said
    assert "services/ingest/sources/standard_webhooks/README.md" in said
    for name in ("erp", "turned", "tried"):
        for secret in quintant.secrets(name):
            assert secret not in said


def test_the_file_is_private(quintant: Typed) -> None:
    assert stat.S_IMODE(quintant.running.home.sources_file.stat().st_mode) == 0o600
