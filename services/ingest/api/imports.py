"""POST /v1/imports: CSV files under a mapping, as multipart form data; GET /v1/imports/{id}: what became of them."""

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path, PurePath
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BeforeValidator, WithJsonSchema
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response

from services.ingest import queries
from services.ingest.api.rooms import Ingest
from services.ingest.importing import ImportOrder
from services.ingest.imports import ImportMapping, load_preset, preset_names, read_mapping
from shared.contracts.values import read_instant
from shared.http.answers import JsonResponse, answer
from shared.http.auth import Reader, Writer
from shared.http.openapi import problem_responses
from shared.kernel.errors import Fault, InvalidInputError, NotFoundError

router = APIRouter(prefix="/v1", tags=["imports"])
_LONGEST_MAPPING = 1024 * 1024
_MOST_FILES = 100

Instant = Annotated[
    datetime,
    BeforeValidator(lambda text: read_instant(str(text))),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]

_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["mapping", "files"],
                    "properties": {
                        "mapping": {"type": "string", "description": "Name of a preset, or a mapping file (YAML)."},
                        "files": {"type": "array", "items": {"type": "string", "format": "binary"}},
                    },
                }
            }
        },
    }
}


@router.post("/imports", responses=problem_responses(400, 409, 413, 415, 422, 503), openapi_extra=_BODY)
async def post_import(
    request: Request,
    _caller: Writer,
    ingest: Ingest,
    *,
    dry_run: Annotated[bool, Query(description="Only say what an import would do.")] = False,
    known: Annotated[
        Literal["now", "occurred"], Query(description="occurred: the first import of a source is dated back.")
    ] = "now",
    as_of: Annotated[Instant | None, Query(description="When the files were exported.")] = None,
    shift_weeks: Annotated[int, Query(ge=-5200, le=5200, description="Move every date by whole weeks.")] = 0,
) -> Response:
    """Import files row by row: accepted, duplicate and rejected are counted, each rejection with row, column, reason.

    The same files again add nothing.
    """
    async with request.form(max_files=_MOST_FILES) as form:
        mapping = await _mapping(form.get("mapping"))
        uploads = [one for one in form.getlist("files") if isinstance(one, UploadFile)]
        if not uploads:
            raise InvalidInputError("No file was sent: add parts named `files`.")
        with _folder() as folder:
            order = ImportOrder(
                mapping=mapping,
                files=await asyncio.to_thread(_spool, uploads, folder),
                as_of=as_of,
                known_as_occurred=known == "occurred",
                shift=timedelta(weeks=shift_weeks),
                dry_run=dry_run,
            )
            return JsonResponse(await ingest.imports.run(order))


@router.get("/imports/{import_id}", responses=problem_responses(404))
async def get_import(request: Request, import_id: str, _caller: Reader, ingest: Ingest) -> Response:
    """The report of the last run of an import."""
    async with ingest.database.read() as reader:
        found = await queries.import_report(reader, import_id)
    if found is None:
        raise NotFoundError("No import has this id.")
    return answer(request, {**found["report"], "started_at": found["started_at"], "finished_at": found["finished_at"]})


async def _mapping(part: UploadFile | str | None) -> ImportMapping:
    if isinstance(part, UploadFile):
        return read_mapping(await part.read(_LONGEST_MAPPING))
    if part is None or part not in preset_names():
        reason = f"must be a mapping file, or one of the presets {', '.join(sorted(preset_names()))}"
        raise InvalidInputError("There is no such mapping.", faults=[Fault("mapping", reason)])
    return load_preset(part)


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="quintant-import-") as name:
        yield Path(name)


def _spool(uploads: list[UploadFile], folder: Path) -> dict[str, Path]:
    """Write the uploads to disk under names of our own; what the sender calls them is only a key."""
    files: dict[str, Path] = {}
    for number, upload in enumerate(uploads):
        name = PurePath(upload.filename or f"file-{number}").name
        if name in files:
            raise InvalidInputError(f"Two files are called {name}: rename one.")
        path = folder / str(number)
        with path.open("wb") as sink:
            shutil.copyfileobj(upload.file, sink)
        files[name] = path
    return files
