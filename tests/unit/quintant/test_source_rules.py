"""What `quintant source` decides by itself: answers, steps, addresses, secrets, stage maps, orders of sending."""

import base64
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quintant.sources import stages
from quintant.sources.asking import Answers
from quintant.sources.cards import Backlog, Card, Question, Source, StageFound, Subscription
from quintant.sources.screens import moment, percent, problems
from quintant.sources.secret import make_up
from quintant.sources.simulating import Signed, arranged
from quintant.sources.stages import Row
from quintant.sources.steps import Filling, address_trouble
from quintant.sources.values import AnswerError, read
from quintant.sources.waiting import news
from quintant.stack.errors import StackError
from tests.unit.quintant.fake_ingest import CRM, SHOP

CRM_CARD, SHOP_CARD = (msgspec.convert(one, Card) for one in (CRM, SHOP))
_NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
_KNOWN = {"default": ("prospecting", "qualification", "proposal-negotiation", "won", "lost"), "partners": ("won",)}


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("text", " Ünïcode ", "Ünïcode"),
        ("text", "", None),
        ("text", '""', ""),
        ("number", "-12", -12),
        ("number", "1.5", 1.5),
        ("boolean", "Yes", True),
        ("boolean", "no", False),
        ("choice", "eu", "eu"),
        ("mapping", "a=b, c = d=e", {"a": "b", "c": "d=e"}),
        ("mapping", '{"a": {"b": [1]}}', {"a": {"b": [1]}}),
        ("mapping", '[{"a": 1}]', [{"a": 1}]),
    ],
)
def test_answers_are_read_as_their_kind(kind: str, text: str, value: object) -> None:
    assert read(_question(kind), text) == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("number", "CANARY"),
        ("number", "nan"),
        ("boolean", "CANARY"),
        ("choice", "CANARY"),
        ("mapping", "CANARY"),
        ("mapping", "{CANARY"),
    ],
)
def test_an_answer_that_cannot_be_read_is_refused_without_repeating_it(kind: str, text: str) -> None:
    with pytest.raises(AnswerError) as raised:
        read(_question(kind), text)
    assert "CANARY" not in str(raised.value)


def test_an_answer_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("line 1\nline 2\n")
    assert read(_question("text"), f"@{tmp_path}/key.pem") == "line 1\nline 2"
    with pytest.raises(AnswerError):
        read(_question("text"), f"@{tmp_path}/none")


def test_settings_behind_set_must_be_asked_for() -> None:
    answers = Answers(CRM_CARD, "eu")
    answers.take(["portal=7", "pipelines=a=b", "id_prefix="])
    assert answers.settings == {"portal": 7, "pipelines": {"a": "b"}, "id_prefix": ""}
    for wrong in ("other=1", "portal", "portal=", "portal=x"):
        with pytest.raises(StackError):
            answers.take([wrong])


def test_steps_are_filled_in_and_secrets_of_the_source_are_not_shown() -> None:
    filling = Filling(CRM_CARD, "https://q.example/", "eu", {"portal": 7, "token": "CANARY"})
    assert filling.steps() == [
        "Send to https://q.example/v1/webhooks/eu",
        "As portal 7 with ‹Access token›, ‹Client secret›, {unknown}",
    ]
    assert "CANARY" not in repr(filling)


def test_a_sender_that_cannot_sign_gets_the_secret_in_its_address() -> None:
    assert Filling(SHOP_CARD, "https://q.example", "s", {}, "a/b").url == "https://q.example/v1/webhooks/s/a%2Fb"
    assert Filling(SHOP_CARD, "https://q.example", "s", {}).url == "https://q.example/v1/webhooks/s/‹Key›"


@pytest.mark.parametrize(
    ("address", "well"),
    [
        ("https://q.example/v1/webhooks/a", True),
        ("http://q.example/v1/webhooks/a", False),
        ("https://localhost:8101/x", False),
        ("http://127.0.0.2:8101/x", False),
        ("https://[::1]/x", False),
        ("https://10.1.2.3/x", True),
    ],
)
def test_an_address_that_others_cannot_reach_is_said(address: str, well: bool) -> None:
    assert (address_trouble(address) is None) == well


def test_secrets_are_made_for_their_adapter() -> None:
    assert make_up("crm") != make_up("crm")
    assert make_up("crm").replace("-", "").replace("_", "").isalnum()
    prefix, _, coded = make_up("standard-webhooks").partition("_")
    assert prefix == "whsec"
    assert len(base64.b64decode(coded, validate=True)) == 32


