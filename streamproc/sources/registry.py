"""The formats that records may come in: one line for each source."""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from streamproc.sources import actiontrail, cloudtrail, gcp, github, kubernetes, m365, okta

CANONICAL: Final = "event"
"""The format of CONTRACT "Event", which needs no mapper."""


@dataclass(frozen=True, slots=True)
class Source:
    """How one product's records become events.

    ``map`` gives the canonical document of one native record, without ``raw``, which the decoder adds, and
    leaves the record untouched; it raises EventError for a record it cannot read, and answers None for one that
    is as it should be but no event of its own. ``envelope`` names the field under which a file, or a record, of
    this product carries a list of records; a list without an object around it needs no name.
    """

    map: Callable[[dict[str, Any]], dict[str, Any] | None]
    envelope: str | None = None


SOURCES: Final[Mapping[str, Source]] = {
    "cloudtrail": Source(cloudtrail.to_event, envelope="Records"),
    "github": Source(github.to_event),
    "kubernetes": Source(kubernetes.to_event, envelope="items"),
    "okta": Source(okta.to_event),
    "actiontrail": Source(actiontrail.to_event, envelope="Events"),
    "gcp": Source(gcp.to_event, envelope="entries"),
    "m365": Source(m365.to_event),
}
"""Format name → source, beside ``CANONICAL``."""

FORMATS: Final = (CANONICAL, *SOURCES)


def unknown_format(name: str) -> str:
    """The message for a format that is none of ``FORMATS``."""
    near = difflib.get_close_matches(name.lower(), FORMATS, n=1)
    return f"{name[:40]!r} is not a format ({', '.join(FORMATS)})" + (f"; did you mean {near[0]}?" if near else "")
