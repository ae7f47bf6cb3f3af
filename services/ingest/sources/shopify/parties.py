"""Customers, who are persons, and products."""

from collections.abc import Mapping
from typing import Any

from services.ingest.sources.payload import instant, required, text
from services.ingest.sources.shopify.voice import Voice, part
from shared.contracts.envelope import Event

_ADDRESS = ("address1", "address2", "zip", "city", "province", "country")
_LONGEST = 255


def customer_event(voice: Voice, customer: Mapping[str, Any], content: bytes) -> Event:
    """A person; names, mail address and telephone stay in ingest."""
    found, home = required(customer.get("id"), "The id of the customer"), part(customer, "default_address")
    name = " ".join(filter(None, (text(customer.get("first_name")), text(customer.get("last_name")))))
    email = text(customer.get("email")) or text(part(customer, "default_email_address").get("email_address"))
    phone = text(customer.get("phone")) or text(part(customer, "default_phone_number").get("phone_number"))
    fields = {
        "kind": "person",
        "person_name": name or None,
        "country": text(home.get("country_code")),
        "contacts": {found: {"name": name or None, "email": email, "phone": phone or text(home.get("phone"))}},
        "address": ", ".join(filter(None, (text(home.get(line)) for line in _ADDRESS))) or None,
    }
    at = instant(customer.get("updated_at"))
    return voice.say("customer", "customer", found, fields, at=at, content=(content,))


def product_event(voice: Voice, product: Mapping[str, Any], content: bytes) -> Event:
    """Its price is not said: a product has as many as it has variants, and they may contain tax."""
    found = required(product.get("id"), "The id of the product")
    title, kind = text(product.get("title")), text(product.get("product_type"))
    fields = {"name": title and title[:_LONGEST], "category": kind and kind[:_LONGEST]}
    at = instant(product.get("updated_at"))
    return voice.say("product", "product", found, fields, at=at, content=(content,))
