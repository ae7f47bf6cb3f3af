"""How often Python looks for cycles of garbage: workers and apis have many small objects and make hardly any cycle."""

import gc

_NEW_OBJECTS = 1_000_000
"""A batch in hand has some 200 an event, all of which go with it."""


def collect_seldom() -> None:
    """Leave alone what was made at the start, and look at the rest only after many more new objects than usual."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS, 20, 20)
