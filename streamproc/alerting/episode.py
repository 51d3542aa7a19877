"""One episode of a fingerprint, as its key stores it, and the alert record made from it."""

from __future__ import annotations

from typing import Any

import orjson

from streamproc.model.rule import Rule
from streamproc.model.times import iso, iso_or_none

SCHEMA_VERSION = 1
MAX_EVENT_BYTES = 40 * 1024
MAX_SAMPLES_BYTES = 24 * 1024
MAX_NOTES = 100
MAX_SAMPLES = 5
MAX_COMMANDS = 32
MAX_INCIDENTS = 20

OPEN, ACKNOWLEDGED, ESCALATED, SUPPRESSED, RESOLVED = "open", "acknowledged", "escalated", "suppressed", "resolved"


_LAYOUT_1 = (
    "acknowledged_at",
    "acknowledged_by",
    "commands",
    "context",
    "created",
    "emitted",
    "event",
    "event_type",
    "group",
    "head",
    "history",
    "id",
    "last_command",
    "last_triggered",
    "late",
    "notes",
    "pending",
    "reason",
    "resolution",
    "resolved_at",
    "revision",
    "samples",
    "status",
    "tenant",
    "trigger_count",
    "triggered",
    "updated",
)
LAYOUTS: dict[int, tuple[str, ...]] = {
    1: _LAYOUT_1,
    2: (*_LAYOUT_1, "assignee", "incident_id", "incidents", "linked", "snoozed_until", "suppressed_by"),
}
"""What is stored of an episode, in order, by the version of the state it stands in. A layout never changes."""
_OLD_ACTIONS = {"acknowledged": "acknowledge", "resolved": "resolve", "open": "reopen"}
"""Version 1 knew these three, and did not keep which it was."""


class Episode:
    """Mutable while a batch is worked on; stored with `encode`. Times are ms; texts are what people wrote.

    `incidents` are those it was escalated to, each `[id, at, by, note]`; `linked` is what their links last told of
    the alert (see `incident`). `incident_id` is the latest of them.

    `pending` says that the latest revision has not been sent to the `alerts` topic yet; `event_type` is what it
    will be sent as, `emitted` the arrival time at which the last record was sent.
    """

    __slots__ = LAYOUTS[2]

    def __init__(self, id: str, tenant: str, group: dict[str, Any], triggered: int, arrival: int) -> None:
        self.id = id
        self.tenant = tenant
        self.group = group
        self.revision = 0
        self.status = OPEN
        self.trigger_count = 0
        self.triggered = triggered
        self.created = arrival
        self.updated = arrival
        self.last_triggered = arrival
        self.event: bytes | None = None
        self.samples: list[bytes] = []
        self.context: dict[str, Any] = {}
        self.reason = ""
        self.head: dict[str, Any] = {}
        self.late = False
        self.acknowledged_at: int | None = None
        self.acknowledged_by: str | None = None
        self.resolved_at: int | None = None
        self.resolution: str | None = None
        self.notes: list[dict[str, Any]] = []
        self.history: list[dict[str, Any]] = []
        self.last_command: dict[str, Any] | None = None
        self.commands: list[str] = []
        self.emitted = 0
        self.pending = False
        self.event_type = "alert.triggered"
        self._of_version_2()

    def _of_version_2(self) -> None:
        self.assignee: str | None = None
        self.incident_id: str | None = None
        self.incidents: list[list[Any]] = []
        self.linked: list[Any] | None = None
        self.snoozed_until: int | None = None
        self.suppressed_by: str | None = None

    def encode(self) -> list[Any]:
        """Plain values, in the order of the newest layout."""
        return [getattr(self, name) for name in self.__slots__]

    @classmethod
    def decode(cls, stored: list[Any], version: int) -> Episode:
        """The inverse of `encode`, also of what an older version wrote. Raises ValueError for another shape."""
        episode = cls.__new__(cls)
        for name, value in zip(LAYOUTS[version], stored, strict=True):
            setattr(episode, name, value)
        if version == 1:
            episode._of_version_2()
            episode.history = [{**entry, "action": _OLD_ACTIONS[entry["to"]]} for entry in episode.history]
        return episode

    def record(self, fingerprint: bytes) -> bytes:
        """The whole alert as JSON: the value on the `alerts` topic (CONTRACT "Alert")."""
        event = None if self.event is None else orjson.loads(self.event)
        return orjson.dumps(
            {
                "event_type": self.event_type,
                "id": self.id,
                "revision": self.revision,
                "tenant_id": self.tenant,
                "fingerprint": fingerprint.hex(),
                "status": self.status,
                **self.head,
                "reason": self.reason,
                "group": self.group,
                "trigger_count": self.trigger_count,
                "context": {**self.context, "sample": [orjson.Fragment(raw) for raw in self.samples]},
                "event": None if self.event is None else orjson.Fragment(self.event),
                "affected_assets": affected_assets(event),
                "source": event.get("source") if event is not None else None,
                "late": self.late,
                "backfill": False,
                "created_at": iso(self.created),
                "triggered_at": iso(self.triggered),
                "updated_at": iso(self.updated),
                "acknowledged_at": iso_or_none(self.acknowledged_at),
                "resolved_at": iso_or_none(self.resolved_at),
                "acknowledged_by": self.acknowledged_by,
                "resolution": self.resolution,
                "incident_id": self.incident_id,
                "notes": [{**note, "at": iso(note["at"])} for note in self.notes],
                "history": [_told(entry) for entry in self.history],
                "last_command": self.last_command,
                "suppressed_by": self.suppressed_by,
                "snoozed_until": iso_or_none(self.snoozed_until),
                "assignee": self.assignee,
                "schema_version": SCHEMA_VERSION,
            }
        )


