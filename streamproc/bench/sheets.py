"""Results as tables: what is shown on the terminal, and what the report holds. Made of the results' JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from streamproc.bench.figures import ratio_text

DISTURBED_CORES = 0.15
"""A run is disturbed, and made again, when others used more than this."""
ENOUGH_EVENTS = 500_000
"""With fewer, starting up, waiting and committing are most of the cost."""


@dataclass(frozen=True, slots=True)
class Note:
    """A sentence below a table. `good`: whether an aim was reached; None where it is about none."""

    text: str
    good: bool | None = None


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table; `name` is that of its plot, where there is one. The first column is text, the others are numbers."""

    name: str
    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[Note] = ()


def sheets(results: dict[str, Any]) -> Iterator[Sheet]:
    """Everything that was measured, in the order of the report."""
    for part in results["parts"]:
        yield from throughput(part)
    if results["latency_ms"]:
        yield latency(results["latency_ms"], results["latency_goal_p99_ms"])
    for one in results["curves"]:
        yield curve(one)
    if results["recovery"]:
        yield recovery(results["recovery"], results["recovery_goals"])
    if results["backtest"]:
        yield backtest(results["backtest"])
    if results["read_model"]:
        yield read_model(results["read_model"])
    if results["deliver"]:
        yield deliver(results["deliver"])


def throughput(part: dict[str, Any]) -> Iterator[Sheet]:
    """A row for each contestant, medians; then what keys take to store, where that was weighed."""
    standings = part["standings"]
    raw = next((one["median"]["cpu_s_per_million"] for one in standings if one["contestant"] == "raw"), None)
    header = ["", "events", "CPU-s per million", "× raw", "events/s", "peak MiB", "broker CPU-s/M", "alerts"]
    rows = []
    for one in standings:
        median, runs = one["median"], one["runs"]
        cpu = median["cpu_s_per_million"]
        values = ", ".join(f"{run['cpu_s_per_million']:.2f}" for run in runs)
        rows.append(
            [
                one["label"],
                f"{one['events']:,}",
                f"{cpu:.2f}" + (f" ({values})" if len(runs) > 1 else ""),
                f"{cpu / raw:.2f}" if raw else "",
                _number(median["events_per_s"]),
                _number(median["rss_peak_mib"]),
                _number(median["broker_cpu_s_per_million"], 2),
                _alerts(runs),
            ]
        )
    notes = _disturbed([one["median"]["foreign_cores"] for one in standings])
    if max((one["events"] for one in standings), default=0) < ENOUGH_EVENTS:
        notes.append(Note("Too few events for figures that mean something; the alerts are what counts here."))
    else:
        notes += [
            _aim(f"{one['goal']}: {ratio_text(one['ratio'])}, aim at most {ratio_text(one['limit'])}", one["reached"])
            for one in part["goals"]
        ]
    yield Sheet(part["part"], part["title"], header, rows, notes)
    for one in standings:
        weighed = one["runs"][-1]["notes"].get("state_bytes")
        if weighed is None:
            continue
        yield Sheet(
            f"{one['contestant']}-state",
            f"What one key takes to store: {one['label']}",
            ["rule", "keys", "mean bytes", "largest"],
            [[rule, *(f"{size[what]:,.0f}" for what in ("keys", "mean", "max"))] for rule, size in weighed.items()],
        )


def curve(found: dict[str, Any]) -> Sheet:
    """A row for each point."""
    points = found["points"]
    header = [found["axis"], "events", "CPU-s per million", "events/s", "peak MiB", "broker CPU-s/M", "alerts"]
    rows = [
        [
            f"{point['x']:,}",
            f"{point['events']:,}",
            f"{point['cpu_s_per_million']:.2f}",
            _number(point["events_per_s"]),
            _number(point["rss_peak_mib"]),
            _number(point["broker_cpu_s_per_million"], 2),
            _alerts([point]),
        ]
        for point in points
    ]
    notes = _disturbed([one["foreign_cores"] for one in points])
    return Sheet(f"curve-{found['curve']}", f"Cost by the number of {found['axis']}", header, rows, notes)


