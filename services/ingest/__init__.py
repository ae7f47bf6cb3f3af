"""ingest: everything comes in here, is checked, kept as it came, numbered and published.

Owns       schema `ingest`: every event ever accepted, raw and canonical; personal data; quarantine; imports.
Consumes   HTTP only: CloudEvents, signed webhooks, files.
Emits      `sales-events` (the one stream that the other services read) and `sales-progress`.
Serves     POST /v1/events, /v1/webhooks/{source}, /v1/imports; GET /v1/events/{source}/{id}, /v1/quarantine,
           /v1/sources, /v1/imports/{id}, /v1/persons/{entity}.
Fails how  PostgreSQL gone: 503 with Retry-After, nothing was accepted. Kafka gone: it accepts, the relay catches up.
           A bad event of a batch is refused alone. What cannot be used yet but may be later waits in the quarantine.
"""
