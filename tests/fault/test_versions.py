"""Two versions of the code side by side, as while a fleet is upgraded: what the older cannot read is passed over by
nobody, and the newer goes on from there."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from quintant.stack.home import PROJECT
from shared.contracts.records import CONTRACT
from tests.fault.company import EVERYBODY, FOLDING, INGEST, RELAY, found, until
from tests.fault.feed import Event
from tests.fault.fire import Ground, Round, under_fire
from tests.fault.report import Report

pytestmark = pytest.mark.fault
GROUP = "Old and new versions"
NEWS = 30
_FIELD = "    competitor_ids: Said[dict[EntityId, Competitor | None]] = UNSET\n"
APIS = tuple(name for name in EVERYBODY if name.endswith("-api") and name != INGEST)


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


async def wait_for_refusal(this: Round, names: tuple[str, ...]) -> None:
    """These say that they are too old, and stand still."""

    async def too_old() -> bool:
        last = [this.watch.samples.get(name, [(0.0, True, "")])[-1] for name in names]
        return all("upgrade this service" in why for _, _, why in last)

    await until(too_old, 60, what="who is too old says so")


async def test_the_older_waits_for_the_newer(ground: Ground, next_version: Path) -> None:
    async with under_fire(ground, "newer ingest beside older services, which then follow", seconds=10) as this:
        for name in (INGEST, RELAY):
            await this.company.stop(name)
            await this.company.start(name, tree=next_version)
        await this.passes(1, 3)
        await this.feed.tell([news(number) for number in range(NEWS)])
        this.injected(NEWS)
        await wait_for_refusal(this, FOLDING)
        await this.passes(1, 3)
        for name in FOLDING:
            await this.company.stop(name)
        await this.company.start(*FOLDING, tree=next_version)
        for name in APIS:
            await this.company.stop(name)
            await this.company.start(name, tree=next_version)
