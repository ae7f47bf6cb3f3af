"""What of a deal's states is in the digest: everything but the day on which it was learned."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from services.pipeline.domain.facts import Facts
from services.pipeline.queries.builds import digest as of_build
from services.pipeline.queries.deals import digest
from shared.kernel.money import EXACT
from shared.storage.database import Database
from tests.integration.pipeline.conftest import clear

AT = datetime(2026, 3, 1, 9, tzinfo=UTC)
FACTS = Facts(
    "default", "proposal", "open", Decimal("1.50"), "USD", Decimal("1.5"), False, "ann", None, None, None, None, None,
    None, None, None, None, "A", date(2026, 3, 1), AT, 0, "/crm", "e-1", date(2026, 3, 2),
)  # fmt: skip
_COLUMNS = ("partition", "deal", "from_number", "known_from", "valid_from", "valid_until", *Facts._fields)
LARGE = EXACT.multiply(
    EXACT.multiply(Decimal("999999999999999.999999"), Decimal("999999999999.999999")),
    Decimal("999999999999.999999999999"),
)


async def told(
    database: Database, facts: Facts = FACTS, *, deal: str = "D-1", end: datetime | None = None, partition: int = 0
) -> tuple[str, int]:
    """The digest when there is this state and no other."""
    await clear(database)
    async with database.write() as writer:
        for number in range(4):
            await writer.execute("INSERT INTO position VALUES ($1, 1, 1, 9, 0, NULL, 0, 0, 0)", number)
        row = (partition, deal, 1 + partition, date(2026, 3, 2 + partition), AT, end, *facts)
        await writer.copy("deal_state", _COLUMNS, [row])
    async with database.read() as reader:
        found = await digest(reader, None)
        assert await of_build().tell(reader) == found[0]
        return found


async def test_equal_numbers_give_an_equal_digest(database: Database) -> None:
    same = FACTS._replace(amount=Decimal("1.5000"), base_value=Decimal("1.500"))
    assert await told(database) == await told(database, same) == await told(database, partition=3)
    nothing = [FACTS._replace(amount=Decimal(zero)) for zero in ("0", "-0.00", "0E+3")]
    assert len({await told(database, one) for one in nothing}) == 1


async def test_the_day_of_learning_does_not_count(database: Database) -> None:
    assert await told(database) == await told(database, FACTS._replace(entered_known_on=date(2026, 4, 1)))


@pytest.mark.parametrize("name", [name for name in Facts._fields if name != "entered_known_on"])
async def test_everything_else_counts(database: Database, name: str) -> None:
    value = getattr(FACTS, name)
    others: dict[type, Any] = {
        bool: True, int: 7, Decimal: LARGE, date: date(2026, 5, 1), datetime: AT.replace(hour=10)
    }  # fmt: skip
    other: Any = date(2026, 5, 1) if name == "expected_close_on" else others.get(type(value), "another")
    assert await told(database, FACTS._replace(**{name: other})) != await told(database)


async def test_the_deal_and_its_time_count(database: Database) -> None:
    first = await told(database)
    assert first[1] == 1
    assert await told(database, deal="D-2") != first
    assert await told(database, end=AT) != first


async def test_the_largest_accepted_numbers_are_not_rounded(database: Database) -> None:
    one = await told(database, FACTS._replace(base_value=LARGE))
    assert one != await told(database, FACTS._replace(base_value=EXACT.add(LARGE, Decimal("1E-24"))))
