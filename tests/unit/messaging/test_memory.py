"""What a lane remembers is bounded, and what was met last stays."""

from datetime import UTC, date, datetime
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from shared.kernel.journal import Assertion, Stamp
from shared.kernel.ledger import Balance
from shared.messaging.memory import Memory
from shared.sales.references import Key
from shared.sales.timeline import Standing
from shared.storage.folds import Entity


def entity(name: str, cells: int = 0) -> Entity:
    """One assertion and so many cells: its size is two more than these."""
    said = Assertion(Stamp(datetime(2026, 3, 1, tzinfo=UTC), 0, "/crm", name), date(2026, 3, 1))
    balance: Balance = {("mini", date(2026, 3, 1), str(n), (None,)): (1, Decimal(1)) for n in range(cells)}
    return Entity(Key("deal", name), (said,), Standing(balance))


def test_what_was_not_met_for_longest_goes_first() -> None:
    memory = Memory(6)
    for name in ("a", "b", "c"):
        memory.keep(entity(name))
    assert memory.recall(Key("deal", "a")) == entity("a")
    memory.keep(entity("d"))
    assert memory.recall(Key("deal", "b")) is None
    assert [memory.recall(Key("deal", name)) for name in "cad"] == [entity(name) for name in "cad"]


def test_an_entity_is_remembered_as_it_is_now() -> None:
    memory = Memory(10)
    memory.keep(entity("a", cells=8))
    memory.keep(entity("a", cells=1))
    memory.keep(entity("b", cells=5))
    assert memory.recall(Key("deal", "a")) == entity("a", cells=1)


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 9)), max_size=30), st.integers(0, 20))
def test_there_is_never_more_than_there_is_room_for(kept: list[tuple[str, int]], room: int) -> None:
    memory = Memory(room)
    for name, cells in kept:
        memory.keep(entity(name, cells))
        found = [one for key in "abcdef" if (one := memory.recall(Key("deal", key))) is not None]
        assert sum(2 + len(one.standing.balance) for one in found) <= room
