"""`/openapi.json` and `/docs`. The page is written here from the document: it needs no script, no second request (a
browser would send it without the key) and no other host.
"""

import json
from html import escape
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.responses import HTMLResponse, Response

from shared.http.answers import JsonResponse

_STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1f24}
h2{font-size:1.05rem;margin:2rem 0 .3rem;border-top:1px solid #d5dae1;padding-top:1rem}code,pre{font:14px/1.4 monospace}
pre{background:#f5f7f9;padding:.8rem;overflow:auto}table{border-collapse:collapse;width:100%}
td,th{text-align:left;vertical-align:top;padding:.2rem .8rem .2rem 0}b{color:#0a58a8}"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def docs_router(app: FastAPI) -> APIRouter:
    """Both documents; they describe themselves nowhere."""
    router = APIRouter(include_in_schema=False)

    @router.get("/openapi.json")
    async def openapi() -> Response:
        return JsonResponse(app.openapi())

    @router.get("/docs")
    async def docs() -> Response:
        return HTMLResponse(page(app.openapi()), headers={"content-security-policy": _POLICY})

    return router


def page(document: dict[str, Any]) -> str:
    """The whole document as one HTML page."""
    info = document["info"]
    title = escape(f"{info['title']} {info['version']}")
    parts = [f"<h1>{title}</h1>", _paragraph(info.get("description"))]
    for heading in ("paths", "webhooks"):
        for path, operations in document.get(heading, {}).items():
            parts += [_operation(method, path, operation) for method, operation in operations.items()]
    parts += ["<h1>Schemas</h1>", *(_schema(*item) for item in document["components"]["schemas"].items())]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style></head><body>{''.join(parts)}</body></html>"
    )


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    return "".join(
        (
            f"<h2><b>{escape(method.upper())}</b> <code>{escape(path)}</code></h2>",
            _paragraph(operation.get("summary")),
            _paragraph(operation.get("description")),
            _table("Parameter", [_parameter(parameter) for parameter in operation.get("parameters", [])]),
            _body(operation.get("requestBody")),
            _table(
                "Answer", [(status, said["description"]) for status, said in sorted(operation["responses"].items())]
            ),
        )
    )


def _parameter(parameter: dict[str, Any]) -> tuple[str, str]:
    needed = ", required" if parameter.get("required") else ""
    return parameter["name"], f"{parameter['in']}{needed}. {parameter.get('description', '')}"


def _body(body: dict[str, Any] | None) -> str:
    return "" if body is None else f"<details><summary>Body</summary>{_json(body['content'])}</details>"


def _schema(name: str, schema: dict[str, Any]) -> str:
    return f'<details id="{escape(name)}"><summary><code>{escape(name)}</code></summary>{_json(schema)}</details>'


def _table(heading: str, rows: list[tuple[str, str]]) -> str:
    if not rows:
        return ""
    body = "".join(f"<tr><td><code>{escape(name)}</code></td><td>{escape(said)}</td></tr>" for name, said in rows)
    return f"<table><tr><th>{heading}</th><th></th></tr>{body}</table>"


def _paragraph(text: str | None) -> str:
    return f"<p>{escape(text)}</p>" if text else ""


def _json(value: object) -> str:
    return f"<pre>{escape(json.dumps(value, indent=2, ensure_ascii=False))}</pre>"
