"""Rules over HTTP, episodes by the evaluator, and each step told to the topic: on a real database with a hand clock."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from services.metrics.alert_desk import Desk
from services.metrics.alert_job import AlertJob
from services.metrics.alerting import Evaluator
from services.metrics.gauges import GAUGED, Gauges
from shared.contracts.records import Fact
from shared.kernel.journal import Journal
from shared.sales.references import Key
from shared.storage.database import Database
from shared.storage.outbox import read_messages
from shared.storage.progress import Mark, save_mark
from shared.telemetry.metrics import Metrics
from tests.integration.metrics_read.app import READER, Caller, HandClock, application, calling, questions_on
from tests.integration.metrics_read.books import fold_all, open_books, said, set_position

TODAY = date(2026, 11, 22)
RULE = {
    "title": "Cash is late",
    "kpi": "collections",
    "comparison": "below",
    "fire": "100",
    "clear": "150",
    "window": "P30D",
    "for": "PT10M",
    "severity": "critical",
}


@dataclass(slots=True)
class Watch:
    """A company whose cash the test decides, and everything that watches it."""

    database: Database
    clock: HandClock
    evaluator: Evaluator
    metrics: Metrics
    caller: Caller
    applied: int = 0

    async def receive(self, amount: int) -> None:
        """A payment comes in today and is applied; everything accepted by now is."""
        self.applied += 1
        money = {"amount": str(amount), "currency": "USD"}
        fields = {"amount": money, "received_on": TODAY.isoformat(), "kind": "receipt", "instrument": "transfer"}
        key = Key("payment", f"p{self.applied}")
        await fold_all(self.database, {key: (said("1", TODAY, fields),)}, {}, at=self.clock.now(), partitions=1)
        await self.say_complete(self.applied)

    async def say_complete(self, head: int) -> None:
        """Everything accepted by now has numbers up to `head`."""
        self.clock.forward(seconds=1)
        async with self.database.write() as writer:
            await set_position(writer, self.applied, at=self.clock.now(), first_known=TODAY)
            await writer.execute("UPDATE cash_postings SET number = 1")
            await save_mark(writer, Mark(1, self.clock.now(), {0: head}))

    async def states(self) -> list[str]:
        """Every step ever taken, oldest first."""
        async with self.database.read() as reader:
            rows = await reader.rows("SELECT state FROM alert_transition ORDER BY at, rule, sequence")
        return [row["state"] for row in rows]

    async def facts(self) -> list[Fact]:
        """What waits in the outbox for `metrics-alerts`."""
        async with self.database.read() as reader:
            messages = [message for _, message in await read_messages(reader, 100)]
        assert {message.topic for message in messages} <= {"metrics-alerts"}
        return [
            Fact.decode(one.key.encode(), one.value, [(name, text.encode()) for name, text in one.headers.items()])
            for one in messages
        ]


@pytest.fixture
async def watch(database_url: str, tmp_path: Path) -> AsyncIterator[Watch]:
    async with open_books(database_url) as database:
        async with database.write() as writer:
            tables = "position, progress, outbox, entity, reference, cash_postings, alert_rule, alert_transition"
            await writer.execute(f"TRUNCATE {tables}")
        clock, metrics = HandClock(), Metrics()
        questions = questions_on(database, clock)
        evaluator = Evaluator(Desk(questions, None), metrics, behind_limit=5)
        async with calling(application(questions, tmp_path)) as caller:
            yield Watch(database, clock, evaluator, metrics, caller)


async def test_an_episode_from_trouble_to_its_end(watch: Watch) -> None:
    await watch.receive(50)
    rule = await watch.caller.post("/v1/alert-rules", RULE, expect=201)
    assert (rule["state"], rule["for"], rule["created_by"]) == ("ok", "PT600S", "writer")
    again = await watch.caller.get(f"/v1/alert-rules/{rule['id']}")
    assert {name: again[name] for name in RULE} == {**RULE, "for": "PT600S"}
    await watch.caller.get("/v1/alert-rules/nobody", expect=404)

    assert await watch.evaluator.tick() == 1
    assert await watch.states() == ["pending"]
    watch.clock.forward(minutes=9)
    assert await watch.evaluator.tick() == 0
    watch.clock.forward(minutes=1)
    assert await watch.evaluator.tick() == 1
    assert await watch.states() == ["pending", "firing"]
    assert b'quintant_alert_episodes_firing{severity="critical"} 1.0' in watch.metrics.render()

    (episode,) = (await watch.caller.get("/v1/alerts"))["items"]
    assert (episode["state"], episode["rule"]["title"]) == ("firing", "Cash is late")
    assert [step["value"] for step in episode["steps"]] == ["50", "50"]
    acknowledged = await watch.caller.post(f"/v1/alerts/{episode['id']}/acknowledge")
    assert (acknowledged["state"], acknowledged["steps"][-1]["by"]) == ("acknowledged", "writer")

    await watch.receive(70)  # 120: no trouble any more, and not clear yet
    assert await watch.evaluator.tick() == 0
    await watch.receive(30)
    assert await watch.evaluator.tick() == 1
    assert await watch.states() == ["pending", "firing", "acknowledged", "resolved"]
    (episode,) = (await watch.caller.get("/v1/alerts", state="resolved"))["items"]
    assert episode["ended_at"] is not None
    assert (await watch.caller.get("/v1/alerts", state="firing"))["items"] == []

    facts = await watch.facts()
    assert [fact.type for fact in facts] == [
        f"io.quintant.alert.{state}.v1" for state in ("pending", "firing", "acknowledged", "resolved")
    ]
    assert {fact.subject for fact in facts} == {episode["id"]}
    assert len({fact.id for fact in facts}) == 4
    assert json.loads(facts[1].data)["value"] == "50"


async def test_trouble_that_passes_calls_nobody(watch: Watch) -> None:
    await watch.receive(50)
    await watch.caller.post("/v1/alert-rules", RULE, expect=201)
    await watch.evaluator.tick()
    await watch.receive(60)
    watch.clock.forward(minutes=30)
    assert await watch.evaluator.tick() == 1
    assert await watch.states() == ["pending", "ok"]
    assert (await watch.caller.get("/v1/alerts"))["items"] == []
    assert len((await watch.caller.get("/v1/alerts", state="ok"))["items"]) == 1


async def test_a_rebuild_pages_nobody(watch: Watch) -> None:
    await watch.caller.post("/v1/alert-rules", {**RULE, "for": "PT0S"}, expect=201)
    assert await watch.evaluator.tick() == 0  # nothing is complete yet
    await watch.receive(50)
    await watch.say_complete(100)
    assert await watch.evaluator.tick() == 0  # far behind
    await watch.say_complete(6)
    assert await watch.evaluator.tick() == 2
    assert await watch.states() == ["pending", "firing"]


async def test_nothing_is_read_again_while_nothing_changes(watch: Watch) -> None:
    await watch.receive(50)
    await watch.caller.post("/v1/alert-rules", {**RULE, "for": "PT0S"}, expect=201)
    assert await watch.evaluator.tick() == 2
    async with watch.database.write() as writer:
        await writer.execute("UPDATE cash_postings SET value = 1000")  # behind its back
    watch.clock.forward(hours=2)
    await watch.say_complete(1)
    assert await watch.evaluator.tick() == 0
    watch.clock.forward(hours=24)  # a day begins, and windows move
    assert await watch.evaluator.tick() == 1
    assert await watch.states() == ["pending", "firing", "resolved"]


async def test_two_evaluators_take_each_step_once(watch: Watch) -> None:
    await watch.receive(50)
    for number in range(5):
        await watch.caller.post("/v1/alert-rules", {**RULE, "title": f"rule {number}", "for": "PT0S"}, expect=201)
    others = [Evaluator(watch.evaluator.desk, Metrics(), behind_limit=5) for _ in range(3)]
    await asyncio.gather(*(one.tick() for one in (watch.evaluator, *others)))
    assert sorted(await watch.states()) == ["firing"] * 5 + ["pending"] * 5
    assert len(await watch.facts()) == 10


async def test_a_disabled_rule_is_silent_and_its_episode_ends(watch: Watch) -> None:
    await watch.receive(50)
    rule = await watch.caller.post("/v1/alert-rules", {**RULE, "for": "PT0S"}, expect=201)
    await watch.evaluator.tick()
    disabled = await watch.caller.post(f"/v1/alert-rules/{rule['id']}/disable")
    assert disabled["disabled_at"] is not None
    assert disabled["state"] == "resolved"
    await watch.caller.post(f"/v1/alert-rules/{rule['id']}/disable")
    watch.clock.forward(hours=24)
    assert await watch.evaluator.tick() == 0
    assert await watch.states() == ["pending", "firing", "resolved"]
    assert b'{severity="critical"} 0.0' in watch.metrics.render()


async def test_rules_and_episodes_are_paged_newest_first(watch: Watch) -> None:
    await watch.receive(50)
    for number in range(3):
        watch.clock.forward(seconds=1)
        await watch.caller.post("/v1/alert-rules", {**RULE, "title": f"rule {number}", "for": "PT0S"}, expect=201)
    await watch.evaluator.tick()
    for path in ("/v1/alert-rules", "/v1/alerts"):
        first = await watch.caller.get(path, limit=2)
        second = await watch.caller.get(path, limit=2, cursor=first["next"])
        found = [item.get("rule", item)["title"] for item in (*first["items"], *second["items"])]
        assert sorted(found) == ["rule 0", "rule 1", "rule 2"]
        assert second["next"] is None
    rules = await watch.caller.get("/v1/alert-rules")
    assert [rule["title"] for rule in rules["items"]] == ["rule 2", "rule 1", "rule 0"]


async def test_what_does_not_fire_cannot_be_acknowledged(watch: Watch) -> None:
    await watch.receive(50)
    await watch.caller.post("/v1/alert-rules", RULE, expect=201)
    await watch.evaluator.tick()
    (episode,) = (await watch.caller.get("/v1/alerts"))["items"]
    await watch.caller.post(f"/v1/alerts/{episode['id']}/acknowledge", expect=409)
    await watch.caller.post("/v1/alerts/nobody/acknowledge", expect=404)
    await watch.caller.post("/v1/alert-rules/nobody/disable", expect=404)


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"kpi": "happiness"}, "/kpi"),
        ({"clear": "50"}, "/clear"),
        ({"window": "P1M"}, "/window"),
        ({"filters": {"colour": ["red"]}}, "filter"),
        ({"filters": {"team": ["a\x00"]}}, "/filters/team/0"),
        ({"kpi": "stage-conversion"}, "filter"),
        ({"basis": "wished"}, "basis"),
        ({"fire": 0.5}, "/fire"),
        ({"fire": "NaN"}, "/fire"),
        ({"fire": "1e999999"}, "/fire"),
        ({"for": "10 minutes"}, "/for"),
        ({"severity": "panic"}, "/severity"),
        ({"receivers": ["pigeon"]}, "/receivers/0"),
        ({"title": ""}, "/title"),
        ({"colour": "red"}, "/colour"),
    ],
)
async def test_a_rule_that_can_never_work_is_refused(watch: Watch, change: dict[str, Any], pointer: str) -> None:
    problem = await watch.caller.post("/v1/alert-rules", {**RULE, **change}, expect=422)
    assert [error.get("pointer", error.get("parameter")) for error in problem["errors"]] == [pointer]
    assert (await watch.caller.get("/v1/alert-rules"))["items"] == []


async def test_only_writers_make_rules(watch: Watch) -> None:
    await watch.caller.post("/v1/alert-rules", RULE, expect=403, headers=READER)


async def test_gauges_show_some_numbers_and_go_with_their_worker(watch: Watch) -> None:
    gauges = Gauges(questions_on(watch.database, watch.clock), watch.metrics)
    assert await gauges.tick() is False
    await watch.receive(50)
    assert await gauges.tick() is True
    assert await gauges.tick() is False
    shown = watch.metrics.render().decode()
    assert 'quintant_kpi_value{kpi="collections"} 50.0' in shown
    assert 'kpi="win-rate-closed"' not in shown  # nothing closed: no value, and that is not zero
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await gauges.run()
    assert "quintant_kpi_value" not in watch.metrics.render().decode()
    assert len(set(GAUGED)) == len(GAUGED)


async def test_of_many_workers_one_watches(watch: Watch) -> None:
    """The second takes over when the first ends."""
    led: asyncio.Queue[str] = asyncio.Queue()

    def job(name: str) -> AlertJob:
        async def task() -> None:
            led.put_nowait(name)
            await asyncio.Event().wait()

        return AlertJob(watch.database, [task])

    first = asyncio.create_task(job("first").run())
    async with asyncio.timeout(20):
        assert await led.get() == "first"
        second = asyncio.create_task(job("second").run())
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        assert await led.get() == "second"
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)


async def test_a_value_is_kept_to_the_last_digit(watch: Watch) -> None:
    await watch.receive(50)
    await watch.caller.post(
        "/v1/alert-rules", {**RULE, "fire": "50.000000000000000001", "clear": None, "for": "PT0S"}, expect=201
    )
    await watch.evaluator.tick()
    (episode,) = (await watch.caller.get("/v1/alerts"))["items"]
    assert episode["rule"]["clear"] == "50.000000000000000001"
    assert Decimal(episode["steps"][0]["value"]) == 50


async def test_a_statistic_of_a_duration_is_watched(watch: Watch) -> None:
    deals: dict[Key, Journal] = {
        Key("deal", f"d{days}"): (
            said("1", TODAY, {"stage": "won", "created_on": (TODAY - timedelta(days=days)).isoformat()}),
        )
        for days in (1, 2, 30)
    }
    await fold_all(watch.database, deals, {}, at=watch.clock.now(), partitions=1)
    watch.applied = 3
    await watch.say_complete(3)
    slow = {**RULE, "kpi": "sales-cycle-won", "comparison": "above", "fire": "20", "clear": "20", "for": "PT0S"}
    await watch.caller.post("/v1/alert-rules", {**slow, "statistic": "median"}, expect=201)
    assert await watch.evaluator.tick() == 0
    await watch.caller.post("/v1/alert-rules", {**slow, "statistic": "p90"}, expect=201)
    assert await watch.evaluator.tick() == 2


async def test_a_rule_that_cannot_be_read_any_more_says_so_and_harms_no_other(watch: Watch) -> None:
    await watch.receive(50)
    await watch.caller.post("/v1/alert-rules", {**RULE, "for": "PT0S"}, expect=201)
    rule = await watch.caller.post("/v1/alert-rules", {**RULE, "title": "old"}, expect=201)
    async with watch.database.write() as writer:
        await writer.execute('UPDATE alert_rule SET rule = rule || \'{"kpi": "given-up"}\' WHERE id = $1', rule["id"])
    assert await watch.evaluator.tick() == 2
    assert len((await watch.caller.get("/v1/alert-rules"))["items"]) == 2
