"""Strangers at every route of ingest, as its OpenAPI document describes them and against it: nothing ends with 5xx."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings

from quintant.stack import services
from quintant.stack.home import Home
from tests.running import Running


@pytest.fixture(scope="module")
def ingest(
    database_url: str, kafka_bootstrap: str, topic_prefix: str, own_directory: Path
) -> Iterator[tuple[Any, dict[str, str]]]:
    """The document of a running api, and the headers of a caller who may do everything."""
    own = {"QUINTANT_TOPIC_PREFIX": topic_prefix}
    running = Running(
        Home(own_directory), services.environment(Home(own_directory), database_url, kafka_bootstrap) | own
    )
    running.prepare()
    running.start(["ingest-api"])
    url = running.parts["ingest-api"].address
    headers = {"authorization": f"Bearer {running.key}"}
    assert httpx.get(f"{url}/readyz").status_code == 200
    loaded = schemathesis.openapi.from_url(f"{url}/openapi.json", headers=headers)
    yield loaded, headers
    running.stop()


def test_no_request_ends_with_5xx(ingest: tuple[Any, dict[str, str]]) -> None:
    loaded, headers = ingest
    operations = [found.ok() for found in loaded.get_all_operations()]
    assert len(operations) > 15
    for operation in operations:

        @settings(suppress_health_check=list(HealthCheck), max_examples=settings().max_examples // 4)
        @given(operation.as_strategy())
        def no_5xx(case: Any) -> None:
            answer = case.call(headers=headers)
            assert answer.status_code < 500, (case.as_curl_command(), answer.text)

        no_5xx()
