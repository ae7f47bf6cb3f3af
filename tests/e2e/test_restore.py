"""Backups, restored as docs/how-to/backup-and-restore.md says: with the rest of the log they are what was lost."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from quintant.stack.postgres import find_binaries
from tests.e2e.rebuilding import Plant, deal, plant
from tests.oracle.invented import Invented


@pytest.fixture
async def company(database_server: str, kafka_bootstrap: str, server_directory: Any) -> AsyncIterator[Plant]:
    async with plant(database_server, kafka_bootstrap, server_directory) as made:
        await made.tell(Invented(3).said[:300])
        yield made


async def tool(name: str, *arguments: str) -> None:
    """One of PostgreSQL's own programs."""
    command = [str(find_binaries() / name), *arguments]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


async def test_restores(company: Plant, tmp_path: Path) -> None:
    backup = tmp_path / "quintant.dump"
    await company.digests()
    await tool("pg_dump", company.url, "--format=custom", f"--file={backup}")
    lost = await company.tell([deal("after-the-backup"), *Invented(3).said[300:330]])
    await _one_service(company, backup)
    await _an_older_inbox(company, backup)
    answer = await company.company.http.get(company.company.urls["metrics"] + "/v1/digest", params={"after": lost})
    assert (answer.status_code, answer.json()["errors"][0]["reason"]) == (422, "must be of epoch 2")


async def _one_service(company: Plant, backup: Path) -> None:
    """Its schema from the backup plus the rest of the log: the same digest."""
    before = await company.digests()
    names = ("metrics-api", "metrics-worker")
    await asyncio.to_thread(company.everything.stop, *names)
    await company.execute("DROP SCHEMA metrics CASCADE")
    await company.execute("CREATE SCHEMA metrics AUTHORIZATION quintant_metrics")
    await tool("pg_restore", "--schema=metrics", f"--dbname={company.url}", str(backup))
    await asyncio.to_thread(company.everything.start, names)
    assert await company.digests() == before


async def _an_older_inbox(company: Plant, backup: Path) -> None:
    """A new epoch: services that know more stop, and say so, and are replaced; what is told from then on counts, and
    who waits for it is not answered from before."""
    ingest = ("ingest-api", "ingest-worker")
    await asyncio.to_thread(company.everything.stop, *ingest)
    await company.execute("DROP SCHEMA ingest CASCADE")
    await company.execute("CREATE SCHEMA ingest AUTHORIZATION quintant_ingest")
    await tool("pg_restore", "--schema=ingest", f"--dbname={company.url}", str(backup))
    begun = await company.run("ingest", "begin-epoch")
    assert begun == [{"phase": "begun-epoch", "epoch": 2}]
    await asyncio.to_thread(company.everything.start, ingest)
    company.company.tokens = []
    async with asyncio.timeout(60):
        while "stream_made_again" not in company.everything.log("ingest-worker"):  # noqa: ASYNC110 - a log tells nobody
            await asyncio.sleep(0.1)
    for service in ("pipeline", "metrics"):
        await company.run(service, "rebuild", status=3)
        assert (await company.run(service, "rebuild", "--accept"))[-1]["phase"] == "switched"
    await company.tell([deal("in-the-new-epoch")])
    await company.digests()
    found = "SELECT array_agg(id ORDER BY id) FROM metrics_b2.entity WHERE id LIKE '%the-%'"
    assert await company.value(found) == ["in-the-new-epoch"]
