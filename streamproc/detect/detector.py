"""The seam between the engine and the detectors: one detector is one rule type's way of looking at a key."""

from __future__ import annotations

from typing import Any, Protocol

from streamproc.model.hit import DistinctValue


class Detector(Protocol):
    """Settings of one rule, without any state: the state of a key is an object the engine keeps and stores.

    All times are milliseconds since the epoch, UTC. Nothing here reads a clock.
    """

    horizon_ms: int
    """How long after its last touch (by arrival) a key may still matter; the engine keeps it an hour more."""

    def new(self) -> Any:
        """The state of a key that has seen nothing."""

    def apply(self, state: Any, t: int, arrival: int, event_id: str, value: DistinctValue, raw: bytes) -> int:
        """Count one hit at event time `t`; changes `state` and answers a verdict (see `verdict`)."""

    def late(self, state: Any) -> bool:
        """Whether the latest trigger came from an event past the allowed lateness (stateless types only)."""

    def context(self, state: Any) -> dict[str, Any]:
        """What the latest trigger saw, as the alert's `context` (times in ISO 8601)."""

    def samples(self, state: Any) -> list[bytes]:
        """JSON documents of up to four events that led to the trigger, oldest first; may be empty."""

    def reason(self, state: Any, group: dict[str, Any], event: dict[str, Any] | None) -> str:
        """One sentence for people: why the rule triggered."""

    def encode(self, state: Any) -> Any:
        """The state as plain lists, numbers and text for msgpack."""

    def decode(self, stored: Any) -> Any:
        """The inverse of `encode`."""
