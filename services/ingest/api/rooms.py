"""What the routes are handed: one object on the application, made by the composition root."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from starlette.requests import Request

from services.ingest.importing import Imports
from services.ingest.intake import Intake
from services.ingest.receiving import Receiving
from services.ingest.replaying import Replays
from services.ingest.source_reading import SourceReading
from shared.kernel.clock import Clock
from shared.storage.database import Database


@dataclass(frozen=True, slots=True)
class Rooms:
    """Everything that a route may use."""

    database: Database
    intake: Intake
    imports: Imports
    receiving: Receiving
    replays: Replays
    reading: SourceReading
    public_url: str
    clock: Clock


async def _rooms(request: Request) -> Rooms:
    rooms: Rooms = request.app.state.rooms
    return rooms


Ingest = Annotated[Rooms, Depends(_rooms)]
