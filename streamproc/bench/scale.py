"""How much a benchmark measures: all of it, or just enough to see that it works."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured."""

    events: int = 1_000_000
    faust_events: int = 200_000
    """Fewer: it takes some twenty times as long, and its cost per event hardly depends on the number."""
    runs: int = 3
    curve_events: int = 500_000
    """For each point of a curve, which is measured once; but for the keys."""
    curve_keys: tuple[int, ...] = (1_000, 10_000, 100_000, 1_000_000)
    """Keys alive at the end, out of as many events as the largest of them says."""
    curve_rules: tuple[int, ...] = (10, 100, 1_000, 10_000)
    curve_tenants: tuple[int, ...] = (1, 10, 100, 1_000)
    curve_partitions: tuple[int, ...] = (1, 4, 12)
    curve_workers: tuple[int, ...] = (1, 2)
    recovery_keys: tuple[int, ...] = (10_000, 100_000, 1_000_000)
    backtest_events: int = 200_000
    cloudtrail: Path | None = None
    """Records for the backtest part; None: drawn ones."""
    cloudtrail_rules: tuple[Path, ...] = ()
    """Rules for it; empty: the AWS pack."""
    read_model_alerts: int = 1_000_000
    notifications: int = 20_000
    latency_s: float = 30.0
    latency_rate: int = 1_000
    quiet_s: float = 120.0
    """How long to wait for a quiet machine before each run."""
    repeats: int = 2
    """Times that a run is made again when others used the machine meanwhile."""


FULL = Scale()
QUICK = Scale(
    events=50_000,
    faust_events=20_000,
    runs=1,
    curve_events=20_000,
    curve_keys=(1_000, 20_000),
    curve_rules=(10, 1_000),
    curve_tenants=(1, 100),
    curve_partitions=(1, 4),
    curve_workers=(1, 2),
    recovery_keys=(2_000, 20_000),
    backtest_events=10_000,
    read_model_alerts=20_000,
    notifications=2_000,
    latency_s=5.0,
    quiet_s=0,
    repeats=0,
)
