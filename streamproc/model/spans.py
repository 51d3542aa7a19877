"""Lengths of time as people write them: `90s`, `5m`, `24h`, `7d`, `2w`."""

from __future__ import annotations

import re

_UNITS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 7 * 86_400_000}
_SPAN = re.compile(r"([0-9]{1,9})([smhdw])")


def milliseconds_of(span: object) -> int | None:
    """The span in ms; None for what is not one."""
    match = _SPAN.fullmatch(span) if isinstance(span, str) else None
    return None if match is None else int(match[1]) * _UNITS[match[2]]
