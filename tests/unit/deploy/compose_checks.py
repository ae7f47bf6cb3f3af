"""What must hold of docker-compose.yml. Each check gives the problems that it finds, so that a test can plant one."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import jsonschema

from deploy.generate import ROOT
from shared.runtime.settings import ServiceSettings, TopicSettings, variable_of
from tests.unit.deploy.files import DEPLOY, HERE, Tree, ours, read_json, read_yaml

LONG_RUNNING = ("api", "worker")
LEFT_OUT = {
    "DATABASE_URL": "given as a file",
    "QUINTANT_HTTP_PORT": "of an api only",
    "QUINTANT_HEALTH_PORT": "of a worker only",
    "QUINTANT_INSTANCE": "the default is right for one worker of a service",
    "QUINTANT_FAILPOINT": "for tests only",
    **{
        variable_of(TopicSettings, field): "the broker of this file is reached within its network, without a login"
        for field in TopicSettings.model_fields
        if field.startswith("kafka_") and field != "kafka_bootstrap_servers"
    },
}
_TAG = re.compile(r".+:[^:/]*\d[^:/]*")
_PUBLISHED = re.compile(r"127\.0\.0\.1:(\d+):(\d+)")
_PORT_OF = {"api": "QUINTANT_HTTP_PORT", "worker": "QUINTANT_HEALTH_PORT"}


def schema_problems(tree: Tree) -> Iterator[str]:
    """Against the JSON Schema of the Compose Specification."""
    validator = jsonschema.Draft202012Validator(read_json(HERE / "compose-spec.json"))
    for error in validator.iter_errors(tree):
        yield f"{error.json_path}: {error.message}"


def process_problems(tree: Tree) -> Iterator[str]:
    """All eight processes, one migration a service, and the topics."""
    found = sorted(f"{settings.service} {role}" for _, settings, role in _services(tree))
    names = ("ingest", "pipeline", "metrics", "forecast")
    wanted = sorted(f"{name} {role}" for name in names for role in (*LONG_RUNNING, "migrate"))
    if found != wanted:
        yield f"runs {found}"
    if [name for name, _, _, role in ours(tree) if role == "topics"] != ["topics"]:
        yield "nothing, or more than one, creates the topics"


def variable_problems(tree: Tree) -> Iterator[str]:
    """Every variable is one that the process reads, and each that it reads can be given (a migration needs few)."""
    for name, service, settings, role in ours(tree):
        given = dict(service.get("environment", {}))
        known = {variable_of(settings, field): field for field in settings.model_fields}
        files = {f"{variable}_FILE" for variable, field in known.items() if _is_secret(settings, field)}
        yield from (
            f"{name}: {variable} is read by nothing" for variable in sorted(given.keys() - known.keys() - files)
        )
        missing = known.keys() - given.keys() - LEFT_OUT.keys() if role != "migrate" else set()
        yield from (f"{name}: {variable} cannot be given" for variable in sorted(missing))
        required = [v for v, field in known.items() if settings.model_fields[field].is_required()]
        for variable in required:
            if given.get(variable) is None and given.get(f"{variable}_FILE") is None:
                yield f"{name}: {variable} is required"


def port_problems(tree: Tree) -> Iterator[str]:
    """The port of a process is the default of its class, asked by its health check, published if it is an api."""
    for name, service, settings, role in ours(tree):
        if role not in LONG_RUNNING or not issubclass(settings, ServiceSettings):
            continue
        field = "http_port" if role == "api" else "health_port"
        usual = str(settings.model_fields[field].default)
        if service["environment"].get(_PORT_OF[role]) != usual:
            yield f"{name}: {_PORT_OF[role]} is not the usual {usual}"
        if service["environment"].get("QUINTANT_HTTP_HOST") != "0.0.0.0":  # noqa: S104 - only the container's own network
            yield f"{name}: cannot be reached from other containers"
        probe = " ".join(service["healthcheck"]["test"])
        if f"os.environ['{_PORT_OF[role]}']" not in probe or "/readyz" not in probe:
            yield f"{name}: the health check asks something else"
        published = [f"127.0.0.1:{usual}:{usual}"] if role == "api" else []
        if service.get("ports", []) != published:
            yield f"{name}: publishes {service.get('ports', [])}"


def exposure_problems(tree: Tree) -> Iterator[str]:
    """Published on the loopback address only, no port twice."""
    taken: dict[str, str] = {}
    for name, service in tree["services"].items():
        for port in service.get("ports", []):
            match = _PUBLISHED.fullmatch(str(port))
            if match is None:
                yield f"{name}: {port} is not published on 127.0.0.1"
            elif other := taken.get(match[1]):
                yield f"{name}: port {match[1]} is taken by {other}"
            else:
                taken[match[1]] = name
        if service.get("network_mode") or service.get("privileged"):
            yield f"{name}: is not shut off"


def hardening_problems(tree: Tree) -> Iterator[str]:
    """Images pinned; our own processes unprivileged, restarted, and given their time to drain."""
    for name, service in tree["services"].items():
        if not _TAG.fullmatch(service["image"]):
            yield f"{name}: image {service['image']} is not pinned to a version"
    for name, service, _, role in ours(tree):
        if not service.get("read_only") or service.get("cap_drop") != ["ALL"]:
            yield f"{name}: may write to its file system, or has capabilities"
        if "no-new-privileges:true" not in service.get("security_opt", []):
            yield f"{name}: may gain privileges"
        if role in LONG_RUNNING and service.get("restart") != "unless-stopped":
            yield f"{name}: is not restarted"
        if role in LONG_RUNNING and service.get("stop_grace_period") != "30s":
            yield f"{name}: is killed before it has drained"
        if role not in LONG_RUNNING and not str(service.get("restart")).startswith("on-failure"):
            yield f"{name}: would be done again and again"
    images = {service["image"] for _, service, _, _ in ours(tree)}
    builders = [name for name, service, _, _ in ours(tree) if "build" in service]
    if len(images) != 1 or len(builders) != 1:
        yield f"images {sorted(images)}, built by {builders}"


def order_problems(tree: Tree) -> Iterator[str]:
    """Migrations after PostgreSQL, topics after Kafka, processes after what they need has been done."""
    for name, service, settings, role in ours(tree):
        waits = {other: how["condition"] for other, how in service.get("depends_on", {}).items()}
        own = f"migrate-{getattr(settings, 'service', '')}"
        wanted = {
            "topics": {"kafka": "service_healthy"},
            "migrate": {"postgres": "service_healthy"},
            "api": {own: "service_completed_successfully"},
            "worker": {own: "service_completed_successfully", "topics": "service_completed_successfully"},
        }[role]
        if waits != wanted:
            yield f"{name}: waits for {waits}"
        yield from (f"{name}: {other} has no health check" for other in waits if _never_healthy(tree, other, waits))


def secret_problems(tree: Tree) -> Iterator[str]:
    """A file under /run/secrets is a declared secret of that container; a secret's file is not in the repository."""
    declared = tree["secrets"]
    for name, secret in declared.items():
        if secret != {"file": f"deploy/secrets/{name}"}:
            yield f"secret {name} is {secret}"
    for name, service in tree["services"].items():
        granted = set(service.get("secrets", []))
        yield from (f"{name}: secret {one} is not declared" for one in sorted(granted - declared.keys()))
        used = set(re.findall(r"/run/secrets/(\w+)", str(service.get("environment", {}))))
        yield from (f"{name}: secret {one} is not granted" for one in sorted(used - granted))
        for variable, value in (service.get("environment") or {}).items():
            if re.search(r"(PASSWORD|SECRET|_KEY|DATABASE_URL)$", variable) and value is not None:
                yield f"{name}: {variable} has its value in the file"


