"""The volume of Kafka or of PostgreSQL is full, until an operator makes room and starts what ended."""

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.fault.company import EVERYBODY, RELAY, found
from tests.fault.conftest import twin_beside
from tests.fault.fire import Ground, Round, under_fire
from tests.fault.report import Report
from tests.servers import Server

pytestmark = pytest.mark.fault
GROUP = "Disks"
MEGABYTES = 600
VOLUMES = {"PostgreSQL": "postgres-volume", "Kafka": "kafka-volume"}
_BALLAST = "ballast"
_NOTHING = 4_000_000
"""What servers may free themselves by closing temporary files."""


@contextmanager
def volume(place: Path) -> Iterator[Path]:
    """A file system of its own in memory. Only root may mount one."""
    place.mkdir()
    options = f"size={MEGABYTES}m,mode=755"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "quintant-fault", place], check=True, capture_output=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=False)


def fill(place: Path) -> None:
    """Leave no room."""
    with (place / _BALLAST).open("wb", buffering=0) as ballast, suppress(OSError):
        while True:
            ballast.write(b"\0" * 65_536)


@pytest.fixture(scope="module")
async def ground(
    own_directory: Path, database_server: str, kafka_bootstrap: str, report: Report
) -> AsyncIterator[Ground]:
    """A company whose servers keep their data on volumes of their own."""
    try:
        mounted = volume(own_directory / VOLUMES["PostgreSQL"]), volume(own_directory / VOLUMES["Kafka"])
        with mounted[0] as for_postgres, mounted[1] as for_kafka:
            async with (
                twin_beside(database_server, kafka_bootstrap, own_directory) as twin,
                found(own_directory, postgres_directory=for_postgres, kafka_directory=for_kafka) as company,
            ):
                await company.start(*(name for name in EVERYBODY if name != RELAY))
                made = Ground(company, twin, report, GROUP)
                await made.begin()
                yield made
    except subprocess.CalledProcessError as error:
        report.not_run.append(f"full disks: mounting a volume needs root ({error.stderr.decode().strip()})")
        pytest.skip("mounting a volume needs root")


@pytest.mark.parametrize("name", VOLUMES)
async def test_the_volume_is_full(ground: Ground, own_directory: Path, name: str) -> None:
    async with under_fire(ground, f"{name}'s volume full", seconds=10) as this:
        server = this.database_server if name == "PostgreSQL" else this.company.brokers[0]
        await full_and_freed(this, own_directory / VOLUMES[name], server)


async def full_and_freed(this: Round, place: Path, server: Server) -> None:
    """Fill it, let time pass, make room, and start the server again if it has ended itself."""
    await this.passes(0.5, 1)
    await asyncio.to_thread(fill, place)
    this.injected()
    await this.passes(6, 8)
    assert shutil.disk_usage(place).free < _NOTHING, "something made room"
    (place / _BALLAST).unlink()
    await asyncio.to_thread(server.start)
