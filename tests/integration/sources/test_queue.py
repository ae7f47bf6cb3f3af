"""The queue of objects to read: what fails is put off, with the reason in view, and nothing is forgotten."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.responses import JSONResponse

from services.ingest.settings import Settings
from services.ingest.sources.adapter import Record
from services.ingest.sources.api import Changed, Reach, StageFound
from services.ingest.sources.calling import ApiAnswerError
from services.ingest.sources.fxiaoke.simulator import sealed
from services.ingest.sources.story import Signed
from shared.kernel.ids import derived_id
from shared.storage.database import Database
from tests.integration.sources.day import applications, configured, deal_said, deliver, entry, shown, upkeep
from tests.integration.sources.fxiaoke.fake import FakeFxiaoke

_DEADLINE = 30.0
_SELDOM = timedelta(hours=1)
_DEAL = "NewOpportunityObj"
_AES_KEY = "ODc2NTQzMjEwOTg3NjU0MzIxMDk4NzY1NDMyMTA5ODc="


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251


@dataclass(frozen=True, slots=True)
class _Enterprise:
    """A source that tells nothing but ids."""

    name: str
    fake: FakeFxiaoke
    folder: Path
    settings: Settings
    url: str
    client: httpx.AsyncClient

    def configure(self, **more: str) -> Settings:
        app = {"app_id": "FSAID_1", "app_secret": "secret-1", "permanent_code": "code-1", "user": "FSUID_1"}
        said = {"api_url": self.url, "enterprise_account": "demoea", **app, **more}
        return configured(self.settings, self.folder, {self.name: entry("fxiaoke", _AES_KEY, said)})

    async def changes(self, identifier: str, title: str) -> None:
        """An object changes, and the source tells of it."""
        now = _now()
        millis = int(now.timestamp() * 1000)
        row = {"_id": identifier, "name": title, "last_modified_time": millis, "create_time": millis}
        self.fake.objects.setdefault(_DEAL, {})[identifier] = row
        notice = {
            "eventType": "update",
            "apiName": _DEAL,
            "dataId": identifier,
            "timestamp": millis,
            "messageId": f"{identifier}-{title}",
        }
        body = sealed(_AES_KEY, notice, now, "demoea")
        await deliver(self.client, self.name, Signed({"content-type": "application/json"}, body))

    async def shows(self, fits: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        return await shown(self.client, self.name, fits)

    @property
    def reads(self) -> list[str]:
        """Which objects were read, one after the other."""
        return [body["objectDataId"] for path, body in self.fake.calls if path == "crm/v2/data/get"]


@pytest.fixture
async def enterprise(
    settings: Settings, database: Database, tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[_Enterprise]:
    fake = FakeFxiaoke()
    name = f"e{derived_id(request.node.name)[:8]}"
    async with fake.serving() as url:
        sources = tmp_path / "sources.json"
        served = settings.model_copy(update={"ingest_sources_file": sources})
        async with applications(served, database) as client:
            yield _Enterprise(name, fake, tmp_path, settings, url, client)


@pytest.mark.parametrize(("status", "retry_after", "answer"), [(429, "1", {}), (503, "0", {}), (200, "", {"errorCode": 99999})])  # fmt: skip # noqa: E501
async def test_what_cannot_be_read_is_put_off_until_it_can(
    enterprise: _Enterprise, database: Database, status: int, retry_after: str, answer: dict[str, Any]
) -> None:
    chosen = enterprise.configure()
    enterprise.fake.failing = JSONResponse(answer, status, headers={"retry-after": retry_after})
    began = _now()
    async with upkeep(chosen, database, every=_SELDOM):
        await enterprise.changes("a1", "first")
        await enterprise.changes("a2", "second")
        found = await enterprise.shows(lambda one: bool(one["backlog"] and one["backlog"]["detail"]))
        assert found["backlog"]["waiting"] == 2
        assert str(answer.get("errorCode", status)) in found["backlog"]["detail"]
        attempts, due_at = await _put_off(database, enterprise.name, 2 if retry_after == "0" else 1)
        waits = timedelta(seconds=2**attempts - 1 if status != 200 else 200)
        assert due_at - began >= waits, "a second, and each time twice as long"
        enterprise.fake.failing = None
        if status == 200:
            enterprise.configure(time_zone="Asia/Hong_Kong")  # a person mended something: nothing waits any longer
        await enterprise.shows(lambda one: not one["backlog"])
    for identifier, title in (("a1", "first"), ("a2", "second")):
        assert (await deal_said(database, enterprise.name, f"{enterprise.name}:{identifier}"))["title"] == title


async def _put_off(database: Database, source: str, least: int) -> tuple[int, datetime]:
    """How often something was tried, at least so often, and when it is due."""
    async with asyncio.timeout(_DEADLINE):
        while True:
            async with database.read() as reader:
                found = await reader.row(
                    "SELECT attempts, due_at FROM to_read WHERE source = $1 AND attempts >= $2 LIMIT 1", source, least
                )
            if found is not None:
                return found["attempts"], found["due_at"]
            await asyncio.sleep(0.01)


async def test_reads_wait_for_credentials_and_begin_when_they_are_mended(
    enterprise: _Enterprise, database: Database
) -> None:
    chosen = enterprise.configure(permanent_code="wrong")
    async with upkeep(chosen, database, every=_SELDOM):
        await enterprise.changes("b1", "waited for")
        found = await enterprise.shows(lambda one: bool(one["backlog"] and one["backlog"]["detail"]))
        assert "permanent code" in found["backlog"]["detail"]
        assert "wrong" not in found["backlog"]["detail"].replace("is wrong", "")
        assert {one["detail"] for one in found["polls"]} == {found["backlog"]["detail"]}
        enterprise.configure()
        await enterprise.shows(lambda one: not one["backlog"])
    assert (await deal_said(database, enterprise.name, f"{enterprise.name}:b1"))["title"] == "waited for"


async def test_what_is_asked_for_while_it_is_read_is_read_again(enterprise: _Enterprise, database: Database) -> None:
    fake = enterprise.fake
    async with upkeep(enterprise.configure(), database, every=_SELDOM):
        await enterprise.shows(lambda one: all(poll["through"] for poll in one["polls"]) and len(one["polls"]) == 5)
        fake.open.clear()
        await enterprise.changes("c1", "old")
        async with asyncio.timeout(_DEADLINE):
            await fake.asked.wait()
        await enterprise.changes("c1", "new")
        fake.open.set()
        await enterprise.shows(lambda one: not one["backlog"])
    assert enterprise.reads == ["c1", "c1"]
    assert (await deal_said(database, enterprise.name, f"{enterprise.name}:c1"))["title"] == "new"


class _Poisoned:
    """Cannot answer anything in which one object is asked for."""

    at_once = 10

    async def read(self, kind: str, ids: Sequence[str]) -> Sequence[Record]:
        if "poison" in ids:
            raise ApiAnswerError("The source answered 400.")
        return [Record(kind, one, _now(), b"", gone=True) for one in ids]

    async def changed(self, kind: str, since: datetime, until: datetime, page: str | None) -> Changed:
        del kind, since, until, page
        return Changed([])

    async def stages(self) -> Sequence[StageFound]:
        return []


async def test_an_object_that_cannot_be_read_holds_up_no_other(enterprise: _Enterprise, database: Database) -> None:
    async with database.write() as writer:
        await writer.execute(
            """INSERT INTO to_read (source, kind, object_id, asked_at, due_at, asked, attempts, detail)
               SELECT $1, $2, id, now(), now(), 1, 0, '' FROM unnest($3::text[]) AS id""",
            enterprise.name,
            _DEAL,
            ["a", "poison", "b"],
        )
    async with upkeep(enterprise.configure(), database, reached=lambda *_: Reach(api=_Poisoned())):
        found = await enterprise.shows(lambda one: one["backlog"]["waiting"] == 1)
    assert found["backlog"]["detail"] == "The source answered 400."
