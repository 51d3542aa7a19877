"""An alert's timeline: what triggered it, what people did, who was told and who was not and why, in order. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Doc = Mapping[str, Any]
Entry = dict[str, Any]

_ORDER = ("triggered", "updated", "action", "attempt", "notification")
"""Of entries of one moment: what caused comes before what followed."""


def timeline(alert: Doc, deliveries: Iterable[Doc]) -> list[Entry]:
    """Entries `{at, kind, …}`, the oldest first.

    `kind` is `triggered` (the first), `updated` (the latest trigger, with how many there were), `action` (what was
    done: `action`, `by`, `from`, `to`, `note`, and what belongs to it), `notification` (a delivery as it stands) and
    `attempt` (one try at it).
    """
    entries = [*_triggers(alert), *_actions(alert)]
    for delivery in deliveries:
        entries += _notification(delivery)
    return sorted(entries, key=lambda entry: (entry["at"], _ORDER.index(entry["kind"])))


def _triggers(alert: Doc) -> Iterator[Entry]:
    event = alert["event"] or {}
    yield {
        "at": alert["created_at"],
        "kind": "triggered",
        "event_id": event.get("id"),
        "event_time": alert["triggered_at"],
        "title": alert["title"],
    }
    context = alert["context"]
    if alert["trigger_count"] > 1 and context.get("last_event_time"):
        acted = [entry["at"] for entry in alert["history"]]
        # an event's own time may be anything; what is shown stands between the first trigger and the latest record
        at = min(max(context["last_event_time"], alert["created_at"]), alert["updated_at"])
        if alert["updated_at"] not in acted and alert["event_type"] == "alert.updated":
            at = alert["updated_at"]
        yield {
            "at": at,
            "kind": "updated",
            "event_time": context["last_event_time"],
            "trigger_count": alert["trigger_count"],
            "reason": alert["reason"],
        }


def _actions(alert: Doc) -> Iterator[Entry]:
    notes = list(alert["notes"])
    for entry in alert["history"]:
        shown = {"action": None, "note": None, **entry, "kind": "action"}
        for place, note in enumerate(notes):  # the whole note in place of its beginning
            if note["at"] == entry["at"] and note["by"] == entry["by"] and note.get("action") == entry.get("action"):
                shown["note"] = notes.pop(place)["text"]
                break
        yield shown
    for note in notes:  # of the first release, or whose entry is no longer kept
        yield {
            "at": note["at"],
            "kind": "action",
            "action": note.get("action") or "comment",
            "by": note["by"],
            "note": note["text"],
        }


def _notification(delivery: Doc) -> Iterator[Entry]:
    about = {
        name: delivery.get(name)
        for name in ("channel", "recipient", "purpose", "revision", "step", "repeat", "fallback_for", "replay_of")
    }
    about["delivery_id"] = delivery["id"]
    yield {
        "at": delivery["created_at"],
        "kind": "notification",
        **about,
        **{name: delivery[name] for name in ("state", "reason", "silent_count", "next_at", "updated_at")},
        "told": delivery["state"] == "delivered",
        "bundle": delivery.get("bundle") or None,
        "triggers": delivery["count"],
        "detail": delivery.get("detail", ""),
        "attempts": len(delivery["attempts"]),
    }
    for number, attempt in enumerate(delivery["attempts"], 1):
        yield {"at": attempt["at"], "kind": "attempt", **about, **attempt, "number": number}
