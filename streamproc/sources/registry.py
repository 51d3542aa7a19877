"""The formats that records may come in: one line for each source."""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from streamproc.sources import cloudtrail

CANONICAL: Final = "event"
"""The format of CONTRACT "Event", which needs no mapper."""


@dataclass(frozen=True, slots=True)
class Source:
    """How one product's records become events.

    ``map`` gives the canonical document of one native record, without ``raw``, which the decoder adds, and
    leaves the record untouched; it raises EventError for a record it cannot read. ``envelope`` names the
    field under which a file, or a record, of this product carries a list of records.
    """

    map: Callable[[dict[str, Any]], dict[str, Any]]
    envelope: str | None = None


SOURCES: Final[Mapping[str, Source]] = {
    "cloudtrail": Source(cloudtrail.to_event, envelope="Records"),
}
"""Format name → source, beside ``CANONICAL``."""

FORMATS: Final = (CANONICAL, *SOURCES)


def unknown_format(name: str) -> str:
    """The message for a format that is none of ``FORMATS``."""
    near = difflib.get_close_matches(name.lower(), FORMATS, n=1)
    return f"{name[:40]!r} is not a format ({', '.join(FORMATS)})" + (f"; did you mean {near[0]}?" if near else "")
