"""What an anomaly is, written down as the definition reads: every event is remembered, every sum taken anew."""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, localcontext
from math import sqrt
from zoneinfo import ZoneInfo

from streamproc.detect.verdict import COUNTED, GREW, INSUFFICIENT, LATE
from streamproc.model.condition import AllOf, AnomalyCondition

HOUR, DAY = 3_600_000, 86_400_000


class TooClose(Exception):
    """The count is at the threshold but for rounding: either answer would be right."""


def condition(
    bucket: int = DAY,
    days: int = 30,
    stddev: float = 3.0,
    ratio: float = 2.0,
    min_count: int = 10,
    method: str = "stddev",
    group_by: tuple[str, ...] = ("actor.id",),
) -> AnomalyCondition:
    return AnomalyCondition(AllOf(()), bucket, days, stddev, ratio, min_count, method, group_by)


def summed(x: int, mean: float, variance: float) -> float:
    """P(X >= x), Poisson or negative binomial: one less the probabilities of all below, with 60 digits."""
    with localcontext() as context:
        context.prec = 60
        m, v = Decimal(mean), Decimal(variance)
        below = Decimal(0)
        if v <= m:
            term, r, q = (-m).exp(), None, m
        else:
            r = m * m / (v - m)
            q = 1 - r / (r + m)
            term = (r * (1 - q).ln()).exp()
        for k in range(x):
            below += term
            term *= (q if r is None else (k + r) * q) / (k + 1)
        return float(1 - below)


@dataclass
class ByHand:
    """One key. Buckets are numbered by their day, or by the hours since 1970 at their start."""

    condition: AnomalyCondition
    lateness: int = 0
    zone: str = "UTC"
    tallies: list[tuple[int, int]] = field(default_factory=list)  # bucket, events
    fired: list[int] = field(default_factory=list)
    newest: int = -1

    def place(self, t: int) -> int:
        wall = datetime.fromtimestamp(t // 1000, ZoneInfo(self.zone))
        if self.condition.bucket_ms == DAY:
            return (wall.date() - date(1970, 1, 1)).days
        return int(wall.replace(minute=0, second=0).timestamp()) // 3600  # with the fold it has

    def start(self, bucket: int) -> int:
        zone = ZoneInfo(self.zone)
        if self.condition.bucket_ms == DAY:
            day = datetime(1970, 1, 1, tzinfo=zone) + timedelta(days=bucket)
            return int(day.timestamp()) * 1000
        inside = datetime.fromtimestamp(bucket * 3600 + 3599, UTC).astimezone(zone)
        return int(inside.replace(minute=0, second=0).timestamp()) * 1000

    def judge(self, t: int, events: int) -> int:
        """The verdict on a tally of so many events of one bucket, the last of them at `t`."""
        c = self.condition
        kept = c.baseline_days * DAY // c.bucket_ms + -(-self.lateness // c.bucket_ms) + 1
        bucket = self.place(t)
        if any(bucket < other - kept for other, _ in self.tallies):
            return LATE
        self.tallies.append((bucket, events))
        self.newest = max(self.newest, t)
        counts: Counter[int] = Counter()
        for other, n in self.tallies:
            counts[other] += n
        if bucket in self.fired:
            return GREW if bucket == self.fired[-1] else COUNTED
        if counts[bucket] < c.min_count or self.start(bucket + 1) < self.newest - self.lateness:
            return COUNTED
        first = min(counts)
        past = range(max(first, bucket - c.baseline_days * DAY // c.bucket_ms), bucket)
        apart = sorted(b for b in self.fired if b in past)[-7 * DAY // c.bucket_ms :]
        normal = [counts[b] for b in past if b not in apart]
        if (bucket - first) * c.bucket_ms < 7 * DAY or sum(n > 0 for n in normal) < 10:
            return INSUFFICIENT
        if not self._leaves(counts[bucket], normal):
            return COUNTED
        self.fired.append(bucket)
        return counts[bucket]

    def _leaves(self, x: int, normal: list[int]) -> bool:
        c = self.condition
        mean, s = statistics.fmean(normal), statistics.stdev(normal)
        if x < c.ratio * mean:
            return False
        if c.method == "tail":
            chance = summed(x, mean, statistics.variance(normal))
            if abs(chance / 1e-4 - 1) < 1e-6:
                raise TooClose
            return chance < 1e-4
        threshold = mean + c.stddev * max(s, sqrt(mean), 1)
        if abs(x - threshold) < 1e-9 * x:
            raise TooClose
        return x > threshold
