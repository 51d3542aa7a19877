"""Other spellings of the canonical fields: flat names and camelCase."""

from typing import Any, Final

ACTOR_TEXT: Final = ("type", "email", "ip", "country", "user_agent", "name")
RESOURCE_TEXT: Final = ("type", "name")


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


def _with_camel(*names: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(spelling for name in names for spelling in (name, _camel(name))))


TOP: Final[dict[str, tuple[str, ...]]] = {
    "id": _with_camel("event_id"),
    "tenant_id": _with_camel("tenant_id", "tenant", "workspace_id")[1:],
    "event_time": ("eventTime",),
    "outcome_raw": ("outcomeRaw",),
}
"""Top-level field → the spellings it is also known by, in order of precedence."""

NESTED: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "actor": {
        **{field: _with_camel(f"actor_{field}") for field in ("id", *ACTOR_TEXT, "groups")},
        "country": _with_camel("actor_country", "ip_country"),
    },
    "resource": {field: _with_camel(f"resource_{field}") for field in ("id", *RESOURCE_TEXT)},
}
"""Object → its field → flat spellings at the top level."""

ACTOR_CAMEL: Final = {"userAgent": "user_agent"}
"""camelCase inside ``actor``."""

FLAT: Final = frozenset(name for fields in NESTED.values() for names in fields.values() for name in names)
ALIASES: Final = FLAT.union(*TOP.values())


def respell(doc: dict[str, Any]) -> bool:
    """Move other spellings to their canonical place, in place; True when something moved.

    A spelling counts only where the canonical field is absent or null: a document that has both keeps the
    canonical one, and the other stays what it then is, an extra field. An ``actor`` or ``resource`` that is
    not an object is left for the type check.
    """
    actor = doc.get("actor")
    inside = type(actor) is dict and not ACTOR_CAMEL.keys().isdisjoint(actor)
    if not inside and ALIASES.isdisjoint(doc):
        return False
    changed = False
    for field, names in TOP.items():
        if doc.get(field) is None:
            changed |= _take(doc, names, doc, field)
    for outer, fields in NESTED.items():
        inner = doc.get(outer)
        if inner is None:
            inner = {}
        elif type(inner) is not dict:
            continue
        moved = False
        if outer == "actor":
            for camel, field in ACTOR_CAMEL.items():
                if inner.get(field) is None:
                    moved |= _take(inner, (camel,), inner, field)
        for field, names in fields.items():
            if inner.get(field) is None:
                moved |= _take(doc, names, inner, field)
        if moved:
            doc[outer] = inner
            changed = True
    return changed


def _take(source: dict[str, Any], names: tuple[str, ...], target: dict[str, Any], field: str) -> bool:
    for name in names:
        value = source.get(name)
        if value is not None:
            del source[name]
            target[field] = value
            return True
    return False
