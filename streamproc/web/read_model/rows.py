"""From a record of a topic to the columns of a row, and back. Pure: no database, no clock.

A document is stored as it came, deflated with a dictionary of what all of them have in common: an alert of 3 kB takes
some 350 bytes.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import orjson

from streamproc.model.time_text import milliseconds
from streamproc.web.read_model.places import packed

_DICTIONARY = (
    b'"attempts":[{"at":"2026-01-01T00:00:00.000Z","outcome":"retry","reason":"server_error","status":500,'
    b'"latency_ms":1,"excerpt":"","detail":""}],"next_at":null,"bundle":"","step":0,"repeat":0,"fallback_for":null}'
    b'{"schema_version":1,"id":"","tenant_id":"","alert_id":"alt_","fingerprint":"","revision":1,"channel":"webhook/",'
    b'"recipient":"","purpose":"trigger","state":"suppressed","reason":"cooldown","silent_count":0,"count":1,'
    b'"created_at":"2026-01-01T00:00:00.000Z","updated_at":"2026-01-01T00:00:00.000Z"'
    b'{"action":"acknowledge","at":"2026-01-01T00:00:00.000Z","by":"","from":"open","to":"acknowledged","note":""}'
    b'"last_command":{"id":"","action":"acknowledge","result":"done"}"event_type":"alert.triggered","id":"alt_'
    b'{"event_type":"alert.updated","id":"alt_","revision":1,"tenant_id":"","fingerprint":"","status":"open",'
    b'"severity":"medium","severity":"high","category":"identity","title":"","description":"",'
    b'"rule":{"id":"","owner":"*","revision":1,"name":"","type":"threshold"},"mitre_tactics":["Credential Access"],'
    b'"mitre_techniques":["T1110"],"runbook":null,"metadata":{},"reason":" events in 300 s for actor.id",'
    b'"group":{"actor.id":"","actor.ip":""},"trigger_count":1,"context":{"count":1,"threshold":5,"window_seconds":300,'
    b'"first_event_time":"2026-01-01T00:00:00.000Z","last_event_time":"2026-01-01T00:00:00.000Z","event_ids":["'
    b'"],"sample":[{"id":"","tenant_id":"","action":"user.login","outcome":"failure","event_time":"2026-01-01T00:00:00.'
    b'000Z","actor":{"id":"","type":"user","email":"@example.com","ip":"","country":"","groups":[],"user_agent":"Mozilla'
    b'/5.0"},"resource":{"type":"","id":""},"source":"","metadata":{"actor_role":"member"}}]},"event":{"id":"'
    b'"affected_assets":[{"type":"user","id":"","label":""}],"source":null,"late":false,"backfill":false,'
    b'"created_at":"2026-01-01T00:00:00.000Z","triggered_at":"2026-01-01T00:00:00.000Z",'
    b'"updated_at":"2026-01-01T00:00:00.000Z","acknowledged_at":null,"resolved_at":null,"acknowledged_by":null,'
    b'"resolution":null,"incident_id":null,"notes":[],"history":[],"last_command":null,"suppressed_by":null,'
    b'"snoozed_until":null,"assignee":null,"schema_version":1}'
)
"""What documents have in common, the commonest last. It belongs to `schema.SCHEMA_VERSION`: a change of it is one."""

ITSELF = "streamproc"
"""Who did what nobody asked for, in `history` (`alerting.lifecycle`)."""
MAX_WORDS = 200
MAX_WORD = 64


def deflated(document: bytes) -> bytes:
    """A document as it is stored."""
    squeeze = zlib.compressobj(1, zlib.DEFLATED, -15, 9, zlib.Z_DEFAULT_STRATEGY, _DICTIONARY)
    return squeeze.compress(document) + squeeze.flush()


def inflated(body: bytes) -> bytes:
    """The inverse of `deflated`."""
    return zlib.decompressobj(-15, zdict=_DICTIONARY).decompress(body)


class RowError(ValueError):
    """A record that is no document of its topic."""


@dataclass(frozen=True, slots=True)
class AlertRow:
    """An alert's columns; texts that repeat are still texts here. `words` is what a search finds it by."""

    id: bytes
    created: int
    revision: int
    tenant: str
    status: str
    severity: str
    category: str
    rule: str
    rule_type: str
    assignee: str
    incident: str
    same_group: int
    actor: int | None
    triggers: int
    acted: bool
    words: str
    command: tuple[str, str] | None
    """(id, result) of the latest command."""
    document: bytes


