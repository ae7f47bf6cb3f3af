"""Rebuilds and webhooks: everything goes on beside them, also when what does them is killed."""

import asyncio
import base64
import json
import sys
from asyncio.subprocess import PIPE, STDOUT, Process

import pytest

from quintant.stack.home import PROJECT
from tests.fault.company import INGEST, Company
from tests.fault.feed import HOOK, HOOK_SECRET
from tests.fault.fire import Ground, under_fire

pytestmark = pytest.mark.fault
GROUP = "Rebuilds and webhooks"
SECONDS = 180


async def rebuilding(company: Company, service: str) -> Process:
    """`python -m services.<name> rebuild`, started."""
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", f"services.{service}", "rebuild", "--json",
        cwd=PROJECT, env=dict(company.running.environment), stdout=PIPE, stderr=STDOUT,
    )  # fmt: skip


async def test_webhooks_beside_canonical_events(ground: Ground) -> None:
    secret = f"whsec_{base64.b64encode(HOOK_SECRET).decode()}"
    entry = {"adapter": "standard-webhooks", "secrets": [{"value": secret, "since": "2026-01-01"}], "settings": {}}
    ground.company.running.home.sources_file.write_text(json.dumps({"sources": {HOOK: entry}}))
    async with under_fire(
        ground, "signed webhooks beside canonical events, ingest killed", seconds=6, hooks=0.7
    ) as this:
        for _ in range(3):
            await this.passes(0.3, 1.2)
            await this.company.kill(INGEST)
            this.injected()
            await this.company.start(INGEST)


@pytest.mark.parametrize("service", ["metrics", "pipeline"])
async def test_rebuilt_while_events_come(ground: Ground, service: str) -> None:
    """The rebuild is killed, then the worker beside it; the same command goes on, compares and switches."""
    async with under_fire(
        ground, f"{service} rebuilt while events come, rebuild and worker killed", seconds=10
    ) as this:
        first = await rebuilding(this.company, service)
        await this.passes(1, 3)
        if first.returncode is None:
            first.kill()
        await first.communicate()
        second = await rebuilding(this.company, service)
        await this.passes(0.5, 2)
        await this.company.kill(f"{service}-worker")
        this.injected(2)
        await this.company.start(f"{service}-worker")
        async with asyncio.timeout(SECONDS):
            said, _ = await second.communicate()
        assert second.returncode == 0, said.decode()[-3000:]
