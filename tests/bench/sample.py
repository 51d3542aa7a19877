"""Results of a benchmark as they are written, with figures of about the right size; nothing was measured for them."""

from __future__ import annotations

from typing import Any

from streamproc.bench.backtesting import BacktestFigure
from streamproc.bench.contestant import Contestant
from streamproc.bench.curves import curves
from streamproc.bench.delivering import DeliverFigure
from streamproc.bench.figures import Latency, Standing
from streamproc.bench.measure import RunResult
from streamproc.bench.oracle import Verdict
from streamproc.bench.parts import parts
from streamproc.bench.read_model import ReadModelFigure
from streamproc.bench.recovery import RecoveryFigure, Restart
from streamproc.bench.results import CurveResult, PartResult, Results
from streamproc.bench.rivals import QuixStreams
from streamproc.bench.scale import FULL

COSTS = {"raw": 5.5, "worker": 8.7, "quix": 14.2, "faust": 242.0, "worker-10": 9.1, "worker-10000": 10.5}
RIGHT = Verdict(200, 200, 0, 0, 0, "")


STATE = {"keys": {"keys": 10.0, "mean": 182.0, "max": 5355.0}}


def run(contestant: Contestant, events: int, cpu: float, mib: float = 300.0) -> RunResult:
    """One run; it takes a core."""
    judged = getattr(contestant, "judged", contestant.name != "raw")
    notes: dict[str, Any] = {} if judged or contestant.name == "raw" else {"state_bytes": STATE}
    wall = cpu * events / 1e6
    rate, verdict = round(1e6 / cpu), RIGHT if judged else None
    return RunResult(contestant.name, events, 2.5, wall, wall + 0.5, rate, cpu, 4.2, mib, 0.02, verdict, notes)


def restart(ready_s: float, records: int, mib: float) -> Restart:
    return Restart(ready_s, max(0.01, ready_s - 1.9), ready_s, records, mib, mib - 10, 0.01)


def results(quix: Any) -> dict[str, Any]:
    """Everything there is; `quix` is a path that need not exist."""
    found = Results("2026-11-21T12:00:00.000Z")
    for part in parts(FULL, faust=True, others=[QuixStreams(quix)]):
        standings = []
        for match in part.matches:
            one = match.contestant
            cpu = COSTS.get(one.name, 20.0)
            runs = tuple(run(one, match.events, cpu * factor) for factor in (1.0, 1.04, 0.98))
            standings.append(Standing(one.name, one.label, runs))
        found.parts.append(PartResult(part, standings))
    for curve in curves(FULL):
        points = [
            (x, run(match.contestant, match.events, 8.0 + 0.9 * place**2, 140.0 + 90 * place))
            for place, (x, match) in enumerate(curve.points)
        ]
        found.curves.append(CurveResult(curve, points))
    for keys in FULL.recovery_keys:
        mib = 120 + keys / 2900
        kept, rebuilt = restart(2.1 + keys / 2e6, 4, 125.0), restart(2.1 + keys / 1.2e5, keys + 90, mib)
        found.recovery.append(RecoveryFigure(keys, mib + 20, keys / 5000, kept, rebuilt))
    found.latency = [
        Latency("produce → consume, nothing between", 3000, 0, 1.4, 2.6, 7.9, 21.0),
        Latency("event → alert record", 3000, 0, 58.0, 97.0, 141.0, 230.0),
        Latency("event → webhook received", 3000, 0, 152.0, 231.0, 287.0, 402.0),
    ]
    found.backtest = [BacktestFigure("rules of aws", 200_000, 11.3, 412)]
    labels = ("list, newest", "search a common word", "statistics")
    requests = [
        Latency.of(label, [0.004 * (n + 1), 0.009 * (n + 1), 0.021 * (n + 1)], 3) for n, label in enumerate(labels)
    ]
    p95 = {row.label: row.max for row in requests}
    found.read_model = ReadModelFigure(1_000_000, 300.0, 280.0, 212.0, 190.0, 940.0, requests, p95)
    found.deliver = DeliverFigure(20_000, 410.0, 1.9, 130.0, 0)
    return found.as_json()
