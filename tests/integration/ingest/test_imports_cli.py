"""`quintant import` against a real ingest over HTTP: guess, import, and the rejected rows beside the file."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import uvicorn

from quintant.client import Client, ServiceError
from quintant.commands.importing import Request, _send, _write_errors, guess
from quintant.stack.errors import StackError
from services.ingest.settings import Settings
from services.ingest.wiring import build_api
from shared.storage.database import Database
from shared.telemetry.metrics import Metrics
from tests.integration.ingest.conftest import KEY

DEALS = """Deal ID,Deal Name,Stage,Amount (EUR),Created Date,Owner
A,Lamps,Won,5,2026-03-01,Ann
B,Chairs,Negotiation,six,2026-03-02,Bo
C,Tables,Negotiation,7,2026-03-02,Bo
"""


@pytest.fixture(scope="module")
async def served(settings: Settings, database: Database) -> AsyncIterator[str]:
    """The address of an ingest on a port of its own."""
    app = build_api(settings, database, Metrics(), on_death=print)
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="on"))
        task = asyncio.create_task(server.serve(sockets=[bound]))
        address = "http://{}:{}".format(*bound.getsockname())
        yield address
        server.should_exit = True
        await task


async def test_from_guess_to_mended_rows(served: str, tmp_path: Path) -> None:
    table, mapping = tmp_path / "deals.csv", tmp_path / "deals.yaml"
    table.write_text(DEALS)

    def run() -> tuple[dict[str, object], list[Path], dict[str, object]]:
        with Client({"ingest": served}, KEY) as client:
            request = Request([table], None, {})
            guess(client, request, "/import/cli", mapping, is_asking=False)
            answer = _send(client, request, dry_run=False)
            written = list(_write_errors(client, [table], answer, None))
            written[0].write_text(written[0].read_text().replace("six", "6"))
            again = _send(client, Request(written, mapping.read_bytes(), {}), dry_run=False)
            return answer, written, again

    answer, written, again = await asyncio.to_thread(run)
    assert (answer["accepted"], answer["rejected"]) == (7, 1)
    assert written == [tmp_path / "deals.errors.csv"]
    assert (again["rejected"], again["error_files"]) == (0, [])
    assert "source: /import/cli" in mapping.read_text()


async def test_what_is_open_ends_with_what_to_write(served: str, tmp_path: Path) -> None:
    table = tmp_path / "deals.csv"
    table.write_text("Deal ID,Stage,Amount\nA,Won,5\n")

    def ask(answers: dict[str, str]) -> Request:
        with Client({"ingest": served}, KEY) as client:
            request = Request([table], None, {"as_of": "2026-03-31T18:00:00Z"}, answers)
            guess(client, request, None, None, is_asking=False)
            return request

    with pytest.raises(StackError) as error:
        await asyncio.to_thread(ask, {})
    assert "--answer 'currency=…'" in (error.value.advice or "")
    request = await asyncio.to_thread(ask, {"currency": "EUR"})
    assert isinstance(request.mapping, bytes)
    with pytest.raises(ServiceError, match="is not asked"):
        await asyncio.to_thread(ask, {"currency": "EUR", "weather": "fine"})


async def test_errors_of_an_import_that_is_not_there(served: str, tmp_path: Path) -> None:
    def save() -> None:
        with Client({"ingest": served}, KEY) as client:
            client.save_import_errors("nobody", None, tmp_path / "x.csv")

    with pytest.raises(ServiceError, match="No import has this id"):
        await asyncio.to_thread(save)
    assert not (tmp_path / "x.csv").exists()
