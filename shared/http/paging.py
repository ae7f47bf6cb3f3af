"""Keyset pages: a cursor holds the sort key of the last item and a fingerprint of the query that made it."""

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any

from fastapi import Depends, Query
from starlette.requests import Request

from shared.kernel.errors import MalformedError

DEFAULT_LIMIT = 100
LARGEST_LIMIT = 1000

_VERSION = 1
_LONGEST = 4096
_NOT_PART_OF_THE_QUERY = frozenset({"cursor", "limit", "after"})
_NOT_OURS = "This cursor was not given out for this query: start again without `cursor`."


@dataclass(frozen=True, slots=True)
class Page:
    """What a list request asks for."""

    limit: int
    query: str
    """Fingerprint of path and parameters, paging aside."""
    cursor: str | None = None

    def start(self, *kinds: type) -> tuple[Any, ...] | None:
        """The sort key after which this page begins, each part of the kind given (str, int, Decimal, date, datetime, or
        `None`); `None` for the first page. MalformedError when the cursor is made up or belongs to another query.
        """
        return decode_cursor(self.cursor, self.query, kinds) if self.cursor is not None else None

    def cursor_after(self, key: Sequence[object]) -> str:
        """The cursor of the page that follows an item with this sort key."""
        return encode_cursor(key, self.query)


async def _page(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=LARGEST_LIMIT, description="Items on a page.")] = DEFAULT_LIMIT,
    cursor: Annotated[str | None, Query(description="`next` of the page before; opaque.")] = None,
) -> Page:
    return Page(limit, fingerprint(request), cursor)


Paging = Annotated[Page, Depends(_page)]
"""Declare it in the handler of a list."""


def fingerprint(request: Request) -> str:
    """The same for every page of one query, another for any other."""
    asked = sorted((k, v) for k, v in request.query_params.multi_items() if k not in _NOT_PART_OF_THE_QUERY)
    return _digest([request.url.path, asked])


def link_next(request: Request, cursor: str) -> str:
    """The `Link` header value of the next page, relative, without `after`: it was waited for already."""
    url = request.url.remove_query_params("after").include_query_params(cursor=cursor)
    return f'<{url.path}?{url.query}>; rel="next"'


def encode_cursor(key: Sequence[object], query: str) -> str:
    """Base64url of `[version, query, parts, check]`."""
    parts = [_said(part) for part in key]
    body = json.dumps([_VERSION, query, parts, _digest([query, parts])], separators=(",", ":"))
    return base64.urlsafe_b64encode(body.encode()).rstrip(b"=").decode()


def decode_cursor(text: str, query: str, kinds: Sequence[type]) -> tuple[Any, ...]:
    """The sort key inside; MalformedError for anything that `encode_cursor` did not write for this query."""
    try:
        return _decode(text, query, kinds)
    except (ValueError, TypeError, ArithmeticError, RecursionError) as error:
        raise MalformedError(_NOT_OURS) from error


def _decode(text: str, query: str, kinds: Sequence[type]) -> tuple[Any, ...]:
    if len(text) > _LONGEST:
        raise ValueError(_NOT_OURS)
    version, made_for, parts, check = json.loads(
        base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    )
    if version != _VERSION or made_for != query or check != _digest([query, parts]):
        raise ValueError(_NOT_OURS)
    return tuple(_read(part, kind) for part, kind in zip(parts, kinds, strict=True))


def _digest(content: object) -> str:
    return hashlib.blake2b(json.dumps(content, ensure_ascii=False).encode(), digest_size=9).hexdigest()


def _said(part: object) -> str | int | None:
    match part:
        case None | str() | int():
            return part
        case Decimal():
            return str(part)
        case datetime():
            return part.astimezone(UTC).isoformat()
        case date():
            return part.isoformat()
        case _:
            raise TypeError(f"{type(part).__name__} cannot be part of a sort key")


def _read(part: object, kind: type) -> Any:
    if part is None:
        return None
    if kind is int or kind is str:
        if type(part) is not kind:
            raise ValueError(_NOT_OURS)
        return part
    if not isinstance(part, str):
        raise ValueError(_NOT_OURS)  # noqa: TRY004 - one kind of failure for the caller
    return Decimal(part) if kind is Decimal else kind.fromisoformat(part)  # type: ignore[attr-defined]
