"""Settings of metrics."""

from typing import ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from shared.http.standard_webhooks import secret_bytes
from shared.runtime.settings import Port, ServiceSettings


class Settings(ServiceSettings):
    """What all services share, and how numbers are read."""

    service: ClassVar[str] = "metrics"
    http_port: Port = 8103
    health_port: Port = 8113
    metrics_wait_seconds: float = Field(default=10.0, gt=0, le=60)
    """How long a GET with `after=` waits at most."""
    metrics_receivable_basis: Literal["invoiced", "shipped"] = "invoiced"
    """What makes a receivable: invoices, or shipments where no invoices are sent."""
    metrics_summary_least: int = Field(default=2_000, ge=0)
    """Events that may be left out of the summaries: reads take them from the ledger."""
    metrics_alert_behind_limit: int = Field(default=1_000, ge=0)
    """Events that may be missing while alert rules are judged: beyond it nobody is called."""
    metrics_webhook_url: SecretStr | None = None
    """Where alerts are sent as signed webhooks (Standard Webhooks)."""
    metrics_webhook_secret: SecretStr | None = None
    """`whsec_` and base64; two, separated by a blank, during a rotation."""
    metrics_alertmanager_urls: str = ""
    """Every instance, separated by commas, such as http://alertmanager:9093."""
    metrics_alertmanager_resend_seconds: float = Field(default=60.0, gt=0, le=3600)
    """How often Alertmanager is told what still fires."""

    @property
    def webhook_secrets(self) -> list[bytes]:
        """The keys that a webhook is signed with."""
        given = self.metrics_webhook_secret
        return [secret_bytes(one) for one in given.get_secret_value().split()] if given else []

    @property
    def alertmanagers(self) -> list[str]:
        """The instances."""
        return [url for one in self.metrics_alertmanager_urls.split(",") if (url := one.strip())]

    @field_validator("metrics_webhook_secret")
    @classmethod
    def _secrets(cls, value: SecretStr | None) -> SecretStr | None:
        for secret in value.get_secret_value().split() if value else ():
            secret_bytes(secret)
        return value

    @field_validator("metrics_webhook_url")
    @classmethod
    def _webhook(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            _http(value.get_secret_value())
        return value

    @field_validator("metrics_alertmanager_urls")
    @classmethod
    def _alertmanagers(cls, value: str) -> str:
        for one in filter(None, map(str.strip, value.split(","))):
            _http(one)
        return value

    @model_validator(mode="after")
    def _signed(self) -> Self:
        if self.metrics_webhook_url is not None and not self.webhook_secrets:
            raise ValueError("QUINTANT_METRICS_WEBHOOK_URL needs QUINTANT_METRICS_WEBHOOK_SECRET (or _SECRET_FILE)")
        return self


def _http(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("write http://host:port or https://host")
