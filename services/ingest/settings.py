"""Settings of ingest."""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import BaseModel, Field, SecretStr

from shared.runtime.settings import Port, ServiceSettings


class WebhookSource(BaseModel, frozen=True):
    """One webhook endpoint: which adapter reads it, and up to two live secrets (the second during a rotation)."""

    adapter: str = "standard-webhooks"
    secrets: tuple[SecretStr, ...] = Field(min_length=1, max_length=2)


class Settings(ServiceSettings):
    """Ingest needs nothing but what all services share, and its webhook sources."""

    service: ClassVar[str] = "ingest"
    http_port: Port = 8101
    health_port: Port = 8111
    ingest_webhook_sources: Mapping[str, WebhookSource] = Field(default_factory=dict)
    """JSON: {"erp": {"adapter": "standard-webhooks", "secrets": ["whsec_…"]}}; POST /v1/webhooks/erp then takes it."""
    ingest_import_bytes: int = Field(default=256 * 1024 * 1024, ge=1024)
    """The largest import request."""
