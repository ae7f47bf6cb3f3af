"""Customers and products."""

from collections.abc import Mapping
from typing import Any

from services.ingest.sources.payload import text
from services.ingest.sources.stripe.voice import Voice, named, part
from shared.contracts.envelope import Event

_ADDRESS = ("line1", "line2", "postal_code", "city", "state", "country")
_LONGEST = 255


def customer_events(voice: Voice, customer: Mapping[str, Any]) -> list[Event]:
    """A person or, if the settings say that customers are companies, a company with one contact."""
    found, home = named(customer), part(customer, "address")
    if _is_deleted(voice, customer):
        return [voice.say("customer", found, {}, ended=True)]
    name, contact = text(customer.get("name")), part(customer, "shipping")
    company = voice.settings.customers == "companies"
    fields = {
        "kind": "company" if company else "person",
        **({"name": name and name[:_LONGEST]} if company else {"person_name": name}),
        "country": text(home.get("country")),
        "contacts": {
            found: {
                "name": None if company else name,
                "email": text(customer.get("email")),
                "phone": text(customer.get("phone")) or text(contact.get("phone")),
            }
        },
        "address": ", ".join(filter(None, (text(home.get(line)) for line in _ADDRESS))) or None,
    }
    return [voice.say("customer", found, fields)]


def product_events(voice: Voice, product: Mapping[str, Any]) -> list[Event]:
    """Its prices are objects of their own, and may contain tax: they are not said."""
    found, name = named(product), text(product.get("name"))
    if _is_deleted(voice, product):
        return [voice.say("product", found, {}, ended=True)]
    return [voice.say("product", found, {"name": name and name[:_LONGEST]})]


def _is_deleted(voice: Voice, holder: Mapping[str, Any]) -> bool:
    return holder.get("deleted") is True or voice.type.endswith(".deleted")
