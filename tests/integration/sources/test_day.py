"""Sources that repeat, reorder and lose: polling ends with exactly what is true there, and says how much was lost."""

import base64
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from services.ingest import queries
from services.ingest.settings import Settings
from services.ingest.sources import ADAPTERS
from services.ingest.sources.story import SimulatedDeal, Step
from shared.contracts.entities import ENTITIES
from shared.kernel.journal import states
from shared.storage.database import Database
from tests.contract.sources.cases import source_called
from tests.contract.sources.telling import Teller, check_thing
from tests.integration.sources.day import (
    Day,
    Stand,
    applications,
    configured,
    entry,
    followed,
    lived,
    polled,
    tell_stages,
    upkeep,
)
from tests.integration.sources.salesforce.bus import FakeBus
from tests.integration.sources.salesforce.fake import ORGANIZATION, FakeSalesforce
from tests.integration.sources.salesforce.living import happens, org_settings, record_of, story
from tests.integration.sources.stands import stands

State = dict[str, Any]


@pytest.mark.parametrize("stand", stands(), ids=lambda stand: stand.adapter)
async def test_a_day_with_losses_ends_with_the_truth(
    stand: Stand, settings: Settings, database: Database, tmp_path: Path
) -> None:
    day = await lived(stand, settings, database, tmp_path, things=40, losses=0.05)
    assert day.lost
    source = source_called(stand.adapter)
    last = {step.now.number: step for step in day.steps}
    for number, step in last.items():
        truth = Teller(source, day.simulator, day.account).states(
            [one for one in day.steps if one.now.number == number]
        )
        if step not in day.lost or stand.tells_deletions or not _is_deletion(step):
            known = await _known(database, day.account.source, list(truth))
            check_thing(source, step, known)
            assert _differing(truth, known) == {}
    told, reconciled = _counted(day)
    assert told >= reconciled > 0
    assert reconciled <= sum(_objects(day, step) for step in day.lost)
    assert Decimal(day.source["completeness"]) < 1


@pytest.mark.parametrize("stand", stands(), ids=lambda stand: stand.adapter)
async def test_a_day_without_losses_counts_none(
    stand: Stand, settings: Settings, database: Database, tmp_path: Path
) -> None:
    day = await lived(stand, settings, database, tmp_path, things=10, losses=0)
    told, reconciled = _counted(day)
    assert (reconciled, day.source["completeness"]) == (0, "1")
    assert told > 0


async def test_a_day_of_which_a_feed_told_counts_no_losses(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    org = FakeSalesforce()
    bus = FakeBus(lambda: org.tokens, lambda: org.url, ORGANIZATION)
    now = datetime.now(UTC).replace(microsecond=0)  # noqa: TID251
    steps = story(things=8, begin=now - timedelta(hours=5), span=timedelta(hours=4))
    async with org.serving() as url, bus.serving() as pubsub_url:
        said = {"org": entry("salesforce", "a secret of no worth", org_settings(org, url, pubsub_url=pubsub_url))}
        chosen = configured(settings, tmp_path, said)
        async with applications(chosen, database) as client:
            await tell_stages(client, "org", ADAPTERS["salesforce"])
            async with upkeep(chosen, database, grace=timedelta(days=1)):
                await polled(client, "org", now - timedelta(days=1))
                await bus.subscribed.wait()
                for step in steps:
                    await happens(org, bus, step)
                await followed(database, "org", base64.b64encode(bus.events[-1][0]).decode())
            async with upkeep(chosen, database):
                source = await polled(client, "org", datetime.now(UTC))  # noqa: TID251
    assert (sum(one["reconciled"] for one in source["coverage"]), source["completeness"]) == (0, "1")
    assert sum(one["polled"] for one in source["coverage"]) == 8
    for step in {step.now.number: step for step in steps}.values():
        known = await _known(database, "/sources/org", [("deal", f"org:{record_of(step)['Id']}")])
        check_thing(source_called("salesforce"), step, known)


def _counted(day: Day) -> tuple[int, int]:
    coverage = day.source["coverage"]
    return sum(one["polled"] for one in coverage), sum(one["reconciled"] for one in coverage)


def _objects(day: Day, step: Step) -> int:
    """In how many objects of the source a step shows: a refund shows in the charge too."""
    return max(1, len(day.simulator.shown(step.now)))


def _is_deletion(step: Step) -> bool:
    return isinstance(step.now, SimulatedDeal) and step.now.deleted


async def _known(database: Database, source: str, keys: Sequence[tuple[str, str]]) -> Mapping[tuple[str, str], State]:
    """What ingest holds of these, folded as every service folds."""
    async with database.read() as reader:
        said = await queries.said_by(reader, source, keys)
    found: dict[tuple[str, str], State] = {}
    for entity, subject in keys:
        known = said.get(f"{entity}/{subject}")
        if known is not None:
            last = states(known.assertions, ENTITIES[entity].collections)[-1]
            found[entity, subject] = {**last.fields, "ended": last.ended}
    return found


def _differing(truth: Mapping[tuple[str, str], State], known: Mapping[tuple[str, str], State]) -> dict[str, Any]:
    """Every field that is not as a telling without losses, repetitions and disorder leaves it. Nothing is nothing,
    unsaid or cleared; of what has ended only that counts."""
    return {
        f"{entity}/{subject} {name}": (value, known.get((entity, subject), {}).get(name))
        for (entity, subject), said in truth.items()
        for name, value in said.items()
        if name != "id" and (not said.get("ended") or name == "ended")
        if (value or None) != (known.get((entity, subject), {}).get(name) or None)
    }
