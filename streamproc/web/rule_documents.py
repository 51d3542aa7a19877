"""Rules as documents of the API: what a PATCH makes of one, and how one is answered. Pure.

Names are matched however they are spelled (`cooldownMin`, `cooldown_min`), as the parser reads both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from streamproc.config.record import ConfigRecord
from streamproc.config.sealing import SECRETS, has_sealed, hidden
from streamproc.config.snapshot import RULE, Snapshot
from streamproc.model.document import DocumentError, Problem, snake
from streamproc.model.rule import EVERY_TENANT

CONDITION = "condition"
ANSWERED = frozenset(
    {
        *("revision", "updated_at", "updated_by", "status", "problem", "managed"),
        *("last_triggered_at", "open_alerts", "kind"),
    }
)
"""What an answer has beside the document; it may be sent back and is not part of the rule."""

NULL_MEANS = frozenset({"auto_resolve_after"}) | SECRETS[RULE]
"""Fields in which null says something (only people resolve; the secret goes away), so that it stays."""
NULL_MEANS_IN_CONDITION = frozenset({"group_by"})
INSTEAD: Mapping[str, str] = {"window": "window_seconds", "window_seconds": "window"}
"""Settings of a condition that say the same: whoever changes one means it in place of the other."""

SETTINGS = frozenset(
    {
        *("window_seconds", "window_type", "group_by", "threshold_time", "threshold_type", "threshold_stddev"),
        *("baseline_window_days", "min_count", "learning_days", "ttl_days", "business_hours", "expect_every"),
        *("speed_kmh", "min_km"),
    }
)
"""Settings of conditions that have a second spelling; all else in a condition may be a field of the event."""


def merged(spec: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """The document that a PATCH makes of `spec` (neither with id nor tenant).

    At the top as RFC 7396: a value replaces, null removes, `metadata` is merged at every depth. `condition` is merged
    field by field and no deeper: the operators of a field are meant together. Raises DocumentError.
    """
    result = dict(spec)
    for written, value in patch.items():
        name = snake(written)
        before = _take(result, name)
        if name == CONDITION and isinstance(value, Mapping):
            if before is not None and not isinstance(before[1], Mapping):
                raise DocumentError((Problem(CONDITION, "cannot be merged: what is configured is not a map"),))
            result[name] = _condition({} if before is None else before[1], value)
        elif name == "metadata" and isinstance(value, Mapping):
            result[name] = _merge_patch(None if before is None else before[1], value)
        elif value is not None or name in NULL_MEANS:
            result[name] = value
    return result


def _condition(before: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(before)
    for written, value in patch.items():
        name = _setting(written)
        for other in [key for key in result if _setting(key) in (name, INSTEAD.get(name))]:
            # the other spelling of a setting; of a null only the setting itself is meant
            if value is not None or _setting(other) == name:
                del result[other]
        if value is not None or name in NULL_MEANS_IN_CONDITION:
            result[name] = value
    return result


def _merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7396, section 2."""
    if not isinstance(patch, Mapping):
        return patch
    result = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = _merge_patch(result.get(name), value)
    return result


def _take(spec: dict[str, Any], name: str) -> tuple[str, Any] | None:
    """Take a field out, whichever way it is spelled; the last when it stands there twice."""
    found = None
    for written in [key for key in spec if snake(key) == name]:
        found = (written, spec.pop(written))
    return found


def _setting(written: str) -> str:
    name = snake(written)
    return name if name in SETTINGS else written


def written(body: Mapping[str, Any]) -> tuple[dict[str, Any], int | None]:
    """What was sent, without what only answers have; and the revision that it was made from, if it says so.

    Raises DocumentError for a revision that is none.
    """
    spec = {name: value for name, value in body.items() if snake(name) not in ANSWERED}
    revision = next((value for name, value in body.items() if snake(name) == "revision"), None)
    if revision is not None and (type(revision) is not int or revision < 1):
        raise DocumentError((Problem("revision", f"{revision!r:.40} is not a whole number from 1"),))
    return spec, revision


def document(record: ConfigRecord) -> dict[str, Any]:
    """The rule as people are shown it: snake_case names, secrets hidden."""
    return {"id": record.id, "tenant_id": record.tenant, **_named(hidden(RULE, record.spec))}


def _named(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The spec with its fields in snake_case, and the settings of its condition; the event's fields as they are."""
    shown: dict[str, Any] = {}
    for name, value in spec.items():
        if snake(name) == CONDITION and isinstance(value, Mapping):
            shown[CONDITION] = {_setting(key): item for key, item in value.items()}
        else:
            shown[snake(name)] = value
    return shown


def answer(record: ConfigRecord, snapshot: Snapshot, tenant: str | None) -> dict[str, Any]:
    """A rule as `GET` answers it to `tenant` (None: an operator)."""
    compiled = snapshot.rule(record.tenant, record.id)
    shown = document(record)
    if compiled is not None:
        rule = compiled.rule
        shown.setdefault("severity", str(rule.severity))
        shown |= {"name": rule.name, "type": rule.type, "enabled": rule.enabled}
    problem = snapshot.problem(record.key)
    return {
        **{name: shown.get(name) for name in ("name", "type", "severity", "enabled")},
        **shown,
        "revision": record.revision,
        "updated_at": record.updated_at,
        "updated_by": record.updated_by,
        "managed": record.tenant == EVERY_TENANT and tenant is not None,
        "status": "inactive" if compiled is None else "active" if compiled.rule.enabled else "disabled",
        "problem": None if problem is None else problem.message,
    }


def differences(old: ConfigRecord, new: ConfigRecord) -> list[dict[str, Any]]:
    """`{path, before, after}` of what two versions say otherwise; null where one of them says nothing.

    A secret that was changed shows as `(sealed)` twice.
    """
    found = _differences(_named(old.spec), _named(new.spec), "")
    return [{"path": path, "before": _masked(before), "after": _masked(after)} for path, before, after in found]


def _masked(value: Any) -> Any:
    (secret,) = SECRETS[RULE]
    return hidden(RULE, {secret: value})[secret] if has_sealed(value) else value


def _differences(old: Any, new: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in dict.fromkeys((*old, *new)):
            below = f"{path}.{name}" if path else str(name)
            yield from _differences(old.get(name), new.get(name), below)
    elif old != new or type(old) is not type(new):
        yield path, old, new
