"""One alert for a person at a terminal: what it says, and everything that was done to it."""

from __future__ import annotations

from typing import Any

import orjson
from rich.text import Text

Alert = dict[str, Any]

COLOURS = {"critical": "bold white on red", "high": "bold red", "medium": "yellow", "low": "cyan"}

_FIELDS = ("id", "tenant_id", "category", "created_at", "triggered_at", "updated_at", "trigger_count", "assignee",
           "incident_id", "suppressed_by", "snoozed_until", "acknowledged_by", "acknowledged_at", "resolution",
           "resolved_at", "runbook")  # fmt: skip
"""Shown by these names where they say something."""
_DETAILS = ("incident_id", "until", "reason", "resolution", "assignee")


def view(alert: Alert) -> Text:
    """The alert as lines: title and reason, fields, the triggering event in short, then the timeline."""
    text = Text()
    text.append(f"{alert['severity']}", style=COLOURS.get(alert["severity"], ""))
    text.append(f" {alert['title']}", style="bold")
    text.append(f" ({alert['status']})\n{alert['reason']}\n")
    if alert["description"]:
        text.append(f"{alert['description']}\n", style="dim")
    text.append("\n")
    rule = alert["rule"]
    rows = [("rule", f"{rule['id']} revision {rule['revision']} ({rule['type']})")]
    rows += [(name, str(alert[name])) for name in _FIELDS if alert.get(name) is not None]
    rows += [("group", ", ".join(f"{path} {value}" for path, value in alert["group"].items()))]
    rows += [("affected", ", ".join(f"{asset['type']} {asset['label']}" for asset in alert["affected_assets"]))]
    if alert["event"] is not None:
        event = alert["event"]
        told = {name: event[name] for name in ("id", "action", "outcome", "actor", "resource") if event.get(name)}
        rows.append(("event", orjson.dumps(told).decode()))
    for name, value in rows:
        if value:
            text.append(f"{name.replace('_', ' '):<16}", style="dim")
            text.append(f"{value}\n")
    text.append("\n")
    for at, line, note in timeline(alert):
        text.append(f"{at}  ", style="dim")
        text.append(line)
        text.append(f": {note}\n" if note else "\n")
    text.rstrip()
    return text


def timeline(alert: Alert) -> list[tuple[str, str, str]]:
    """(time, what happened, note) of all that the record knows of, the oldest first."""
    found = [(alert["created_at"], "triggered", "")]
    notes = list(alert["notes"])
    for entry in alert["history"]:
        action = entry.get("action") or "change"
        said = ", ".join(str(entry[name]) for name in _DETAILS if entry.get(name))
        moved = "" if entry["from"] == entry["to"] else f", {entry['from']} → {entry['to']}"
        whole = entry.get("note") or ""
        for note in notes:
            # records of the first release do not say with what a note came
            if (note["at"], note["by"]) == (entry["at"], entry["by"]) and note.get("action") in (None, action):
                notes.remove(note)
                whole = note["text"]
                break
        found.append((entry["at"], f"{action}{f' ({said})' if said else ''} by {entry['by']}{moved}", whole))
    found += [(note["at"], f"{note.get('action') or 'note'} by {note['by']}", note["text"]) for note in notes]
    return sorted(found, key=lambda one: one[0])