def _told(entry: dict[str, Any]) -> dict[str, Any]:
    told = {**entry, "at": iso(entry["at"])}
    if "until" in told:
        told["until"] = iso(told["until"])
    return told


def head_of(rule: Rule, revision: int) -> dict[str, Any]:
    """What an alert says of its rule, taken at each trigger."""
    return {
        "severity": str(rule.severity),
        "category": None if rule.category is None else str(rule.category),
        "title": rule.name,
        "description": rule.description,
        "rule": {
            "id": rule.id,
            "owner": rule.tenant_id,
            "revision": revision,
            "name": rule.name,
            "type": str(rule.type),
        },
        "mitre_tactics": list(rule.mitre_tactics),
        "mitre_techniques": list(rule.mitre_techniques),
        "runbook": rule.runbook,
        "metadata": dict(rule.metadata),
    }


def affected_assets(event: dict[str, Any] | None) -> list[dict[str, Any]]:
    """The actor and the resource of the triggering event, as assets with a label for people."""
    assets = []
    for name, kind in (("actor", "user"), ("resource", "resource")):
        thing = (event or {}).get(name)
        if isinstance(thing, dict) and isinstance(thing.get("id"), str):
            label = thing.get("email") or thing.get("name") or thing["id"]
            assets.append({"type": thing.get("type") or kind, "id": thing["id"], "label": label})
    return assets


_CORE = ("id", "tenant_id", "action", "outcome", "event_time", "source")


def fitted(raw: bytes, limit: int = MAX_EVENT_BYTES) -> bytes:
    """The event document, cut to at most `limit` bytes: first its `raw` original, then all but its core fields."""
    if len(raw) <= limit:
        return raw
    doc: dict[str, Any] = orjson.loads(raw)
    doc["truncated"] = True
    if "raw" in doc:
        doc["raw"] = {"truncated": True}
    cut = orjson.dumps(doc)
    if len(cut) <= limit:
        return cut
    for longest in (512, 128):
        cut = orjson.dumps(_core(doc, longest))
        if len(cut) <= limit:
            return cut
    return orjson.dumps(_core(doc, 32))  # 12 texts, each character at most 6 bytes


def _core(doc: dict[str, Any], longest: int) -> dict[str, Any]:
    """The core fields, as texts of at most so many characters."""
    core: dict[str, Any] = {name: str(doc[name])[:longest] for name in _CORE if name in doc}
    for name, parts in (("actor", ("id", "type", "email", "ip")), ("resource", ("id", "type"))):
        whole = doc.get(name)
        if isinstance(whole, dict):
            core[name] = {part: str(whole[part])[:longest] for part in parts if whole.get(part)}
    return {**core, "truncated": True}
