"""What is shown of adapters and sources: what an adapter needs, and how each configured source does."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from services.ingest import queries, sourcebook, waiting_reads
from services.ingest.accounts import Accounts, SecretEntry, SourceEntry, connect
from services.ingest.sources import ADAPTERS, parts_of, reach
from services.ingest.sources.adapter import Adapter, SourceSettings
from services.ingest.sources.calling import Calling
from shared.http.client import Requester
from shared.kernel.clock import Clock
from shared.kernel.errors import NotFoundError, QuintantError
from shared.kernel.period import Calendar
from shared.storage.database import Database

_SHOWN_DAYS = timedelta(days=13)
_JUDGED_DAYS = timedelta(days=6)
_PLACES = Decimal("0.000001")


def adapter_card(adapter: Adapter) -> dict[str, Any]:
    """Everything that a person must know to connect such a source."""
    card, parts = adapter.card, parts_of(adapter)
    return {
        "name": adapter.name,
        "title": card.title,
        "authentication": card.authentication,
        "dedupe": card.dedupe,
        "order": card.order,
        "retries": card.retries,
        "hydration": card.hydration,
        "reconcile": card.reconcile,
        "keeper": card.keeper,
        "answer_seconds": card.answer_seconds,
        "limits": card.limits,
        "unverified": list(card.unverified),
        "secret": {"title": card.secret_title, "origin": card.secret_origin, "in_url": card.secret_in_url},
        "steps": list(card.steps),
        "kinds": list(card.kinds),
        "stages": dict(card.stages),
        "canonical": card.canonical,
        "reads": "api" in parts,
        "simulates": "simulator" in parts,
        "questions": _questions(adapter.settings),
    }


def _questions(settings: type[SourceSettings]) -> list[dict[str, Any]]:
    schema = msgspec.json.schema(settings)
    definition: dict[str, Any] = schema["$defs"][settings.__name__]
    secret = _secret_fields(settings)
    return [
        {
            "name": name,
            "title": field.get("title", name),
            "description": field.get("description", ""),
            "secret": name in secret,
            "required": name in definition.get("required", ()),
            "default": field.get("default"),
            **_kind(field),
        }
        for name, field in definition["properties"].items()
        if field.get("enum") != [""] and field.get("maxProperties") != 0  # nothing to choose
    ]


def _secret_fields(settings: type[SourceSettings]) -> set[str]:
    return {field.name for field in msgspec.structs.fields(settings) if _is_secret(msgspec.inspect.type_info(field.type))}  # fmt: skip # noqa: E501


def _is_secret(type_: msgspec.inspect.Type) -> bool:
    match type_:
        case msgspec.inspect.Metadata(type=inner, extra=extra):
            return bool(extra and extra.get("secret")) or _is_secret(inner)
        case msgspec.inspect.UnionType(types=types):
            return any(map(_is_secret, types))
        case _:
            return False


def _kind(field: Mapping[str, Any]) -> dict[str, Any]:
    choices = field.get("enum")
    if choices:
        return {"type": "choice", "choices": [one for one in choices if one is not None]}
    types = {one.get("type") for one in field.get("anyOf", ())} | {field.get("type")} - {None, "null"}
    if types & {"object", "array"} or any("$ref" in one for one in (field, *field.get("anyOf", ()))):
        return {"type": "mapping"}
    if types & {"integer", "number"}:
        return {"type": "number"}
    return {"type": "boolean" if "boolean" in types else "text"}


@dataclass(frozen=True, slots=True)
class SourceReading:
    """Reads how sources do."""

    database: Database
    accounts: Accounts
    calendar: Calendar
    clock: Clock
    requester: Requester
    public_url: str

    async def all(self) -> list[dict[str, Any]]:
        """Every source that ever sent something or is configured."""
        now = self.clock.now()
        today = self.calendar.day(now)
        connected, problems = self.accounts.all(), self.accounts.problems()
        async with self.database.read() as reader:
            heard = {one["source"]: one for one in await queries.sources(reader)}
            kept: dict[str, Mapping[str, Any]] = {
                "coverage": await sourcebook.coverage(reader, today - _SHOWN_DAYS),
                "refused": await sourcebook.refusals(reader, today - _JUDGED_DAYS),
                "polls": await sourcebook.polls(reader),
                "subscription": await sourcebook.subscriptions(reader),
                "backlog": await waiting_reads.backlogs(reader),
                "last_delivery_at": await sourcebook.last_deliveries(reader),
                "deliveries_last_hour": await sourcebook.kept_since(reader, list(connected), now - timedelta(hours=1)),
            }
        names = {f"/sources/{name}": name for name in [*connected, *(name for name in problems if name)]}
        return [
            {**_figures(source, heard.get(source)), **self._kept(names.get(source), kept, today)}
            for source in sorted({*heard, *names})
        ]

    async def one(self, name: str) -> dict[str, Any]:
        """One configured source. Raises NotFoundError."""
        for found in await self.all():
            if found["name"] == name:
                return found
        raise NotFoundError(f"No source called {name} is configured.")

    def _kept(self, name: str | None, kept: Mapping[str, Mapping[str, Any]], today: date) -> dict[str, Any]:
        if name is None:
            return {"name": None, "adapter": None, "title": None, "problem": None}
        connected = self.accounts.find(name)
        days = [_covered(day) for day in kept["coverage"].get(name, ())]
        return {
            "name": name,
            "adapter": connected.adapter.name if connected else None,
            "title": connected.adapter.card.title if connected else None,
            "problem": self.accounts.problems().get(name),
            "url": f"{self.public_url}/v1/webhooks/{name}",
            "secrets": [
                {"since": since, "age_days": (today - since).days}
                for since in (connected.secrets_since if connected else ())
            ],
            "refused": kept["refused"].get(name, {}),
            "last_delivery_at": kept["last_delivery_at"].get(name),
            "deliveries_last_hour": kept["deliveries_last_hour"].get(name, 0),
            "backlog": kept["backlog"].get(name),
            "polls": kept["polls"].get(name, []),
            "subscription": kept["subscription"].get(name),
            "completeness": _completeness([day for day in days if day["day"] >= today - _JUDGED_DAYS]),
            "coverage": days,
        }

    async def check(self, name: str, adapter: str, secrets: list[str], settings: Mapping[str, Any]) -> dict[str, Any]:
        """Whether a source could be connected like this; asks its API for the stages of its deals. Stores nothing."""
        today = self.calendar.day(self.clock.now())
        entry = SourceEntry(adapter, tuple(SecretEntry(value, today) for value in secrets), settings)
        connected, faults = connect(name, entry)
        if connected is None:
            shown = [{"pointer": fault.where, "reason": fault.reason} for fault in faults]
            return {"faults": shown, "reached": None, "detail": "", "stages": []}
        try:
            api = reach(
                connected.adapter, connected.account, Calling(self.requester, self.clock, connected.adapter.card.rate)
            ).api
            stages = [] if api is None else await api.stages()
        except (QuintantError, ImportError) as error:
            return {"faults": [], "reached": False, "detail": str(error), "stages": []}
        return {
            "faults": [],
            "reached": None if api is None else True,
            "detail": "",
            "stages": [
                {"pipeline": one.pipeline, "label": one.label, "title": one.title, "outcome": one.outcome}
                for one in stages
            ],
        }


def cards() -> list[dict[str, Any]]:
    """Of every adapter."""
    return [adapter_card(adapter) for adapter in ADAPTERS.values()]


def _figures(source: str, heard: Mapping[str, Any] | None) -> dict[str, Any]:
    nothing = {
        "source": source,
        "first_accepted_at": None,
        "last_accepted_at": None,
        "last_occurred_at": None,
        "accepted": 0,
        "duplicate": 0,
        "rejected": 0,
        "quarantined": 0,
        "live_since": None,
    }
    return nothing if heard is None else dict(heard)


def _covered(day: Mapping[str, Any]) -> dict[str, Any]:
    return {**day, "completeness": _completeness([day])}


def _completeness(days: list[Any]) -> str | None:
    """Share of the changed objects that webhooks told of; None if none was polled."""
    polled = sum(day["polled"] for day in days)
    missed = sum(day["reconciled"] for day in days)
    return str((1 - Decimal(missed) / polled).quantize(_PLACES).normalize()) if polled else None
