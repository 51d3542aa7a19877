"""Reading native records, which may hold anything anywhere: what is not as documented is as if it were not there."""

import re
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Final

from streamproc.model.event import EventError, Reason
from streamproc.sources.address import is_address
from streamproc.sources.shorten import shorten

MAX_RESOURCES: Final = 20
"""More than so many resources of one record are left to ``raw``."""
_NOTHING: Final[dict[str, Any]] = {}
_MAX_PORT: Final = 65535
_COUNTRY: Final = re.compile("[A-Z]{2}")


def text(value: Any) -> str | None:
    """``value`` where it is text with something in it."""
    return value if type(value) is str and value else None


def id_text(value: Any) -> str | None:
    """As `text`; a whole number is its digits."""
    return str(value) if type(value) is int else text(value)


def inner(record: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    """The object at ``path``; an empty one where there is none. Read it, do not change it."""
    found: Any = record
    for name in path:
        found = found.get(name) if type(found) is dict else None
    return found if type(found) is dict else _NOTHING


def objects(value: Any) -> list[dict[str, Any]]:
    """The objects in ``value`` where it is a list."""
    return [one for one in value if type(one) is dict] if type(value) is list else []


def texts(value: Any) -> list[str]:
    """The texts in ``value`` where it is a list."""
    return [one for one in value if type(one) is str and one] if type(value) is list else []


def required(record: Mapping[str, Any], field: str, what: str) -> str:
    """The text in ``field``; EventError ``unmapped`` where there is none. ``what`` names the record."""
    value = record.get(field)
    if type(value) is not str or not value:
        raise EventError(Reason.UNMAPPED, f"{field}: {shorten(value)} is not the text that {what} has here")
    return value


def optional_object(record: Mapping[str, Any], field: str) -> Mapping[str, Any]:
    """The object in ``field``, an empty one where it is absent or null; EventError ``unmapped`` for anything else."""
    value = record.get(field)
    if value is None:
        return _NOTHING
    if type(value) is not dict:
        raise EventError(Reason.UNMAPPED, f"{field}: {shorten(value)} is not an object")
    return value


def address(value: Any) -> str | None:
    """``value`` where it is an IP address and nothing else."""
    return value if type(value) is str and is_address(value) else None


def address_without_port(value: Any) -> str | None:
    """As `address`; of ``1.2.3.4:567``, ``[v6]`` and ``[v6]:567`` the address. A v6 address without brackets is taken
    whole."""
    if type(value) is not str:
        return None
    if is_address(value):
        return value
    if value.startswith("["):
        host, bracket, port = value[1:].partition("]")
        wanted: type = IPv6Address
        if not bracket or (port and not _is_port(port[1:] if port.startswith(":") else "")):
            return None
    else:
        host, _, port = value.partition(":")
        wanted = IPv4Address
        if not _is_port(port):
            return None
    try:
        wanted(host)
    except ValueError:
        return None
    return host


def country(value: Any) -> str | None:
    """``value`` where it is written as an ISO 3166-1 alpha-2 code is: two capital letters."""
    return value if type(value) is str and _COUNTRY.fullmatch(value) else None


def location(lat: Any, lon: Any) -> dict[str, float] | None:
    """``{"lat": …, "lon": …}`` in degrees, where both are numbers that a place on Earth has."""
    if type(lat) not in (int, float) or type(lon) not in (int, float):
        return None
    return {"lat": lat, "lon": lon} if -90 <= lat <= 90 and -180 <= lon <= 180 else None


def present(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that have a value: not null, no empty text, list or object. False and 0 are values."""
    return {name: value for name, value in fields.items() if value is not None and value not in ("", [], {})}


def picked(record: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Scalars of ``record`` under other names, ``{theirs: ours}``; lists and objects are left to ``raw``."""
    return present({ours: record[theirs] for theirs, ours in names.items() if _is_scalar(record.get(theirs))})


def with_resources(event: dict[str, Any], found: Iterable[dict[str, Any]]) -> None:
    """Put what a record is about into its event: the first as ``resource``, all in ``resources`` where there are
    several."""
    resources = [resource for one in found if (resource := present(one))][:MAX_RESOURCES]
    if resources:
        event["resource"] = resources[0]
    if len(resources) > 1:
        event["resources"] = resources


def _is_scalar(value: Any) -> bool:
    return type(value) in (str, int, float, bool)


def _is_port(digits: str) -> bool:
    return digits.isascii() and digits.isdigit() and len(digits) <= 5 and int(digits) <= _MAX_PORT
