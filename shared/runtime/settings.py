"""What every process is told by its environment. A service's own class adds its fields; nothing else reads it."""

import json
import os
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, Field, FilePath, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from shared.contracts.currencies import CODES
from shared.kernel.ids import is_id
from shared.kernel.period import Calendar
from shared.messaging.cluster import Cluster, Mechanism, Protocol
from shared.sales.company import DEFAULT_PIPELINE, DEFAULT_STAGES, LOST, UNMAPPED, WON, Company, Pipelines

PREFIX = "QUINTANT_"

_BOOTSTRAP = re.compile(r"[^\s,:/]+:\d{1,5}(,[^\s,:/]+:\d{1,5})*")
_TOPIC_PREFIX = re.compile(r"[a-z0-9][a-z0-9.-]*")
_INSTANCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_STAGE = re.compile(r"[a-z][a-z0-9_-]{0,62}")

_PIPELINES_REMEDY = (
    'write JSON such as {"default": ["prospecting", "proposal"]}: for each pipeline its open stages in order, '
    "lower-case slugs, none twice, without won, lost and unmapped"
)

Port = Annotated[int, Field(ge=0, le=65535)]
"""0 lets the system choose; the log says which."""


class SettingsError(Exception):
    """The environment does not make a valid configuration; each line says which variable and what to do."""


class _SecretFiles(PydanticBaseSettingsSource):
    """`X_FILE` names a file that holds secret `X`, as container platforms mount them."""

    def __init__(self, settings_class: type[BaseSettings]) -> None:
        super().__init__(settings_class)
        self.problems: list[str] = []

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        variable = variable_of(self.settings_cls, field_name)
        path = os.environ.get(f"{variable}_FILE")
        if not path or not _is_secret(field):
            return None, field_name, False
        if variable in os.environ:
            raise SettingsError(f"{variable}: set either {variable} or {variable}_FILE, not both")
        try:
            text = Path(path).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{variable}_FILE: the file cannot be read ({type(error).__name__})") from error
        return text, str(field.validation_alias or field_name), False

    def __call__(self) -> dict[str, Any]:
        found = (self.get_field_value(field, name) for name, field in self.settings_cls.model_fields.items())
        return {key: value for value, key, _ in found if value is not None}