def alert_row(value: bytes) -> AlertRow:
    """The row of an alert record. Raises RowError."""
    try:
        doc = orjson.loads(value)
        rule, tenant = doc["rule"], doc["tenant_id"]
        return AlertRow(
            id=packed(doc["id"]),
            created=milliseconds(doc["created_at"]),
            revision=doc["revision"],
            tenant=tenant,
            status=doc["status"],
            severity=doc["severity"],
            category=doc.get("category") or "",
            rule=rule_name(rule["owner"], rule["id"]),
            rule_type=rule["type"],
            assignee=doc.get("assignee") or "",
            incident=doc.get("incident_id") or "",
            same_group=_hashed(tenant, sorted((name, str(v)) for name, v in doc["group"].items())),
            actor=_actor(doc),
            triggers=doc["trigger_count"],
            acted=_acted(doc),
            words=" ".join(_words(doc)),
            command=None if (last := doc.get("last_command")) is None else (last["id"], last["result"]),
            document=value,
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RowError(f"not an alert: {error!r:.200}") from None


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """A delivery's columns. `covered`: the triggers that a suppression stands for."""

    id: bytes
    created: int
    updated: int
    tenant: str
    alert: bytes
    channel: str
    state: str
    reason: str
    covered: int
    document: bytes


def rule_name(owner: str, id: str) -> str:
    """How a rule is called among `names`; those of one id stand together, whoever owns them."""
    return f"{id}\n{owner}"


def rule_ids_range(id: str) -> tuple[str, str]:
    """Where the names of rules with this id begin, and before what they end."""
    return f"{id}\n", f"{id}\n\U0010ffff"


def delivery_row(value: bytes) -> DeliveryRow:
    """The row of a delivery record. Raises RowError."""
    try:
        doc = orjson.loads(value)
        return DeliveryRow(
            id=packed(doc["id"]),
            created=milliseconds(doc["created_at"]),
            updated=milliseconds(doc["updated_at"]),
            tenant=doc["tenant_id"],
            alert=packed(doc["alert_id"]),
            channel=doc["channel"] or "",
            state=doc["state"],
            reason=doc["reason"] or "",
            covered=doc["count"],
            document=value,
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RowError(f"not a delivery: {error!r:.200}") from None


@dataclass(frozen=True, slots=True)
class LinkRow:
    """An alert's part in an incident."""

    tenant: str
    incident: str
    alert: str
    linked_at: str
    document: bytes


def link_row(value: bytes) -> LinkRow:
    """The row of a link record. Raises RowError."""
    try:
        doc = orjson.loads(value)
        milliseconds(doc["linked_at"])
        return LinkRow(doc["tenant_id"], doc["incident_id"], doc["alert_id"], doc["linked_at"], value)
    except (ValueError, KeyError, TypeError) as error:
        raise RowError(f"not a link: {error!r:.200}") from None


def claimed_tenant(value: bytes | None) -> str | None:
    """The tenant that a raw event names, if it can be read so far."""
    try:
        doc = orjson.loads(value or b"")
    except ValueError:
        return None
    if isinstance(doc, dict):
        for name in ("tenant_id", "tenantId", "workspace_id", "workspaceId"):
            if isinstance(doc.get(name), str):
                return str(doc[name])
    return None


_PART = re.compile(r"\w+")
_EDGES = "\"'()[]{}<>,;.:!?@-_/=*"


def split(text: str) -> Iterator[str]:
    """The words of a text as a search knows them: what stands between blanks, and the parts of it."""
    for chunk in text.lower().split():
        whole = chunk.strip(_EDGES)
        if whole:
            yield whole[:MAX_WORD]
            if not whole.isalnum():
                yield from (part[:MAX_WORD] for part in _PART.findall(whole))


@lru_cache(4096)
def _words_of_rule(title: str, name: str, id: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word for text in (title, name, id) for word in split(text)))


def _words(doc: Mapping[str, Any]) -> list[str]:
    rule = doc["rule"]
    found = dict.fromkeys(_words_of_rule(doc["title"], rule["name"], rule["id"]))
    for text in (doc["reason"], *map(str, doc["group"].values())):
        found.update(dict.fromkeys(split(text)))
    return list(found)[:MAX_WORDS]


def _acted(doc: Mapping[str, Any]) -> bool:
    """Whether a person looked at it: acknowledged, escalated, or resolved it."""
    if doc.get("acknowledged_at") or doc.get("incident_id"):
        return True
    return any(entry["to"] in ("resolved", "escalated") and entry["by"] != ITSELF for entry in doc.get("history", ()))


def _actor(doc: Mapping[str, Any]) -> int | None:
    actor = doc["group"].get("actor.id")
    if actor is None:
        event = doc.get("event") or {}
        actor = (event.get("actor") or {}).get("id")
    return None if actor is None else _hashed(doc["tenant_id"], str(actor))


def _hashed(tenant: str, value: object) -> int:
    """A number that stands for a value of a tenant, as a signed 64-bit integer."""
    raw = orjson.dumps([tenant, value], default=str)
    return int.from_bytes(blake2b(raw, digest_size=8).digest(), "big", signed=True)
