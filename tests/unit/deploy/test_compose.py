"""docker-compose.yml against the specification, the settings classes and its neighbours. No engine is needed."""

import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy

import pytest

from tests.unit.deploy import compose_checks as checks
from tests.unit.deploy.files import DEPLOY, Tree, compose, read_yaml

Check = Callable[[Tree], Iterator[str]]


def _targets(tree: Tree) -> Iterator[str]:
    return checks.target_problems(tree, read_yaml(DEPLOY / "prometheus" / "prometheus.yml"))


ALL: tuple[Check, ...] = (
    checks.schema_problems,
    checks.process_problems,
    checks.variable_problems,
    checks.port_problems,
    checks.exposure_problems,
    checks.hardening_problems,
    checks.order_problems,
    checks.secret_problems,
    checks.mount_problems,
    checks.reference_problems,
    _targets,
)


@pytest.mark.parametrize("check", ALL)
def test_the_file_is_right(check: Check) -> None:
    assert list(check(compose())) == []


def _put(path: str, value: object) -> Callable[[Tree], None]:
    def plant(tree: Tree) -> None:
        *parents, last = path.split("/")
        for name in parents:
            tree = tree[name]
        if value is None:
            del tree[last]
        else:
            tree[last] = value

    return plant


PLANTED: tuple[tuple[Check, str, object, str], ...] = (
    (checks.schema_problems, "services/kafka/healtcheck", {}, "healtcheck"),
    (checks.schema_problems, "services/kafka/restart", 3, "restart"),
    (checks.process_problems, "services/metrics-worker", None, "runs"),
    (checks.process_problems, "services/topics/command", ["true"], "topics"),
    (checks.variable_problems, "services/ingest-api/environment/QUINTANT_TIMEZONE", "UTC", "read by nothing"),
    (checks.variable_problems, "services/ingest-api/environment/QUINTANT_HTTP_HOST_FILE", "/x", "read by nothing"),
    (checks.variable_problems, "services/topics/environment/DATABASE_URL_FILE", "/x", "read by nothing"),
    (checks.variable_problems, "services/metrics-api/environment/QUINTANT_METRICS_WAIT_SECONDS", None, "cannot be"),
    (checks.variable_problems, "services/metrics-api/environment/DATABASE_URL_FILE", None, "is required"),
    (checks.port_problems, "services/metrics-api/environment/QUINTANT_HTTP_PORT", "8102", "the usual 8103"),
    (checks.port_problems, "services/metrics-worker/environment/QUINTANT_HTTP_HOST", "127.0.0.1", "be reached"),
    (checks.port_problems, "services/metrics-worker/healthcheck/test", ["CMD", "true"], "something else"),
    (checks.port_problems, "services/metrics-worker/ports", ["127.0.0.1:8113:8113"], "publishes"),
    (checks.port_problems, "services/metrics-api/ports", ["127.0.0.1:8103:8102"], "publishes"),
    (checks.exposure_problems, "services/kafka/ports", ["9092:9092"], "not published on 127.0.0.1"),
    (checks.exposure_problems, "services/kafka/ports", ["127.0.0.1:9090:9092"], "is taken by"),
    (checks.exposure_problems, "services/kafka/network_mode", "host", "shut off"),
    (checks.hardening_problems, "services/postgres/image", "postgres", "not pinned"),
    (checks.hardening_problems, "services/postgres/image", "postgres:latest", "not pinned"),
    (checks.hardening_problems, "services/ingest-api/read_only", None, "may write"),
    (checks.hardening_problems, "services/ingest-api/security_opt", [], "privileges"),
    (checks.hardening_problems, "services/ingest-api/restart", None, "not restarted"),
    (checks.hardening_problems, "services/ingest-api/stop_grace_period", "10s", "drained"),
    (checks.hardening_problems, "services/migrate-ingest/restart", "always", "again and again"),
    (checks.hardening_problems, "services/ingest-api/image", "quintant:0.0.9", "images"),
    (checks.hardening_problems, "services/ingest-api/build", ".", "built by"),
    (checks.order_problems, "services/metrics-worker/depends_on/topics", None, "waits for"),
    (checks.order_problems, "services/kafka/healthcheck", None, "no health check"),
    (checks.secret_problems, "services/ingest-api/secrets", ["api_keys"], "database_url is not granted"),
    (checks.secret_problems, "services/ingest-api/secrets", ["api_key"], "api_key is not declared"),
    (checks.secret_problems, "services/postgres/environment/POSTGRES_PASSWORD", "secret", "value in the file"),
    (checks.secret_problems, "secrets/api_keys", {"file": "deploy/api_keys"}, "secret api_keys"),
    (checks.mount_problems, "services/grafana/volumes", ["./deploy/graphana:/etc/grafana:ro"], "no folder here"),
    (checks.mount_problems, "services/grafana/volumes", ["./deploy/grafana:/etc/grafana"], "not read-only"),
    (checks.mount_problems, "volumes/grafana-data", None, "not declared"),
    (
        checks.reference_problems,
        "services/ingest-worker/environment/KAFKA_BOOTSTRAP_SERVERS",
        "kafka:9093",
        "nothing listens",
    ),
    (
        _targets,
        "services/metrics-worker/environment/QUINTANT_HEALTH_PORT",
        "8114",
        "metrics-worker:8113 does not exist",
    ),
)


@pytest.mark.parametrize(("check", "path", "value", "said"), PLANTED, ids=[f"{p[1]}={p[2]}" for p in PLANTED])
def test_a_planted_mistake_is_found(check: Check, path: str, value: object, said: str) -> None:
    tree = deepcopy(compose())
    _put(path, value)(tree)
    problems = list(check(tree))
    assert any(said in problem for problem in problems), problems


@contextmanager
def _answering(status: int) -> Iterator[int]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/readyz" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("process", ["metrics-api", "metrics-worker"])
def test_the_health_check_itself(process: str) -> None:
    """The very command of the file, through a proxy setting that it must not follow."""
    how, program, *arguments = compose()["services"][process]["healthcheck"]["test"]
    assert (how, program) == ("CMD", "python")
    variable = "QUINTANT_HTTP_PORT" if process.endswith("api") else "QUINTANT_HEALTH_PORT"

    def healthy(port: int) -> bool:
        environment = {**os.environ, variable: str(port), "http_proxy": "http://127.0.0.1:9"}
        done = subprocess.run(
            [sys.executable, *arguments], env=environment, capture_output=True, timeout=30, check=False
        )
        return done.returncode == 0

    with _answering(200) as port:
        assert healthy(port)
    assert not healthy(port)
    with _answering(503) as port:
        assert not healthy(port)
