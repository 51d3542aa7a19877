"""Which network addresses deliveries may reach.

Tenants choose where webhooks go, so an address that only we can reach must not be one of them. The table is our
own: `ipaddress.is_global` of Python 3.11 takes several special ranges for public ones. It follows the IANA
special-purpose registries; of IPv6 only 2000::/3 is handed out at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

Network = IPv4Network | IPv6Network

_FORBIDDEN_V4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade NAT
        "127.0.0.0/8",  # loopback
        "169.254.0.0/16",  # link-local, cloud metadata
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments, 192.0.0.8 among them
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # AMT
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarking
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
)
_UNICAST_V6 = IPv6Network("2000::/3")
_FORBIDDEN_V6 = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments: Teredo, ORCHID, benchmarking
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: an IPv4 address inside
        "2620:4f:8000::/48",  # AS112
        "3fff::/20",  # documentation
    )
)


def networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """Networks from texts such as `127.0.0.0/8`. Raises ValueError."""
    return tuple(ip_network(text) for text in texts)


def permitted(address: str, allowed: Sequence[Network] = ()) -> bool:
    """Whether a connection to this address (a literal, perhaps with a scope) may be made.

    `allowed` are networks that the operator allows although they are special. An IPv4 address mapped into IPv6 is
    judged as the IPv4 address that the system will connect to.
    """
    try:
        parsed: IPv4Address | IPv6Address = ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    if any(parsed.version == network.version and parsed in network for network in allowed):
        return True
    if isinstance(parsed, IPv4Address):
        return not any(parsed in network for network in _FORBIDDEN_V4)
    return parsed in _UNICAST_V6 and not any(parsed in network for network in _FORBIDDEN_V6)
