"""Records put together as bytes are what aiokafka's own builder would have made of them, byte for byte."""

from collections.abc import Sequence

from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import given
from hypothesis import strategies as st

from shared.messaging.framing import Batch, batches, frame

Record = tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]]]
NOW = 1_790_000_000_123
LARGEST = 900_000

_value = st.one_of(st.none(), st.binary(max_size=200), st.integers(0, 20_000).map(lambda size: b"v" * size))
records: st.SearchStrategy[list[Record]] = st.lists(
    st.tuples(
        _value, _value, st.lists(st.tuples(st.text(max_size=70), st.none() | st.binary(max_size=150)), max_size=20)
    ),
    min_size=1,
    max_size=90,
)


def framed(told: Sequence[Record], largest: int = LARGEST) -> list[Batch]:
    return list(batches([frame(*one) for one in told], NOW, largest))


def read(made: Sequence[Batch]) -> list[tuple[int, Record]]:
    """Offset within its batch and content of each record."""
    found = []
    for batch in made:
        memory = MemoryRecords(bytes(batch._build()))
        one = memory.next_batch()
        assert one.validate_crc()
        found += [(record.offset, (record.key, record.value, list(record.headers))) for record in one]
        assert not memory.has_next()
    return found


@given(records)
def test_a_batch_is_the_one_of_aiokafka(told: list[Record]) -> None:
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, 0, 10**9)
    for offset, (key, value, headers) in enumerate(told):
        builder.append(offset, NOW, key, value, headers)
    [batch] = framed(told, 10**9)
    assert bytes(batch._build()) == bytes(builder.build())


@given(records, st.integers(1, 5_000))
def test_batches_hold_everything_in_order_and_are_not_too_large(told: list[Record], largest: int) -> None:
    made = framed(told, largest)
    assert [one for _, one in read(made)] == told
    assert all(batch.size() <= largest or batch.record_count() == 1 for batch in made)
    assert sum(batch.record_count() for batch in made) == len(told)


def test_offsets_within_a_batch_may_be_large() -> None:
    told: list[Record] = [(b"k", None, [])] * 20_000
    read_back = read(framed(told))
    assert [one for _, one in read_back] == told
    assert max(offset for offset, _ in read_back) == 8191


def test_it_has_what_the_producer_asks_of_its_own_builder() -> None:
    """A new aiokafka that asks for more must not be found out in production."""
    asked = {"append", "_serialize", "_set_producer_state"}  # of messages sent one by one, and of transactions
    methods = {name for name in vars(BatchBuilder) if callable(getattr(BatchBuilder, name)) and name != "__init__"}
    assert methods - asked <= set(dir(Batch))
