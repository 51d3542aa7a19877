"""Where a row stands in a list: its *place*, one number that sorts by time of creation, then by id.

Lists are newest first and pages continue from a place, so that rows that arrive meanwhile (which are newer) neither
push a row onto the next page again nor off it.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from hashlib import blake2b
from uuid import UUID

_TIE_BITS = 21
_LAST_MS = (1 << 42) - 1
"""Beyond the year 2100; a time outside stands at the edge."""
_UUID = re.compile(r"(alt_|dlv_|)([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})")
_KINDS = ("alt_", "dlv_", "")
_PLAIN = 0xFF
_CURSOR_BYTES = 8
_CHECK_BYTES = 6


def packed(id: str) -> bytes:
    """An id as it is stored: a UUID behind a known prefix takes 17 bytes. No two ids are packed alike."""
    found = _UUID.fullmatch(id)
    if found is None:
        return bytes((_PLAIN,)) + id.encode("utf-8", "surrogatepass")
    return bytes((_KINDS.index(found[1]),)) + UUID(found[2]).bytes


def place_of(created_ms: int, id: bytes) -> int:
    """The first place to try for a row; when it is taken the next free one within the millisecond is used.

    Ids that are no UUIDs stand in no order within their millisecond.
    """
    tie = id[1:4] if id[0] != _PLAIN else blake2b(id, digest_size=3).digest()
    return begins(created_ms) | int.from_bytes(tie, "big") >> (24 - _TIE_BITS)


def place_at(created_ms: int, offset: int) -> int:
    """The same for a row that is known by its offset."""
    return begins(created_ms) | offset & ((1 << _TIE_BITS) - 1)


def begins(ms: int) -> int:
    """The first place of a millisecond."""
    return min(max(ms, 0), _LAST_MS) << _TIE_BITS


def created_at(place: int) -> int:
    """The millisecond of a place."""
    return place >> _TIE_BITS


def after(place: int) -> int:
    """The place to try after `place`, around within its millisecond."""
    first = begins(created_at(place))
    return first | ((place + 1) & ((1 << _TIE_BITS) - 1))


class CursorError(ValueError):
    """A cursor that was not made here, or for another list."""


def cursor(place: int, scope: str) -> str:
    """An opaque text for a page that ends at `place` of the list that `scope` names (its route and filters)."""
    body = place.to_bytes(_CURSOR_BYTES, "big")
    return base64.urlsafe_b64encode(body + _check(body, scope)).rstrip(b"=").decode()


def read_cursor(text: str, scope: str) -> int:
    """The place that a cursor holds. Raises CursorError."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        raw = b""
    body, check = raw[:_CURSOR_BYTES], raw[_CURSOR_BYTES:]
    if len(raw) != _CURSOR_BYTES + _CHECK_BYTES or not hmac.compare_digest(check, _check(body, scope)):
        raise CursorError(f"{text!r:.60} is not a cursor of this list with these filters")
    return int.from_bytes(body, "big")


def _check(body: bytes, scope: str) -> bytes:
    """Finds mistakes, not attacks: whoever makes up a cursor sees only what the list shows anyway."""
    return blake2b(body + scope.encode("utf-8", "surrogatepass"), digest_size=_CHECK_BYTES, person=b"cursor").digest()
