"""`python -m streamproc.bench.markdown FILE`: a benchmark's JSON as the tables of docs/reference/benchmarks.md."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson

from streamproc.bench.figures import ratio_text


def render(results: dict[str, Any]) -> str:
    """The results section, without a heading."""
    return "\n".join(_lines(results)) + "\n"


def _lines(results: dict[str, Any]) -> Iterator[str]:
    machine = results["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items() if version)
    yield f"Measured {results['began'][:10]} on {machine['cores']} cores of {machine['cpu']},"
    yield f"{machine['memory_gib']:.0f} GiB, {machine['system']}, Python {machine['python']}; {versions}."
    for part in results["parts"]:
        yield ""
        yield f"**{part['title']}**"
        yield ""
        yield from _throughput(part["standings"])
        for goal in part["goals"]:
            word = "reached" if goal["reached"] else "missed"
            yield ""
            yield f"{goal['goal']}: {ratio_text(goal['ratio'])}, aim at most {ratio_text(goal['limit'])}: {word}."
    if results["latency_ms"]:
        yield ""
        yield "**Latency**, milliseconds"
        yield ""
        columns = ("count", "missing", "p50", "p90", "p99", "max")
        yield from _table(
            ["", "measured", *columns[1:]],
            ([row["label"], *(f"{row[column]:,}" for column in columns)] for row in results["latency_ms"]),
        )


def _throughput(standings: list[dict[str, Any]]) -> Iterator[str]:
    raw = next((s["median"]["cpu_s_per_million"] for s in standings if s["contestant"] == "raw"), None)
    header = ["", "events", "CPU-s per million (all runs)", "× raw", "events/s", "peak MiB", "broker CPU-s/M", "alerts"]
    rows = []
    for standing in standings:
        median = standing["median"]
        cpu = median["cpu_s_per_million"]
        values = ", ".join(f"{run['cpu_s_per_million']:.2f}" for run in standing["runs"])
        rows.append(
            [
                standing["label"],
                f"{standing['events']:,}",
                f"{cpu:.2f} ({values})",
                f"{cpu / raw:.2f}" if raw else "",
                f"{median['events_per_s']:,.0f}",
                f"{median['rss_peak_mib']:,.0f}",
                _optional(median["broker_cpu_s_per_million"]),
                _alerts(standing),
            ]
        )
    yield from _table(header, rows)


def _alerts(standing: dict[str, Any]) -> str:
    verdict = standing["runs"][0]["verdict"]
    if verdict is None:
        return ""
    return f"{verdict['found']:,}, all right" if standing["correct"] else "wrong"


def _optional(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _table(header: list[str], rows: Iterable[list[str]]) -> Iterator[str]:
    yield "| " + " | ".join(header) + " |"
    yield "|" + "|".join(" --- " if n == 0 else " ---: " for n in range(len(header))) + "|"
    for row in rows:
        yield "| " + " | ".join(row) + " |"


if __name__ == "__main__":
    sys.stdout.write(render(orjson.loads(Path(sys.argv[1]).read_bytes())))
