"""Names of time zones."""

from __future__ import annotations

from functools import cache
from typing import Annotated
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field

A_ZONE = "a time zone such as UTC or Europe/Berlin"


def is_zone(name: object) -> bool:
    """Whether it names a time zone."""
    return isinstance(name, str) and name in _zones()


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _zone(name: str) -> str:
    if not is_zone(name):
        raise ValueError(f"is not {A_ZONE}")
    return name


Zone = Annotated[str, Field(max_length=64), AfterValidator(_zone)]
