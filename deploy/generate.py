"""`python -m deploy.generate [--check]`: writes what is said of settings, metrics and sources in the docs.

The variables (also in env.example) come from the settings classes, the metrics from the closed list, the sources from
their adapters' cards, so none can be out of date unseen.
"""

import argparse
import ast
import importlib
import inspect
import itertools
import json
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from services.ingest.sources import ADAPTERS
from shared.runtime.settings import ServiceSettings, TopicSettings, variable_of
from shared.telemetry.metric_names import METRICS, PROCESS_METRICS, SERVICES, Metric

ROOT = Path(__file__).resolve().parents[1]
ENV_EXAMPLE = ROOT / "deploy" / "env.example"
OPERATIONS = ROOT / "docs" / "how-to" / "operations.md"
SOURCES = ROOT / "docs" / "reference" / "sources.md"

MEANINGS: Mapping[str, str] = {
    "kafka_bootstrap_servers": "Kafka brokers, host:port, several separated by commas.",
    "topic_prefix": "Before the name of every topic, so that several installations can share a cluster.",
    "partitions": "Partitions of `sales-events` in a new installation; later `quintant repartition` changes them.",
    "log_level": "debug, info, warning or error.",
    "database_url": "postgresql://user:password@host:port/database; PostgreSQL 15 or later.",
    "http_host": "Address on which a process listens. Nothing but /livez and /readyz answers without a key.",
    "http_port": "Port of the api.",
    "health_port": "Port of the worker, for /livez, /readyz and /metrics.",
    "api_keys_file": "Lines `name:sha256hex(key):scope[,scope]`, read anew when changed. Without it all are refused.",
    "company_time_zone": "IANA name; business days are cut in it. Changing it changes numbers.",
    "fiscal_year_start_month": "1 to 12.",
    "base_currency": "ISO 4217 code in which amounts are summed.",
}
"""Of the fields whose class says nothing under them."""

HEAD = """\
# Every variable that Quintant reads, and its default, written by `python -m deploy.generate` from the settings classes.
# Copy it to `.env` beside docker-compose.yml and take away the # where a default does not fit. docker-compose.yml sets
# those marked [compose]. A [secret] may be given as <NAME>_FILE instead: the path of a file that holds it.
"""


@dataclass(frozen=True, slots=True)
class Variable:
    """One environment variable. `default` is as one would write it; None if it must be set."""

    name: str
    default: str | None
    secret: bool
    meaning: str
    defaults: Mapping[str, str]
    """Per service, where they differ."""


def settings_classes() -> dict[str, type[ServiceSettings]]:
    """The settings class of each service."""
    return {name: importlib.import_module(f"services.{name}.settings").Settings for name in SERVICES}


def variables() -> dict[str, list[Variable]]:
    """All variables under the heading of who reads them, each once."""
    classes = settings_classes()
    shared = list(ServiceSettings.model_fields)
    topics = list(TopicSettings.model_fields)
    sections = {
        "All processes and `topics`": [_variable(classes, name) for name in topics],
        "All processes": [_variable(classes, name) for name in shared if name not in topics],
    }
    for service, settings in classes.items():
        own = [name for name in settings.model_fields if name not in shared]
        sections[service] = [_variable({service: settings}, name) for name in own]
    return {heading: found for heading, found in sections.items() if found}


def _variable(classes: Mapping[str, type[ServiceSettings]], field_name: str) -> Variable:
    defaults = {service: _default(settings, field_name) for service, settings in classes.items()}
    first = next(iter(classes.values()))
    same = len(set(defaults.values())) == 1
    return Variable(
        name=variable_of(first, field_name),
        default=next(iter(defaults.values())) if same else "",
        secret=_is_secret(first.model_fields[field_name]),
        meaning=meaning(first, field_name),
        defaults={} if same else {service: text or "" for service, text in defaults.items()},
    )


def _default(settings: type[ServiceSettings], field_name: str) -> str | None:
    field = settings.model_fields[field_name]
    if field.is_required():
        return None
    value = field.get_default(call_default_factory=True)
    if value is None:
        return ""
    if isinstance(value, dict | list | tuple):
        return json.dumps(value, default=str)
    if field_name == "instance":
        return f"{settings.service}-0"
    return str(value)


def _is_secret(field: FieldInfo) -> bool:
    return field.annotation in (SecretStr, SecretStr | None)


def meaning(settings: type[ServiceSettings], field_name: str) -> str:
    """What stands under the field in its class, or in MEANINGS; LookupError if neither says anything."""
    for owner in settings.__mro__:
        if field_name in vars(owner).get("__annotations__", {}) and (said := docstrings(owner).get(field_name)):
            return said
    if field_name in MEANINGS:
        return MEANINGS[field_name]
    raise LookupError(f"{settings.__module__}: say under `{field_name}` what it means")


