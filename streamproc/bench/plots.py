"""The plots of a benchmark's results, each a PNG; what they show is in the results' JSON. Needs matplotlib."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from streamproc.bench import plot_style
from streamproc.bench.plot_style import LINES, OTHERS, OURS, SECOND, TEXT, rounded, short
from streamproc.bench.recovery import GOAL_KEYS, MEMORY_GOAL_MIB, READY_GOAL_S

CUT_AT = 4.0
"""A bar so many times as long as the longest of ours and the other rivals is cut, or the others could not be told."""
_LOGARITHMIC = 20
"""A curve whose last point is so many times its first has a logarithmic axis."""


def draw(results: dict[str, Any], directory: Path) -> list[Path]:
    """Every plot that the results have figures for; answers the files, in the order of the report."""
    wanted: list[tuple[str, Callable[[Path], None]]] = [
        (part["part"], partial(contestants, part=part)) for part in results["parts"] if len(part["standings"]) > 1
    ]
    if results["latency_ms"]:
        rows = [(row["label"], {p: row[p] for p in ("p50", "p90", "p99")}) for row in results["latency_ms"]]
        wanted.append(("latency", partial(ranges, title="Latency", rows=rows, goal_ms=results["latency_goal_p99_ms"])))
    wanted += [
        (f"curve-{one['curve']}", partial(curve, one=one)) for one in results["curves"] if len(one["points"]) > 1
    ]
    if results["recovery"]:
        wanted.append(("recovery", partial(recovery, figures=results["recovery"])))
    model = results["read_model"]
    if model:
        rows = [(row["label"], {"p50": row["p50"], "p95": model["p95"][row["label"]]}) for row in model["requests_ms"]]
        title = f"Requests with {model['alerts']:,} alerts"
        wanted.append(("readmodel", partial(ranges, title=title, rows=rows, goal_ms=model["goal_p95_ms"])))
    files = []
    for name, make in wanted:
        files.append(directory / f"{name}.png")
        make(files[-1])
    return files


def contestants(file: Path, part: dict[str, Any]) -> None:
    """Bars: CPU for a million events, and events a second."""
    standings = part["standings"]
    labels = [one["label"] for one in standings]
    ours = [one["label"].startswith("streamproc") or "streamproc" in one["label"] for one in standings]
    with plot_style.Canvas(file, 2, rows=len(labels), title=part["title"]) as (cost, rate):
        _bars(cost, labels, [one["median"]["cpu_s_per_million"] for one in standings], ours)
        cost.set_xlabel("CPU-seconds per million events (less is better)")
        _bars(rate, labels, [one["median"]["events_per_s"] for one in standings], ours)
        rate.set_xlabel("events a second (more is better)")
        rate.set_yticklabels([])


def _bars(axes: Any, labels: Sequence[str], values: Sequence[float], ours: Sequence[bool]) -> None:
    ordered = sorted(values)
    cut = ordered[-1] > CUT_AT * ordered[-2]
    limit = ordered[-2] * CUT_AT / 2 if cut else ordered[-1]
    for place, (value, own) in enumerate(zip(values, ours, strict=True)):
        colour, text = OURS if own else OTHERS, rounded(value)
        if value > limit:
            axes.barh(place, limit * 0.9, height=0.62, color=colour)
            axes.barh(place, limit * 0.08, left=limit * 0.92, height=0.62, color=colour)
            text = f"{text} (cut)"
        else:
            axes.barh(place, value, height=0.62, color=colour)
        end = min(value, limit) + limit * 0.02
        axes.text(end, place, text, va="center_baseline", fontweight="bold" if own else "normal")
    axes.set_yticks(range(len(labels)), labels)
    axes.invert_yaxis()
    axes.set_xlim(0, limit * (1.28 if cut else 1.18))
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    axes.set_axisbelow(True)
    axes.xaxis.set_major_formatter(short)


def ranges(file: Path, title: str, rows: Sequence[tuple[str, dict[str, float]]], goal_ms: float) -> None:
    """A line for each row, from its lowest percentile to its highest, in milliseconds."""
    from matplotlib.ticker import LogLocator

    names = list(rows[0][1])
    colours = dict(zip(names, LINES, strict=False))
    with plot_style.Canvas(file, 1, rows=len(rows) + 0.8, title=title) as (axes,):
        for place, (_, points) in enumerate(rows):
            axes.plot([*points.values()], [place] * len(points), color=OTHERS, linewidth=3, alpha=0.45, zorder=1)
            for name, value in points.items():
                axes.scatter(value, place, s=42, color=colours[name], zorder=2, label=name if place == 0 else None)
            low, high = min(points.values()), max(points.values())
            _beside(axes, rounded(low), low, place, (-8, 0), ha="right", va="center_baseline")
            _beside(axes, rounded(high), high, place, (8, 0), ha="left", va="center_baseline")
        axes.axvline(goal_ms, color=TEXT, linewidth=1, linestyle=(0, (4, 3)))
        _beside(axes, f"aim for {names[-1]}: {goal_ms:.0f} ms", goal_ms, -0.75, (4, 0), ha="left", va="center")
        axes.set_xscale("log", subs=())
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(short)
        axes.set_yticks(range(len(rows)), [label for label, _ in rows])
        axes.set_ylim(len(rows) - 0.5, -1.0)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x")
        axes.set_xlabel("milliseconds, logarithmic")
        axes.margins(x=0.13)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 0.98), ncols=len(names), handletextpad=0.1, borderpad=0)


def curve(file: Path, one: dict[str, Any]) -> None:
    """Three panels over what grows: cost, rate and memory."""
    points = one["points"]
    xs = [point["x"] for point in points]
    wanted = (
        ("cpu_s_per_million", "CPU-seconds per million events"),
        ("events_per_s", "events a second"),
        ("rss_peak_mib", "memory at most, MiB"),
    )
    with plot_style.Canvas(file, 3, title=f"By the number of {one['axis']}") as panels:
        for axes, (name, label) in zip(panels, wanted, strict=True):
            values = [point[name] for point in points]
            axes.plot(xs, values, marker="o", color=OURS)
            for x, value in zip(xs, values, strict=True):
                _beside(axes, rounded(value), x, value, (0, 7))
            axes.set_ylim(0, max(values) * 1.22)
            axes.set_title(label, loc="left", color=TEXT)
            _grown(axes, xs, one["axis"])
            axes.yaxis.set_major_formatter(short)


def recovery(file: Path, figures: Sequence[dict[str, Any]]) -> None:
    """Two panels over the number of keys: how long until ready, and memory."""
    xs = [one["keys"] for one in figures]
    kept, rebuilt = ([one[start]["ready_s"] for one in figures] for start in ("kept", "rebuilt"))
    counting, rebuilding = ([value(one) for one in figures] for value in (_counting, _rebuilding))
    with plot_style.Canvas(file, 2, title="Recovery of one worker") as (seconds, memory):
        seconds.set_title("seconds from start to ready", loc="left", color=TEXT)
        _two(seconds, xs, ("rebuilt from the changelog", rebuilt, SECOND), ("with its local copy", kept, OURS))
        _aim(seconds, xs, READY_GOAL_S, f"aim with the copy: {READY_GOAL_S:.0f} s")
        memory.set_title("memory at most, MiB", loc="left", color=TEXT)
        _two(memory, xs, ("while rebuilding", rebuilding, SECOND), ("while counting", counting, OURS))
        _aim(memory, xs, MEMORY_GOAL_MIB, "aim: 500 MB")
        for axes in (seconds, memory):
            _grown(axes, xs, "keys")
            axes.set_ylim(0, axes.dataLim.ymax * 1.45)
            axes.yaxis.set_major_formatter(short)
            axes.legend(loc="upper left", fontsize=8.5, borderpad=0, ncols=2, columnspacing=1.2)


def _counting(figure: dict[str, Any]) -> float:
    return float(figure["working_mib"])


def _rebuilding(figure: dict[str, Any]) -> float:
    return float(figure["rebuilt"]["peak_mib"])


def _two(axes: Any, xs: Sequence[float], *lines: tuple[str, Sequence[float], str]) -> None:
    """Two lines of (label, values, colour); the figures of the upper one above it, those of the lower one below."""
    for (label, values, colour), (_, others, _) in zip(lines, reversed(lines), strict=True):
        axes.plot(xs, values, marker="o", color=colour, label=label)
        for x, value, other in zip(xs, values, others, strict=True):
            above = value > other or (value == other and lines[0][0] == label)
            _beside(axes, rounded(value), x, value, (0, 7 if above else -14), color=colour)


def _aim(axes: Any, xs: Sequence[float], value: float, text: str) -> None:
    """What is aimed at for the largest number of keys, where that was measured."""
    if max(xs) >= GOAL_KEYS:
        axes.axhline(value, color=TEXT, linewidth=1, linestyle=(0, (4, 3)))
        _beside(axes, f"{text} at {short(GOAL_KEYS)} keys", xs[0], value, (-12, 4), ha="left")


def _beside(axes: Any, text: str, x: float, y: float, points: tuple[int, int], **look: Any) -> None:
    """A small text so many points right of and above a place."""
    look = {"ha": "center", "fontsize": 8.5} | look
    axes.annotate(text, (x, y), xytext=points, textcoords="offset points", **look)


def _grown(axes: Any, xs: Sequence[float], label: str) -> None:
    logarithmic = max(xs) >= _LOGARITHMIC * min(xs)
    if logarithmic:
        axes.set_xscale("log")
        axes.margins(x=0.1)
    else:
        axes.set_xlim(0, max(xs) * 1.12)
    axes.set_xticks(xs, [short(x) for x in xs])
    axes.minorticks_off()
    axes.set_xlabel(label + (", logarithmic" if logarithmic else ""))
    axes.grid(axis="y")
    axes.set_axisbelow(True)
