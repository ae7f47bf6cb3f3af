"""The environment: what is taken, and what is said about what is not."""

from pathlib import Path

import pytest

from shared.runtime.entry import load
from shared.runtime.settings import SettingsError, TopicSettings
from tests.integration.shared_runtime.sample import Settings

GOOD = {"DATABASE_URL": "postgresql://u:hunter2@h:5432/d", "KAFKA_BOOTSTRAP_SERVERS": "h:9092,i:9092"}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in (*GOOD, "DATABASE_URL_FILE", "QUINTANT_API_KEYS_FILE", "QUINTANT_TOPIC_PREFIX"):
        monkeypatch.delenv(name, raising=False)
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_defaults(environment: pytest.MonkeyPatch) -> None:
    settings = load(Settings)
    assert (settings.http_host, settings.partitions) == ("127.0.0.1", 4)
    assert (settings.company_time_zone, settings.base_currency, settings.fiscal_year_start_month) == ("UTC", "USD", 1)
    assert settings.instance == "pipeline-0"
    assert settings.api_keys_file is None


def test_everything_said(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    said = {
        "QUINTANT_COMPANY_TIME_ZONE": "Asia/Shanghai",
        "QUINTANT_BASE_CURRENCY": "CNY",
        "QUINTANT_FISCAL_YEAR_START_MONTH": "4",
        "QUINTANT_INSTANCE": "pipeline-1",
        "QUINTANT_LOG_LEVEL": "DEBUG",
        "QUINTANT_TOPIC_PREFIX": "test-1.",
        "QUINTANT_HTTP_PORT": "8102",
        "QUINTANT_API_KEYS_FILE": str(tmp_path / "keys"),
    }
    for name, value in said.items():
        environment.setenv(name, value)
    settings = load(Settings)
    assert settings.zone.key == "Asia/Shanghai"
    assert (settings.instance, settings.log_level, settings.http_port) == ("pipeline-1", "debug", 8102)
    assert settings.api_keys_file == tmp_path / "keys"


def test_secrets_are_not_shown(environment: pytest.MonkeyPatch) -> None:
    settings = load(Settings)
    assert settings.database_url.get_secret_value() == GOOD["DATABASE_URL"]
    assert "hunter2" not in repr(settings) + str(settings) + settings.model_dump_json()


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("QUINTANT_COMPANY_TIME_ZONE", "Mars/hunter2", "Asia/Shanghai"),
        ("QUINTANT_COMPANY_TIME_ZONE", "../hunter2", "Asia/Shanghai"),
        ("QUINTANT_BASE_CURRENCY", "hunter2", "ISO 4217"),
        ("QUINTANT_BASE_CURRENCY", "usd", "ISO 4217"),
        ("QUINTANT_FISCAL_YEAR_START_MONTH", "13", "less than or equal to 12"),
        ("DATABASE_URL", "mysql://u:hunter2@h/d", "postgresql://user"),
        ("DATABASE_URL", "postgresql://u:hunter2@h", "postgresql://user"),
        ("DATABASE_URL", "postgresql://u:hunter2@[h/d", "postgresql://user"),
        ("KAFKA_BOOTSTRAP_SERVERS", "hunter2", "host:port"),
        ("QUINTANT_PARTITIONS", "0", "greater than or equal to 1"),
        ("QUINTANT_HTTP_PORT", "70000", "65535"),
        ("QUINTANT_LOG_LEVEL", "hunter2", "'warning'"),
        ("QUINTANT_TOPIC_PREFIX", "Hunter2_", "lower-case"),
        ("QUINTANT_INSTANCE", "hunter2 !", "letters"),
    ],
)
def test_a_wrong_value_is_named_not_shown(environment: pytest.MonkeyPatch, name: str, value: str, remedy: str) -> None:
    environment.setenv(name, value)
    with pytest.raises(SettingsError) as refused:
        load(Settings)
    message = str(refused.value)
    assert message.strip().startswith(f"{name}: ")
    assert remedy in message
    assert "hunter2" not in message.lower()


def test_all_that_is_missing_is_named(environment: pytest.MonkeyPatch) -> None:
    for name in GOOD:
        environment.delenv(name)
    with pytest.raises(SettingsError) as refused:
        load(Settings)
    assert [line.strip() for line in str(refused.value).splitlines()] == [
        "KAFKA_BOOTSTRAP_SERVERS: is not set",
        "DATABASE_URL: is not set",
    ]


def test_a_secret_from_a_file(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text("postgresql://u:other@h/d\n", "utf-8")
    environment.delenv("DATABASE_URL")
    environment.setenv("DATABASE_URL_FILE", str(file))
    assert load(Settings).database_url.get_secret_value() == "postgresql://u:other@h/d"


def test_a_secret_said_twice(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment.setenv("DATABASE_URL_FILE", str(tmp_path / "url"))
    with pytest.raises(SettingsError, match="not both"):
        load(Settings)


def test_a_secret_file_that_is_not_there(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment.delenv("DATABASE_URL")
    environment.setenv("DATABASE_URL_FILE", str(tmp_path / "url"))
    with pytest.raises(SettingsError, match=r"DATABASE_URL_FILE.*FileNotFoundError"):
        load(Settings)


def test_topics_need_no_database(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("DATABASE_URL")
    assert load(TopicSettings).kafka_bootstrap_servers == GOOD["KAFKA_BOOTSTRAP_SERVERS"]
