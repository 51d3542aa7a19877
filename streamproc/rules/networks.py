"""Whether a text is an address within one of some networks, at a cost that does not grow with their number."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Any

_LONGEST = 64
"""Characters of the longest address, with room for an IPv6 zone; longer text is not looked at, nor remembered."""


def in_networks(texts: Iterable[str]) -> Callable[[Any], bool]:
    """A check of one value. An IPv4 address mapped into IPv6 is the IPv4 address."""
    prefixes: dict[tuple[int, int], set[int]] = {}
    for text in texts:
        network = ip_network(text)
        shift = network.max_prefixlen - network.prefixlen
        prefixes.setdefault((network.version, shift), set()).add(int(network.network_address) >> shift)
    by_version = {
        version: [(shift, frozenset(starts)) for (of, shift), starts in sorted(prefixes.items()) if of == version]
        for version in (4, 6)
    }

    def inside(value: Any) -> bool:
        if type(value) is not str or len(value) > _LONGEST:
            return False
        version, number = _address(value)
        for shift, starts in by_version.get(version, ()):  # noqa: SIM110 - a loop is quicker than any() here
            if number >> shift in starts:
                return True
        return False

    return inside


@lru_cache(maxsize=16_384)
def _address(text: str) -> tuple[int, int]:
    """(version, number); version 0 for what is no address."""
    try:
        address = ip_address(text)
    except ValueError:
        return 0, 0
    mapped = getattr(address, "ipv4_mapped", None)
    return (address.version, int(address)) if mapped is None else (4, int(mapped))
