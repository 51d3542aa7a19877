"""Any spelling of an event → the one canonical document (CONTRACT "Event")."""

import re
from typing import Any, Final

from streamproc.model.event import EventError, Reason
from streamproc.sources.outcomes import OUTCOMES, map_outcome
from streamproc.sources.shorten import shorten
from streamproc.sources.spellings import ACTOR_TEXT, RESOURCE_TEXT, respell
from streamproc.sources.times import parse_time, time_text

MAX_ID: Final = 512  # room for the default id: topic (249), partition, offset, index
MAX_TENANT: Final = 128
MAX_ACTION: Final = 256

# "*" means every tenant in rules, and "/" separates the parts of a config key
_BAD_IN_TENANT: Final = re.compile(r"[\x00-\x1f\x7f-\x9f*/]")
_BAD_IN_ACTION: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_MAX_EXACT: Final = 2**53


def canonicalise(doc: dict[str, Any], default_id: str, arrival: int | None, tenant: str | None) -> tuple[int, bool]:
    """Bring ``doc`` into canonical form, in place; answer its event time in ms and whether anything changed.

    ``default_id`` is used where the event has none, ``arrival`` (ms; None: nothing to fall back on) where it
    has no time. ``tenant``, when given, is the only tenant the event may name, and its tenant when it names
    none. Null is the same as absent. An ``actor.ip`` that is not an address stays as the text it is. Unknown
    fields stay as they are. Raises EventError.
    """
    changed = respell(doc)
    changed |= _identify(doc, "id", default_id)
    changed |= _owner(doc, tenant)
    _action(doc)
    changed |= _outcome(doc)
    for outer, texts in (("actor", ACTOR_TEXT), ("resource", RESOURCE_TEXT)):
        changed |= _object(doc, outer, texts)
    groups = doc["actor"].get("groups") if doc.get("actor") else None
    if groups is not None and (type(groups) is not list or any(type(group) is not str for group in groups)):
        raise EventError(Reason.WRONG_TYPE, f"actor.groups: {shorten(groups)} is not a list of text")
    metadata = doc.get("metadata")
    if metadata is not None and type(metadata) is not dict:
        raise EventError(Reason.WRONG_TYPE, f"metadata: {shorten(metadata)} is not an object")
    _text(doc, "source", "source")
    time, moved = _time(doc, arrival)
    return time, changed | moved


def check_tenant(tenant: str, path: str = "tenant_id") -> str:
    """``tenant`` itself, or EventError when it cannot name one."""
    if len(tenant) > MAX_TENANT:
        raise EventError(Reason.TOO_LONG, f"{path}: {shorten(tenant)} is not at most {MAX_TENANT} characters")
    if not tenant.strip() or _BAD_IN_TENANT.search(tenant):
        raise EventError(
            Reason.BAD_TENANT,
            f"{path}: {shorten(tenant)} is not a tenant (text without *, / or control characters)",
        )
    return tenant


def _owner(doc: dict[str, Any], tenant: str | None) -> bool:
    named = doc.get("tenant_id")
    if named is None:
        if tenant is None:
            raise EventError(Reason.MISSING_FIELD, "tenant_id: nothing is not a tenant; every event names its tenant")
        doc["tenant_id"] = tenant
        return True
    text = _id_text(named, "tenant_id")
    check_tenant(text)
    if tenant is not None and text != tenant:
        raise EventError(
            Reason.FOREIGN_TENANT,
            f"tenant_id: {shorten(text)} is not {shorten(tenant)}, the only tenant allowed here",
        )
    doc["tenant_id"] = text
    return text is not named


def _action(doc: dict[str, Any]) -> None:
    action = doc.get("action")
    if action is None:
        raise EventError(Reason.MISSING_FIELD, "action: nothing is not an action; every event says what was done")
    if type(action) is not str:
        raise EventError(Reason.WRONG_TYPE, f"action: {shorten(action)} is not text")
    if len(action) > MAX_ACTION:
        raise EventError(Reason.TOO_LONG, f"action: {shorten(action)} is not at most {MAX_ACTION} characters")
    if not action.strip() or _BAD_IN_ACTION.search(action):
        raise EventError(
            Reason.BAD_ACTION, f"action: {shorten(action)} is not an action (text without control characters)"
        )


def _outcome(doc: dict[str, Any]) -> bool:
    outcome = doc.get("outcome")
    _text(doc, "outcome_raw", "outcome_raw")
    if outcome is None:
        doc["outcome"] = "success"
        return True
    if type(outcome) is not str:
        raise EventError(Reason.WRONG_TYPE, f"outcome: {shorten(outcome)} is not text")
    if outcome in OUTCOMES:
        return False
    if doc.get("outcome_raw") is None:
        doc["outcome_raw"] = outcome
    doc["outcome"] = map_outcome(outcome)
    return True


def _time(doc: dict[str, Any], arrival: int | None) -> tuple[int, bool]:
    said = doc.get("event_time")
    if said is None and arrival is None:
        raise EventError(
            Reason.MISSING_FIELD,
            "event_time: nothing is not a time, and the record has no timestamp to take instead",
        )
    time = arrival if said is None and arrival is not None else parse_time(said)
    text = time_text(time)
    doc["event_time"] = text
    return time, text != said


def _identify(doc: dict[str, Any], field: str, default: str) -> bool:
    value = doc.get(field)
    if value is None or value == "":
        doc[field] = default
        return True
    text = _id_text(value, field)
    if len(text) > MAX_ID:
        raise EventError(Reason.TOO_LONG, f"{field}: {shorten(text)} is not at most {MAX_ID} characters")
    doc[field] = text
    return text is not value


def _object(doc: dict[str, Any], outer: str, texts: tuple[str, ...]) -> bool:
    inner = doc.get(outer)
    if inner is None:
        return False
    if type(inner) is not dict:
        raise EventError(
            Reason.WRONG_TYPE, f"{outer}: {shorten(inner)} is not an object (its id alone goes in {outer}_id)"
        )
    try:
        "".join(inner.values())
    except TypeError:  # not all is text, which may be right: groups, unknown fields, a numeric id
        pass
    else:
        return False
    for field in texts:
        _text(inner, field, f"{outer}.{field}")
    value = inner.get("id")
    if value is None or type(value) is str:
        return False
    inner["id"] = _id_text(value, f"{outer}.id")
    return True


def _text(holder: dict[str, Any], field: str, path: str) -> None:
    value = holder.get(field)
    if value is not None and type(value) is not str:
        raise EventError(Reason.WRONG_TYPE, f"{path}: {shorten(value)} is not text")


def _id_text(value: Any, path: str) -> str:
    """Ids are text; whole numbers become their digits. A number that JSON readers round is not an id any
    more."""
    if type(value) is str:
        return value
    if type(value) is int:
        return str(value)
    if type(value) is float and abs(value) >= _MAX_EXACT:
        raise EventError(
            Reason.NUMBER_TOO_LARGE,
            f"{path}: {shorten(value)} is not exact any more; write such an id as text",
        )
    raise EventError(Reason.WRONG_TYPE, f"{path}: {shorten(value)} is not text or a whole number")