class TopicSettings(BaseSettings):
    """Where the broker is and how its topics are cut."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="ignore", populate_by_name=True, hide_input_in_errors=True
    )

    kafka_bootstrap_servers: str = Field(validation_alias="KAFKA_BOOTSTRAP_SERVERS")
    kafka_security_protocol: Protocol = "PLAINTEXT"
    """PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL."""
    kafka_ca_file: FilePath | None = None
    """Whose certificates brokers may show, as PEM. Empty: those that this machine trusts."""
    kafka_certificate_file: FilePath | None = None
    """Our own certificate, as PEM, if the brokers ask for one."""
    kafka_key_file: FilePath | None = None
    """The key of that certificate, unless it is in the same file; without a passphrase."""
    kafka_sasl_mechanism: Mechanism = "SCRAM-SHA-512"
    """PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512."""
    kafka_user: str = ""
    """Who we are there, with SASL."""
    kafka_password: SecretStr | None = Field(default=None, validate_default=True)
    """The user's password."""
    topic_prefix: str = ""
    partitions: int = Field(default=4, ge=1, le=1024)
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is pydantic's
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, _SecretFiles(settings_cls)

    @property
    def kafka(self) -> Cluster:
        """How every client reaches Kafka."""
        return Cluster(
            self.kafka_bootstrap_servers,
            self.kafka_security_protocol,
            self.kafka_ca_file,
            self.kafka_certificate_file,
            self.kafka_key_file,
            self.kafka_sasl_mechanism,
            self.kafka_user,
            self.kafka_password.get_secret_value() if self.kafka_password else "",
        )

    @field_validator("kafka_ca_file", "kafka_certificate_file", "kafka_key_file", "kafka_password", mode="before")
    @classmethod
    def _none(cls, value: object) -> object:
        """As container platforms say that something is not set."""
        return None if value == "" else value

    @field_validator("kafka_security_protocol", "kafka_sasl_mechanism", mode="before")
    @classmethod
    def _upper(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator("kafka_password")
    @classmethod
    def _with_user(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        """A login needs both, and only SASL has one."""
        login = str(info.data.get("kafka_security_protocol", "")).startswith("SASL")
        if login != bool(value) or login != bool(info.data.get("kafka_user")):
            raise ValueError(
                "set QUINTANT_KAFKA_USER and QUINTANT_KAFKA_PASSWORD with SASL_PLAINTEXT or SASL_SSL, else neither"
            )
        return value

    @field_validator("kafka_bootstrap_servers")
    @classmethod
    def _reachable(cls, value: str) -> str:
        return _matching(_BOOTSTRAP, value, "write host:port, several separated by commas")

    @field_validator("topic_prefix")
    @classmethod
    def _prefix(cls, value: str) -> str:
        return _matching(_TOPIC_PREFIX, value, "use lower-case letters, digits, dots and hyphens") if value else value

    @field_validator("log_level", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value


class ServiceSettings(TopicSettings):
    """What the four services share. A service sets `service`, `http_port` and `health_port` and adds its own."""

    service: ClassVar[str]

    database_url: SecretStr = Field(validation_alias="DATABASE_URL")
    http_host: str = "127.0.0.1"
    http_port: Port
    health_port: Port
    api_keys_file: Path | None = None
    company_time_zone: str = "UTC"
    fiscal_year_start_month: int = Field(default=1, ge=1, le=12)
    base_currency: str = "USD"
    pipelines: Annotated[dict[str, tuple[str, ...]], NoDecode] = {DEFAULT_PIPELINE: DEFAULT_STAGES}
    """The open stages of each sales pipeline, in order, as JSON; every pipeline closes as won or lost."""
    constant_rate_on: date = date(2026, 1, 1)
    """Amounts at constant currency are converted at the rate of this business date."""
    instance: str = Field(default="", validate_default=True)
    """Static member id in the consumer group: stable over restarts, different for each worker of a service."""
    failpoint: str = ""
    """For fault tests only: where this process dies as if by `kill -9` (see shared.messaging.failpoints)."""

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.company_time_zone)

    def company(self) -> Company:
        """The settings that numbers depend on."""
        calendar = Calendar(self.zone, self.fiscal_year_start_month)
        return Company(calendar, self.base_currency, Pipelines(dict(self.pipelines)), self.constant_rate_on)

    @field_validator("database_url")
    @classmethod
    def _postgres(cls, value: SecretStr) -> SecretStr:
        remedy = "write postgresql://user:password@host:port/database"
        try:
            url = urlsplit(value.get_secret_value())
        except ValueError as error:
            raise ValueError(remedy) from error
        if url.scheme not in ("postgresql", "postgres") or not url.path.strip("/"):
            raise ValueError(remedy)
        return value

    @field_validator("company_time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError("use a name of the IANA time zone database, such as Asia/Shanghai or UTC") from error
        return value

    @field_validator("base_currency")
    @classmethod
    def _currency(cls, value: str) -> str:
        if value not in CODES:
            raise ValueError("use an ISO 4217 code, such as EUR or CNY")
        return value

    @field_validator("pipelines", mode="before")
    @classmethod
    def _json(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value)
        except ValueError as error:
            raise ValueError(_PIPELINES_REMEDY) from error

    @field_validator("pipelines")
    @classmethod
    def _stages(cls, value: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        if not value or not all(map(is_id, value)):
            raise ValueError(_PIPELINES_REMEDY)
        for stages in value.values():
            named = {stage for stage in stages if _STAGE.fullmatch(stage)} - {WON, LOST, UNMAPPED}
            if not stages or len(named) != len(stages):
                raise ValueError(_PIPELINES_REMEDY)
        return value

    @field_validator("instance")
    @classmethod
    def _member(cls, value: str) -> str:
        return _matching(_INSTANCE, value or f"{cls.service}-0", "use letters, digits, dots, hyphens, underscores")


def variable_of(settings_class: type[BaseModel], field_name: str) -> str:
    """The environment variable of a field."""
    alias = settings_class.model_fields[field_name].validation_alias
    return alias if isinstance(alias, str) else PREFIX + field_name.upper()


def explain(settings_class: type[BaseModel], error: ValidationError) -> Iterator[str]:
    """One line for each wrong variable: which, why, what to do; never its value."""
    for item in error.errors(include_input=False, include_url=False):
        place = str(item["loc"][0]) if item["loc"] else "settings"
        variable = variable_of(settings_class, place) if place in settings_class.model_fields else place
        reason = "is not set" if item["type"] == "missing" else item["msg"].removeprefix("Value error, ")
        yield f"{variable}: {reason}"


def _matching(pattern: re.Pattern[str], value: str, remedy: str) -> str:
    if pattern.fullmatch(value) is None:
        raise ValueError(remedy)
    return value


def _is_secret(field: FieldInfo) -> bool:
    return field.annotation is SecretStr or field.annotation == SecretStr | None
