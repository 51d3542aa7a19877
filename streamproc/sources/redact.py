"""Fields that are taken out of events before anything of them is stored or sent.

Rules match the event as it came; what a hit carries on, the document, group values and observed values, is redacted.
Pure and deterministic: the same value always gives the same text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Final

import orjson

MARK: Final = "[redacted]"
"""What stands in a document in the place of a field."""
ANY_DEPTH: Final = "**"
KEPT: Final = frozenset({"id", "tenant_id", "action", "outcome", "event_time"})
"""What every event has and every process works with; these stay, at the top of an event, whatever the paths say."""

Step = str | re.Pattern[str]
Steps = tuple[Step, ...]


class Redactor:
    """Redacts the fields at some paths, each the names from the top of the event to the field.

    A name may have `*` and `?` for any text and any character in it; `**` is any number of names, none too. A list is
    gone through without a name of its own, or a number names one of its elements. What is found is replaced as a
    whole, be it a text, an object or a list; null stays. Raises ValueError for a path that cannot be.
    """

    __slots__ = ("_paths",)

    def __init__(self, paths: Sequence[tuple[str, ...]]) -> None:
        for path in paths:
            if not path or path[-1] == ANY_DEPTH:
                raise ValueError(f"{'.'.join(path)!r} does not end with the name of a field")
            if len(path) == 1 and path[0] in KEPT:
                raise ValueError(f"{path[0]!r} cannot be redacted: every process works with it")
        self._paths: tuple[Steps, ...] = tuple(tuple(map(_step, path)) for path in paths)

    def document(self, raw: bytes, doc: dict[str, Any]) -> bytes:
        """The event's JSON without the fields; `doc`, what it decodes to, stays as it is."""
        concerned = [path for path in self._paths if type(path[0]) is not str or path[0] == ANY_DEPTH or path[0] in doc]
        if not concerned:
            return raw
        copy = orjson.loads(raw)
        kept = {name: copy[name] for name in KEPT if name in copy}
        changed = False
        for path in concerned:
            changed |= _redact(copy, path)
        if not changed:
            return raw
        copy.update(kept)
        return orjson.dumps(copy)

    def covers(self, path: Sequence[str]) -> bool:
        """Whether the value at a path of the event is redacted."""
        if len(path) == 1 and path[0] in KEPT:
            return False
        names = [name for name in path if not name.isdigit()]
        return any(_covers([step for step in steps if not _is_number(step)], names) for steps in self._paths)

    @staticmethod
    def veil(value: Any) -> str:
        """A text in place of a value that is counted by: equal values, and only those, have equal texts.

        It hides the value from who reads it, not from who guesses it and does the same.
        """
        plain = value if isinstance(value, str | int | float | bool) or value is None else str(value)
        return f"redacted:{blake2b(orjson.dumps(plain), digest_size=8, person=b'redact').hexdigest()}"


def _step(name: str) -> Step:
    if name == ANY_DEPTH or not ("*" in name or "?" in name):
        return name
    pattern = "".join(".*" if char == "*" else "." if char == "?" else re.escape(char) for char in name)
    return re.compile(pattern, re.DOTALL)


def _is_number(step: Step) -> bool:
    return isinstance(step, str) and step.isdigit()


def _fits(step: Step, name: str) -> bool:
    return step == name if isinstance(step, str) else step.fullmatch(name) is not None


def _redact(value: Any, steps: Steps) -> bool:
    """Replace what is at the steps below `value`, in place; whether anything was."""
    if type(value) is list:
        step = steps[0]
        if isinstance(step, str) and step.isdigit():
            index = int(step)
            return index < len(value) and _replace(value, index, steps[1:])
        return sum(_redact(item, steps) for item in value) > 0  # all of them, unlike any()
    if type(value) is not dict:
        return False
    step, rest = steps[0], steps[1:]
    if step == ANY_DEPTH:
        return _redact(value, rest) + sum(_redact(inner, steps) for inner in value.values()) > 0
    if isinstance(step, str):
        return step in value and _replace(value, step, rest)
    return sum(_replace(value, name, rest) for name in value if step.fullmatch(name)) > 0


def _replace(holder: Any, at: Any, rest: Steps) -> bool:
    if rest:
        return _redact(holder[at], rest)
    if holder[at] is None:
        return False
    holder[at] = MARK
    return True


def _covers(steps: Sequence[Step], names: Sequence[str]) -> bool:
    """Whether the steps lead to the field of these names, or to what it is in."""
    if not steps:
        return True
    if steps[0] == ANY_DEPTH:
        return any(_covers(steps[1:], names[start:]) for start in range(len(names)))
    return bool(names) and _fits(steps[0], names[0]) and _covers(steps[1:], names[1:])
