"""The routes of ingest: parse, hand over, answer."""

from services.ingest.api import events, imports, reading, sources, webhooks

ROUTERS = (events.router, webhooks.router, imports.router, sources.router, reading.router)
