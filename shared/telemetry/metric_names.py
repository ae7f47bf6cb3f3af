"""The one closed list of telemetry metrics. What is not declared here cannot be exported, so dashboards, alert rules
and docs can be checked against it. A label with values is closed; one without is bounded by what it names.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One declared metric. `labels` maps a label to its closed values; `None` leaves the values to the caller."""

    name: str
    kind: Kind
    help: str
    labels: Mapping[str, tuple[str, ...] | None] = field(default_factory=dict)
    buckets: tuple[float, ...] = ()


SERVICES = ("ingest", "pipeline", "metrics", "forecast")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other")
STATUS_CLASSES = ("1xx", "2xx", "3xx", "4xx", "5xx")
REFUSALS = ("missing-header", "malformed", "version", "signature", "timestamp")
DELIVERY_OUTCOMES = ("delivered", "retry", "gone", "refused")

FAST_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

PROCESS_INFO = "quintant_process_info"
HTTP_REQUESTS = "quintant_http_requests_total"
HTTP_SECONDS = "quintant_http_request_duration_seconds"
INGEST_ACCEPTED = "quintant_ingest_accepted_total"
INGEST_DUPLICATE = "quintant_ingest_duplicate_total"
INGEST_REJECTED = "quintant_ingest_rejected_total"
INGEST_QUARANTINED = "quintant_ingest_quarantined_total"
INGEST_REFUSED = "quintant_ingest_refused_total"
SOURCE_READS = "quintant_source_reads_total"
SOURCE_BACKLOG = "quintant_source_backlog_objects"
SOURCE_BACKLOG_AGE = "quintant_source_backlog_age_seconds"
SOURCE_POLLED = "quintant_source_polled_total"
SOURCE_RECONCILED = "quintant_source_reconciled_total"
SOURCE_POLL_AGE = "quintant_source_poll_age_seconds"
SOURCE_COMPLETENESS = "quintant_source_completeness_ratio"
SOURCE_EXPIRES = "quintant_source_subscription_expires_timestamp_seconds"
SOURCE_TROUBLE = "quintant_source_trouble"
INBOX_COMMIT_SECONDS = "quintant_inbox_commit_seconds"
RELAY_SENT = "quintant_relay_sent_total"
RELAY_LAG = "quintant_relay_lag_events"
LOOP_BATCHES = "quintant_loop_batches_total"
LOOP_BATCH_SECONDS = "quintant_loop_batch_seconds"
EVENTS_APPLIED = "quintant_events_applied_total"
DUPLICATES_SKIPPED = "quintant_duplicates_skipped_total"
DEAD_LETTERS = "quintant_dead_letters_total"
POSITION = "quintant_position_number"
PARTITION_STOPPED = "quintant_partition_stopped"
EVENTS_BEHIND = "quintant_events_behind"
COMPLETE_THROUGH = "quintant_complete_through_timestamp_seconds"
REFOLD_ENTITIES = "quintant_refold_entities_total"
OUTBOX_PENDING = "quintant_outbox_pending"
ALERT_EPISODES = "quintant_alert_episodes_firing"
DELIVERIES = "quintant_deliveries_total"
KPI_VALUE = "quintant_kpi_value"
DB_POOL_IN_USE = "quintant_db_pool_in_use"

_HTTP: Mapping[str, tuple[str, ...] | None] = {
    "service": SERVICES,
    "route": None,
    "method": METHODS,
    "status": STATUS_CLASSES,
}
_BY_SOURCE: Mapping[str, tuple[str, ...] | None] = {"source_kind": None}
_OF_SOURCE: Mapping[str, tuple[str, ...] | None] = {"source": None}
_BY_TOPIC: Mapping[str, tuple[str, ...] | None] = {"topic": None}
_BY_PARTITION: Mapping[str, tuple[str, ...] | None] = {"partition": None}

