"""The ingest of tests/integration/ingest, for sources with their fakes."""

from tests.integration.ingest.conftest import database, settings

__all__ = ["database", "settings"]
