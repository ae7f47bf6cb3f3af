"""The sales pipelines as the environment tells them."""

import pytest
from pydantic import ValidationError

from services.pipeline.settings import Settings
from shared.runtime.fingerprint import fingerprint
from shared.sales.company import DEFAULT_STAGES


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody:nothing@localhost/none")
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "localhost:1")
    return monkeypatch


def test_there_is_a_default_pipeline() -> None:
    assert Settings().company().pipelines.stages == {"default": DEFAULT_STAGES}


def test_pipelines_stand_side_by_side(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("QUINTANT_PIPELINES", '{"default": ["first", "second"], "renewals": ["notice"]}')
    environment.setenv("QUINTANT_CONSTANT_RATE_ON", "2025-07-01")
    company = Settings().company()
    assert company.pipelines.stages == {"default": ("first", "second"), "renewals": ("notice",)}
    assert company.constant_rate_on.isoformat() == "2025-07-01"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"a": []}',
        '{"a": ["x", "x"]}',
        '{"a": ["won"]}',
        '{"a": ["A b"]}',
        '{" a": ["x"]}',
        '{"a": 1}',
    ],
)
def test_pipelines_that_cannot_be_are_refused(environment: pytest.MonkeyPatch, text: str) -> None:
    environment.setenv("QUINTANT_PIPELINES", text)
    with pytest.raises(ValidationError):
        Settings()


def test_waiting_is_bounded(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("QUINTANT_PIPELINE_WAIT_SECONDS", "600")
    with pytest.raises(ValidationError):
        Settings()


def test_the_fingerprint_changes_with_what_numbers_depend_on(environment: pytest.MonkeyPatch) -> None:
    found = {fingerprint(Settings())}
    environment.setenv("QUINTANT_HTTP_PORT", "1")
    assert {fingerprint(Settings())} == found
    for name, value in (
        ("QUINTANT_COMPANY_TIME_ZONE", "Asia/Shanghai"),
        ("QUINTANT_BASE_CURRENCY", "EUR"),
        ("QUINTANT_PIPELINES", '{"default": ["first"]}'),
    ):
        environment.setenv(name, value)
        found.add(fingerprint(Settings()))
    assert len(found) == 4
