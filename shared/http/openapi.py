"""The OpenAPI document: FastAPI's, with problem+json instead of its own error schema and the bearer key declared."""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI

from shared.http.auth import OPEN_PATHS
from shared.http.problems import MEDIA_TYPE, TYPE_PREFIX

_REF = {"$ref": "#/components/schemas/Problem"}
_FRAMEWORK_SCHEMAS = ("HTTPValidationError", "ValidationError")
_SAID = {
    400: "Malformed: the bytes cannot be read",
    401: "No or unknown key",
    403: "The key lacks the scope",
    404: "No such thing, or nothing was known then",
    409: "The same identity was accepted with other content",
    413: "Larger than the limit",
    415: "A content type that is not read here",
    422: "Readable, but against the contract",
    429: "Too many requests; see Retry-After",
    500: "A bug",
    503: "A dependency is gone for now; see Retry-After",
    504: "The awaited events are not applied yet",
}

PROBLEM_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "title": "Problem",
    "description": "RFC 9457 problem details.",
    "required": ["type", "title", "status", "detail", "instance"],
    "properties": {
        "type": {"type": "string", "format": "uri", "examples": [f"{TYPE_PREFIX}invalid"]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string", "format": "uri", "description": "Names the request, as the log does."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["reason"],
                "properties": {
                    "pointer": {"type": "string", "format": "json-pointer"},
                    "parameter": {"type": "string"},
                    "reason": {"type": "string"},
                },
            },
        },
    },
}


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For the `responses=` of a route: the problems that it can answer beside those that every route can."""
    return {status: {"description": _SAID[status], "content": {MEDIA_TYPE: {"schema": _REF}}} for status in statuses}


def document(app: FastAPI, signed_prefixes: tuple[str, ...]) -> None:
    """Make `app.openapi()` say what the application really does."""
    generate = app.openapi

    def complete() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = generate()
            _complete(schema, signed_prefixes)
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = complete  # type: ignore[method-assign]


def _complete(schema: dict[str, Any], signed_prefixes: tuple[str, ...]) -> None:
    components = schema.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in _FRAMEWORK_SCHEMAS:
        schemas.pop(name, None)
    schemas["Problem"] = dict(PROBLEM_SCHEMA)
    components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    schema["security"] = [{"key": []}]
    for path, operations in schema.get("paths", {}).items():
        is_open = path in OPEN_PATHS or path.startswith(signed_prefixes)
        for operation in operations.values():
            _complete_operation(operation, is_open=is_open)


def _complete_operation(operation: dict[str, Any], *, is_open: bool) -> None:
    responses = operation.setdefault("responses", {})
    if is_open:
        operation["security"] = []
    for status, response in problem_responses(*sorted(_possible(operation, is_open=is_open))).items():
        if str(status) not in responses or status == 422:
            responses[str(status)] = response


def _possible(operation: Mapping[str, Any], *, is_open: bool) -> set[int]:
    """The statuses of the problems that the shared parts can answer on this route."""
    parameters = {parameter["name"] for parameter in operation.get("parameters", [])}
    statuses = {500, 503} if is_open else {401, 403, 500, 503}
    if parameters or "requestBody" in operation:
        statuses.add(422)
    if "requestBody" in operation:
        statuses |= {400, 413}
    if parameters & {"after", "cursor"}:
        statuses.add(400)
    if "after" in parameters:
        statuses.add(504)
    return statuses
