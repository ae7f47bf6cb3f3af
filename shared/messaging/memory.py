"""What a lane keeps in memory of the entities that it met last. It is forgotten with the lane."""

from collections import OrderedDict
from dataclasses import dataclass, field

from shared.sales.references import Key
from shared.storage.folds import Entity


@dataclass(slots=True)
class Memory:
    """Entities as they were committed; those that were not met for longest go first."""

    room: int
    _entities: OrderedDict[Key, Entity] = field(default_factory=OrderedDict)
    _taken: int = 0

    def recall(self, key: Key) -> Entity | None:
        """The entity, if it is remembered."""
        entity = self._entities.get(key)
        if entity is not None:
            self._entities.move_to_end(key)
        return entity

    def keep(self, entity: Entity) -> None:
        """Remember it in this state, and forget others if there is no room."""
        before = self._entities.pop(entity.key, None)
        self._taken += _size(entity) - (_size(before) if before else 0)
        self._entities[entity.key] = entity
        while self._taken > self.room:
            _, oldest = self._entities.popitem(last=False)
            self._taken -= _size(oldest)


def _size(entity: Entity) -> int:
    model = 0 if entity.model is None else len(entity.model)
    return 1 + len(entity.journal) + len(entity.standing.balance) + model