METRICS: tuple[Metric, ...] = (
    Metric(
        PROCESS_INFO,
        "gauge",
        "Always 1; says which service, role and version this process is.",
        {"service": SERVICES, "role": ("api", "worker"), "version": None},
    ),
    Metric(HTTP_REQUESTS, "counter", "HTTP requests answered.", _HTTP),
    Metric(HTTP_SECONDS, "histogram", "Time from a request's first byte to its answer's last.", _HTTP, FAST_SECONDS),
    Metric(INGEST_ACCEPTED, "counter", "Events accepted for the first time.", _BY_SOURCE),
    Metric(INGEST_DUPLICATE, "counter", "Events that had been accepted before.", _BY_SOURCE),
    Metric(INGEST_REJECTED, "counter", "Events refused as malformed or against the contract.", _BY_SOURCE),
    Metric(INGEST_QUARANTINED, "counter", "Events set aside because retrying later can help.", _BY_SOURCE),
    Metric(
        INGEST_REFUSED,
        "counter",
        "Webhook deliveries that were not genuine; an empty source is one that is not configured.",
        {"source": None, "reason": (*REFUSALS, "unknown")},
    ),
    Metric(
        SOURCE_READS,
        "counter",
        "Objects read from sources' APIs because a delivery said too little, by how that ended.",
        {"source": None, "outcome": ("read", "put_off")},
    ),
    Metric(SOURCE_BACKLOG, "gauge", "Objects that wait to be read from a source's API.", _OF_SOURCE),
    Metric(SOURCE_BACKLOG_AGE, "gauge", "How long the oldest of them has waited.", _OF_SOURCE),
    Metric(SOURCE_POLLED, "counter", "Changed objects found by polling a source.", _OF_SOURCE),
    Metric(SOURCE_RECONCILED, "counter", "Of them, how many no webhook had told of.", _OF_SOURCE),
    Metric(SOURCE_POLL_AGE, "gauge", "How long ago the oldest change was that polling has not looked for.", _OF_SOURCE),
    Metric(SOURCE_COMPLETENESS, "gauge", "Share of today's and yesterday's changes that webhooks told of.", _OF_SOURCE),
    Metric(SOURCE_EXPIRES, "gauge", "When the source's subscription expires (Unix time).", _OF_SOURCE),
    Metric(
        SOURCE_TROUBLE,
        "gauge",
        "1 while something about a source fails, until it works again.",
        {"source": None, "task": ("read", "poll", "keep", "feed")},
    ),
    Metric(INBOX_COMMIT_SECONDS, "histogram", "Time of one inbox group commit.", buckets=FAST_SECONDS),
    Metric(RELAY_SENT, "counter", "Records acknowledged by the broker.", _BY_TOPIC),
    Metric(RELAY_LAG, "gauge", "Events committed but not yet acknowledged by the broker.", _BY_TOPIC),
    Metric(
        LOOP_BATCHES,
        "counter",
        "Batches that the loop committed, or gave back to be tried again.",
        {"outcome": ("committed", "retried", "fenced")},
    ),
    Metric(LOOP_BATCH_SECONDS, "histogram", "Time of one batch from decode to commit.", buckets=FAST_SECONDS),
    Metric(EVENTS_APPLIED, "counter", "Events applied.", _BY_PARTITION),
    Metric(DUPLICATES_SKIPPED, "counter", "Events skipped because their number had been applied.", _BY_PARTITION),
    Metric(DEAD_LETTERS, "counter", "Records written to the dead-letter topic.", {"reason": None}),
    Metric(POSITION, "gauge", "Number of the last event applied.", _BY_PARTITION),
    Metric(PARTITION_STOPPED, "gauge", "1 of a partition that is applied no more: somebody must look.", _BY_PARTITION),
    Metric(EVENTS_BEHIND, "gauge", "Events accepted but not yet applied, over all partitions."),
    Metric(COMPLETE_THROUGH, "gauge", "Everything accepted until this Unix time is in the numbers."),
    Metric(REFOLD_ENTITIES, "counter", "Entities folded again because a reference value changed."),
    Metric(OUTBOX_PENDING, "gauge", "Messages in the outbox that no broker has acknowledged."),
    Metric(ALERT_EPISODES, "gauge", "Alert episodes that fire now.", {"severity": None}),
    Metric(
        DELIVERIES,
        "counter",
        "Attempts to deliver an alert to the outside, by how they ended.",
        {"channel": ("webhook", "alertmanager"), "outcome": DELIVERY_OUTCOMES},
    ),
    Metric(KPI_VALUE, "gauge", "Present value of a KPI over the whole company, in the KPI's unit.", {"kpi": None}),
    Metric(DB_POOL_IN_USE, "gauge", "Database connections checked out of the pool."),
)

PROCESS_METRICS = (
    "process_virtual_memory_bytes",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "process_cpu_seconds_total",
    "process_open_fds",
    "process_max_fds",
)
"""Exported beside the list by the Prometheus client itself."""
