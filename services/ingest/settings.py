"""Settings of ingest."""

from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from shared.runtime.settings import Port, ServiceSettings


class Settings(ServiceSettings):
    """What ingest is told beside what all services share."""

    service: ClassVar[str] = "ingest"
    http_port: Port = 8101
    health_port: Port = 8111
    ingest_sources_file: Path | None = None
    """The configured sources with their secrets (JSON), read anew when changed; `quintant source add` writes it."""
    ingest_public_url: str = ""
    """Where senders reach ingest, such as https://in.example.com: printed by `quintant source add`, and covered by some
    signatures. Empty: as a request addresses it."""
    ingest_poll_seconds: float = Field(default=900.0, ge=1.0)
    """How often sources are asked what changed, to find what their webhooks missed."""
    ingest_poll_grace_seconds: float = Field(default=300.0, ge=0.0)
    """How long a change may be on its way by webhook before polling looks for it."""
    ingest_import_bytes: int = Field(default=256 * 1024 * 1024, ge=1024)
    """The largest import request."""

    @field_validator("ingest_public_url")
    @classmethod
    def _whole_url(cls, value: str) -> str:
        url = urlsplit(value)
        if value and (url.scheme not in ("http", "https") or not url.netloc or url.query or url.fragment):
            raise ValueError("write https://host, without a query")
        return value.rstrip("/")
