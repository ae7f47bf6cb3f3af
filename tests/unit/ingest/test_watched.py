"""A watched file is looked at once in a turn of the loop, and every time where there is none."""

import asyncio
from pathlib import Path

from services.ingest.watched import WatchedFile


def test_without_a_loop_every_change_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "sources.json"
    file = WatchedFile(path)
    found = [file.has_changed()]
    path.write_text("a")
    found += [file.has_changed(), file.has_changed(), file.is_there]
    path.write_text("ab")
    found.append(file.has_changed())
    path.unlink()
    found += [file.has_changed(), file.has_changed(), file.is_there]
    assert found == [False, True, False, True, True, True, False, False]
    assert not WatchedFile(None).has_changed()


async def test_in_a_loop_the_next_turn_sees_it(tmp_path: Path) -> None:
    path = tmp_path / "sources.json"
    path.write_text("a")
    file = WatchedFile(path)
    assert file.has_changed()
    path.write_text("ab")
    assert not file.has_changed()
    await asyncio.sleep(0)
    assert file.has_changed()
