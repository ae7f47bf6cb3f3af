"""What travels between services and in from outside: envelopes, canonical events, records, topics and their schemas.

One msgspec definition per event serves decoding, the published JSON Schema and the reference page.
"""
