"""Who counts together, and what an episode is called.

A *fingerprint* names one group of one rule of one tenant: it is the key of all per-group state, the choice of
the `signals` partition, and the identity that cooldown and de-duplication work on. An *alert id* names one
episode of a fingerprint. Both are pure functions of their arguments, so a replay makes the same names.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from uuid import UUID

GroupValue = str | int | float | bool

FINGERPRINT_BYTES = 16


def _tagged(value: GroupValue) -> bytes:
    """Length-prefixed and type-tagged, so that neither "1" and 1 nor ("ab", "c") and ("a", "bc") collide.

    A float without a fraction is its integer: JSON producers write 1 and 1.0 for the same thing.
    """
    if value is True or value is False:
        return b"b1" if value else b"b0"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str):
        body, tag = value.encode("utf-8", "surrogatepass"), b"s"
    elif isinstance(value, int):
        body, tag = str(value).encode(), b"i"
    else:
        body, tag = repr(value).encode(), b"f"
    return tag + len(body).to_bytes(4, "big") + body


def fingerprint(tenant: str, owner: str, rule_id: str, group: Sequence[GroupValue]) -> bytes:
    """16 bytes: BLAKE2b over the event's tenant, the rule's owner, the rule id and the group values."""
    return blake2b(
        b"".join(map(_tagged, (tenant, owner, rule_id, *group))), digest_size=FINGERPRINT_BYTES, person=b"fingerprint"
    ).digest()


def partition_of(fp: bytes, partitions: int) -> int:
    """The `signals` partition that owns a fingerprint."""
    return int.from_bytes(fp[:8], "big") % partitions


def alert_id(fp: bytes, cause: str, name: str) -> str:
    """`alt_` and a UUID derived from the fingerprint and what opened the episode.

    `cause` says what kind of thing `name` is: "event" with the event's id, or "bucket", "instant", "deadline"
    with its time where no event triggers.
    """
    digest = blake2b(fp + _tagged(cause) + _tagged(name), digest_size=16, person=b"alert").digest()
    return f"alt_{UUID(bytes=digest, version=4)}"


def rule_hash(owner: str, rule_id: str) -> bytes:
    """8 bytes that stand for a rule in a stored key's header, so that a scan need not decode the value."""
    return blake2b(_tagged(owner) + _tagged(rule_id), digest_size=8, person=b"rule").digest()
