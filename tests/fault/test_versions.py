"""Two versions of the code side by side, as while a fleet is upgraded: what the older cannot read is passed over by
nobody, into a schema that is not its own it writes nothing, and the newer goes on from there."""

import asyncio
import shutil
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator
from importlib import import_module
from pathlib import Path

import asyncpg
import pytest

from quintant.stack.home import PROJECT
from shared.contracts.records import CONTRACT
from tests.fault.company import EVERYBODY, FOLDERS, FOLDING, INGEST, RELAY, Company, found, until
from tests.fault.feed import Event
from tests.fault.fire import Ground, Round, under_fire
from tests.fault.report import Report
from tests.fault.twin import behind

pytestmark = pytest.mark.fault
GROUP = "Old and new versions"
NEWS = 30
_FIELD = "    competitor_ids: Said[dict[EntityId, Competitor | None]] = UNSET\n"
_STEP = """from alembic import op

revision = "9999"
down_revision = "{head}"


def upgrade() -> None:
    op.execute("CREATE TABLE seam AS SELECT partition, number, turn FROM position")
"""
APIS = tuple(name for name in EVERYBODY if name.endswith("-api") and name != INGEST)


@pytest.fixture(autouse=True)
def turn() -> int:
    """A company is upgraded once, however often other scenarios run."""
    return 0


@pytest.fixture(scope="module")
def next_version(own_directory: Path) -> Path:
    """The code of the next version, in which a deal may say one thing more."""
    tree = own_directory / "next"
    for folder in ("services", "shared"):
        shutil.copytree(PROJECT / folder, tree / folder, ignore=shutil.ignore_patterns("__pycache__"))
    contracts = tree / "shared" / "contracts"
    change(contracts / "records.py", f"\nCONTRACT = {CONTRACT}\n", f"\nCONTRACT = {CONTRACT + 1}\n")
    change(contracts / "events" / "sales.py", _FIELD, f"{_FIELD}    motto: Said[Label] = UNSET\n")
    return tree


@pytest.fixture(scope="module")
def next_schema(next_version: Path) -> Path:
    """The version after that, whose folding services have one more migration: it notes where it met the workers."""
    tree = next_version.with_name("after-next")
    shutil.copytree(next_version, tree, ignore=shutil.ignore_patterns("__pycache__"))
    for service in FOLDERS:
        head = import_module(f"services.{service}.migrations").HEAD
        migrations = tree / "services" / service / "migrations"
        (migrations / "versions" / "9999_seam.py").write_text(_STEP.format(head=head), "utf-8")
        change(migrations / "__init__.py", f'HEAD = "{head}"', 'HEAD = "9999"')
    return tree


def change(file: Path, before: str, after: str) -> None:
    text = file.read_text("utf-8")
    assert text.count(before) == 1
    file.write_text(text.replace(before, after), "utf-8")


@pytest.fixture(scope="module")
async def ground(own_directory: Path, report: Report) -> AsyncIterator[Ground]:
    """Without a twin: it would be of one version."""
    async with found(own_directory) as company:
        await company.start(*(name for name in EVERYBODY if name != RELAY))
        made = Ground(company, None, report, GROUP)
        await made.begin()
        yield made


def news(number: int) -> Event:
    """An event that only the next version knows, and that changes what every version says of a deal."""
    data = {"id": f"new-{number}", "amount": {"amount": "10.00", "currency": "EUR"}, "motto": "never say never"}
    kind, time = "io.quintant.deal.changed.v1", "2026-03-01T10:00:00Z"
    return {"specversion": "1.0", "type": kind, "source": "/next", "time": time, "id": f"new-{number}", "data": data}


async def wait_for_refusal(this: Round, names: tuple[str, ...], words: str) -> None:
    """These say that they are too old, and stand still."""

    async def too_old() -> bool:
        last = [this.watch.samples.get(name, [(0.0, True, "")])[-1] for name in names]
        return all(words in why for _, _, why in last)

    await until(too_old, 60, what="who is too old says so")


async def migrate(company: Company, service: str, tree: Path) -> None:
    """`python -m services.<name> migrate` of the code in `tree`."""
    done = await asyncio.create_subprocess_exec(
        sys.executable, "-m", f"services.{service}", "migrate", cwd=tree, stdout=PIPE, stderr=STDOUT,
        env={**company.running.environment, "PYTHONPATH": str(tree)},
    )  # fmt: skip
    said, _ = await done.communicate()
    assert done.returncode == 0, said.decode()


async def moved_since(company: Company, service: str) -> list[asyncpg.Record]:
    """Partitions that were advanced after the migration."""
    async with company.database() as connection:
        schema = (await company.schemas(connection))[service]
        return list(
            await connection.fetch(
                f"""SELECT * FROM {schema}.position JOIN {schema}.seam USING (partition)
                    WHERE (position.number, position.turn) <> (seam.number, seam.turn)"""  # noqa: S608 - own names
            )
        )


async def test_the_older_waits_for_the_newer(ground: Ground, next_version: Path) -> None:
    async with under_fire(ground, "newer ingest beside older services, which then follow", seconds=10) as this:
        for name in (INGEST, RELAY):
            await this.company.stop(name)
            await this.company.start(name, tree=next_version)
        await this.passes(1, 3)
        await this.feed.tell([news(number) for number in range(NEWS)])
        this.injected(NEWS)
        await wait_for_refusal(this, FOLDING, "upgrade this service")
        await this.passes(1, 3)
        for name in FOLDING:
            await this.company.stop(name)
        await this.company.start(*FOLDING, tree=next_version)
        for name in APIS:
            await this.company.stop(name)
            await this.company.start(name, tree=next_version)


async def test_a_migration_under_workers_at_work(ground: Ground, next_schema: Path) -> None:
    """Whatever a migration does to postings, no worker from before adds to them by the old rules."""
    async with under_fire(ground, "schemas migrated under workers at work, which then follow", seconds=10) as this:
        await this.passes(1, 3)
        for service in FOLDERS:
            await migrate(this.company, service, next_schema)
            this.injected()
        await this.feed.tell([news(NEWS + number) for number in range(NEWS)])
        await wait_for_refusal(this, FOLDING, "upgrade this process")
        await this.passes(1, 3)
        for service in FOLDERS:
            assert await behind(this.company, [service])
            assert await moved_since(this.company, service) == []
        for name in (*FOLDING, *APIS):
            await this.company.stop(name)
        await this.company.start(*FOLDING, *APIS, tree=next_schema)
