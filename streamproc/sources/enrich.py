"""Adding where an event's address is: `actor.country` and `actor.location`, unless the event says so itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ipaddress import IPv6Address, ip_address
from typing import Any, NamedTuple

MAX_REMEMBERED = 50_000
"""Addresses whose places are kept ready; when they are so many, all are forgotten."""
LONGEST = 64
"""Characters of the longest address, with room to spare; longer text is not looked at, nor remembered."""

Enrich = Callable[[dict[str, Any]], bool]
"""Adds to a canonical document, in place; answers whether it did."""


class Place(NamedTuple):
    """What is known of an address: ISO 3166-1 alpha-2 code, latitude and longitude in degrees, a city's name."""

    country: str | None = None
    lat: float | None = None
    lon: float | None = None
    city: str | None = None


class Enricher:
    """Adds to documents in place. `lookup` gives an address's record in an MMDB file, None without one.

    It remembers addresses, bounded; make a new one when the file changes. Nothing in an event or a record raises, as
    long as `lookup` does not: what is not as expected adds nothing.
    """

    def __init__(self, lookup: Callable[[str], Any]) -> None:
        self._lookup = lookup
        self._known: dict[str, Place | None] = {}

    def __call__(self, doc: dict[str, Any]) -> bool:
        """Whether anything was added. An event's own country, and its own location, win; each for itself. Null is the
        same as absent."""
        actor = doc.get("actor")
        if type(actor) is not dict:
            return False
        address = actor.get("ip")
        if type(address) is not str:
            return False
        place = self.place(address)
        if place is None:
            return False
        added = False
        if place.country is not None and actor.get("country") is None:
            actor["country"] = place.country
            added = True
        if place.lat is not None and actor.get("location") is None:
            location: dict[str, Any] = {"lat": place.lat, "lon": place.lon}
            if place.city is not None:
                location["city"] = place.city
            actor["location"] = location
            added = True
        return added

    def place(self, address: str) -> Place | None:
        """Of a public address; private, reserved and malformed ones have none."""
        if address in self._known:
            return self._known[address]
        if len(address) > LONGEST:
            return None
        if len(self._known) >= MAX_REMEMBERED:
            self._known.clear()
        found = self._known[address] = self._place(address)
        return found

    def _place(self, address: str) -> Place | None:
        try:
            parsed = ip_address(address)
        except ValueError:
            return None
        if isinstance(parsed, IPv6Address):
            if parsed.scope_id is not None:
                return None
            parsed = parsed.ipv4_mapped or parsed
        if not parsed.is_global or parsed.is_multicast:
            return None
        place = place_of(self._lookup(str(parsed)))
        return None if place == Place() else place


def place_of(record: Any) -> Place:
    """What a database's record tells, as far as it makes sense. Shapes, as their makers document them:

    - MaxMind, DB-IP: `country.iso_code`, `location.latitude` and `location.longitude`, `city.names.en`
    - IPinfo, flat: `country_code`, or a code in `country`; `lat` and `lng`, numbers as text; `city`
    - others, flat: `country_code`, `latitude` and `longitude`, `city`
    """
    if not isinstance(record, Mapping):
        return Place()
    country = record.get("country")
    code = country.get("iso_code") if isinstance(country, Mapping) else record.get("country_code", country)
    if not (isinstance(code, str) and len(code) == 2 and code.isascii() and code.isalpha()):
        code = None
    held = record.get("location")
    located = held if isinstance(held, Mapping) else record
    lat = _degrees(located.get("latitude", located.get("lat")), 90)
    lon = _degrees(located.get("longitude", located.get("lng")), 180)
    if lat is None or lon is None:
        lat = lon = None
    return Place(None if code is None else code.upper(), lat, lon, _city(record.get("city")))


def _degrees(value: Any, most: float) -> float | None:
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if -most <= value <= most else None


def _city(value: Any) -> str | None:
    if isinstance(value, Mapping):
        names = value.get("names")
        value = names.get("en") if isinstance(names, Mapping) else None
    return value[:100] if isinstance(value, str) and value else None
