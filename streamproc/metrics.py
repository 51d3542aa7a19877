"""Every metric the product exports, with what it means. Names end in their unit."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

# route
RECORDS = Counter("streamproc_events_total", "Source records decoded and matched, or buried", ["topic"])
DEAD_LETTERS = Counter("streamproc_dead_letters_total", "Records sent to dead-letters", ["reason"])
SKIPPED = Counter("streamproc_records_skipped_total", "Native records that are right and no events", ["topic"])
MATCHED = Counter("streamproc_hits_total", "Hits sent to detect: one per matching rule and group")
NO_GROUP = Counter("streamproc_hits_without_group_total", "Matches dropped because a group value was absent")
ROUTE_SECONDS = Histogram(
    "streamproc_route_slice_seconds",
    "From a slice's delivery until its frames are acknowledged",
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)

# detect
HITS = Counter("streamproc_detect_hits_total", "Hits applied or turned away, by what became of them", ["result"])
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
STREAM_TIME = Gauge("streamproc_stream_time_seconds", "Stream time of a signals partition", ["partition"])

# config
SNAPSHOT_OFFSET = Gauge("streamproc_config_offset", "Offset of the config topic that is in force")
RULES_ACTIVE = Gauge("streamproc_rules_active", "Rules that are enabled and compiled")
RULE_PROBLEMS = Gauge("streamproc_rule_problems", "Config records that cannot be used; see `streamproc rules list`")
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
OUTSTANDING = Gauge("streamproc_deliveries_outstanding", "Notifications accepted and not finished")
END_TO_END_SECONDS = Histogram(
    "streamproc_delivered_after_seconds",
    "From an alert's arrival to its first delivered notification",
    buckets=(0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 5, 10, 30, 60, 300),
)

# api
HTTP_SECONDS = Histogram(
    "streamproc_http_request_seconds",
    "One request of the API, by route and status",
    ["method", "route", "status"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
