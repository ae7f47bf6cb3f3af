"""Settings of the pipeline service."""

from typing import ClassVar

from pydantic import Field

from shared.runtime.settings import Port, ServiceSettings


class Settings(ServiceSettings):
    """What all services share, and how long a reader may wait for its own writes."""

    service: ClassVar[str] = "pipeline"
    http_port: Port = 8102
    health_port: Port = 8112
    pipeline_wait_seconds: float = Field(default=10.0, gt=0, le=60)
    """How long a GET with `after=` waits at most."""
