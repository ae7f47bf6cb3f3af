"""What a lane keeps in memory of the entities that it met last. It is forgotten with the lane."""

from collections.abc import Sized
from dataclasses import dataclass, field

from shared.sales.references import Key
from shared.storage.folds import Entity


@dataclass(slots=True)
class Memory:
    """Entities as they were committed; those that were not met for longest go first."""

    room: int
    _entities: dict[Key, Entity] = field(default_factory=dict)
    _taken: int = 0

    def recall(self, key: Key) -> Entity | None:
        """The entity, if it is remembered."""
        entity = self._entities.pop(key, None)
        if entity is not None:
            self._entities[key] = entity  # it was met last
        return entity

    def keep(self, entity: Entity) -> None:
        """Remember it in this state, and forget others if there is no room."""
        before = self._entities.pop(entity.key, None)
        self._taken += _size(entity) - (_size(before) if before else 0)
        self._entities[entity.key] = entity
        while self._taken > self.room:
            oldest = next(iter(self._entities))
            self._taken -= _size(self._entities.pop(oldest))


def _size(entity: Entity) -> int:
    model = len(entity.model) if isinstance(entity.model, Sized) else 0
    return 1 + len(entity.journal) + len(entity.standing.balance) + model
