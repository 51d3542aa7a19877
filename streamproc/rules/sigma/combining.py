"""Filters as people write them, joined by all, any and none into as flat a document as can be read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

FilterDoc = dict[str, Any]
"""A map of a filter: field paths, `all`, `any`, `none`."""

_FOLD = "ignore_case"


def all_of(parts: Iterable[FilterDoc]) -> FilterDoc:
    """A filter that holds when all do; tests of different fields stand side by side."""
    joined: FilterDoc = {}
    apart: list[FilterDoc] = []
    for part in parts:
        for name, value in part.items():
            if name not in joined:
                joined[name] = value
            elif name in ("all", "none"):  # none of these and none of those is none of them all
                joined[name] = [*joined[name], *value]
            elif _can_share(joined[name], value):
                joined[name] = {**joined[name], **value}
            else:
                apart.append({name: value})
    if apart:
        joined["all"] = [*joined.get("all", ()), *apart]
    return joined


def any_of(parts: Iterable[FilterDoc]) -> FilterDoc:
    """A filter that holds when one of them does."""
    flat: list[FilterDoc] = []
    for part in parts:
        for one in part["any"] if part.keys() == {"any"} else [part]:
            if one not in flat:
                flat.append(one)
    return flat[0] if len(flat) == 1 else {"any": flat}


def none_of(part: FilterDoc) -> FilterDoc:
    """A filter that holds when the part does not."""
    return {"none": part["any"] if part.keys() == {"any"} else [part]}


def _can_share(ours: Any, more: Any) -> bool:
    """Whether the operators of one field may stand in one map: none twice, and all with or all without case."""
    if type(ours) is not dict or type(more) is not dict:
        return False
    return ours.get(_FOLD) == more.get(_FOLD) and (ours.keys() & more.keys()) <= {_FOLD}
