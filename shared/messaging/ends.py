"""Where a partition's tail stands without a hole, as its last records say."""

from dataclasses import dataclass

from shared.contracts.records import EPOCH_STARTED
from shared.messaging.reading import Headers, epoch_of, number_of
from shared.messaging.tail import Ends


@dataclass(frozen=True, slots=True)
class Tail:
    """Up to `number` of `epoch` a partition has no hole; the next record gets at least this offset.

    After an epoch record the next number is the one after its `last_valid`; epoch 0 means that nothing is there yet.
    """

    epoch: int
    number: int
    offset: int


def tail_of(ends: Ends) -> Tail | None:
    """None if the partition does not begin with number 1, or nothing near its end bears a number."""
    if ends.first is None:
        return Tail(0, 0, ends.next_offset)
    epoch = number = 0
    for raw in ends.last:
        bears, of = number_of(raw.headers), epoch_of(raw.headers)
        if bears is None or of is None or of < epoch:
            continue  # not the relay's own, or too late
        needs = bears if _begins_epoch(raw.headers) else bears - 1
        if epoch == 0 or needs <= number:
            epoch, number = of, max(bears, number) if of == epoch else bears
    return None if epoch == 0 or number_of(ends.first.headers) != 1 else Tail(epoch, number, ends.next_offset)


def _begins_epoch(headers: Headers) -> bool:
    return ("ce_type", EPOCH_STARTED.encode()) in headers
