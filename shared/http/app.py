"""The application factory: the same middlewares, problems, health and documentation for every service."""

from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Literal

from fastapi import APIRouter, FastAPI
from starlette.middleware import Middleware
from starlette.types import Receive, Scope, Send

from shared.http.answers import JsonResponse
from shared.http.auth import ApiKeys, Authentication
from shared.http.direct import Direct
from shared.http.docs import docs_router
from shared.http.health import Readiness, health_router
from shared.http.limits import BodyLimit, Limits
from shared.http.observing import Observer, Observing
from shared.http.openapi import document
from shared.http.problems import HANDLERS
from shared.kernel.clock import Clock
from shared.telemetry.metric_names import PROCESS_INFO
from shared.telemetry.metrics import Metrics

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every application is handed by its composition root."""

    service: str
    keys: ApiKeys
    metrics: Metrics
    ready: Readiness
    clock: Clock


class Application(FastAPI):
    """FastAPI, with a lane beside it for the routes that are too hot for its layers."""

    direct: Direct

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = self.direct.find(scope) if scope["type"] == "http" else None
        if found is None:
            await super().__call__(scope, receive, send)
            return
        scope["app"] = self
        await self.direct.run(*found, scope, receive, send)


def create_app(
    surroundings: Surroundings,
    *,
    title: str,
    version: str,
    routers: Iterable[APIRouter] = (),
    lifespan: Lifespan | None = None,
    limits: Limits | None = None,
    signed_prefixes: tuple[str, ...] = (),
    description: str = "",
    role: Literal["api", "worker"] = "api",
) -> FastAPI:
    """A FastAPI application (OpenAPI 3.1) that refuses callers without a key everywhere but on /livez, /readyz and
    `signed_prefixes` (paths whose routes check a signature themselves). Routers are included under their own prefix.
    """
    routers = tuple(routers)
    observer = Observer(surroundings.service, surroundings.metrics, surroundings.clock)
    app = Application(
        title=title,
        version=version,
        description=description,
        lifespan=lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        default_response_class=JsonResponse,
        redirect_slashes=False,
        exception_handlers=dict(HANDLERS),
        middleware=[
            Middleware(Observing, observer=observer),
            Middleware(Authentication, keys=surroundings.keys, signed_prefixes=signed_prefixes),
            Middleware(BodyLimit, limits=limits or Limits()),
        ],
    )
    app.direct = Direct(routers, observer, surroundings.keys, limits or Limits(), signed_prefixes)
    for router in routers:
        app.include_router(router)
    app.include_router(health_router(surroundings.ready, surroundings.metrics))
    app.include_router(docs_router(app))
    document(app, signed_prefixes)
    surroundings.metrics.set(PROCESS_INFO, 1, service=surroundings.service, role=role, version=version)
    return app
