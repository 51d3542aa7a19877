"""Small MMDB files for tests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmdb_writer import MMDBWriter
from netaddr import IPSet

LONDON = {
    "city": {"names": {"en": "London", "de": "London"}},
    "country": {"iso_code": "GB", "names": {"en": "United Kingdom"}},
    "location": {"latitude": 51.5142, "longitude": -0.0931},
}
"""A record as MaxMind's database of cities has it."""
SYDNEY = {"country": {"iso_code": "AU"}, "location": {"latitude": -33.8688, "longitude": 151.2093}}
BRITISH, AUSTRALIAN = "81.2.69.142", "1.1.1.7"


def write_mmdb(path: Path, networks: Mapping[str, Any], ip_version: int = 6) -> Path:
    """A file in which the networks have these records, moved into place as a careful updater does."""
    writer = MMDBWriter(ip_version, "Test-City", ipv4_compatible=ip_version == 6)
    for network, record in networks.items():
        writer.insert_network(IPSet([network]), record)
    beside = path.with_suffix(".new")
    writer.to_db_file(str(beside))
    beside.replace(path)
    return path


def write_cities(path: Path) -> Path:
    """London and Sydney."""
    return write_mmdb(path, {"81.2.69.0/24": LONDON, "1.1.1.0/24": SYDNEY, "2001:4860::/32": SYDNEY})
