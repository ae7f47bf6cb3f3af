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


def conditional(request: Request, response: Response) -> Response:
    """The response with its ETag, or a 304 without a body. For whole bodies of GET and HEAD, not for streams."""
    etag = etag_of(bytes(response.body))
    caching = {"etag": etag, "cache-control": CACHE_CONTROL, "vary": "authorization"}
    asked = request.headers.get("if-none-match")
    if asked is not None and response.status_code == 200 and matches(asked, etag):
        return Response(status_code=304, headers=caching)
    response.headers.update(caching)
    return response
