"""The routes: parse → query → answer; no SQL and no rules."""

from services.pipeline.api.routes import ROUTER

__all__ = ["ROUTER"]
