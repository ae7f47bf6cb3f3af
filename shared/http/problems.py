"""RFC 9457: every answer that is not a success is `application/problem+json`. A problem names what to do; it never
repeats a refused value or a secret.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from shared.http.answers import encode
from shared.http.freshness import NotYetAppliedError
from shared.http.observing import request_id_of
from shared.kernel.errors import (
    BehindError,
    ConflictError,
    Fault,
    ForbiddenError,
    InvalidInputError,
    MalformedError,
    NotFoundError,
    NotKnownError,
    QuintantError,
    StoppedError,
    TooLargeError,
    UnauthenticatedError,
    UnavailableError,
    UnsupportedMediaTypeError,
)

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:quintant:problem:"
RETRY_SECONDS = "2"


class TooManyRequestsError(QuintantError):
    """More than the service takes from this caller for now."""

    slug = "too-many-requests"


STATUS: Mapping[type[QuintantError], int] = {
    MalformedError: 400,
    UnauthenticatedError: 401,
    ForbiddenError: 403,
    NotFoundError: 404,
    NotKnownError: 404,
    ConflictError: 409,
    TooLargeError: 413,
    UnsupportedMediaTypeError: 415,
    InvalidInputError: 422,
    TooManyRequestsError: 429,
    UnavailableError: 503,
    StoppedError: 503,
    BehindError: 504,
}

# What the framework refuses by itself, in our words.
_FRAMEWORK: Mapping[int, tuple[str, str]] = {
    400: (MalformedError.slug, "The request's body cannot be read."),
    404: (NotFoundError.slug, "There is nothing at this path: see /openapi.json."),
    405: ("method-not-allowed", "This path does not take this method: see the Allow header."),
    413: (TooLargeError.slug, "The request's body is larger than this path takes."),
    415: (UnsupportedMediaTypeError.slug, "This path does not read this content type."),
}


def problem(
    request: Request,
    status: int,
    slug: str,
    detail: str,
    *,
    errors: Sequence[Mapping[str, str]] = (),
    headers: Mapping[str, str] | None = None,
    extra: Mapping[str, Any] | None = None,
) -> Response:
    """One problem as an answer."""
    body: dict[str, Any] = {
        "type": TYPE_PREFIX + slug,
        "title": slug.replace("-", " ").capitalize(),
        "status": status,
        "detail": detail,
        "instance": f"urn:quintant:request:{request_id_of(request.scope)}",
    }
    if errors:
        body["errors"] = list(errors)
    return Response(
        encode({**body, **(extra or {})}),
        status,
        {"cache-control": "no-store", **(headers or {})},
        MEDIA_TYPE,
    )


def status_of(error: QuintantError) -> int:
    """The status of the nearest class in the tree; 500 for the bare root."""
    return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)


async def on_quintant_error(request: Request, error: Exception) -> Response:
    """What we raise on purpose."""
    assert isinstance(error, QuintantError)  # noqa: S101 - registered for this class only
    status = status_of(error)
    if status == 500:
        raise error
    headers = {
        401: {"www-authenticate": 'Bearer realm="quintant"'},
        429: {"retry-after": RETRY_SECONDS},
        503: {"retry-after": RETRY_SECONDS},
        504: {"retry-after": RETRY_SECONDS},
    }.get(status)
    extra = error.freshness.members() if isinstance(error, NotYetAppliedError) else None
    faults = [fault_body(fault) for fault in error.faults]
    return problem(request, status, error.slug, error.detail, errors=faults, headers=headers, extra=extra)


async def on_http_exception(request: Request, error: Exception) -> Response:
    """What Starlette and FastAPI raise: unknown paths, wrong methods, unreadable bodies."""
    assert isinstance(error, HTTPException)  # noqa: S101
    phrase = HTTPStatus(error.status_code).phrase
    slug, detail = _FRAMEWORK.get(error.status_code, (phrase.lower().replace(" ", "-"), f"{phrase}."))
    return problem(request, error.status_code, slug, detail, headers=error.headers)


async def on_validation_error(request: Request, error: Exception) -> Response:
    """What FastAPI's own validation finds in parameters and bodies."""
    assert isinstance(error, RequestValidationError)  # noqa: S101
    found = error.errors()
    if any(item["type"] == "json_invalid" for item in found):
        return problem(request, 400, MalformedError.slug, "The body is not valid JSON.")
    errors = [_validation(item) for item in found]
    return problem(request, 422, InvalidInputError.slug, "The request is against the contract.", errors=errors)


async def on_unexpected(request: Request, _error: Exception) -> Response:
    """A bug. The server logs the traceback under the request's trace; the caller learns nothing but where to look."""
    detail = "Something unexpected happened. Give the instance to whoever runs this service."
    # Starlette answers this one outside of our own layers, which would have added the header.
    headers = {"x-request-id": request_id_of(request.scope)}
    return problem(request, 500, QuintantError.slug, detail, headers=headers)


HANDLERS: Mapping[Any, Any] = {
    QuintantError: on_quintant_error,
    HTTPException: on_http_exception,
    RequestValidationError: on_validation_error,
    Exception: on_unexpected,
}


def fault_body(fault: Fault) -> dict[str, str]:
    """One thing wrong, as it stands in `errors`."""
    key = "pointer" if fault.where.startswith("/") or not fault.where else "parameter"
    return {key: fault.where, "reason": fault.reason}


def _validation(item: Mapping[str, Any]) -> dict[str, str]:
    place, *path = (str(part) for part in item["loc"])
    where = {"pointer": _pointer(path)} if place == "body" else {"parameter": ".".join(path) or place}
    return {**where, "reason": _reason(item)}


def _pointer(path: Sequence[str]) -> str:
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in path)


def _reason(item: Mapping[str, Any]) -> str:
    """pydantic's words, unless they repeat what was sent."""
    given, said = item.get("input"), str(item["msg"]).removeprefix("Value error, ")
    if item["type"] == "union_tag_invalid":
        return f"Input should be one of: {item['ctx']['expected_tags']}"
    if isinstance(given, str) and len(given) > 1 and given in said:
        return f"Input is not valid ({item['type']})"
    return said
