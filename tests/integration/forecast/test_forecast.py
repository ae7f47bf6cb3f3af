"""The forecast service on a real database: its schema, its vintages, its weighted pipeline, and what it answers."""

import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Column, Connection, MetaData, Text, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from services.forecast import tables
from services.forecast.forecaster import Forecaster
from services.forecast.handlers import handler
from services.forecast.migrations import HEAD
from services.forecast.settings import Settings
from services.forecast.wiring import build_api, run_migrate
from shared.contracts.records import StreamRecord
from shared.kernel.clock import SystemClock
from shared.messaging.failpoints import Failpoints
from shared.messaging.folding import FoldingOpener
from shared.runtime.folding import service_database
from shared.runtime.shutdown import Shutdown
from shared.storage.database import Database
from shared.storage.waiting import Lookout
from shared.telemetry.metrics import Metrics

KEY = "a-key-for-tests"
TODAY = datetime(2026, 3, 10, 9, tzinfo=UTC)
MONTHS = 14


class Clock(SystemClock):
    """A wall that stands still; the monotonic clock runs."""

    def now(self) -> datetime:
        return TODAY


@pytest.fixture(scope="module")
def settings(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    keys: Path = tmp_path_factory.mktemp("keys") / "keys"
    keys.write_text(f"test:{hashlib.sha256(KEY.encode()).hexdigest()}:read\n")
    return Settings(database_url=database_url, kafka_bootstrap_servers="127.0.0.1:1", api_keys_file=keys, partitions=1)


@pytest.fixture(scope="module")
async def database(settings: Settings) -> AsyncIterator[Database]:
    await run_migrate(settings, Shutdown(SystemClock()))
    async with service_database(settings, "test", size=6) as opened:
        yield opened


def record(number: int, entity: str, at: datetime, **data: Any) -> StreamRecord:
    return StreamRecord(
        entity=entity,
        source="/test",
        id=str(number),
        subject=data["id"],
        time=at,
        sequence=number,
        data=json.dumps(data, sort_keys=True, separators=(",", ":")).encode(),
        epoch=1,
        number=number,
        known_on=at.date(),
        accepted_at=at,
        recorded_on=at.date(),
    )


def story() -> list[StreamRecord]:
    """A won deal of 1,000 each month for 14 months, ten lost deals at the end, and one open deal of 10,000."""
    told: list[StreamRecord] = []

    def tell(entity: str, at: datetime, **data: Any) -> None:
        told.append(record(len(told) + 1, entity, at, **data))

    amount = {"amount": "1000", "currency": "USD"}
    for month in range(MONTHS):
        won = datetime(2025, 1, 20, tzinfo=UTC) + timedelta(days=30 * month)
        tell("deal", won - timedelta(days=10), id=f"W-{month}", stage="qualification", amount=amount)
        tell("deal", won, id=f"W-{month}", stage="won")
    for number in range(10):
        tell("deal", TODAY - timedelta(days=5), id=f"L-{number}", stage="lost", amount=amount)
    big = {"amount": "10000", "currency": "USD"}
    tell("deal", TODAY - timedelta(days=3), id="O-1", stage="proposal-negotiation", amount=big)
    return told


@pytest.fixture(scope="module")
async def told(settings: Settings, database: Database) -> None:
    opener = FoldingOpener(database, HEAD, 1, handler(settings.company()), Metrics(), Clock(), Failpoints())
    await (await opener.open(0)).apply(story(), duplicates=0, dead=())


@pytest.fixture
async def client(settings: Settings, database: Database, told: None) -> AsyncIterator[httpx.AsyncClient]:
    app = build_api(settings, database, Lookout(database, Clock()), Metrics(), Clock())
    headers = {"authorization": f"Bearer {KEY}"}
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://forecast.test", headers=headers) as made:
        yield made


def forecaster(settings: Settings, database: Database) -> Forecaster:
    return Forecaster(database, settings.company().calendar, Clock(), horizon=3, origins=6, pause=0.1)


async def differences(settings: Settings, declared: MetaData) -> list[object]:
    """What the migrated schemas lack or have beyond the declaration; the register of builds is the runtime's."""

    def compare(connection: Connection) -> list[object]:
        connection.execute(text("SET ROLE quintant_forecast"))
        connection.execute(text("SET search_path = forecast"))
        options = {
            "include_schemas": True,
            "include_name": lambda name, kind, _: (
                name in (None, tables.PERMANENT) if kind == "schema" else name not in ("alembic_version", "build")
            ),
        }
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), declared))

    url = make_url(settings.database_url.get_secret_value()).set(drivername="postgresql+asyncpg")
    engine = create_async_engine(url, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(compare)
    finally:
        await engine.dispose()


async def test_the_migrations_make_what_is_declared_and_the_comparison_can_fail(
    settings: Settings, database: Database
) -> None:
    assert await differences(settings, tables.metadata) == []
    declared = MetaData()
    for table in tables.metadata.tables.values():
        table.to_metadata(declared)
    declared.tables["standing"].append_column(Column("forgotten", Text))
    assert len(await differences(settings, declared)) == 1


async def test_ten_thousand_at_seventy_per_cent_count_seven_thousand(client: httpx.AsyncClient) -> None:
    body = (await client.get("/v1/weighted-pipeline")).json()
    assert body["weighted"] == {"amount": "7000", "currency": "USD"}
    [stage] = body["stages"]
    assert stage["probabilities"] == [{"value": "0.7", "source": "configuration", "closed_deals": 0}]


async def test_a_forecast_is_made_once_from_the_same_history_and_never_overwritten(
    settings: Settings, database: Database, client: httpx.AsyncClient
) -> None:
    first = await forecaster(settings, database).forecast("won-value")
    assert first is not None
    assert await forecaster(settings, database).forecast("won-value") is None
    async with database.write() as writer:
        await writer.execute("UPDATE series_postings SET value = value * 2 WHERE day < '2025-02-01'")
    second = await forecaster(settings, database).forecast("won-value")
    assert second is not None
    assert (first.revision, second.revision) == (1, 2)

    [item] = (await client.get("/v1/forecasts", params={"series": "won-value"})).json()["items"]
    assert item["id"] == second.id
    assert len(item["predictions"]) == 3
    for prediction in item["predictions"]:
        levels: Mapping[str, str] = prediction["quantiles"]
        values = [Decimal(levels[level]) for level in sorted(levels, key=Decimal)]
        assert values == sorted(values)
        assert prediction["scenarios"]["most_likely"] == levels["0.5"]
    assert date.fromisoformat(item["trained_through"]) == date(2026, 2, 1)
    async with database.read() as reader:
        assert await reader.value("SELECT count(*) FROM outbox WHERE topic = 'forecast-results'") == 2


async def test_too_little_history_says_so(settings: Settings, database: Database, client: httpx.AsyncClient) -> None:
    assert await forecaster(settings, database).forecast("revenue") is None
    [item] = (await client.get("/v1/forecasts", params={"series": "revenue"})).json()["items"]
    assert "six complete months" in item["remarks"][0]


async def test_accuracy_and_bad_questions(client: httpx.AsyncClient) -> None:
    items = (await client.get("/v1/forecasts/accuracy")).json()["items"]
    assert [one["series"] for one in items] == ["won-value", "revenue"]
    assert {one["model"] for one in items[0]["scores"]} > {items[0]["baseline"]}
    assert (await client.get("/v1/forecasts", params={"series": "weather"})).status_code == 422
    assert (await client.get("/v1/forecasts", params={"made_by": "2026-01-01T00:00:00"})).status_code == 422
    early = (await client.get("/v1/forecasts", params={"made_by": "2020-01-01T00:00:00Z"})).json()["items"]
    assert all("model" not in one for one in early)
