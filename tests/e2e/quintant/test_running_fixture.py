"""The processes that other tests use come back on their ports after a crash, and nothing that was accepted is lost."""

import asyncio

import httpx

from tests.running import Running


async def test_a_killed_worker_comes_back(running: Running) -> None:
    assert all(running.running(name) for name in running.parts)
    before = dict(running.ports)
    await asyncio.to_thread(running.kill, "metrics-worker")
    assert not running.running("metrics-worker")
    await asyncio.to_thread(running.start, ["metrics-worker"])
    assert running.ports == before


async def test_every_api_wants_a_key(running: Running) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        for service, url in running.urls.items():
            path = f"{url}/openapi.json"
            assert (await client.get(path)).status_code == 401, service
            with_key = await client.get(path, headers={"authorization": f"Bearer {running.key}"})
            assert with_key.status_code == 200, service