def mount_problems(tree: Tree) -> Iterator[str]:
    """What is mounted from here exists and is read-only; named volumes are declared; configured files are mounted."""
    for name, service in tree["services"].items():
        for volume in service.get("volumes", []):
            source, target, *mode = str(volume).split(":")
            if source.startswith("."):
                if not (ROOT / source).is_dir() or mode != ["ro"]:
                    yield f"{name}: {volume} is no folder here, or not read-only"
            elif source not in tree["volumes"]:
                yield f"{name}: volume {source} is not declared"
            elif not target.startswith("/"):
                yield f"{name}: {volume} has no place"


def target_problems(tree: Tree, prometheus: Tree) -> Iterator[str]:
    """Prometheus scrapes exactly the eight processes, under their service and role."""
    job = next(job for job in prometheus["scrape_configs"] if job["job_name"] == "quintant")
    found: Mapping[str, Tree] = {
        target: group["labels"] for group in job["static_configs"] for target in group["targets"]
    }
    wanted = {
        f"{name}:{service['environment'][_PORT_OF[role]]}": {"service": settings.service, "role": role}
        for name, service, settings, role in ours(tree)
        if role in LONG_RUNNING and issubclass(settings, ServiceSettings)
    }
    yield from (f"{target} is not scraped" for target in sorted(wanted.keys() - found.keys()))
    yield from (f"{target} does not exist" for target in sorted(found.keys() - wanted.keys()))
    yield from (
        f"{target} is labelled {found[target]}" for target in sorted(found) if found[target] != wanted.get(target)
    )


def reference_problems(tree: Tree) -> Iterator[str]:
    """Addresses by which containers call each other name a container and the port on which it listens."""
    listens = {"postgres": {"5432"}, "kafka": {"9092"}, "prometheus": {"9090"}, "alertmanager": {"9093"}}
    texts = {
        "docker-compose.yml": str(tree),
        "prometheus.yml": str(read_yaml(DEPLOY / "prometheus" / "prometheus.yml")["alerting"]),
        "datasource": str(read_yaml(DEPLOY / "grafana/provisioning/datasources/quintant.yml")),
        "make_secrets.py": Path(DEPLOY / "make_secrets.py").read_text("utf-8"),
    }
    for where, text in texts.items():
        for host, port in re.findall(r"(?<![\w.-])(postgres|kafka|prometheus|alertmanager):(\d{2,5})\b(?!\.)", text):
            if host not in tree["services"] or port not in listens[host]:
                yield f"{where}: nothing listens at {host}:{port}"


def _services(tree: Tree) -> Iterator[tuple[str, type[ServiceSettings], str]]:
    for name, _, settings, role in ours(tree):
        if issubclass(settings, ServiceSettings):
            yield name, settings, role


def _is_secret(settings: type[TopicSettings], field: str) -> bool:
    return "SecretStr" in str(settings.model_fields[field].annotation)


def _never_healthy(tree: Tree, name: str, waits: Mapping[str, str]) -> bool:
    return waits[name] == "service_healthy" and "healthcheck" not in tree["services"].get(name, {})
