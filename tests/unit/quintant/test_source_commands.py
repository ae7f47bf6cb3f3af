"""The commands as a person types them, against a small ingest over HTTP."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from quintant.cli import app
from quintant.terminal import console
from tests.unit.quintant.fake_ingest import KEY, FakeIngest, serving, shown

_STEPS = "Send to https://sales.example/v1/webhooks/"
_READY = ("--no-wait", "--no-test", "--yes")


@pytest.fixture
def ingest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeIngest]:
    with serving(FakeIngest(tmp_path / "sources.json")) as fake:
        monkeypatch.setenv("QUINTANT_HOME", str(tmp_path / "home"))
        monkeypatch.setenv("QUINTANT_API_KEY", KEY)
        monkeypatch.setenv("QUINTANT_INGEST_SOURCES_FILE", str(fake.file))
        for service in ("INGEST", "PIPELINE"):
            monkeypatch.setenv(f"QUINTANT_{service}_URL", fake.url)
        monkeypatch.setenv("COLUMNS", "200")
        yield fake


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """As wide as what goes into a pipe, whatever terminal the tests run in."""
    monkeypatch.setattr(console, "_width", 120)


def _typed(*arguments: str, answers: str = "") -> Result:
    return CliRunner().invoke(app, arguments, input=answers)


def _entry(ingest: FakeIngest, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ingest.file.read_bytes())["sources"][name]
    return found


def test_without_arguments_it_lists_what_can_be_connected(ingest: FakeIngest) -> None:
    said = _typed("source", "add")
    assert said.exit_code == 0
    assert "A CRM" in said.output
    assert "a key in the address" in said.output


def test_a_source_is_connected_by_answering(ingest: FakeIngest) -> None:
    ingest.real_events = 9
    answers = ["eu", "x", "0", "the-token", "", "", "guess", "7", "the-secret", "3 nowhere", "3 needs-analysis", "", ""]
    said = _typed("source", "add", "crm", answers="\n".join(answers) + "\n")
    assert said.exit_code == 0, said.output
    assert _entry(ingest, "eu")["settings"] == {"portal": 7, "token": "the-token"}
    assert [secret["value"] for secret in _entry(ingest, "eu")["secrets"]] == ["the-secret"]
    for line in ("must be a number", "must be 1 or more", "is too short", "choose one of", "1 event accepted"):
        assert line in said.output
    assert f"{_STEPS}eu" in said.output
    assert "As portal 7 with ‹Access token›" in said.output
    for secret in ("the-token", "the-secret", "guess"):
        assert secret not in said.output


def test_its_stages_are_said_as_the_person_left_them(ingest: FakeIngest) -> None:
    given = ("--name", "eu", "--set", "portal=7", "--set", "token=t", "--set", "id_prefix=x", "--set", "pipelines=p=q")
    said = _typed("source", "add", "crm", *given, "--secret", "s", "--no-wait", "--no-test", answers="4 -\n3 won\n\n")
    assert said.exit_code == 0, said.output
    (event,) = ingest.events
    assert event["type"] == "io.quintant.stage-map.changed.v1"
    assert event["data"]["stages"] == {
        "s1": {"stage": "qualification"},
        "s2": {"stage": "proposal-negotiation"},
        "s3": {"stage": "won"},
    }


def test_a_test_deal_is_announced_sent_and_ended(ingest: FakeIngest) -> None:
    said = _typed("source", "add", "crm", "--set", "portal=7", "--secret", "s", "--yes", "--no-wait")
    assert said.exit_code == 0, said.output
    assert "made-up deal or order" in said.output
    assert [json.loads(body)["ended"] for _, body, _ in ingest.deliveries] == [False, True]
    assert {(path, key) for path, _, key in ingest.deliveries} == {("/v1/webhooks/crm", None)}
    assert "2 signed requests taken" in said.output


def test_a_test_that_cannot_be_made_stops_nothing(ingest: FakeIngest) -> None:
    ingest.tells_stories = False
    said = _typed("source", "add", "crm", "--set", "portal=7", "--secret", "s", "--yes", "--no-wait")
    assert said.exit_code == 0, said.output
    assert "No test could be made" in said.output
    assert f"{_STEPS}crm" in said.output


def test_a_secret_of_ours_is_made_up_and_shown(ingest: FakeIngest) -> None:
    said = _typed("source", "add", "shop", *_READY)
    assert said.exit_code == 0, said.output
    assert f"{_STEPS}shop/{_entry(ingest, 'shop')['secrets'][0]['value']}" in said.output
    assert not ingest.events


def test_nothing_is_written_while_something_is_wrong(ingest: FakeIngest) -> None:
    said = _typed("source", "add", "crm", "--secret", "s", *_READY)
    assert said.exit_code == 1
    assert "/settings/portal: must be 1 or more" in said.output
    assert not ingest.file.exists()


def test_credentials_that_do_not_work_are_said(ingest: FakeIngest) -> None:
    ingest.unlocked = False
    given = ("--set", "portal=7", "--set", "token=t", "--set", "id_prefix=", "--set", "pipelines=a=b")
    answers = ["crm", "y", "", "u", "", "", "n", "", ""]
    said = _typed("source", "add", "crm", *given, "--secret", "s", "--no-wait", "--no-test", answers="\n".join(answers))
    assert "401 from it" in said.output
    assert "pipeline b is not configured here" in said.output
    assert said.exit_code == 0, said.output
    assert _entry(ingest, "crm")["settings"] == {"portal": 7, "token": "u", "id_prefix": "", "pipelines": {"a": "b"}}


@pytest.mark.parametrize("name", ["Eu", "-x", "a_b", "a" * 64])
def test_a_name_that_cannot_be_an_address_is_refused(ingest: FakeIngest, name: str) -> None:
    said = _typed("source", "add", "shop", "--name", name, *_READY)
    assert said.exit_code == 1
    assert not ingest.file.exists()


def test_a_taken_name_is_refused(ingest: FakeIngest) -> None:
    assert _typed("source", "add", "shop", *_READY).exit_code == 0
    before = ingest.file.read_bytes()
    assert "is there already" in _typed("source", "add", "shop", *_READY).output
    assert ingest.file.read_bytes() == before


def test_an_address_that_nobody_reaches_is_said(ingest: FakeIngest) -> None:
    ingest.public_url = None
    said = _typed("source", "add", "shop", *_READY)
    assert "reached from this machine only" in said.output
    assert "QUINTANT_INGEST_PUBLIC_URL" in said.output


def test_an_unknown_adapter_is_answered_with_the_known(ingest: FakeIngest) -> None:
    said = _typed("source", "add", "other")
    assert said.exit_code == 1
    assert "crm, shop" in said.output


def test_the_list_shows_everything_and_fails_with_a_problem(ingest: FakeIngest) -> None:
    more = {
        "accepted": 1234, "refused": {"signature": 3}, "completeness": "0.998", "deliveries_last_hour": 7,
        "secrets": [{"since": "2026-01-01", "age_days": 325}], "backlog": {"waiting": 5, "oldest_at": None},
        "subscription": {"id": "1", "expires_at": "2026-01-02T00:00:00Z", "checked_at": None, "detail": ""},
    }  # fmt: skip
    ingest.beside.append(shown("hub", "hubspot", **more))
    ingest.beside.append({"source": "/import/x", "name": None, "adapter": None, "accepted": 1})
    said = _typed("source", "list")
    assert said.exit_code == 0, said.output
    for cell in (
        "hub",
        "hubspot",
        "1,234",
        "3 refused: signature",
        "5 to be read",
        "99.8 %",
        "325 d",
        "expired 2026-01-02",
        "/import/x",
    ):
        assert cell in said.output
    ingest.beside.append(shown("broken", "crm", problem="no secret"))
    said = _typed("source", "list")
    assert said.exit_code == 1
    assert "broken: no secret" in said.output


def test_a_source_is_shown_without_its_secret(ingest: FakeIngest) -> None:
    _typed("source", "add", "shop", *_READY)
    secret = _entry(ingest, "shop")["secrets"][0]["value"]
    said = _typed("source", "show", "shop")
    assert said.exit_code == 0, said.output
    assert secret not in said.output
    assert "services/ingest/sources/shop/README.md" in said.output
    assert secret in _typed("source", "show", "shop", "--reveal").output


def test_its_days_polls_and_waiting_objects_are_shown(ingest: FakeIngest) -> None:
    at = "2026-11-20T10:00:00Z"
    more = {
        "coverage": [
            {"day": "2026-11-20", "delivered": 1000, "polled": 1001, "reconciled": 1, "completeness": "0.999"}
        ],
        "polls": [
            {"kind": "deals", "through": at, "polled_at": at, "detail": "401: token expired"},
            {"kind": "owners", "through": None, "polled_at": None, "detail": ""},
        ],
        "backlog": {"waiting": 2, "oldest_at": at, "detail": ""},
        "subscription": {"id": "7", "expires_at": None, "checked_at": at, "detail": "made anew"},
    }
    ingest.beside.append(shown("hub", "hubspot", **more))
    said = _typed("source", "show", "hub")
    assert said.exit_code == 0, said.output
    for cell in (
        "1,001",
        "99.9 %",
        "hub: 401: token expired",
        "nothing yet",
        "waits since 2026-11-20",
        "never expires",
    ):
        assert cell in said.output
    assert "its steps cannot be filled in" in said.output


def test_an_entry_that_ingest_cannot_use_is_said(ingest: FakeIngest) -> None:
    ingest.problem = "/settings/portal is gone"
    said = _typed("source", "add", "shop", *_READY)
    assert said.exit_code == 1
    assert "ingest cannot use it: /settings/portal is gone" in said.output


def test_two_ways_to_say_one_thing_are_refused(ingest: FakeIngest, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert "is empty" in _typed("source", "add", "shop", "--secret-file", str(tmp_path / "empty")).output
    both = ("--secret", "s", "--secret-file", str(tmp_path / "empty"))
    assert _typed("source", "add", "shop", *both).exit_code == 2
    assert _typed("source", "rotate", "shop", "--finish", "--cancel").exit_code == 2


def test_requests_that_are_not_taken_end_the_simulation_with_an_error(ingest: FakeIngest) -> None:
    _typed("source", "add", "crm", "--set", "portal=7", "--secret", "s", *_READY)
    ingest.signs = False
    said = _typed("source", "simulate", "crm", "--things", "2", "--duplicates", "0", "--yes")
    assert said.exit_code == 1
    assert "answered 401 (not genuine)" in said.output
    assert (
        "the test was not taken"
        in _typed(
            "source", "add", "crm", "--name", "two", "--set", "portal=7", "--secret", "s", "--yes", "--no-wait"
        ).output
    )


def test_a_rotation_keeps_both_secrets_until_it_is_finished(ingest: FakeIngest, tmp_path: Path) -> None:
    _typed("source", "add", "crm", "--set", "portal=7", "--secret", "old", *_READY)
    (tmp_path / "new").write_text("new\n")
    assert "no rotation" in _typed("source", "rotate", "crm", "--finish", "--yes").output
    assert _typed("source", "rotate", "crm", "--secret-file", str(tmp_path / "new")).exit_code == 0
    assert [secret["value"] for secret in _entry(ingest, "crm")["secrets"]] == ["old", "new"]
    assert ingest.checks[-1]["secrets"] == ["old", "new"]
    assert "--finish" in _typed("source", "rotate", "crm", "--secret", "third").output
    assert _typed("source", "rotate", "crm", "--finish", answers="n\n").exit_code == 1
    assert _typed("source", "rotate", "crm", "--finish", answers="y\n").exit_code == 0
    assert [secret["value"] for secret in _entry(ingest, "crm")["secrets"]] == ["new"]
    assert _entry(ingest, "crm")["settings"] == {"portal": 7}


def test_a_rotation_may_be_taken_back_and_a_wrong_secret_begins_none(ingest: FakeIngest) -> None:
    _typed("source", "add", "crm", "--set", "portal=7", "--secret", "old", *_READY)
    assert "is too short" in _typed("source", "rotate", "crm", "--secret", "guess").output
    assert _typed("source", "rotate", "crm", "--secret", "new").exit_code == 0
    assert _typed("source", "rotate", "crm", "--cancel", "--yes").exit_code == 0
    assert [secret["value"] for secret in _entry(ingest, "crm")["secrets"]] == ["old"]


def test_a_removed_source_is_no_longer_in_the_file(ingest: FakeIngest) -> None:
    _typed("source", "add", "shop", *_READY)
    assert _typed("source", "remove", "shop", answers="n\n").exit_code == 1
    assert _typed("source", "remove", "shop", answers="y\n").exit_code == 0
    assert json.loads(ingest.file.read_bytes()) == {"sources": {}}
    assert "is not in" in _typed("source", "remove", "shop", "--yes").output


def test_a_simulation_says_that_its_numbers_are_made_up(ingest: FakeIngest) -> None:
    _typed("source", "add", "crm", "--set", "portal=7", "--secret", "s", *_READY)
    assert _typed("source", "simulate", "crm", answers="n\n").exit_code == 1
    assert not ingest.deliveries
    said = _typed("source", "simulate", "crm", "--things", "10", "--duplicates", "100", "--reorder", answers="y\n")
    assert said.exit_code == 0, said.output
    assert "made-up numbers" in said.output
    assert "20 of 20 requests sent" in said.output
    assert len(ingest.deliveries) == 20
    assert ingest.stories == [{"seed": 1, "things": 10, "end": False}]


def test_a_simulation_ends_without_asking(ingest: FakeIngest) -> None:
    _typed("source", "add", "crm", "--set", "portal=7", "--secret", "s", *_READY)
    assert _typed("source", "simulate", "crm", "--end", "--duplicates", "0").exit_code == 0
    assert ingest.stories == [{"seed": 1, "things": 20, "end": True}]


def test_a_replay_goes_on_to_the_end(ingest: FakeIngest) -> None:
    said = _typed("replay", "--source", "crm", "--since", "2026-11-01", "--dry-run")
    assert said.exit_code == 0, said.output
    assert [(one["since"], one["after"], one["dry_run"]) for one in ingest.replays] == [
        ("2026-11-01T00:00:00+00:00", None, True),
        ("2026-11-01T00:00:00+00:00", "2", True),
    ]
    assert "What would change" in said.output
    assert _typed("replay", "--source", "crm", "--since", "yesterday").exit_code == 2


def test_an_ingest_that_reads_another_file_is_said(
    ingest: FakeIngest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quintant.sources.waiting._TAKEN_UP_SECONDS", 0.1)
    monkeypatch.setenv("QUINTANT_INGEST_SOURCES_FILE", str(tmp_path / "another.json"))
    said = _typed("source", "add", "shop", *_READY)
    assert said.exit_code == 1
    assert "ingest does not see it" in said.output
