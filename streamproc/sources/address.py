"""What is an IP address, and what only stands where one is expected."""

from functools import lru_cache
from ipaddress import ip_address


@lru_cache(maxsize=8192)
def is_address(text: str) -> bool:
    """True for IPv4 or IPv6 as `ipaddress` reads them: no port, no leading zeros (which some read as
    octal)."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
