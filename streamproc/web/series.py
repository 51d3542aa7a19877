"""What can be drawn of an alert: a count or a baseline over time with its threshold, as its record tells. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Doc = Mapping[str, Any]
Point = dict[str, Any]


def series(alert: Doc, rule: Doc | None) -> dict[str, Any]:
    """`{kind, points: [{at, count}], threshold, mean, window_seconds, bucket_seconds, complete}`.

    `kind` is `buckets` (a baseline: one count per bucket, oldest first), `window` (the count within the window as its
    events came) or `none`. `complete` is false where only some of the events' times are known. `rule` is the rule's
    document as configured now, for the threshold; None: it is gone.
    """
    context = alert["context"]
    shown: dict[str, Any] = {
        "kind": "none",
        "points": [],
        "threshold": context.get("threshold"),
        "mean": context.get("mean"),
        "window_seconds": context.get("window_seconds"),
        "bucket_seconds": context.get("bucket_seconds"),
        "complete": True,
    }
    history = context.get("history")
    if isinstance(history, list) and history:
        return {**shown, "kind": "buckets", "points": [{"at": at, "count": count} for at, count in history]}
    count = context.get("count")
    if not isinstance(count, int) or not context.get("last_event_time"):
        return shown
    if shown["threshold"] is None:
        shown["threshold"] = _count_of(rule)
    points = _counted(context, count)
    return {**shown, "kind": "window", "points": points, "complete": len(points) >= count}


def _counted(context: Doc, count: int) -> list[Point]:
    """How the count grew: by the events whose times are known, from the first to the latest."""
    steps = context.get("steps")
    if isinstance(steps, list):
        times = sorted(step["event_time"] for step in steps)
        return [{"at": at, "count": number} for number, at in enumerate(times, 1)]
    first, last = context.get("first_event_time") or context["last_event_time"], context["last_event_time"]
    if count <= 1:
        return [{"at": last, "count": count}]
    sampled = [event.get("event_time") for event in context.get("sample", ())]
    known = sorted({at for at in sampled if isinstance(at, str) and first < at < last})
    # the samples are the window's first events and its latest
    between = [{"at": at, "count": number} for number, at in enumerate(known[: count - 2], 2)]
    return [{"at": first, "count": 1}, *between, {"at": last, "count": count}]


def _count_of(rule: Doc | None) -> Any:
    condition = (rule or {}).get("condition")
    count = condition.get("count") if isinstance(condition, Mapping) else None
    return count if isinstance(count, int) else None