def test_a_proposal_takes_what_the_api_says_and_guesses_no_further() -> None:
    found = [
        StageFound("main", "s1", "Qualification"),
        StageFound("main", "s2", "OFFER"),
        StageFound("main", "s3", "Something else"),
        StageFound("main", "s4", "Signed", "won"),
        StageFound("other", "s5", "Offer"),
    ]
    proposed = stages.proposal(found, CRM_CARD.stages, {"other": "partners"}, _KNOWN)
    assert [(row.pipeline, row.label, row.stage) for row in proposed] == [
        ("default", "s1", "qualification"),
        ("default", "s2", "proposal-negotiation"),
        ("default", "s3", None),
        ("default", "s4", "won"),
        ("partners", "s5", None),
    ]


def test_without_an_api_the_usual_labels_are_proposed_for_every_pipeline() -> None:
    proposed = stages.proposal([], CRM_CARD.stages, {"other": "partners"}, _KNOWN)
    assert [(row.pipeline, row.label, row.stage) for row in proposed] == [
        ("default", "Offer", "proposal-negotiation"),
        ("default", "Won", "won"),
        ("partners", "Offer", None),
        ("partners", "Won", "won"),
    ]


def test_two_pipelines_that_are_one_here_share_a_label() -> None:
    found = [StageFound("a", "x", "Unclear"), StageFound("b", "x", "Offer")]
    assert [row.stage for row in stages.proposal(found, CRM_CARD.stages, {}, _KNOWN)] == ["proposal-negotiation"]


def test_a_stage_map_event_for_each_pipeline_says_only_what_is_known() -> None:
    rows = [Row("default", "a", "", "won"), Row("default", "b", "", None), Row("partners", "c", "", None)]
    (event,) = stages.events("eu", rows, _NOW)
    assert event["subject"] == "/sources/eu#default"
    assert event["time"] == "2026-11-22T12:00:00+00:00"
    assert event["data"] == {
        "id": "/sources/eu#default",
        "of_source": "/sources/eu",
        "pipeline_id": "default",
        "stages": {"a": {"stage": "won"}},
    }


@given(st.integers(0, 60), st.integers(0, 100), st.booleans(), st.integers())
def test_every_request_is_sent_once_or_twice(count: int, duplicates: int, reorder: bool, seed: int) -> None:
    requests = [Signed("", {"n": str(n)}) for n in range(count)]
    sent = arranged(requests, duplicates=duplicates, reorder=reorder, seed=seed)
    times = Counter(one.headers["n"] for one in sent)
    assert set(times) == {one.headers["n"] for one in requests}
    assert set(times.values()) <= {1, 2}
    assert sent == arranged(requests, duplicates=duplicates, reorder=reorder, seed=seed)
    if not reorder:
        assert list(dict.fromkeys(one.headers["n"] for one in sent)) == [one.headers["n"] for one in requests]
    if duplicates in (0, 100):
        assert len(sent) == count * (1 + duplicates // 100)


@pytest.mark.parametrize(
    ("ratio", "text"), [("1", "100.0 %"), ("0.998", "99.8 %"), ("0.99999", ">99.9 %"), ("0", "0.0 %"), (None, "")]
)
def test_what_is_nearly_complete_is_not_shown_as_complete(ratio: str | None, text: str) -> None:
    assert percent(ratio) == text


def test_moments() -> None:
    assert moment(None, _NOW) == "never"
    assert moment(_NOW.replace(hour=3), _NOW) == "03:00:00"
    assert moment(_NOW.replace(day=3), _NOW) == "2026-11-03"


def test_a_refusal_while_waiting_is_told_with_its_cause() -> None:
    before, now = Source("/sources/eu"), Source("/sources/eu", refused={"signature": 1})
    assert any("the secret there and here differ" in line for line in news(before, now))
    came = Source("/sources/eu", accepted=1, quarantined=2, last_occurred_at=_NOW)
    assert next(news(before, came)).endswith("1 event accepted")


def test_a_delivery_of_which_nothing_is_counted_yet_is_told() -> None:
    before = Source("/sources/eu")
    read_later = Source("/sources/eu", last_delivery_at=_NOW, backlog=Backlog(2))
    assert [*news(before, read_later)] == [
        "[green]✓[/] a genuine delivery came in; 2 objects wait to be read from its API"
    ]
    assert "no token" in next(news(before, Source("/sources/eu", problem="no token")))
    accepted = Source("/sources/eu", accepted=1, last_occurred_at=_NOW, last_accepted_at=_NOW)
    assert [*news(before, accepted)][-1] == "  happened 2026-11-22 12:00:00 UTC, accepted 2026-11-22 12:00:00 UTC"


def test_everything_that_needs_a_look_is_a_line() -> None:
    subscription = Subscription("1", detail="was deleted")
    found = [Source("/sources/eu", name="eu", problem="no secret", subscription=subscription), Source("/import/x")]
    assert problems(found) == ["eu: no secret", "eu: was deleted"]


def _question(kind: str) -> Question:
    return msgspec.convert({"name": "q", "type": kind, "choices": ["eu", "us"]}, Question)
