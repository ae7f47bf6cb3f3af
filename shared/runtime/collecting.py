"""How often Python looks for cycles of garbage: workers and apis have many small objects and make hardly any cycle."""

import gc

_NEW_OBJECTS = 100_000
NEW_OBJECTS_OF_BATCHES = 2_500_000
"""For who applies batches: an event in hand has some 200 objects, all of which go with its batch, and four batches of
2,000 are not looked through."""


def collect_seldom(new_objects: int = _NEW_OBJECTS) -> None:
    """Leave alone what was made at the start, and look at the rest only after many more new objects than usual."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(new_objects, 20, 20)
