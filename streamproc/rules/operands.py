"""What may stand after each operator, checked and brought to the form that `model.condition.Test` holds."""

from __future__ import annotations

import re
from datetime import date
from ipaddress import IPv6Network, ip_network
from typing import Any

from streamproc.model.condition import NamedList, Op, Path
from streamproc.rules.paths import TIME_PARTS, parse_path
from streamproc.rules.patterns import PatternError, check_regex, check_wildcard
from streamproc.rules.plain import Odd
from streamproc.rules.problems import Problems, shown

MAX_VALUES = 10_000
MAX_TEXT = 4096
MAX_TEXTS = 100
"""Of `anywhere`, which looks for each of them through all of a value."""
RANGES = {"hour": (0, 23), "minute": (0, 59), "weekday": (1, 7)}
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WEEKDAY_NAMES = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_OF_TEXT = (Op.MATCHES, Op.CONTAINS, Op.STARTS_WITH, Op.ENDS_WITH, Op.REGEX, Op.CIDR, Op.ANYWHERE)
_MAPPED = IPv6Network("::ffff:0:0/96")


class Operands:
    """Reads operands; each method answers None after it told a problem."""

    def __init__(self, problems: Problems) -> None:
        self._problems = problems

    def read(self, path: Path, op: Op, value: Any, where: str, ignore_case: bool) -> Any:
        """The operand of one operator on one field."""
        part = path[1] if path[0] == "event_time" and len(path) == 2 and path[1] in TIME_PARTS else None
        if part in RANGES and op in _OF_TEXT:
            self._problems.add(where, f"is for text, and event_time.{part} is a number: use in or between")
            return None
        match op:
            case Op.EQ | Op.NOT:
                return self._compared(value, where, part)
            case Op.IN | Op.NOT_IN:
                return self._members(value, where, part)
            case Op.GT | Op.GTE | Op.LT | Op.LTE:
                return self._ordered(value, where, part)
            case Op.BETWEEN:
                return self._between(value, where, part)
            case Op.MATCHES | Op.REGEX:
                return self._pattern(op, value, where, ignore_case)
            case Op.CONTAINS:
                return self._text(value, where) if isinstance(value, str) else self.scalar(value, where)
            case Op.STARTS_WITH | Op.ENDS_WITH:
                return self._text(value, where)
            case Op.CIDR:
                return self._networks(value, where)
            case Op.ANYWHERE:
                return self._texts(value, where)
            case Op.EXISTS:
                return value if isinstance(value, bool) else self._wrong(where, value, "true or false")
            case Op.FIELD:
                return self._field(value, where)

    def scalar(self, value: Any, where: str) -> Any:
        """A text, a number, true or false."""
        if value is None:
            return self._wrong(where, value, "a value to compare with; write {exists: false} for an absent field")
        if isinstance(value, str) and len(value) > MAX_TEXT:
            return self._wrong(where, value, f"at most {MAX_TEXT} characters long")
        if isinstance(value, dict) and len(value) > 0:
            return self._wrong(where, value, "a text, a number, true or false; to negate a test write none: [{…}]")
        if isinstance(value, str | int | float):
            return value
        return self._wrong(where, value, "a text, a number, true or false")

    def _wrong(self, where: str, value: Any, expected: str) -> Any:
        if not isinstance(value, Odd):  # whose problem is told already
            self._problems.value(where, value, expected)
        return None

    def _compared(self, value: Any, where: str, part: str | None) -> Any:
        return self.scalar(value, where) if part is None else self._of_time(value, where, part)

    def _of_time(self, value: Any, where: str, part: str) -> Any:
        """A value of `event_time.<part>`, of which most values can never be."""
        if part == "date":
            return value if _is_date(value) else self._wrong(where, value, "a date such as 2026-02-10")
        if part == "weekday" and isinstance(value, str):
            name = value.lower()
            if name in WEEKDAYS or name in _WEEKDAY_NAMES:
                return WEEKDAYS.index(name[:3]) + 1
        low, high = RANGES[part]
        if type(value) is int and low <= value <= high:
            return value
        names = ", or mon to sun" if part == "weekday" else ""
        return self._wrong(where, value, f"a whole number from {low} to {high}{names}")

    def _members(self, value: Any, where: str, part: str | None) -> Any:
        if isinstance(value, dict):
            name = value.get("list")
            if len(value) == 1 and isinstance(name, str) and name:
                return NamedList(name)
            return self._wrong(where, value, "{list: name}, nor a list of values")
        if not isinstance(value, list) or not 1 <= len(value) <= MAX_VALUES:
            return self._wrong(where, value, f"a list of 1 to {MAX_VALUES} values, nor {{list: name}}")
        read = [self._compared(item, f"{where}[{place}]", part) for place, item in enumerate(value)]
        return None if None in read else tuple(read)

    def _ordered(self, value: Any, where: str, part: str | None) -> Any:
        if part is not None:
            return self._of_time(value, where, part)
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            return self._wrong(where, value, "a number or a text")
        return self.scalar(value, where)

    def _between(self, value: Any, where: str, part: str | None) -> Any:
        if not isinstance(value, list) or len(value) != 2:
            return self._wrong(where, value, "a pair such as [1, 10]")
        low, high = (self._ordered(bound, f"{where}[{place}]", part) for place, bound in enumerate(value))
        if low is None or high is None:
            return None
        if isinstance(low, str) != isinstance(high, str):
            return self._wrong(where, value, "a pair of numbers or a pair of texts")
        if low > high and part not in RANGES:  # times of day and weekdays go round
            self._problems.add(where, f"{shown(low)} is not at most {shown(high)}")
            return None
        return (low, high)

    def _text(self, value: Any, where: str) -> Any:
        if not isinstance(value, str) or not value:
            return self._wrong(where, value, "a text")
        return value if self.scalar(value, where) is not None else None

    def _texts(self, value: Any, where: str) -> Any:
        if not isinstance(value, list):
            text = self._text(value, where)
            return None if text is None else (text,)
        if not 1 <= len(value) <= MAX_TEXTS:
            return self._wrong(where, value, f"a text, or a list of 1 to {MAX_TEXTS} of them")
        read = [self._text(item, f"{where}[{place}]") for place, item in enumerate(value)]
        return None if None in read else tuple(read)

    def _pattern(self, op: Op, value: Any, where: str, ignore_case: bool) -> Any:
        text = self._text(value, where)
        if text is None:
            return None
        try:
            if op is Op.MATCHES:
                check_wildcard(text, ignore_case)
            else:
                check_regex(text, ignore_case)
        except PatternError as error:
            what = "a pattern" if op is Op.MATCHES else "a regular expression that RE2 takes"
            return self._wrong(where, text, f"{what}: {error}")
        return text

    def _networks(self, value: Any, where: str) -> Any:
        many = isinstance(value, list)
        if (not many and not isinstance(value, str)) or not 1 <= len(value) <= MAX_VALUES:
            return self._wrong(where, value, "a network such as 10.0.0.0/8, or a list of them")
        read = [
            self._network(text, f"{where}[{place}]" if many else where)
            for place, text in enumerate(value if many else [value])
        ]
        return None if None in read else tuple(str(network) for network in read)

    def _network(self, text: Any, where: str) -> Any:
        try:
            network = ip_network(text, strict=False) if isinstance(text, str) else None
        except ValueError:
            network = None
        if network is None:
            return self._wrong(where, text, "a network such as 10.0.0.0/8 or 2001:db8::/32")
        if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
            # addresses mapped into IPv6 are compared as the IPv4 that they are
            network = ip_network((int(network.network_address) & 0xFFFFFFFF, network.prefixlen - 96))
        return str(network)

    def _field(self, value: Any, where: str) -> Path | None:
        before = len(self._problems.found)
        path = parse_path(value, where, self._problems)
        return path if len(self._problems.found) == before else None


def _is_date(value: Any) -> bool:
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        return False
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True
