"""The filter language said a second time, as plainly as possible and straight from docs/reference/filter.md.

It reads conditions as people write them and knows nothing of the parser, the tree or the compiler.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

OPERATORS = {
    *("eq", "not", "in", "not_in", "gt", "gte", "lt", "lte", "between", "matches", "contains", "starts_with"),
    *("ends_with", "regex", "cidr", "exists", "field", "anywhere", "ignore_case"),
}
WEEKDAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class Interpreter:
    def __init__(self, doc: dict[str, Any], t: int, zone: str, lists: Mapping[str, Any]) -> None:
        self.doc = doc
        self.lists = lists
        self.local = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=t)).astimezone(ZoneInfo(zone))

    def holds(self, condition: Mapping[str, Any], below: str = "") -> bool:
        return all(self.entry(key, value, below) for key, value in condition.items())

    def entry(self, key: str, value: Any, below: str) -> bool:
        if key in ("all", "any", "none") and (not below or isinstance(value, list)):
            found = [self.holds(part, below) for part in (value if isinstance(value, list) else [value])]
            return {"all": all(found), "any": any(found), "none": not any(found)}[key]
        if key == "conditions" and not below:
            return all(self.shield(part) for part in value)
        path = below + key
        if not isinstance(value, dict):
            return self.test(path, "eq", value, False)
        if not OPERATORS & value.keys():
            return self.holds(value, path + ".")
        fold = value.get("ignore_case", value.get("ignoreCase", False))
        return all(self.test(path, op, operand, fold) for op, operand in value.items() if not op.startswith("ignore"))

    def test(self, path: str, op: str, operand: Any, fold: bool) -> bool:
        found = self.value(path)
        if op == "exists":
            return (found is not None) is operand
        if op in ("not", "not_in"):
            values = operand if isinstance(operand, list) else self.members(operand)
            return not any(same(item, value, fold) for item in elements(found) for value in values)
        if op == "field":
            other = self.value(operand)
            return any(same(a, b, fold) for a in elements(found) for b in elements(other))
        if op == "anywhere":
            wanted = operand if isinstance(operand, list) else [operand]
            return any(
                (text.casefold() in inner.casefold()) if fold else (text in inner)
                for inner in all_texts(found)
                for text in wanted
            )
        return any(self.passes(item, op, operand, fold) for item in elements(found))

    def members(self, operand: Any) -> list[Any]:
        if isinstance(operand, dict):
            return list(self.lists.get(operand["list"], ()))
        return operand if isinstance(operand, list) else [operand]

    def passes(self, item: Any, op: str, operand: Any, fold: bool) -> bool:
        if op in ("eq", "in"):
            return any(same(item, value, fold) for value in self.members(operand))
        if op in ("gt", "gte", "lt", "lte"):
            return (
                comparable(item, operand)
                and {
                    "gt": item > operand,
                    "gte": item >= operand,
                    "lt": item < operand,
                    "lte": item <= operand,
                }[op]
            )
        if op == "between":
            low, high = operand
            if not comparable(item, low):
                return False
            return low <= item <= high if low <= high else item >= low or item <= high
        if op == "contains" and not isinstance(operand, str):
            return same(item, operand, False)
        if not isinstance(item, str):
            return False
        if op == "cidr":
            return in_networks(item, operand if isinstance(operand, list) else [operand])
        if op == "regex":
            return re.search(operand, item, re.IGNORECASE if fold else 0) is not None
        if fold:
            item, operand = item.casefold(), operand.casefold()
        if op == "matches":
            return wildcard(operand, item)
        return {
            "contains": operand in item,
            "starts_with": item.startswith(operand),
            "ends_with": item.endswith(operand),
        }[op]

    def shield(self, part: Mapping[str, Any]) -> bool:
        name = part["type"]
        found = self.doc.get(name)
        if found is None:
            found = (self.doc.get("metadata") or {}).get(name)
        wanted = [text_of(value) for value in part["values"]]
        has = any(text_of(item) in wanted for item in elements(found) if not isinstance(item, dict | list))
        return has is not part.get("isNot", False)

    def value(self, path: str) -> Any:
        match path:
            case "event_time.hour":
                return self.local.hour
            case "event_time.minute":
                return self.local.minute
            case "event_time.weekday":
                return self.local.isoweekday()
            case "event_time.date":
                return self.local.date().isoformat()
            case _:
                return look(self.doc, path.split("."))


def look(node: Any, steps: list[str]) -> Any:
    """The value there; None when absent. A name below a list is looked for in each element."""
    if not steps:
        return node
    if isinstance(node, dict):
        return look(node.get(steps[0]), steps[1:])
    if isinstance(node, list):
        if steps[0].isdecimal():
            place = int(steps[0])
            return look(node[place], steps[1:]) if place < len(node) else None
        found = [look(item, steps) for item in node]
        flat = [inner for value in found for inner in elements(value)]
        return flat or None
    return None


def elements(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def kind(value: Any) -> str:
    if isinstance(value, bool):
        return "truth"
    if isinstance(value, int | float):
        return "number"
    return "text" if isinstance(value, str) else "none of them"


def comparable(a: Any, b: Any) -> bool:
    return kind(a) == kind(b) and kind(a) in ("number", "text")


def same(a: Any, b: Any, fold: bool) -> bool:
    if kind(a) != kind(b) or kind(a) == "none of them":
        return False
    if fold and kind(a) == "text":
        return bool(a.casefold() == b.casefold())
    return bool(a == b)


def text_of(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value == int(value):
        return str(int(value))
    return str(value)


def all_texts(value: Any) -> list[str]:
    """The text of everything in it, names of fields included."""
    if value is None:
        return []
    if isinstance(value, dict):
        return [*value, *(text for inner in value.values() for text in all_texts(inner))]
    if isinstance(value, list):
        return [text for inner in value for text in all_texts(inner)]
    return [text_of(value)]


def wildcard(pattern: str, text: str) -> bool:
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(wildcard(pattern[1:], text[place:]) for place in range(len(text) + 1))
    return bool(text) and pattern[0] in ("?", text[0]) and wildcard(pattern[1:], text[1:])


def in_networks(text: str, networks: list[str]) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return any(
        unmapped(address) in ipaddress.ip_network(network, strict=False)
        or address in ipaddress.ip_network(network, strict=False)
        for network in networks
    )


def unmapped(address: Any) -> Any:
    return getattr(address, "ipv4_mapped", None) or address
