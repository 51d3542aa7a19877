"""Field paths as people write them, brought to the one spelling that events have."""

from __future__ import annotations

import re

from streamproc.model.condition import Path
from streamproc.rules.problems import Problems

TIME_PARTS = ("hour", "minute", "weekday", "date")
"""What `event_time.…` can be asked for; they are computed, not read."""
MAX_PATH = 512
MAX_STEPS = 32

_ACTOR = ("id", "type", "email", "ip", "country", "user_agent", "name", "groups")
_RESOURCE = ("id", "type", "name")


def _both(name: str) -> tuple[str, str]:
    head, *rest = name.split("_")
    return name, head + "".join(part.capitalize() for part in rest)


_FLAT: dict[str, Path] = {
    **{name: ("actor", field) for field in _ACTOR for name in _both(f"actor_{field}")},
    **{name: ("resource", field) for field in _RESOURCE for name in _both(f"resource_{field}")},
    **dict.fromkeys(_both("ip_country"), ("actor", "country")),
    **dict.fromkeys((*_both("tenant_id"), *_both("workspace_id")), ("tenant_id",)),
    **dict.fromkeys(_both("event_id"), ("id",)),
    "eventTime": ("event_time",),
    "outcomeRaw": ("outcome_raw",),
}
"""The flat and camelCase spellings that events are accepted with (CONTRACT "Event")."""


def parse_path(text: object, where: str, problems: Problems, below: Path = ()) -> Path:
    """A field path: `actor.ip`, `raw.requestParameters.bucketName`, `tags.0`; `\\.` is a dot within a name.

    `below` is the path of the map that it stands in.
    """
    if not isinstance(text, str) or len(text) > MAX_PATH:
        problems.value(where, text, "a field path such as actor.ip")
        return (*below, "?")
    steps = text.split(".") if "\\" not in text else [s.replace("\\.", ".") for s in re.split(r"(?<!\\)\.", text)]
    path = canonical((*below, *steps))
    if not all(steps):
        problems.value(where, text, "a field path such as actor.ip")
    elif len(path) > MAX_STEPS:
        problems.value(where, text, f"a path of at most {MAX_STEPS} steps")
    elif path[0] == "event_time" and len(path) > 1 and (len(path) > 2 or path[1] not in TIME_PARTS):
        problems.unknown(where, ".".join(path[1:]), TIME_PARTS)
    return path


def canonical(path: Path) -> Path:
    """The path in the event's own spelling; names below `metadata`, `raw` and the like are their producer's."""
    flat = _FLAT.get(path[0])
    if flat is not None and (len(path) == 1 or flat == ("event_time",)):
        return (*flat, *path[1:])
    return ("actor", "user_agent", *path[2:]) if path[:2] == ("actor", "userAgent") else path


def path_text(path: Path) -> str:
    """The path as text, which `parse_path` reads again."""
    return ".".join(step.replace(".", "\\.") for step in path)


def stored_path(text: object, where: str, problems: Problems) -> str:
    """A path that is read from the event when it is counted, in its canonical spelling."""
    path = parse_path(text, where, problems)
    if path[0] == "event_time" and len(path) > 1:
        problems.value(where, text, "a field of the event; a part of its time cannot be counted by")
    return path_text(path)
