"""A new build beside the running one: filled while events come in, equal to the last digit, switched without a gap."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from quintant.stack import services
from tests.e2e.rebuilding import Plant, deal, plant
from tests.oracle.invented import Invented

SEED = 7


@pytest.fixture(scope="module")
async def living(database_server: str, kafka_bootstrap: str, server_directory: Any) -> AsyncIterator[Plant]:
    """A company with some history."""
    async with plant(database_server, kafka_bootstrap, server_directory) as made:
        await made.tell(Invented(SEED).said)
        yield made


async def test_a_build_takes_over_while_events_come_in(living: Plant) -> None:
    """No answer fails, none is of two builds, and what was told is there before and after."""
    before = await living.digests()
    async with living.flowing() as told, living.asked("metrics", "/v1/kpis/deals-won-count") as answers:
        steps = await living.run("metrics", "rebuild")
        await living.moved("metrics", steps[-1]["build"])
    assert phases(steps) == ["begun", "comparing", "switched"]
    assert answers.all_well()
    assert answers.never_go_back()
    after = await living.digests()
    assert after["pipeline"] != before["pipeline"]
    assert after["metrics"] == await living.digest_of("metrics", "metrics_b2")
    assert await living.count_known("metrics", told) == len(told)


async def test_what_was_said_is_said_once(living: Plant) -> None:
    """Facts of pipeline, whose outbox changes hands amid them: each deal that was won is told of once."""
    async with living.flowing() as told:
        steps = await living.run("pipeline", "rebuild")
        await living.moved("pipeline", steps[-1]["build"])
    await living.digests()
    facts = await living.facts("pipeline-events", set(told))
    assert sorted(facts) == sorted(told)


async def test_a_killed_rebuild_goes_on(living: Plant) -> None:
    for _ in range(3):
        process = await living.begin("metrics", "rebuild")
        assert process.stdout is not None
        await process.stdout.readline()
        process.kill()
        await process.wait()
    steps = await living.run("metrics", "rebuild")
    assert phases(steps) == ["continued", "comparing", "switched"]
    await living.moved("metrics", steps[-1]["build"])
    assert (await living.digests())["metrics"] == await living.digest_of("metrics", f"metrics_b{steps[-1]['build']}")


async def test_a_difference_is_told_and_switched_to_only_if_that_is_accepted(living: Plant) -> None:
    schema = await living.current_schema("metrics")
    spoil = f"UPDATE {schema}.deal_postings SET value = value + 1 WHERE fact = 'won' AND value > 0"  # noqa: S608
    await living.execute(spoil)
    wrong = (await living.digests())["metrics"]
    steps = await living.run("metrics", "rebuild", status=3)
    assert phases(steps)[-2:] == ["comparing", "differs"]
    first = steps[-1]["differences"][0]
    assert (first["ledger"], first["fact"]) == ("deal_postings", "won")
    assert first["entities"]
    assert (await living.digests())["metrics"] == wrong
    steps = await living.run("metrics", "rebuild", "--accept")
    assert phases(steps) == ["continued", "comparing", "differs", "switched"]
    await living.moved("metrics", steps[-1]["build"])
    assert (await living.digests())["metrics"] != wrong


async def test_former_builds_are_deleted_on_demand(living: Plant) -> None:
    current = await living.current_schema("metrics")
    dropped = await living.run("metrics", "rebuild", "--clean")
    assert {"dropped"} == set(phases(dropped))
    schemas = "SELECT array_agg(nspname::text) FROM pg_namespace WHERE nspname ~ '^metrics(_b|$)'"
    assert await living.value(schemas) == [current]
    await asyncio.to_thread(living.everything.prepare)  # migrating knows which one is current
    assert await living.value(schemas) == [current]


def phases(steps: list[dict[str, Any]]) -> list[str]:
    """What was done, in order."""
    return [step["phase"] for step in steps if step["phase"] not in ("filling", "switching", "waiting")]


async def test_tables_change_and_workers_roll_while_events_come_in(living: Plant) -> None:
    """A migration under running workers, old and new processes side by side: nothing is lost, nothing is doubled."""
    schema = await living.current_schema("metrics")
    async with living.flowing() as told:
        await living.execute(f"ALTER TABLE {schema}.entity ADD COLUMN later text")
        await asyncio.to_thread(services.migrate, living.everything.home, living.everything.environment)
        await asyncio.to_thread(living.everything.start, ["metrics-worker-1"])
        await asyncio.to_thread(living.everything.stop, "metrics-worker")
        await asyncio.to_thread(living.everything.start, ["metrics-worker"])
        await asyncio.to_thread(living.everything.stop, "metrics-worker-1")
        await living.execute(f"ALTER TABLE {schema}.entity DROP COLUMN later")
    digest = (await living.digests())["metrics"]
    assert await living.count_known("metrics", told) == len(told)
    steps = await living.run("metrics", "rebuild")
    assert steps[-1]["digest"] == digest
    await living.moved("metrics", steps[-1]["build"])


async def test_another_number_of_partitions_while_events_come_in(living: Plant) -> None:
    """Nothing is refused, everything is counted once, tokens from the time of the change are good on both sides."""
    old = await living.tell([deal("before")])
    async with living.flowing() as told, living.asked("metrics", "/v1/kpis/deals-won-count") as answers:
        opened = (await living.run("ingest", "repartition", "3"))[-1]
        assert (opened["phase"], opened["generation"], opened["partitions"]) == ("opened", 2, 3)
        both = await living.tell([deal("between")])
        options = ("rebuild", "--generation", "2", "--partitions", "3")
        killed = await living.begin("metrics", *options)
        living.everything.kill("ingest-worker", "metrics-worker")
        killed.kill()
        await killed.wait()
        await asyncio.to_thread(living.everything.start, ["ingest-worker", "metrics-worker"])
        for service in ("metrics", "pipeline", "forecast"):
            steps = await living.run(service, *options)
            assert phases(steps)[1:] == ["comparing", "switched"]
            await living.moved(service, steps[-1]["build"])
    assert answers.all_well()
    assert answers.never_go_back()
    for token, status in ((both, 200), (old, 422)):
        answer = await living.company.http.get(
            living.company.urls["metrics"] + "/v1/kpis/deals-won-count", params={"after": token}
        )
        assert answer.status_code == status, answer.text
    after = await living.digests()
    assert await living.count_known("metrics", told) == len(told)
    numbered = "SELECT count(DISTINCT seq) FROM ingest.stream WHERE partition >= 2"
    assert await living.value(numbered) == await living.value("SELECT count(*) FROM ingest.event")
    closed = await living.run("ingest", "repartition", "--clean")
    assert phases(closed) == ["closed"]
    await living.tell([deal("after")])
    assert (await living.digests())["metrics"] != after["metrics"]
    assert await living.value("SELECT count(*) FROM ingest.stream WHERE partition < 2") == 0
