"""What handlers said and a relay still has to publish. It is written in the transaction that applied the events."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.contracts.records import Fact
from shared.storage.database import Reader, Statements, Writer


@dataclass(slots=True)
class Message:
    """One record for a topic; `topic` is the registry's name, without prefix. Never changed; not frozen, as a fact."""

    topic: str
    key: str
    headers: Mapping[str, str]
    value: bytes


def telling(topic: str, fact: Fact) -> Message:
    """The record of a fact."""
    return Message(topic, fact.subject, fact.headers, fact.data)


async def append_messages(writer: Writer, messages: Sequence[Message]) -> None:
    """Write messages, to be published at least once after the commit."""
    if messages:
        await writer.copy(
            "outbox",
            ("topic", "key", "headers", "value"),
            [(one.topic, one.key, dict(one.headers), one.value) for one in messages],
        )


async def read_messages(reader: Reader, limit: int) -> list[tuple[int, Message]]:
    """The oldest messages still to be published."""
    rows = await reader.rows("SELECT id, topic, key, headers, value FROM outbox ORDER BY id LIMIT $1", limit)
    return [(row["id"], Message(row["topic"], row["key"], row["headers"], row["value"])) for row in rows]


async def forget_messages(statements: Statements, ids: Sequence[int]) -> None:
    """Drop messages that the broker has acknowledged."""
    await statements.rows("DELETE FROM outbox WHERE id = ANY($1::bigint[])", list(ids))


async def count_messages(reader: Reader) -> int:
    """How many messages wait."""
    return int(await reader.value("SELECT count(*) FROM outbox"))
