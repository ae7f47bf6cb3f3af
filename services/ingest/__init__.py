"""ingest: everything comes in here, is checked, kept as it came, numbered and published.

Owns       schema `ingest`: every event ever accepted, raw and canonical; personal data; quarantine; imports; what is
           known of each source (what waits to be read, polls, coverage, subscriptions).
Consumes   HTTP: CloudEvents, signed webhooks, files. Its worker reads and polls the APIs of configured sources.
Emits      `sales-events` (the one stream that the other services read) and `sales-progress`.
Serves     POST /v1/events, /v1/webhooks/{source}, /v1/imports, /v1/imports/preview, /v1/sources/{name}/replay;
           GET /v1/events/{source}/{id}, /v1/quarantine, /v1/adapters, /v1/sources, /v1/imports/{id} and its
           errors.csv, /v1/persons/{entity}.
Fails how  PostgreSQL gone: 503 with Retry-After, nothing was accepted. Kafka gone: it accepts, the relay catches up.
           A bad event of a batch is refused alone. What cannot be used yet but may be later waits in the quarantine,
           and so does all that a source signed and no adapter can read. A source's API gone: what it owes us waits.
"""
