"""POST /v1/imports: files under a mapping, as multipart form data; what would become of them, what became of them, and
the rows that were rejected.
"""

import asyncio
import codecs
import shutil
import tempfile
import zlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path, PurePath
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query
from pydantic import BeforeValidator, WithJsonSchema
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from services.ingest import queries
from services.ingest.api.rooms import Ingest, Rooms
from services.ingest.importing import ImportOrder
from services.ingest.imports import ImportMapping, load_preset, preset_names, read_mapping
from services.ingest.imports.guess.proposal import SOURCE
from services.ingest.previewing import PreviewOrder, preview
from shared.contracts.values import read_instant
from shared.http.answers import JsonResponse, answer
from shared.http.auth import Reader, Writer
from shared.http.openapi import problem_responses
from shared.http.unknown import refuse_unknown
from shared.kernel.errors import Fault, InvalidInputError, NotFoundError

router = APIRouter(prefix="/v1", tags=["imports"], dependencies=[Depends(refuse_unknown)])
_LONGEST_MAPPING = 1024 * 1024
_MOST_FILES = 100

Instant = Annotated[
    datetime,
    BeforeValidator(lambda text: read_instant(str(text))),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
AsOf = Annotated[Instant | None, Query(description="When the files were exported.")]
SheetName = Annotated[
    str | None,
    Query(
        min_length=1,
        max_length=255,
        description="Of Excel files; without it the one that the mapping names, or the first.",
    ),
]
Known = Annotated[
    Literal["now", "occurred"], Query(description="occurred: the first import of a source is dated back.")
]
ShiftWeeks = Annotated[int, Query(ge=-5200, le=5200, description="Move every date by whole weeks.")]

_FILES = {"type": "array", "items": {"type": "string", "format": "binary"}, "description": "CSV, .xlsx or JSON lines."}
_MAPPING = {"type": "string", "description": "Name of a preset, or a mapping file (YAML)."}
_ANSWERS = {
    "type": "array",
    "items": {"type": "string"},
    "description": "Answers to the questions of an earlier preview: `id=choice`.",
}


def _body(required: Sequence[str], properties: Mapping[str, Any]) -> dict[str, Any]:
    schema = {"type": "object", "required": list(required), "properties": dict(properties)}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


@router.post(
    "/imports",
    responses=problem_responses(400, 409, 413, 415, 422, 503),
    openapi_extra=_body(["mapping", "files"], {"mapping": _MAPPING, "files": _FILES}),
)
async def post_import(
    request: Request,
    _caller: Writer,
    ingest: Ingest,
    *,
    dry_run: Annotated[bool, Query(description="Only say what an import would do.")] = False,
    known: Known = "now",
    as_of: AsOf = None,
    shift_weeks: ShiftWeeks = 0,
    sheet: SheetName = None,
) -> Response:
    """Import files row by row: accepted, duplicate and rejected are counted, each rejection with row, column, reason.

    The same files again add nothing.
    """
    async with _sent(request) as sent:
        mapping = await _mapping(sent.form.get("mapping"))
        order = _order(mapping, sent.files, known, as_of, shift_weeks, sheet, dry_run=dry_run)
        return JsonResponse(await ingest.imports.run(order))


@router.post(
    "/imports/preview",
    responses=problem_responses(400, 409, 413, 415, 422, 503),
    openapi_extra=_body(["files"], {"mapping": _MAPPING, "files": _FILES, "answer": _ANSWERS}),
)
async def post_preview(
    request: Request,
    _caller: Writer,
    ingest: Ingest,
    *,
    known: Known = "now",
    as_of: AsOf = None,
    shift_weeks: ShiftWeeks = 0,
    sheet: SheetName = None,
    source: Annotated[
        str, Query(pattern=r"^/[A-Za-z0-9._~:/-]{1,200}$", description="Source of a guessed mapping.")
    ] = SOURCE,
) -> Response:
    """What files would become: a mapping guessed from their headers and values, how each column is understood, what has
    to be asked, the first rows as events, and the counts of a dry run. Nothing is stored.
    """
    async with _sent(request) as sent:
        part = sent.form.get("mapping")
        mapping = None if part is None else await _mapping(part)
        options = _order(mapping or load_preset(preset_names()[0]), sent.files, known, as_of, shift_weeks, sheet)
        order = PreviewOrder(
            files=sent.files, mapping=mapping, answers=_answers(sent.form), source=source, options=options
        )
        return JsonResponse(await preview(ingest.imports, order))


@router.get("/imports/{import_id}", responses=problem_responses(404))
async def get_import(request: Request, import_id: str, _caller: Reader, ingest: Ingest) -> Response:
    """The report of the last run of an import."""
    async with ingest.database.read() as reader:
        found = await queries.import_report(reader, import_id)
    if found is None:
        raise NotFoundError("No import has this id.")
    return answer(request, {**found["report"], "started_at": found["started_at"], "finished_at": found["finished_at"]})


@router.get(
    "/imports/{import_id}/errors.csv",
    responses={
        200: {"content": {"text/csv": {"schema": {"type": "string"}}}, "description": "The rejected rows"},
        **problem_responses(404),
    },
    response_class=StreamingResponse,
)
async def get_errors(
    import_id: str,
    _caller: Writer,
    ingest: Ingest,
    *,
    file: Annotated[str | None, Query(description="Only of this file: it can be mended and imported again.")] = None,
) -> Response:
    """Every rejected row of the last run of an import: file, row, column and reason, then the cells as they came.

    The rows of several files stand behind one another, each file under its own header.
    """
    async with ingest.database.read() as reader:
        files = await queries.import_error_files(reader, import_id)
    if files is None:
        raise NotFoundError("No import has this id.")
    if not files or (file is not None and file not in files):
        raise NotFoundError("No row of this was rejected.")
    name = f"{PurePath(file or files[0]).stem}.errors.csv"
    headers = {
        "content-disposition": f"attachment; filename*=UTF-8''{quote(name)}",
        "x-content-type-options": "nosniff",
    }
    return StreamingResponse(
        _error_text(ingest, import_id, file), media_type="text/csv; charset=utf-8; header=present", headers=headers
    )


async def _error_text(ingest: Rooms, import_id: str, file: str | None) -> AsyncIterator[bytes]:
    """Part by part, with a byte order mark so that a spreadsheet program reads it as UTF-8."""
    yield codecs.BOM_UTF8
    number, shown = -1, None
    while True:
        async with ingest.database.read() as reader:
            part = await queries.import_error_part(reader, import_id, file, number)
        if part is None:
            return
        number, of_file, body = part
        if shown not in (None, of_file):
            yield b"\r\n"
        shown = of_file
        yield await asyncio.to_thread(zlib.decompress, body)


@dataclass(frozen=True, slots=True)
class _Sent:
    """What came in: the form, and the files on disk."""

    form: FormData
    files: Mapping[str, Path]


@asynccontextmanager
async def _sent(request: Request) -> AsyncIterator[_Sent]:
    async with request.form(max_files=_MOST_FILES) as form:
        uploads = [one for one in form.getlist("files") if isinstance(one, UploadFile)]
        if not uploads:
            raise InvalidInputError("No file was sent: add parts named `files`.")
        with _folder() as folder:
            yield _Sent(form, await asyncio.to_thread(_spool, uploads, folder))


def _order(
    mapping: ImportMapping,
    files: Mapping[str, Path],
    known: str,
    as_of: datetime | None,
    shift_weeks: int,
    sheet: str | None,
    *,
    dry_run: bool = True,
) -> ImportOrder:
    return ImportOrder(
        mapping=mapping,
        files=files,
        as_of=as_of,
        known_as_occurred=known == "occurred",
        shift=timedelta(weeks=shift_weeks),
        dry_run=dry_run,
        sheet=sheet,
    )


def _answers(form: FormData) -> dict[str, str]:
    found: dict[str, str] = {}
    for given in form.getlist("answer"):
        name, equals, choice = str(given).rpartition("=")
        if not equals or not name:
            raise InvalidInputError("An answer is written id=choice.", faults=[Fault("answer", "has no `=`")])
        found[name] = choice
    return found


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
