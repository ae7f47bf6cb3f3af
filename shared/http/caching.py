"""Strong ETags from the bytes themselves, and 304 for who has them. Private and always revalidated."""

import hashlib

from starlette.requests import Request
from starlette.responses import Response

CACHE_CONTROL = "private, no-cache"


def etag_of(body: bytes) -> str:
    """A strong entity tag, quotes included."""
    return f'"{hashlib.blake2b(body, digest_size=16).hexdigest()}"'


def matches(if_none_match: str, etag: str) -> bool:
    """RFC 9110 section 13.1.2: a list or `*`; weak comparison, as it says for If-None-Match."""
    if if_none_match.strip() == "*":
        return True
    return any(tag.strip().removeprefix("W/") == etag for tag in if_none_match.split(","))


def is_known(if_none_match: str | None, etag: str) -> bool:
    """Whether the caller has it already."""
    return if_none_match is not None and matches(if_none_match, etag)


def caching_headers(etag: str) -> dict[str, str]:
    """What goes with every body that has a tag, and with a 304."""
    return {"etag": etag, "cache-control": CACHE_CONTROL, "vary": "authorization"}


def conditional(request: Request, response: Response) -> Response:
    """The response with its ETag, or a 304 without a body. For whole bodies of GET and HEAD, not for streams."""
    etag = etag_of(bytes(response.body))
    caching = caching_headers(etag)
    if response.status_code == 200 and is_known(request.headers.get("if-none-match"), etag):
        return Response(status_code=304, headers=caching)
    response.headers.update(caching)
    return response
