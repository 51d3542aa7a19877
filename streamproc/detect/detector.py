"""The seam between the engine and the detectors: one detector is one rule type's way of looking at a key."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

NEVER = (1 << 63) - 1


class Fired(NamedTuple):
    """A trigger that no event made: its event time, and the stream time at which it was certain."""

    t: int
    at: int
    over: int | None = None
    """The stream time from which on it holds no more, where that is known already: its alert is resolved then."""


class Cause(NamedTuple):
    """What names the episode that a trigger opens, where it is no event: see `alerting.fingerprint.alert_id`."""

    kind: str
    """`bucket`, `instant` or `deadline`."""
    name: str


class Detector(Protocol):
    """Settings of one rule, without any state: the state of a key is an object the engine keeps and stores.

    All times are milliseconds since the epoch, UTC. Nothing here reads a clock. `EventDetector` has what most
    types answer.
    """

    horizon_ms: int
    """How long after its last touch (by arrival) a key may still matter; the engine keeps it an hour more."""
    timed: bool
    """Whether `due` and `settle` mean anything."""

    def new(self) -> Any:
        """The state of a key that has seen nothing."""

    def apply(self, state: Any, t: int, arrival: int, event_id: str, value: Any, raw: bytes) -> int:
        """Count one hit at event time `t`; changes `state` and answers a verdict (see `verdict`).

        For types that only count it stands for `value` events of one bucket, of which `t` is the latest.
        """

    def bucket_of(self, t: int) -> int:
        """For types that only count: what the events of a tally are counted together by."""

    def due(self, state: Any) -> int:
        """The stream time at which `settle` has something to say; NEVER."""

    def settle(self, state: Any, now: int) -> Fired | None:
        """The next trigger that stream time `now` makes certain, earliest first; None when there is no more."""

    def clear_at(self, state: Any) -> int:
        """The time at which the condition that triggered last stops to hold unless more comes; NEVER."""

    def cause(self, state: Any) -> Cause | None:
        """What the latest trigger's episode is named after; None: the event."""

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

    def merge(self, state: Any, seed: Any) -> None:
        """Take in what another state learnt of the same key (a backfill), any number of times: baselines and
        first-seen values. Windows are left as they are."""


class EventDetector:
    """What a type answers that fires on events alone and learns nothing; a base for detectors to start from."""

    __slots__ = ()

    timed = False

    def bucket_of(self, t: int) -> int:
        return t

    def due(self, state: Any) -> int:
        return NEVER

    def settle(self, state: Any, now: int) -> Fired | None:
        return None

    def clear_at(self, state: Any) -> int:
        return NEVER

    def cause(self, state: Any) -> Cause | None:
        return None

    def late(self, state: Any) -> bool:
        return False

    def samples(self, state: Any) -> list[bytes]:
        return []

    def merge(self, state: Any, seed: Any) -> None:
        return None
