"""Connections with deadlines, and two kinds of transaction: a reader sees one snapshot, a writer changes.

SQL is written by hand and run by asyncpg. The role and the search path of a connection are the service's own, so the
database itself refuses another service's tables.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import asyncpg
import msgspec

from shared.kernel.errors import UnavailableError

_GONE = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,
    asyncpg.LockNotAvailableError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InvalidCachedStatementError,
)
"""What may be different next time. Everything else that PostgreSQL refuses is a bug of ours."""


_PIECE = 2**19
"""Bytes of a COPY that are handed to the socket at once."""


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds after which each step is given up."""

    connect: float = 5.0
    acquire: float = 5.0
    statement: float = 60.0
    lock: float = 10.0
    idle_in_transaction: float = 30.0
    close: float = 5.0


class Reader:
    """One read-only snapshot."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def rows(self, sql: str, *values: object) -> list[asyncpg.Record]:
        """All rows of the answer."""
        return list(await self._connection.fetch(sql, *values))

    async def row(self, sql: str, *values: object) -> asyncpg.Record | None:
        """The first row of the answer, or None."""
        return await self._connection.fetchrow(sql, *values)

    async def value(self, sql: str, *values: object) -> Any:
        """The first column of the first row, or None."""
        return await self._connection.fetchval(sql, *values)

    async def stream(self, sql: str, *values: object, prefetch: int = 500) -> AsyncIterator[asyncpg.Record]:
        """The rows one after another, without holding them all."""
        async for row in self._connection.cursor(sql, *values, prefetch=prefetch):
            yield row


class Writer(Reader):
    """One transaction that changes something; it commits when its block ends without an error."""

    async def execute(self, sql: str, *values: object) -> int:
        """Run a statement; how many rows it touched."""
        status: str = await self._connection.execute(sql, *values)
        last = status.rsplit(" ", 1)[-1]
        return int(last) if last.isdigit() else 0

    async def copy(self, table: str, columns: Sequence[str], records: Iterable[Sequence[object]]) -> None:
        """Append rows with binary COPY, the cheapest thing that a database does."""
        await self._connection.copy_records_to_table(table, columns=list(columns), records=records)

    async def copy_packed(self, table: str, columns: Sequence[str], packed: bytes) -> None:
        """Append rows that are in the format of binary COPY already.

        Told in pieces: asyncpg would read a file in a thread, and keep it until the next search for cycles of garbage.
        """
        await self._connection.copy_to_table(table, columns=list(columns), source=_pieces(packed), format="binary")


async def _pieces(packed: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(packed), _PIECE):
        yield packed[start : start + _PIECE]


class Statements(Reader):
    """One connection on which each statement is a transaction of its own: a single round trip."""

    @property
    def is_closed(self) -> bool:
        """Whether it was lost: then take another one."""
        return bool(self._connection.is_closed())


class Database:
    """A pool of one service's connections. Make it with `open_database`."""

    def __init__(
        self, pool: asyncpg.Pool, deadlines: Deadlines, connecting: Mapping[str, Any], schemas: Sequence[str]
    ) -> None:
        self._pool = pool
        self._deadlines = deadlines
        self._connecting = connecting
        self._schemas = tuple(schemas)

    def in_use(self) -> int:
        """How many connections are checked out of the pool."""
        return int(self._pool.get_size() - self._pool.get_idle_size())

    @property
    def schemas(self) -> tuple[str, ...]:
        """What its transactions see, in this order; nothing before it is bound."""
        return self._schemas

    async def bind(self, schemas: Sequence[str]) -> None:
        """See other schemas from the next transaction on; one that is under way ends on those on which it began."""
        self._schemas = tuple(schemas)
        self._pool.set_connect_args(**_connect_args(self._connecting, self._schemas))
        await self._pool.expire_connections()

    def _bound(self) -> None:
        if not self._schemas:
            raise UnavailableError("which build is the current one is not known yet: PostgreSQL has not said so")

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Reader]:
        """One snapshot (repeatable read, read only). Raises UnavailableError when PostgreSQL cannot be reached."""
        self._bound()
        with _unavailable():
            async with (
                self._pool.acquire(timeout=self._deadlines.acquire) as connection,
                connection.transaction(isolation="repeatable_read", readonly=True),
            ):
                yield Reader(connection)

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Writer]:
        """One transaction (read committed). Raises UnavailableError when PostgreSQL cannot be reached."""
        self._bound()
        with _unavailable():
            async with self._pool.acquire(timeout=self._deadlines.acquire) as connection, connection.transaction():
                yield Writer(connection)

    @asynccontextmanager
    async def statements(self) -> AsyncIterator[Statements]:
        """One connection to keep for as long as it lives. Raises UnavailableError when PostgreSQL cannot be reached."""
        self._bound()
        with _unavailable():
            async with self._unwrapped() as connection:
                yield Statements(connection)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[asyncpg.Connection]:
        """One connection of one's own, for session locks and LISTEN."""
        self._bound()
        with _unavailable():
            async with self._pool.acquire(timeout=self._deadlines.acquire) as connection:
                try:
                    yield connection
                finally:
                    await _clean(connection, self._deadlines.close)

    @asynccontextmanager
    async def peek(self) -> AsyncIterator[Reader]:
        """A snapshot also before it is bound: name the schema of every table."""
        with _unavailable():
            async with (
                self._pool.acquire(timeout=self._deadlines.acquire) as connection,
                connection.transaction(isolation="repeatable_read", readonly=True),
            ):
                yield Reader(connection)

    async def check(self) -> None:
        """Raises UnavailableError unless PostgreSQL answers."""
        with _unavailable():
            async with self._unwrapped() as connection:
                await connection.fetchval("SELECT 1")

    @asynccontextmanager
    async def _unwrapped(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection without a transaction around what it does.

        A statement that was parsed and then given up leaves PostgreSQL inside the transaction that parsing it began,
        of which asyncpg does not know: whoever takes the connection next could not begin his own.
        """
        async with self._pool.acquire(timeout=self._deadlines.acquire) as connection:
            try:
                yield connection
            except BaseException:
                await _clean(connection, self._deadlines.close)
                raise

    async def close(self) -> None:
        """Close within the deadline, or drop the sockets: on a dead network a polite close hangs."""
        try:
            await asyncio.wait_for(self._pool.close(), self._deadlines.close)
        except (TimeoutError, OSError):
            self._pool.terminate()


@asynccontextmanager
async def open_database(
    url: str,
    *,
    role: str,
    schemas: Sequence[str],
    application: str,
    size: int = 8,
    deadlines: Deadlines | None = None,
) -> AsyncIterator[Database]:
    """Open a pool whose connections act as `role` and see `schemas` in this order; without any it has to be bound
    first. No connection is made before it is needed, so a service starts without PostgreSQL and is merely not ready."""
    limits = deadlines or Deadlines()
    connecting = {
        "dsn": url,
        "timeout": limits.connect,
        "command_timeout": limits.statement,
        "server_settings": {
            "role": role,
            "application_name": application,
            "jit": "off",
            "enable_seqscan": "off",  # a plan is kept, also one that was made while its table was empty
            "max_parallel_workers_per_gather": "0",  # to start them takes longer than most questions
            "lock_timeout": _milliseconds(limits.lock),
            "statement_timeout": _milliseconds(limits.statement),
            "idle_in_transaction_session_timeout": _milliseconds(limits.idle_in_transaction),
            "tcp_keepalives_idle": "10",
            "tcp_keepalives_interval": "5",
            "tcp_keepalives_count": "3",
        },
    }
    pool = asyncpg.create_pool(
        min_size=0,
        max_size=size,
        max_inactive_connection_lifetime=120,
        init=_prepare,
        reset=_leave,
        **_connect_args(connecting, schemas),
    )
    await pool
    database = Database(pool, limits, connecting, schemas)
    try:
        yield database
    finally:
        await asyncio.shield(database.close())


def _connect_args(connecting: Mapping[str, Any], schemas: Sequence[str]) -> dict[str, Any]:
    search_path = {"search_path": ", ".join(schemas)} if schemas else {}
    return {**connecting, "server_settings": {**connecting["server_settings"], **search_path}}


async def _prepare(connection: asyncpg.Connection) -> None:
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=lambda value: b"\x01" + msgspec.json.encode(value),
        decoder=lambda value: msgspec.json.decode(value[1:]),
        format="binary",
    )


async def _clean(connection: asyncpg.Connection, seconds: float) -> None:
    """Give up the locks and listeners of a session; if it cannot, they end with its connection."""
    try:
        await connection.reset(timeout=seconds)
    except _GONE:
        with suppress(asyncpg.InterfaceError):  # it went back to the pool when it was lost
            connection.terminate()


async def _leave(_connection: asyncpg.Connection) -> None:
    """A transaction leaves nothing behind that would be worth a round trip after each; sessions clean up themselves."""


def _milliseconds(seconds: float) -> str:
    return str(int(seconds * 1000))


@contextmanager
def _unavailable() -> Iterator[None]:
    """Tell "PostgreSQL is not there" from "the statement is wrong"."""
    try:
        yield
    except asyncpg.InvalidParameterValueError as error:
        if error.message is not None and error.message.startswith("role "):
            raise UnavailableError("PostgreSQL does not know this service's role yet: run its `migrate`") from error
        raise
    except asyncpg.exceptions.DataError:
        raise
    except _GONE as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise asyncio.CancelledError from error  # what a lost connection says while it is left must not undo that
        raise UnavailableError(f"PostgreSQL does not answer as it should: {type(error).__name__}") from error
