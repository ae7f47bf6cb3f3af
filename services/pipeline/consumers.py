"""Which topic goes to which handler."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from services.pipeline.handlers import handler
from shared.messaging.folding import Handler
from shared.sales.company import Company

CONSUMERS: Mapping[str, Callable[[Company, str], Handler]] = MappingProxyType({"sales-events": handler})
"""Slug of the topic → what makes its handler, of the company and a fingerprint of the code. (`sales-progress` is
followed by every service in the same way.)"""
