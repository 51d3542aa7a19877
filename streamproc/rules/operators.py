"""What each operator means for one value.

Values have the types of JSON. Text equals text, numbers equal numbers (1 equals 1.0), true and false equal only
themselves; anything else compared is no match and never an error. A list matches when any of its elements does;
`not` and `not_in` hold when no element equals, and for an absent field.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from operator import ge, gt, le, lt
from typing import Any

from streamproc.model.condition import NamedList, Op, Path, Test
from streamproc.rules.fields import getter
from streamproc.rules.patterns import regex_search, wildcard_match

Check = Callable[[Any], bool]
"""Of a value at a path: None when absent, a list, a map, or a scalar."""
Lists = Mapping[str, Collection[Any]]
Document = dict[str, Any]

_ORDER = {Op.GT: gt, Op.GTE: ge, Op.LT: lt, Op.LTE: le}


def value_check(test: Test, lists: Lists) -> Check:
    """The check of any operator but `field`, which needs the document (see `field_test`)."""
    op, value, fold = test.op, test.value, test.ignore_case
    if op is Op.EXISTS:
        return (lambda v: v is not None) if value else (lambda v: v is None)
    if op in (Op.NOT, Op.NOT_IN):
        positive = _any_element(_equals(value, fold) if op is Op.NOT else _member(value, fold, lists))
        return lambda v: v is None or not positive(v)
    if op is Op.EQ and type(value) is str and not fold:
        return lambda v: v == value or (type(v) is list and value in v)
    return _any_element(_scalar_check(op, value, fold, lists))


def _scalar_check(op: Op, value: Any, fold: bool, lists: Lists) -> Check:
    if op is Op.EQ:
        return _equals(value, fold)
    if op is Op.IN:
        return _member(value, fold, lists)
    if op in _ORDER:
        return _ordered(op, value)
    if op is Op.BETWEEN:
        return _between(*value)
    if op is Op.CIDR:
        return _in_networks(value)
    if op is Op.CONTAINS and type(value) is not str:
        return _equals(value, False)
    return _on_text(op, value, fold)


def _any_element(check: Check) -> Check:
    def any_element(v: Any) -> bool:
        if type(v) is list:
            return any(check(item) for item in v)
        return v is not None and check(v)

    return any_element


def _equals(value: Any, fold: bool) -> Check:
    if type(value) is str and fold:
        folded = value.casefold()
        return lambda v: type(v) is str and v.casefold() == folded
    if type(value) is bool:
        return lambda v: v is value
    if type(value) in (int, float):
        return lambda v: type(v) in (int, float) and v == value
    return lambda v: type(v) is type(value) and v == value


def _member(values: Any, fold: bool, lists: Lists) -> Check:
    if isinstance(values, NamedList):
        values = lists.get(values.name, ())
    texts = frozenset(v.casefold() if fold else v for v in values if type(v) is str)
    numbers = frozenset(v for v in values if type(v) in (int, float))
    truths = frozenset(v for v in values if type(v) is bool)

    def member(v: Any) -> bool:
        if type(v) is str:
            return (v.casefold() if fold else v) in texts
        if type(v) is bool:
            return v in truths
        return type(v) in (int, float) and v in numbers

    return member


def _ordered(op: Op, bound: Any) -> Check:
    compare = _ORDER[op]
    if type(bound) is str:
        return lambda v: type(v) is str and compare(v, bound)
    return lambda v: type(v) in (int, float) and compare(v, bound)


def _between(low: Any, high: Any) -> Check:
    if type(low) is str:
        return lambda v: type(v) is str and low <= v <= high
    if low > high:  # only times of day and weekdays get here: from low past the end, to high
        return lambda v: type(v) in (int, float) and (v >= low or v <= high)
    return lambda v: type(v) in (int, float) and low <= v <= high


def _on_text(op: Op, value: str, fold: bool) -> Check:
    if op is Op.REGEX:
        match = regex_search(value, fold)
    elif op is Op.MATCHES:
        match = wildcard_match(value, fold)
    else:
        match = _plain(op, value.casefold() if fold else value, fold)
    return lambda v: type(v) is str and match(v)


def _plain(op: Op, value: str, fold: bool) -> Callable[[str], bool]:
    if op is Op.STARTS_WITH:
        return (lambda v: v.casefold().startswith(value)) if fold else (lambda v: v.startswith(value))
    if op is Op.ENDS_WITH:
        return (lambda v: v.casefold().endswith(value)) if fold else (lambda v: v.endswith(value))
    return (lambda v: value in v.casefold()) if fold else (lambda v: value in v)


def _in_networks(texts: tuple[str, ...]) -> Check:
    networks = [ip_network(text) for text in texts]
    return lambda v: type(v) is str and _inside(v, networks)


def _inside(text: str, networks: list[IPv4Network | IPv6Network]) -> bool:
    address = _address(text)
    return address is not None and any(address in network for network in networks)


@lru_cache(maxsize=16_384)
def _address(text: str) -> Any:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return address if mapped is None else mapped


def field_test(path: Path, other: Path) -> Callable[[Document], bool]:
    """`field`: the two fields are both there and have an equal value (for lists, any of either)."""
    left, right = getter(path), getter(other)

    def equal(doc: Document) -> bool:
        a, b = left(doc), right(doc)
        if a is None or b is None:
            return False
        ours = a if type(a) is list else [a]
        return any(_equals(value, False)(v) for value in (b if type(b) is list else [b]) for v in ours)

    return equal
