"""Whether and when a notification is tried again. Pure; time and the random source are arguments."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Protocol

from streamproc.model.channel_settings import ChannelSettings, RetryConfig
from streamproc.model.delivery import Outcome, OutcomeKind, Reason

JITTER = 0.2
MAX_RETRY_AFTER_MS = 24 * 3600 * 1000


class Randomness(Protocol):
    """`random.Random` is one."""

    def uniform(self, a: float, b: float, /) -> float: ...


@dataclass(frozen=True, slots=True)
class Fixed:
    """`waits_ms[n]` is the wait before attempt n + 1; there are as many attempts as waits."""

    waits_ms: tuple[int, ...]

    def wait(self, attempts: int) -> float | None:
        """The wait in ms after `attempts` attempts have failed; None: no more."""
        return self.waits_ms[attempts] if attempts < len(self.waits_ms) else None

    @property
    def span(self) -> float:
        """From the first attempt to the last, ms, if all fail at once."""
        return sum(self.waits_ms)


@dataclass(frozen=True, slots=True)
class Exponential:
    """After failed attempt n, `initial_ms * multiplier^(n-1)`, at most `max_ms`; `max_attempts` in all."""

    initial_ms: float
    multiplier: float
    max_ms: float
    max_attempts: int

    @classmethod
    def of(cls, config: RetryConfig) -> Exponential:
        """The schedule that a channel's `retry_config` describes."""
        return cls(
            initial_ms=config.initial_seconds * 1000,
            multiplier=config.backoff_multiplier,
            max_ms=config.max_seconds * 1000,
            max_attempts=config.max_attempts,
        )

    def wait(self, attempts: int) -> float | None:
        """The wait in ms after `attempts` attempts have failed; None: no more."""
        if attempts >= self.max_attempts:
            return None
        if self.multiplier > 1 and self.initial_ms < self.max_ms:
            steps_to_max = math.log(self.max_ms / self.initial_ms) / math.log(self.multiplier)
            if attempts - 1 < steps_to_max:
                return min(self.max_ms, self.initial_ms * self.multiplier ** (attempts - 1))
            return self.max_ms
        return min(self.initial_ms, self.max_ms)

    @property
    def span(self) -> float:
        """From the first attempt to the last, ms, if all fail at once."""
        return sum(self.wait(attempt) or 0 for attempt in range(1, self.max_attempts))


Schedule = Fixed | Exponential

_MINUTE, _HOUR = 60_000, 3_600_000
STANDARD_WEBHOOKS = Fixed(
    (
        0,
        5_000,
        5 * _MINUTE,
        30 * _MINUTE,
        2 * _HOUR,
        5 * _HOUR,
        10 * _HOUR,
        14 * _HOUR,
        20 * _HOUR,
        24 * _HOUR,
    )
)
"""The schedule that the Standard Webhooks specification recommends: ten attempts in a little over three days."""

DEFAULT = Exponential.of(RetryConfig())
"""24 attempts: after 2 s, 4 s, 8 s, … then hourly, about 13 hours in all."""


def schedule_of(channel: ChannelSettings | None) -> Schedule:
    """The schedule of a channel: its `retry_config`, else the one for its format."""
    if channel is not None and channel.retry_config is not None:
        return Exponential.of(channel.retry_config)
    return STANDARD_WEBHOOKS if channel is not None and channel.patient else DEFAULT


@dataclass(frozen=True, slots=True)
class Delivered:
    """Done."""


@dataclass(frozen=True, slots=True)
class RetryAt:
    """Try again at `at`, ms since the epoch."""

    at: int


@dataclass(frozen=True, slots=True)
class GaveUp:
    """Done, in vain. `disable`: the endpoint asked for no more."""

    reason: Reason
    disable: bool = False


Verdict = Delivered | RetryAt | GaveUp


def decide(attempts: int, outcome: Outcome, now: int, schedule: Schedule, rng: Randomness) -> Verdict:
    """What follows from the outcome of attempt number `attempts` (the first is 1), which ended at `now`.

    The wait is the schedule's with ±20 % jitter; `retry_after` is honoured by never trying earlier than it asks
    (up to 20 % later, so that not everybody returns at once; at most 24 h).
    """
    if outcome.kind is OutcomeKind.DELIVERED:
        return Delivered()
    if outcome.kind is not OutcomeKind.RETRY:
        return GaveUp(outcome.reason, disable=outcome.kind is OutcomeKind.DISABLED)
    wait = schedule.wait(attempts)
    if wait is None:
        return GaveUp(Reason.ATTEMPTS_EXHAUSTED)
    wait *= rng.uniform(1 - JITTER, 1 + JITTER)
    if outcome.retry_after is not None and outcome.retry_after > 0:
        asked = min(outcome.retry_after * 1000, MAX_RETRY_AFTER_MS)
        wait = max(wait, min(asked * rng.uniform(1, 1 + JITTER), MAX_RETRY_AFTER_MS))
    return RetryAt(now + round(wait))


def retry_after_seconds(header: str | None, now_seconds: float) -> float | None:
    """A `Retry-After` header in seconds from now: a number (a fraction is accepted) or an HTTP date.

    A date in the past is 0. None for no header, and for one that is neither, negative or not finite.
    """
    if header is None:
        return None
    text = header.strip()
    try:
        seconds = float(text)
    except ValueError:
        try:
            moment = parsedate_to_datetime(text)
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            return max(0.0, moment.timestamp() - now_seconds)
        except (ValueError, TypeError, OverflowError):
            return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None
