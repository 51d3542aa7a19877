"""Every metric the product exports, with what it means. Names end in their unit.

All are counted per batch, slice or frame, never per event: at a hundred thousand events a second one more call an
event would be a tenth of a core. Gauges by partition go when the process gives the partition up, so that nobody reads
where somebody else has got to by now.
"""

from __future__ import annotations

import math

from prometheus_client import Counter, Gauge, Histogram

_LATENCY = (0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800, 3600)
"""Seconds: fine around the aims (alert within 0.2 s, told within 0.3 s), coarse for a backlog."""

# process
READY = Gauge("streamproc_ready", "1 while the process's partitions are open, as /readyz says; worker and delivery")
READY.set(math.nan)  # until it is known; the API process does not tell
ASSIGNED = Gauge("streamproc_partitions_assigned", "Partitions of a topic that this process works on", ["topic"])
REBALANCES = Counter("streamproc_rebalances_total", "Times the partitions were dealt out anew to this process")
LAG = Gauge(
    "streamproc_lag_records",
    "Records of a partition that are not worked off; the end of a transaction counts as one while work goes on",
    ["topic", "partition"],
)

# route
RECORDS = Counter("streamproc_events_total", "Source records decoded and matched, or buried", ["topic"])
# Rejected, by reason: those of a source record are in docs/reference/events, `bad_signal`, `bad_alert` and
# `bad_notification` are records of our own that this version cannot read.
DEAD_LETTERS = Counter("streamproc_dead_letters_total", "Records sent to dead-letters", ["reason"])
SKIPPED = Counter("streamproc_records_skipped_total", "Native records that are right and no events", ["topic"])
MATCHED = Counter("streamproc_hits_total", "Hits sent to detect: one per matching rule and group")
NO_GROUP = Counter("streamproc_hits_without_group_total", "Matches dropped because a group value was absent")
OVER_LIMIT = Counter(
    "streamproc_events_over_limit_total",
    "Events that came faster than their tenant's plan says (`events_per_second`); none is turned away, some wait",
    ["tenant"],
)
DEFERRED_TENANTS = Gauge(
    "streamproc_deferred_tenants",
    "Tenants over their limit whose events are left for a second reading of the partition, behind everybody else's",
    ["topic", "partition"],
)
DEFERRED_RECORDS = Gauge(
    "streamproc_deferred_records",
    "Records of a partition that a second reading has before it; 0 while no tenant is deferred",
    ["topic", "partition"],
)
ROUTE_SECONDS = Histogram(
    "streamproc_route_slice_seconds",
    "From a slice's delivery until its frames are acknowledged",
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
SOURCE_TIME = Gauge(
    "streamproc_source_time_seconds",
    "Arrival time up to which a source partition has been routed: its watermark",
    ["topic", "partition"],
)
EVENT_DELAY = Histogram(
    "streamproc_event_delay_seconds",
    "From an event's own time until Kafka had it; a sample, the first hit of each frame",
    buckets=(0.1, 0.5, 1, 2, 5, 10, 30, 60, 300, 600, 1800, 3600, 21600, 86400),
)

# detect
# `hits` are all that came. Of these, late, duplicate (the event's id was known), replayed (its offset was),
# outdated (made by an older form of the rule) and insufficient_history changed nothing.
HITS = Counter("streamproc_detect_hits_total", "Hits applied or turned away, by what became of them", ["result"])
DETECT_LATENCY = Histogram(
    "streamproc_detect_latency_seconds",
    "From an event's arrival in Kafka until what it did to its key is committed; the first hit of each frame",
    buckets=_LATENCY,
)
ALERT_LATENCY = Histogram(
    "streamproc_alert_latency_seconds",
    "From the arrival of the event that opened an alert until the alert's record is committed",
    buckets=_LATENCY,
)
TRIGGERS = Counter("streamproc_triggers_total", "Times a rule's condition became or stayed true")
ALERTS_OPENED = Counter("streamproc_alerts_opened_total", "Alerts opened")
ALERT_RECORDS = Counter("streamproc_alert_records_total", "Records written to the alerts topic")
EXPIRED = Counter("streamproc_keys_expired_total", "Keys forgotten because nothing touched them")
COMMIT_SECONDS = Histogram(
    "streamproc_commit_seconds",
    "One batch's transaction and local write",
    ["table"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
STREAM_TIME = Gauge(
    "streamproc_stream_time_seconds",
    "Stream time of a signals partition: the watermark that absence, schedules and expiry follow",
    ["partition"],
)

# state
# By the census, which looks at a thousand keys a second and partition: a figure is as old as that takes.
STATE_KEYS = Gauge("streamproc_state_keys", "Keys that detect holds, by type of rule", ["detector", "partition"])
STATE_BYTES = Gauge("streamproc_state_bytes", "What these keys take, encoded", ["detector", "partition"])
TABLE_KEYS = Gauge(
    "streamproc_table_keys", "Keys of a local table, as RocksDB estimates them", ["changelog", "partition"]
)
TABLE_BYTES = Gauge("streamproc_table_bytes", "Files of a local table on disk", ["changelog", "partition"])
RECOVERY_REMAINING = Gauge(
    "streamproc_recovery_remaining_records",
    "Records of the changelog that recovery has still to read; 0 once the table is open",
    ["changelog", "partition"],
)
RECOVERED = Counter(
    "streamproc_recovered_records_total", "Records that recovery read from the changelog", ["changelog"]
)
STANDBY_COPIES = Gauge("streamproc_standby_copies", "Local copies of others' partitions, brought up to date lately")
RECOVERY_SECONDS = Histogram(
    "streamproc_recovery_seconds",
    "From taking a partition over until its table is open",
    ["changelog"],
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600),
)

# config
SNAPSHOT_OFFSET = Gauge(
    "streamproc_config_offset", "Snapshot revision: the offset of the config topic that is in force"
)
CONFIG_CONFIRMED = Gauge(
    "streamproc_config_confirmed_timestamp_seconds", "When the broker last said that there is no newer configuration"
)
RULES_ACTIVE = Gauge("streamproc_rules_active", "Rules that are compiled and in force")
RULE_PROBLEMS = Gauge(
    "streamproc_rule_problems", "Rule errors: config records that cannot be used; see `streamproc rules list`"
)
RULES_WITHOUT_GEOIP = Gauge(
    "streamproc_rules_without_geoip", "Active rules that need country or coordinates while no GeoIP file is loaded"
)

# geoip
GEOIP_LOADS = Counter("streamproc_geoip_loads_total", "Times a GeoIP file was loaded, new or replaced")
GEOIP_FAILURES = Counter("streamproc_geoip_failures_total", "GeoIP files and lookups that failed", ["what"])

# delivery
NOTIFICATIONS = Counter("streamproc_notifications_total", "Notifications decided on", ["purpose"])
SUPPRESSED = Counter("streamproc_suppressed_total", "Notifications not sent, by reason", ["reason"])
ATTEMPTS = Counter("streamproc_delivery_attempts_total", "Attempts to deliver, by outcome", ["channel", "outcome"])
ATTEMPT_SECONDS = Histogram(
    "streamproc_delivery_attempt_seconds",
    "One attempt",
    ["channel"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
TEMPLATE_FAILURES = Counter(
    "streamproc_template_failures_total", "Messages whose content template failed, sent with built-in texts", ["method"]
)
CHANNELS_OPEN = Gauge(
    "streamproc_channel_open",
    "Channels whose endpoint counts as sick, so that only single attempts probe it",
    ["channel"],
)
OUTSTANDING = Gauge("streamproc_deliveries_outstanding", "Notifications accepted and not finished", ["partition"])
RETRIES_OUTSTANDING = Gauge(
    "streamproc_delivery_retries_outstanding",
    "Notifications that failed at least once and will be attempted again",
    ["partition"],
)
END_TO_END_SECONDS = Histogram(
    "streamproc_delivered_after_seconds",
    "From the decision to notify until the notification was delivered, retries included",
    buckets=(0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 5, 10, 30, 60, 300),
)
ARRIVAL_TO_DELIVERED = Histogram(
    "streamproc_arrival_to_delivered_seconds",
    "From the arrival of the event that opened an alert until its first notification was delivered",
    buckets=_LATENCY,
)

# api
HTTP_SECONDS = Histogram(
    "streamproc_http_request_seconds",
    "One request of the API, by route and status",
    ["method", "route", "status"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
