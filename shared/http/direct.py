"""The lane of hot routes: declared, documented and answered as every other route, but run without the layers of the
framework, which cost several times what such a route does.

A route of this kind takes path parameters, the request, and dependencies that look at nothing but the request.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from re import Pattern
from typing import Any

from fastapi import APIRouter
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from shared.http.auth import ApiKeys, caller_of
from shared.http.headers import headers_of
from shared.http.limits import Limits, refusal, refuse_announced
from shared.http.observing import Observer
from shared.http.problems import on_http_exception, on_quintant_error, on_unexpected
from shared.kernel.errors import QuintantError

Needed = Callable[[Request], Awaitable[Any]]


class DirectRoute(APIRoute):
    """Give it to a router as its `route_class`."""


class _WholeRequest(Request):
    """A request whose body is read at once, within the limit."""

    limit: int

    async def body(self) -> bytes:
        refuse_announced(headers_of(self.scope).get("content-length", ""), self.limit)
        body, more = b"", True
        while more:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > self.limit:
                raise refusal()
        return body


@dataclass(frozen=True, slots=True)
class _Target:
    """One route, and what its function is called with."""

    route: APIRoute
    endpoint: Callable[..., Awaitable[Response]]
    request_name: str
    needed: tuple[tuple[str | None, Needed], ...]
    is_signed: bool
    limit: int


class Direct:
    """Finds and runs the routes of this kind; everything else is left to the application."""

    def __init__(
        self,
        routers: Iterable[APIRouter],
        observer: Observer,
        keys: ApiKeys,
        limits: Limits,
        signed_prefixes: tuple[str, ...],
    ) -> None:
        self._observer = observer
        self._keys = keys
        # Many requests to few paths. What is found is only read.
        self._found = lru_cache(maxsize=512)(self._find)
        self._targets: dict[str, list[tuple[str, Pattern[str], _Target]]] = {}
        for route in (one for router in routers for one in router.routes if isinstance(one, DirectRoute)):
            target = _target(route, limits, signed_prefixes)
            for method in route.methods or ():
                literal = route.path.partition("{")[0]
                self._targets.setdefault(method, []).append((literal, route.path_regex, target))

    def find(self, scope: Scope) -> tuple[_Target, dict[str, Any]] | None:
        """The route of this request, and its path parameters."""
        return self._found(scope["method"], scope["path"])

    def _find(self, method: str, path: str) -> tuple[_Target, dict[str, Any]] | None:
        for literal, pattern, target in self._targets.get(method, ()):
            if path.startswith(literal) and (match := pattern.match(path)) is not None:
                return target, match.groupdict()
        return None

    async def run(self, target: _Target, values: dict[str, Any], scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as the application would: the same checks in the same order, the same problems."""
        began, status = self._observer.begin(scope), 500
        scope["route"], scope["path_params"] = target.route, values
        request = _WholeRequest(scope, receive)
        request.limit = target.limit
        try:
            response = await self._respond(target, request, values)
            status = response.status_code
            await _send(response, scope, send)
        except Exception as error:
            if status == 500:  # nothing was sent
                await _send(await on_unexpected(request, error), scope, send)
            raise
        finally:
            self._observer.end(scope, status, began)

    async def _respond(self, target: _Target, request: Request, values: dict[str, Any]) -> Response:
        try:
            if not target.is_signed:
                caller_of(request.scope, self._keys)
            given = {**values, target.request_name: request}
            for name, need in target.needed:
                value = await need(request)
                if name is not None:
                    given[name] = value
            return await target.endpoint(**given)
        except QuintantError as error:
            return await on_quintant_error(request, error)
        except HTTPException as error:
            return await on_http_exception(request, error)


async def _send(response: Response, scope: Scope, send: Send) -> None:
    headers = response.raw_headers
    for name, _ in headers:
        if name == b"x-request-id":
            break
    else:
        headers = [*headers, (b"x-request-id", scope["quintant.request_id"].encode())]
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})


def _target(route: APIRoute, limits: Limits, signed_prefixes: tuple[str, ...]) -> _Target:
    dependant = route.dependant
    takes = (route.body_field, dependant.query_params, dependant.header_params, dependant.cookie_params)
    fits = not any(takes) and all(map(_is_plain, dependant.dependencies))
    if not fits or dependant.request_param_name is None:
        raise TypeError(f"{route.path} takes what only the framework can give it: it cannot be a direct route")
    return _Target(
        route,
        route.endpoint,
        dependant.request_param_name,
        tuple((one.name, _need(one)) for one in dependant.dependencies),
        route.path.startswith(signed_prefixes),
        limits.for_path(route.path),
    )


def _is_plain(dependant: Dependant) -> bool:
    rest = (dependant.path_params, dependant.query_params, dependant.header_params, dependant.cookie_params)
    return not any((*rest, dependant.body_params, dependant.dependencies))


def _need(dependant: Dependant) -> Needed:
    call: Needed | None = dependant.call
    assert call is not None  # noqa: S101 - of the dependency of a parameter it never is
    return call