def docstrings(owner: type) -> dict[str, str]:
    """The texts under the attributes of a class."""
    definition = ast.parse(textwrap.dedent(inspect.getsource(owner))).body[0]
    body = definition.body if isinstance(definition, ast.ClassDef) else []
    found = {}
    for before, text in itertools.pairwise(body):
        if isinstance(before, ast.AnnAssign) and isinstance(before.target, ast.Name) and isinstance(text, ast.Expr):
            found[before.target.id] = " ".join(str(ast.literal_eval(text.value)).split())
    return found


def env_example(set_by_compose: frozenset[str]) -> str:
    """The text of deploy/env.example."""
    lines = [HEAD]
    for heading, found in variables().items():
        lines.append(f"\n# {'-' * 3} {heading.replace('`', '')}\n")
        for one in found:
            marks = " [required]" * (one.default is None) + " [secret]" * one.secret
            marks += " [compose]" * (one.name in set_by_compose)
            lines += [f"# {line}" for line in textwrap.wrap(one.meaning.replace("`", "") + marks, 117)]
            defaults = ", ".join(f"{service} {text}" for service, text in one.defaults.items())
            lines += [f"# Default: {defaults}."] if defaults else []
            lines.append(f"#{one.name}={one.default or ''}\n")
    return "\n".join(lines)


def environment_table() -> str:
    """The table of variables in the operations page."""
    lines = []
    for heading, found in variables().items():
        lines += [f"**{heading}**", "", "| variable | default | meaning |", "| --- | --- | --- |"]
        for one in found:
            name = f"`{one.name}`" + (f" or `{one.name}_FILE`" if one.secret else "")
            default = ", ".join(f"{service} `{text}`" for service, text in one.defaults.items())
            default = default or ("required" if one.default is None else f"`{one.default}`" if one.default else "–")
            lines.append(f"| {name} | {default} | {_cell(one.meaning)} |")
        lines.append("")
    return "\n".join(lines)


def metrics_table() -> str:
    """The table of metrics in the operations page."""
    rows = [f"| `{one.name}` | {one.kind} | {_labels(one)} | {_cell(one.help)} |" for one in METRICS]
    exported = ", ".join(f"`{name}`" for name in PROCESS_METRICS)
    return "\n".join(
        [
            "| metric | kind | labels | meaning |",
            "| --- | --- | --- | --- |",
            *rows,
            "",
            f"Every process also exports {exported}.",
            "",
        ]
    )


def _labels(metric: Metric) -> str:
    said = (f"`{name}` ({', '.join(values)})" if values else f"`{name}`" for name, values in metric.labels.items())
    return ", ".join(said) or "–"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def filled(page: str, sections: Mapping[str, str]) -> str:
    """The page with each `<!-- generated: name -->` … `<!-- end -->` filled anew. LookupError if one is missing."""
    for name, text in sections.items():
        start, end = f"<!-- generated: {name} -->\n", "<!-- end -->"
        before, found, rest = page.partition(start)
        _, closed, after = rest.partition(end)
        if not (found and closed):
            raise LookupError(f"the page has no `{start.strip()}` … `{end}`")
        page = f"{before}{start}\n{text}{end}{after}"
    return page


def set_by_compose() -> frozenset[str]:
    """Variables to which docker-compose.yml gives a value, directly or as a file."""
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"].values()
    given = {name for one in services for name, value in one.get("environment", {}).items() if value is not None}
    return frozenset(given | {name.removesuffix("_FILE") for name in given})


def sources_table() -> str:
    """A row for each adapter, from its card."""
    rows = [
        "| source | how a delivery is known to be genuine | what orders the events of one object "
        "| read again after a delivery | found by polling | subscription kept |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, adapter in sorted(ADAPTERS.items(), key=lambda one: one[1].card.title.lower()):
        card, page = adapter.card, f"../../services/ingest/sources/{name.replace('-', '_')}/README.md"
        said = (_first(card.authentication), card.order, card.hydration, card.reconcile, card.keeper)
        rows.append("| " + " | ".join((f"[{card.title}]({page})", *map(_cell, said))) + " |")
    return "\n".join(rows) + "\n"


def _first(text: str) -> str:
    """The first sentence: the page of the source has the rest."""
    return text.removesuffix(".").partition(". ")[0]


def texts() -> dict[Path, str]:
    """Every generated file with the text that it ought to have."""
    sections = {"environment": environment_table(), "metrics": metrics_table()}
    return {
        SOURCES: filled(SOURCES.read_text("utf-8"), {"sources": sources_table()}),
        ENV_EXAMPLE: env_example(set_by_compose()),
        OPERATIONS: filled(OPERATIONS.read_text("utf-8"), sections),
    }


def differences() -> Iterator[Path]:
    """The files that are not as they ought to be."""
    for path, text in texts().items():
        if not path.exists() or path.read_text("utf-8") != text:
            yield path


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m deploy.generate")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if something would change")
    if parser.parse_args(argv).check:
        wrong = [str(path.relative_to(ROOT)) for path in differences()]
        sys.stdout.writelines(f"{path} is not what `python -m deploy.generate` writes\n" for path in wrong)
        return 1 if wrong else 0
    for path, text in texts().items():
        path.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
