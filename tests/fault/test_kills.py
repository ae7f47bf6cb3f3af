"""Killed at every named point and started again: the totals are those of a calculation that knows of no process."""

import signal

import pytest

from shared.messaging.failpoints import NAMES
from tests.fault.plant import Plant
from tests.integration.core.company import EVENINGS, moved, told
from tests.unit.sales import oracle
from tests.unit.sales.events import Event

pytestmark = pytest.mark.fault


def chapter(number: int) -> list[Event]:
    """New events of some deals, and an owner who changes teams: a refold of many turns."""
    events = told(number, events=25, deals=18)
    for index, event in enumerate(events):
        events[index] = Event(
            event.kind, event.id, f"c{number}-{index}", event.occurred_at, event.known_on,
            {**event.fields, "owner_id": "ann"}, event.ended,
        )  # fmt: skip
    return [*events, moved("ann", f"team-{number}", f"c{number}-r", hour=number)]


def process_of(point: str) -> str:
    return "relay" if point.startswith("relay.") else "mini"


async def is_right(plant: Plant) -> None:
    for until, known_at in EVENINGS:
        assert await plant.totals(until, known_at) == oracle.totals(plant.accepted, until, known_at)


async def test_killed_at_every_point_one_after_another_the_totals_are_right(plant: Plant) -> None:
    """Each restart finds new events and what the one before left half done, and is killed at the next point in turn."""
    plant.start("relay")
    for number, point in enumerate(NAMES):
        name = process_of(point)
        if name in plant.running():
            plant.signal(name, signal.SIGKILL)
            await plant.ended(name)
        await plant.accept(chapter(number))
        plant.start(name, failpoint=point)
        assert await plant.ended(name) == -signal.SIGKILL, point
        if name == "relay":
            plant.start(name)
    plant.start("mini")
    await plant.applied()
    await is_right(plant)


async def test_killed_again_and_again_in_the_middle_of_a_backlog(plant: Plant) -> None:
    for number in range(6):
        await plant.accept(chapter(number))
    plant.start("relay")
    for point in ("fold.saved:2", "refold.turn_committed:3", "fold.committed:3", "refold.turn_committed:2"):
        plant.start("mini", failpoint=point)
        assert await plant.ended("mini") == -signal.SIGKILL, point
    plant.start("mini")
    await plant.applied()
    await is_right(plant)


async def test_told_to_end_it_ends_in_order_and_goes_on_later(plant: Plant) -> None:
    await plant.accept(chapter(1))
    plant.start("relay")
    plant.start("mini")
    await plant.applied()
    for name in ("mini", "relay"):
        plant.signal(name, signal.SIGTERM)
        assert await plant.ended(name) == 0, name
    await plant.accept(chapter(2))
    plant.start("relay")
    plant.start("mini")
    await plant.applied()
    await is_right(plant)


async def test_another_worker_takes_over_what_a_frozen_one_had(plant: Plant) -> None:
    """Static membership: under the same name at once. The frozen one wakes up later and believes in its partitions."""
    plant.start("relay")
    plant.start("mini")
    await plant.accept(chapter(1))
    await plant.applied()
    plant.signal("mini", signal.SIGSTOP)
    await plant.accept(chapter(2))
    plant.start("mini again", kind="mini")
    await plant.applied()
    plant.signal("mini", signal.SIGCONT)
    await plant.accept(chapter(3))
    await plant.applied()
    plant.signal("mini again", signal.SIGTERM)
    assert await plant.ended("mini again") == 0
    await plant.accept(chapter(4))
    await plant.applied()
    await is_right(plant)


async def test_two_workers_share_the_partitions_and_one_is_killed(plant: Plant) -> None:
    """After its session the other one has them all."""
    plant.start("relay")
    for instance in ("mini-0", "mini-1"):
        plant.start(instance, instance=instance, kind="mini")
    await plant.shared_by(2)
    await plant.accept(chapter(1))
    await plant.applied()
    plant.signal("mini-0", signal.SIGKILL)
    await plant.ended("mini-0")
    await plant.accept(chapter(2))
    await plant.applied()
    await is_right(plant)
