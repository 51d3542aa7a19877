"""When is it tried again?"""

from __future__ import annotations

from random import Random

import pytest

from streamproc.alerting.retry import (
    DEFAULT,
    STANDARD_WEBHOOKS,
    Delivered,
    Exponential,
    GaveUp,
    RetryAt,
    Schedule,
    Verdict,
    decide,
    retry_after_seconds,
    schedule_of,
)
from streamproc.model.channel import parse_channel, parse_webhook
from streamproc.model.channel_settings import RetryConfig
from streamproc.model.delivery import Outcome, OutcomeKind, Reason

NOW = 1_000_000_000
SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000


class Dice:
    """Answers the lowest, the middle or the highest that may come."""

    def __init__(self, where: float = 0.5) -> None:
        self.where = where

    def uniform(self, a: float, b: float, /) -> float:
        return a + (b - a) * self.where


def retry(retry_after: float | None = None) -> Outcome:
    return Outcome(OutcomeKind.RETRY, Reason.SERVER_ERROR, status=503, retry_after=retry_after)


def waits(schedule: Schedule, attempts: int) -> list[float | None]:
    return [schedule.wait(attempt) for attempt in range(1, attempts + 1)]


def test_the_standard_webhooks_schedule() -> None:
    assert waits(STANDARD_WEBHOOKS, 10) == [
        5 * SECOND,
        5 * MINUTE,
        30 * MINUTE,
        2 * HOUR,
        5 * HOUR,
        10 * HOUR,
        14 * HOUR,
        20 * HOUR,
        24 * HOUR,
        None,
    ]


def test_exponential() -> None:
    config = RetryConfig(max_attempts=6, backoff_multiplier=3, initial_seconds=1, max_seconds=20)
    assert waits(Exponential.of(config), 6) == [1_000, 3_000, 9_000, 20_000, 20_000, None]


def test_exponential_stays_finite_at_its_limits() -> None:
    steep = RetryConfig(max_attempts=100, backoff_multiplier=100, initial_seconds=0.1, max_seconds=86400)
    assert waits(Exponential.of(steep), 99)[-1] == 24 * HOUR
    flat = RetryConfig(max_attempts=100, backoff_multiplier=1, initial_seconds=7, max_seconds=86400)
    assert waits(Exponential.of(flat), 99)[-1] == 7 * SECOND
    assert Exponential.of(RetryConfig(initial_seconds=60, max_seconds=1)).wait(1) == SECOND


@pytest.mark.parametrize(
    ("channel", "schedule"),
    [
        (parse_webhook({"id": "w", "tenant_id": "a", "url": "https://x.example"}), STANDARD_WEBHOOKS),
        (parse_webhook({"id": "w", "tenant_id": "a", "url": "https://x.example", "format": "trailbase"}), DEFAULT),
        (parse_webhook({"id": "w", "tenant_id": "a", "url": "https://hooks.slack.com/services/x"}), DEFAULT),
        (parse_channel({"id": "slack", "tenant_id": "a", "url": "https://hooks.slack.com/services/x"}), DEFAULT),
        (
            parse_webhook(
                {
                    "id": "w",
                    "tenant_id": "a",
                    "url": "https://x.example",
                    "retryConfig": {"maxAttempts": 5, "backoffMultiplier": 2},
                }
            ),
            Exponential(2_000, 2, 3_600_000, 5),
        ),
        (None, DEFAULT),
    ],
)
def test_the_schedule_of_a_channel(channel: object, schedule: Schedule) -> None:
    assert schedule_of(channel) == schedule  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("attempt", "outcome", "verdict"),
    [
        (1, Outcome(OutcomeKind.DELIVERED, Reason.OK), Delivered()),
        (1, Outcome(OutcomeKind.PERMANENT, Reason.CLIENT_ERROR), GaveUp(Reason.CLIENT_ERROR)),
        (1, Outcome(OutcomeKind.DISABLED, Reason.GONE), GaveUp(Reason.GONE, disable=True)),
        (1, retry(), RetryAt(NOW + 5 * SECOND)),
        (2, retry(), RetryAt(NOW + 5 * MINUTE)),
        (10, retry(), GaveUp(Reason.ATTEMPTS_EXHAUSTED)),
        (10, retry(retry_after=60), GaveUp(Reason.ATTEMPTS_EXHAUSTED)),
        # Retry-After: never earlier than asked; a little later, so that not everybody comes at once
        (1, retry(retry_after=100), RetryAt(NOW + 110 * SECOND)),
        (1, retry(retry_after=30.5), RetryAt(NOW + 33_550)),
        # an endpoint that asks to be tried at once is still given the schedule's rest
        (1, retry(retry_after=0), RetryAt(NOW + 5 * SECOND)),
        (2, retry(retry_after=1), RetryAt(NOW + 5 * MINUTE)),
        (1, retry(retry_after=1e9), RetryAt(NOW + 24 * HOUR)),
    ],
)
def test_verdicts(attempt: int, outcome: Outcome, verdict: Verdict) -> None:
    assert decide(attempt, outcome, NOW, STANDARD_WEBHOOKS, Dice()) == verdict


@pytest.mark.parametrize(("where", "wait"), [(0, 4 * SECOND), (0.5, 5 * SECOND), (1, 6 * SECOND)])
def test_jitter_is_a_fifth_either_way(where: float, wait: int) -> None:
    assert decide(1, retry(), NOW, STANDARD_WEBHOOKS, Dice(where)) == RetryAt(NOW + wait)


def test_jitter_spreads() -> None:
    rng = Random(1)
    found = {decide(1, retry(), NOW, STANDARD_WEBHOOKS, rng) for _ in range(100)}
    assert len(found) > 50


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("120", 120.0),
        (" 0 ", 0.0),
        ("1.5", 1.5),
        ("Sun, 09 Sep 2001 01:46:50 GMT", 10.0),
        ("Sunday, 09-Sep-01 01:46:50 GMT", 10.0),
        ("Sun, 09 Sep 2001 01:00:00 GMT", 0.0),
        ("-1", None),
        ("nan", None),
        ("inf", None),
        ("1e999", None),
        ("soon", None),
        ("", None),
        ("Sun, 99 Sep 2001 01:46:50 GMT", None),
    ],
)
def test_retry_after_headers(header: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(header, 1_000_000_000.0) == seconds
