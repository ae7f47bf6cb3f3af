"""What the routes are handed: one object on the application, made by the composition root."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from starlette.requests import Request

from services.ingest.importing import Imports
from services.ingest.intake import Intake
from services.ingest.sources import Adapter
from shared.kernel.clock import Clock
from shared.storage.database import Database


@dataclass(frozen=True, slots=True)
class Webhook:
    """One configured webhook source. `repr` would show secrets, so there is none."""

    adapter: Adapter
    secrets: Sequence[str]

    def __repr__(self) -> str:
        return "Webhook(…)"


@dataclass(frozen=True, slots=True)
class Rooms:
    """Everything that a route may use."""

    database: Database
    intake: Intake
    imports: Imports
    webhooks: Mapping[str, Webhook]
    generation: int
    clock: Clock


async def _rooms(request: Request) -> Rooms:
    rooms: Rooms = request.app.state.rooms
    return rooms


Ingest = Annotated[Rooms, Depends(_rooms)]