def recovery(figures: Sequence[dict[str, Any]], goals: Sequence[dict[str, Any]]) -> Sheet:
    """A row for each number of keys."""
    header = [
        *("keys", "ready with the copy, s", "ready without, s", "rebuilt/s"),
        *("CPU-s without", "MiB counting", "MiB with the copy", "MiB rebuilding", "MiB on disk"),
    ]
    rows = [
        [
            f"{one['keys']:,}",
            f"{one['kept']['ready_s']:.2f}",
            f"{one['rebuilt']['ready_s']:.2f}",
            _number(one["rebuilt_per_s"]),
            f"{one['rebuilt']['cpu_s']:.1f}",
            _number(one["working_mib"]),
            _number(one["kept"]["peak_mib"]),
            _number(one["rebuilt"]["peak_mib"]),
            _number(one["disk_mib"]),
        ]
        for one in figures
    ]
    notes = _disturbed([one[start]["foreign_cores"] for one in figures for start in ("kept", "rebuilt")])
    notes += [_aim(f"{goal['value']:,.1f} {goal['goal']} {goal['limit']:,.0f}", goal["reached"]) for goal in goals]
    return Sheet("recovery", "Recovery and memory by keys, one worker", header, rows, notes)


def latency(rows: Sequence[dict[str, Any]], goal_ms: float) -> Sheet:
    """A row for each path, milliseconds."""
    columns = ("missing", "p50", "p90", "p99", "max")
    found = [
        [row["label"], f"{row['count']:,}", f"{row['missing']:,}", *(f"{row[name]:,.1f}" for name in columns[1:])]
        for row in rows
    ]
    last = rows[-1]
    aim = _aim(f"{last['label']}: p99 {last['p99']:,.0f} ms, aim at most {goal_ms:.0f} ms", last["p99"] <= goal_ms)
    return Sheet("latency", "Latency, milliseconds", ["", "measured", *columns], found, [aim])


def backtest(rows: Sequence[dict[str, Any]]) -> Sheet:
    """A row for each set of rules."""
    found = [
        [
            row["label"],
            f"{row['events']:,}",
            _number(row["events_per_s"]),
            f"{row['cpu_s'] / row['events'] * 1e6:.1f}",
            f"{row['alerts']:,}",
        ]
        for row in rows
    ]
    header = ["", "events", "events/s", "µs per event", "alerts found"]
    return Sheet("backtest", "Backtest of CloudTrail records, one core", header, found)


def read_model(figure: dict[str, Any]) -> Sheet:
    """A row for each kind of request, milliseconds; below it what it cost to build."""
    p95 = figure["p95"]
    rows = [
        [row["label"], f"{row['count']:,}", f"{row['p50']:.1f}", f"{p95[row['label']]:.1f}", f"{row['max']:.1f}"]
        for row in figure["requests_ms"]
    ]
    built = Note(
        f"Built in {figure['build_s']:.0f} s: {figure['alerts_per_s']:,.0f} alerts/s, "
        f"{figure['build_cpu_s']:.0f} CPU-s, at most {figure['peak_mib']:.0f} MiB; "
        f"{figure['after_mib']:.0f} MiB after all requests; {figure['file_mib']:,.0f} MiB on disk."
    )
    goal = figure["goal_p95_ms"]
    asked = {label: value for label, value in p95.items() if label != "statistics"}
    worst = max(asked, key=asked.__getitem__)
    aim = _aim(f"Slowest p95, {worst}: {asked[worst]:.1f} ms, aim at most {goal:.0f} ms", asked[worst] <= goal)
    title = f"Requests with {figure['alerts']:,} alerts, milliseconds over HTTP"
    return Sheet("readmodel", title, ["", "requests", "p50", "p95", "max"], rows, [built, aim])


def deliver(figure: dict[str, Any]) -> Sheet:
    """One row."""
    header = ["notifications", "a second", "CPU-ms each", "peak MiB", "repeated"]
    row = [f"{figure['notifications']:,}", _number(figure["per_s"]), f"{figure['cpu_ms']:.2f}"]
    row += [_number(figure["rss_peak_mib"]), f"{figure['repeated']:,}"]
    return Sheet("deliver", "Notifications to a local webhook", header, [row])


def _aim(text: str, reached: bool) -> Note:
    return Note(f"{text}: {'reached' if reached else 'missed'}.", reached)


def _disturbed(cores: Sequence[float | None]) -> list[Note]:
    busy = max((value or 0.0 for value in cores), default=0.0)
    if busy <= DISTURBED_CORES:
        return []
    return [Note(f"Others used {busy:.2f} cores meanwhile: these are no figures to keep.", False)]


def _alerts(runs: Sequence[dict[str, Any]]) -> str:
    verdicts = [run["verdict"] for run in runs if run["verdict"] is not None]
    if not verdicts:
        return ""
    wrong = [one for one in verdicts if one["missing"] or one["invented"] or one["different"]]
    return f"{len(wrong)} of {len(verdicts)} runs wrong" if wrong else f"{verdicts[0]['found']:,}, all right"


def _number(value: float | None, digits: int = 0) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"
