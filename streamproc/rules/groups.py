"""The values that a rule counts by, read from an event.

What is read is kept in state and sent in alerts, so that its size is bounded: long text is shortened to something
that is as different, and an event makes at most `MAX_GROUPS` groups. 1.0 is 1, as JSON producers write either.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import blake2b
from itertools import islice, product
from typing import Any

from streamproc.model.hit import GroupValue
from streamproc.rules.fields import getter
from streamproc.rules.paths import parse_path
from streamproc.rules.problems import Problems

Document = dict[str, Any]
Groups = Callable[[Document], list[tuple[GroupValue, ...]]]

MAX_GROUPS = 100
"""An event makes at most this many groups of one rule, whatever the lists in it."""
MAX_TEXT = 512
_KEPT = 256


def groups_of(paths: Sequence[str]) -> Groups:
    """`[()]` without paths, `[]` when a value is absent, one tuple per element for a list."""
    if not paths:
        nothing: list[tuple[GroupValue, ...]] = [()]
        return lambda doc: nothing
    getters = [getter(parse_path(path, "group_by", Problems())) for path in paths]
    if len(getters) == 1:
        get = getters[0]

        def one(doc: Document) -> list[tuple[GroupValue, ...]]:
            value = get(doc)
            if type(value) is str and len(value) <= MAX_TEXT:
                return [(value,)]
            return [(v,) for v in _values(value)]

        return one

    def several(doc: Document) -> list[tuple[GroupValue, ...]]:
        values = [_values(get(doc)) for get in getters]
        return list(islice(product(*values), MAX_GROUPS))

    return several


def distinct_of(path: str) -> Callable[[Document], GroupValue | None]:
    """The value to count; of a list, its first scalar; None when absent."""
    get = getter(parse_path(path, "distinct", Problems()))

    def first(doc: Document) -> GroupValue | None:
        value = get(doc)
        if type(value) is str and len(value) <= MAX_TEXT:
            return value
        return next(iter(_values(value)), None)

    return first


def _values(value: Any) -> list[GroupValue]:
    """The scalar itself, or the different scalars of a list, in its order."""
    found: dict[tuple[bool, GroupValue], GroupValue] = {}
    for item in value if type(value) is list else (value,):
        if type(item) in (str, int, float, bool):
            one = _bounded(item)
            found.setdefault((type(one) is bool, one), one)
            if len(found) == MAX_GROUPS:
                break
    return list(found.values())


def _bounded(value: GroupValue) -> GroupValue:
    # Larger whole numbers stay floats: what travels to detect has integers of 64 bits.
    if type(value) is float and value.is_integer() and -(1 << 63) <= value < 1 << 63:
        return int(value)
    if type(value) is str and len(value) > MAX_TEXT:
        digest = blake2b(value.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
        return f"{value[:_KEPT]}…{digest}"
    return value
