"""What each operator means for one value.

Values have the types of JSON. Text equals text, numbers equal numbers (1 equals 1.0), true and false equal only
themselves; anything else compared is no match and never an error. A list matches when any of its elements does;
`not` and `not_in` hold when no element equals, and for an absent field. `ignore_case` compares text case-folded.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from streamproc.model.condition import NamedList, Op, Test
from streamproc.rules.filter import as_text
from streamproc.rules.networks import in_networks
from streamproc.rules.patterns import regex_search, wildcard_match

Check = Callable[[Any], bool]
"""Of one scalar at a path; False for anything else: a list, a map, None."""
Lists = Mapping[str, Collection[Any]]

NEGATED = (Op.NOT, Op.NOT_IN)


def scalar_check(test: Test, lists: Lists) -> Check:
    """The check of any operator but `exists` and `field`; of a negated one, what must not hold.

    That of `anywhere` takes maps and lists too.
    """
    op, value, fold = test.op, test.value, test.ignore_case
    match op:
        case Op.EQ | Op.NOT:
            return _equals(value, fold)
        case Op.IN | Op.NOT_IN:
            return _member(lists.get(value.name, ()) if isinstance(value, NamedList) else value, fold)
        case Op.GT | Op.GTE | Op.LT | Op.LTE:
            return _ordered(op, value)
        case Op.BETWEEN:
            return _between(*value)
        case Op.CIDR:
            return in_networks(value)
        case Op.ANYWHERE:
            return _anywhere(value, fold)
        case Op.CONTAINS if type(value) is not str:
            return _equals(value, False)
        case _:
            match = _on_text(op, value, fold)
            return lambda v: type(v) is str and match(v)


def _equals(value: Any, fold: bool) -> Check:
    if type(value) is str and fold:
        folded = value.casefold()
        return lambda v: type(v) is str and v.casefold() == folded
    if type(value) is str:
        return lambda v: v == value
    if type(value) is bool:
        return lambda v: v is value
    return lambda v: v == value and type(v) is not bool


def _member(values: Collection[Any], fold: bool) -> Check:
    texts = frozenset(v.casefold() if fold else v for v in values if type(v) is str)
    numbers = frozenset(v for v in values if type(v) in (int, float))
    truths = frozenset(v for v in values if type(v) is bool)
    if not numbers and not truths:
        if fold:
            return lambda v: type(v) is str and v.casefold() in texts
        return lambda v: type(v) is str and v in texts

    def member(v: Any) -> bool:
        if type(v) is str:
            return (v.casefold() if fold else v) in texts
        if type(v) is bool:
            return v in truths
        return type(v) in (int, float) and v in numbers

    return member


def _ordered(op: Op, bound: Any) -> Check:
    types = (str,) if type(bound) is str else (int, float)
    match op:
        case Op.GT:
            return lambda v: type(v) in types and v > bound
        case Op.GTE:
            return lambda v: type(v) in types and v >= bound
        case Op.LT:
            return lambda v: type(v) in types and v < bound
        case _:
            return lambda v: type(v) in types and v <= bound


def _between(low: Any, high: Any) -> Check:
    types = (str,) if type(low) is str else (int, float)
    if low > high:  # only times of day and weekdays get here: from low past the end, to high
        return lambda v: type(v) in types and (v >= low or v <= high)
    return lambda v: type(v) in types and low <= v <= high


def _on_text(op: Op, value: str, fold: bool) -> Callable[[str], bool]:
    folded = value.casefold()
    match op:
        case Op.REGEX:
            return regex_search(value, fold)
        case Op.MATCHES:
            return wildcard_match(value, fold)
        case Op.STARTS_WITH:
            return (lambda v: v.casefold().startswith(folded)) if fold else (lambda v: v.startswith(value))
        case Op.ENDS_WITH:
            return (lambda v: v.casefold().endswith(folded)) if fold else (lambda v: v.endswith(value))
        case _:
            return (lambda v: folded in v.casefold()) if fold else (lambda v: value in v)


_BETWEEN = "\ud800"
"""Stands between texts that are searched as one; no text of an event or a rule has a lone surrogate in it."""


def _anywhere(texts: Sequence[str], fold: bool) -> Check:
    """Whether the text form of a value, or the name of a field, has one of the texts in it, at any depth."""
    wanted = tuple({text.casefold() if fold else text: None for text in texts})

    def found(value: Any) -> bool:
        if value is None:
            return False
        text = value if type(value) is str else _BETWEEN.join(_all_texts(value))
        if fold:
            text = text.casefold()
        for one in wanted:  # noqa: SIM110 - a loop is quicker than any() here
            if one in text:
                return True
        return False

    return found


def _all_texts(value: Any) -> list[str]:
    found: list[str] = []
    left = [value]
    for v in left:  # which grows meanwhile
        if type(v) is str:
            found.append(v)
        elif type(v) is dict:
            found += v
            left += v.values()
        elif type(v) is list:
            left += v
        elif v is not None:
            found.append(as_text(v))
    return found


def same_value(a: Any, b: Any, fold: bool) -> bool:
    """`field`: both are there and have an equal value; of lists, any of either."""
    if a is None or b is None:
        return False
    if type(a) is list or type(b) is list:
        ours = {_key(v, fold) for v in (a if type(a) is list else (a,)) if type(v) in _SCALARS}
        return any(type(v) in _SCALARS and _key(v, fold) in ours for v in (b if type(b) is list else (b,)))
    return type(a) in _SCALARS and type(b) in _SCALARS and _key(a, fold) == _key(b, fold)


_SCALARS = (str, int, float, bool)


def _key(value: Any, fold: bool) -> Any:
    if type(value) is str:
        return value.casefold() if fold else value
    return (value,) if type(value) is bool else value
