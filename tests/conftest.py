"""Real PostgreSQL and Kafka for every test that asks: started at the first use, shared by the run, stopped at its end.

DATABASE_URL and KAFKA_BOOTSTRAP_SERVERS in the environment are used instead. A server that does not start fails.
"""

import asyncio
import os
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import msgspec
import pytest
from hypothesis import HealthCheck, settings

from quintant.stack import processes, services
from quintant.stack.home import Home
from quintant.stack.processes import ProcessId
from tests.running import Running
from tests.servers import Server, new_broker, new_cluster, new_postgres

_BUSY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""How fast examples are drawn and run tells of the machine (in a new clone the first also makes tables of all
characters); what has to be fast is measured in tests/bench."""
settings.register_profile("usual", _BUSY)
settings.register_profile("quick", _BUSY, max_examples=20)  # for `make check`
settings.register_profile("thorough", _BUSY, max_examples=1000)
settings.load_profile("usual")

_PREFIX = "quintant-test-"
_OWNER = "owner.json"
_PLENTY_BYTES = 4_000_000_000


@pytest.fixture(scope="session")
def server_directory() -> Iterator[Path]:
    """Where the servers of this run keep their data. Not pytest's tmp_path: PostgreSQL's user must be able to enter."""
    root = _root()
    for left in root.glob(f"{_PREFIX}*/{_OWNER}"):
        _clear_after_crash(left)
    directory = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=root))
    directory.chmod(0o755)
    myself = processes.identify(os.getpid())
    (directory / _OWNER).write_bytes(msgspec.json.encode(myself))
    yield directory
    _end_all_in(directory)
    shutil.rmtree(directory)


def _root() -> Path:
    """Memory if there is plenty: on a busy disk, making and deleting clusters takes longer than the tests."""
    memory = Path("/dev/shm")  # noqa: S108 - the directory in it is made by mkdtemp
    if "TMPDIR" in os.environ or not memory.is_dir() or os.statvfs(memory).f_flag & os.ST_NOEXEC:
        return Path(tempfile.gettempdir())
    return memory if shutil.disk_usage(memory).free > _PLENTY_BYTES else Path(tempfile.gettempdir())


def _clear_after_crash(owner: Path) -> None:
    """A run that was killed could not stop its servers."""
    try:
        process = msgspec.json.decode(owner.read_bytes(), type=ProcessId)
    except (OSError, msgspec.MsgspecError):
        return
    if not processes.is_alive(process):
        _end_all_in(owner.parent)
        shutil.rmtree(owner.parent, ignore_errors=True)


def _end_all_in(directory: Path) -> None:
    for home in {directory, *directory.glob("own-*")}:
        for _name, process in list(processes.of_home(home)):
            processes.kill(process)


@pytest.fixture(scope="session")
def database_server(server_directory: Path) -> Iterator[str]:
    """URL of a database on the run's PostgreSQL, as a user who may create databases and roles."""
    if given := os.environ.get("DATABASE_URL"):
        yield given
        return
    server = new_postgres(server_directory, durable=False)
    server.start()
    yield server.address
    server.stop()


@pytest.fixture(scope="session")
def kafka_bootstrap(server_directory: Path) -> Iterator[str]:
    """`host:port` of the run's Kafka. Keep to topics that begin with `topic_prefix`."""
    if given := os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        yield given
        return
    server = new_broker(server_directory)
    server.start()
    yield server.address
    server.stop()


@pytest.fixture(scope="module")
async def database_url(database_server: str) -> AsyncIterator[str]:
    """An empty database of this module's own."""
    name = f"test_{secrets.token_hex(6)}"
    await execute(database_server, f"CREATE DATABASE {name}")
    yield with_database(database_server, name)
    await execute(database_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
def topic_prefix() -> str:
    """For QUINTANT_TOPIC_PREFIX: keeps this module's topics and consumer groups apart from all others."""
    return f"t{secrets.token_hex(4)}-"


@pytest.fixture(scope="module")
def own_directory(server_directory: Path) -> Path:
    """For servers of this module's own; everything started for it is ended with the run."""
    directory = server_directory / f"own-{secrets.token_hex(4)}"
    directory.mkdir()
    return directory


@pytest.fixture(scope="module")
def module_postgres(own_directory: Path) -> Iterator[Server]:
    server = new_postgres(own_directory)
    yield server
    server.kill()


@pytest.fixture(scope="module")
def module_broker(own_directory: Path) -> Iterator[Server]:
    server = new_broker(own_directory)
    yield server
    server.kill()


@pytest.fixture
def postgres(module_postgres: Server) -> Server:
    """A durable PostgreSQL that the test may stop, kill, freeze and start; it runs when the test begins."""
    module_postgres.thaw()
    module_postgres.start()
    return module_postgres


@pytest.fixture
def broker(module_broker: Server) -> Server:
    """A Kafka broker that the test may stop, kill, freeze and start; it runs when the test begins."""
    module_broker.thaw()
    module_broker.start()
    return module_broker


@pytest.fixture(scope="module")
def brokers(own_directory: Path) -> Iterator[list[Server]]:
    """Three brokers of one cluster, `min.insync.replicas` 2, started; the module may end any of them."""
    servers = new_cluster(own_directory, size=3)
    for server in servers:
        server.launch()
    for server in servers:
        server.wait_until_ready()
    yield servers
    for server in servers:
        server.kill()


@pytest.fixture(scope="module")
def running(database_url: str, kafka_bootstrap: str, topic_prefix: str, own_directory: Path) -> Iterator[Running]:
    """All eight processes on the module's own database and topics, ready."""
    home = Home(own_directory)
    settings = {"QUINTANT_TOPIC_PREFIX": topic_prefix}
    everything = Running(home, services.environment(home, database_url, kafka_bootstrap) | settings)
    everything.prepare()
    try:
        everything.start()
        yield everything
    finally:
        everything.stop()


@pytest.fixture(scope="session")
async def migrated_template(database_server: str, server_directory: Path) -> str:
    """Name of a database in which all four services are migrated, to be copied and never used itself."""
    name = f"template_{secrets.token_hex(4)}"
    await execute(database_server, f"CREATE DATABASE {name}")
    home = Home(server_directory / f"own-{secrets.token_hex(4)}")
    home.prepare()
    env = services.environment(home, with_database(database_server, name), "127.0.0.1:1")
    await asyncio.to_thread(services.migrate, home, env)
    return name


@pytest.fixture(scope="module")
async def migrated_database_url(database_server: str, migrated_template: str) -> AsyncIterator[str]:
    """A database of this module's own in which all four services are migrated."""
    name = f"test_{secrets.token_hex(6)}"
    await execute(database_server, f"CREATE DATABASE {name} TEMPLATE {migrated_template}")
    yield with_database(database_server, name)
    await execute(database_server, f"DROP DATABASE {name} WITH (FORCE)")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Benchmarks run only when asked for: `-m bench`; of the fault suite all of it only for `-m fault`."""
    asked = config.option.markexpr
    unasked = [
        item
        for item in items
        if ("bench" not in asked and item.get_closest_marker("bench"))
        or ("fault" not in asked and item.get_closest_marker("fault") and not item.get_closest_marker("brief"))
    ]
    config.hook.pytest_deselected(items=unasked)
    items[:] = [item for item in items if item not in unasked]


def with_database(url: str, name: str) -> str:
    """The same server and user, another database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


async def execute(url: str, statement: str) -> None:
    """Run one statement outside any transaction."""
    connection = await asyncpg.connect(url, timeout=10)
    try:
        await connection.execute(statement, timeout=60)
    finally:
        await connection.close(timeout=10)
