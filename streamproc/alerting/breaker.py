"""A *breaker* keeps what waits for a channel from trying it one by one while its endpoint is sick. Pure.

After `SICK_AFTER` failures in a row that tell of a sick endpoint it is *open*: nothing is tried for `FIRST_MS`, then
one attempt as a probe; each probe that fails doubles the wait, up to `LONGEST_MS`. The first sign of health closes it.
What waits meanwhile keeps its attempts. `Retry-After` of a rate limit is a pause of the whole channel in the same way.

It is kept in memory only: after a restart the first attempts find out anew.
"""

from __future__ import annotations

from streamproc.alerting.retry import MAX_RETRY_AFTER_MS
from streamproc.model.delivery import Outcome, OutcomeKind, Reason

SICK_AFTER = 5
FIRST_MS = 10_000
LONGEST_MS = 5 * 60_000
SICK = frozenset({Reason.TIMEOUT, Reason.CONNECTION, Reason.TLS, Reason.PROTOCOL, Reason.SERVER_ERROR})
"""What tells of the endpoint rather than of one message or one recipient."""


class Breaker:
    """That of one channel. Times are ms."""

    __slots__ = ("_failures", "_paused_until", "_probe", "_shut_until", "_span")

    def __init__(self) -> None:
        self._failures = 0
        self._span = 0
        self._shut_until = 0
        self._paused_until = 0
        self._probe: str | None = None

    @property
    def open(self) -> bool:
        """Whether the endpoint counts as sick."""
        return self._span > 0

    @property
    def until(self) -> int | None:
        """When an attempt may begin, as far as time alone decides; None: once the probe has ended."""
        return None if self._probe is not None else max(self._shut_until, self._paused_until)

    def admits(self, now: int) -> bool:
        """Whether an attempt may begin; if it does, call `began`."""
        return self._probe is None and now >= self._shut_until and now >= self._paused_until

    def idle(self, now: int) -> bool:
        """Whether there is nothing to remember of it."""
        return not self._failures and not self.open and now >= self._paused_until

    def began(self, id: str) -> None:
        """The attempt of that name has begun; of an open breaker it is the probe."""
        if self.open:
            self._probe = id

    def cancelled(self, id: str) -> None:
        """The attempt of that name ended without an outcome."""
        if self._probe == id:
            self._probe = None

    def ended(self, id: str, outcome: Outcome, reached: bool, now: int) -> None:
        """The attempt of that name came to `outcome`; `reached`: whether it reached somebody, whatever else."""
        probe = self._probe == id
        self.cancelled(id)
        well = outcome.kind is OutcomeKind.DELIVERED or reached
        if well or (outcome.reason not in SICK and outcome.status is not None):
            self._failures = self._span = self._shut_until = 0  # it is there, if only to refuse this one message
        elif outcome.reason in SICK and (probe or not self.open):  # what began before it opened says nothing new
            self._failures += 1
            if self.open:
                self._span = min(2 * self._span, LONGEST_MS)
            elif self._failures >= SICK_AFTER:
                self._span = FIRST_MS
            self._shut_until = now + self._span if self._span else 0
        if outcome.kind is OutcomeKind.RETRY and outcome.reason is Reason.RATE_LIMITED and outcome.retry_after:
            pause = min(max(0.0, outcome.retry_after) * 1000, MAX_RETRY_AFTER_MS)
            self._paused_until = max(self._paused_until, now + round(pause))
