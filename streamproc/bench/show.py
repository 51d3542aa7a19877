"""What a benchmark shows while it runs and when it is done."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from streamproc.bench.backtesting import BacktestFigure
from streamproc.bench.delivering import DeliverFigure
from streamproc.bench.figures import Latency, Standing, ratio_text
from streamproc.bench.measure import RunResult
from streamproc.bench.parts import Part
from streamproc.bench.read_model import READ_GOAL_MS, ReadModelFigure

DISTURBED_CORES = 0.15
"""A run is disturbed, and made again, when others used more than this."""


ENOUGH_EVENTS = 500_000
"""With fewer, starting up, waiting and committing are most of the cost."""


class Show:
    """A context manager: a bar at the bottom of a terminal, results above it. `results` is where tables go."""

    def __init__(self, results: Console, progress: Console) -> None:
        self._results = results
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[amount]}"))
        self._bar = Progress(*columns, TimeElapsedColumn(), console=progress, transient=True)
        self._progress = progress
        self._task = self._bar.add_task("", total=None, amount="")
        self._what = ""

    def __enter__(self) -> Show:
        if self._progress.is_terminal:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def tell(self, what: str, done: int, total: int) -> None:
        """What is being done, and how far it is."""
        if what != self._what:
            self._what = what
            self._bar.reset(self._task, description=what, total=total)
        amount = f"{done:,} of {total:,}" if total > 1 else ""
        self._bar.update(self._task, completed=done, total=total, amount=amount)

    def line(self, text: str) -> None:
        """Something to remember."""
        self._progress.print(text, markup=False, highlight=False)

    def run(self, part: Part, label: str, result: RunResult) -> None:
        """One run is done."""
        verdict = "" if result.verdict is None else f", alerts: {result.verdict}"
        self.line(
            f"{part.name}: {label}: {result.cpu_s_per_million:.2f} CPU-s per million, "
            f"{result.events_per_s:,.0f} events/s, {result.rss_peak_mib:.0f} MiB{verdict}"
        )

    def part(self, part: Part, standings: Sequence[Standing]) -> None:
        """A part is done."""
        self._results.print(throughput_table(part, standings))
        busy = max((standing.median("foreign_cores") or 0.0 for standing in standings), default=0.0)
        if busy > DISTURBED_CORES:
            self._results.print(f"  [yellow]Others used {busy:.2f} cores meanwhile: these are no figures to keep.[/]")
        if max((standing.runs[0].events for standing in standings), default=0) < ENOUGH_EVENTS:
            self._results.print("  Too few events for figures that mean something; the alerts are what counts here.")
            return
        for goal in part.goals:
            reached = goal.reached(standings)
            if reached is not None:
                ratio, within = reached
                colour, word = ("green", "reached") if within else ("red", "missed")
                aim = f"aim at most {ratio_text(goal.limit)}"
                self._results.print(f"  {goal.text}: [bold]{ratio_text(ratio)}[/], {aim} — [{colour}]{word}[/]")

    def backtest(self, rows: Sequence[BacktestFigure]) -> None:
        """The backtest part is done."""
        self._results.print(backtest_table(rows))

    def read_model(self, figure: ReadModelFigure) -> None:
        """The read model part is done."""
        self._results.print(read_model_table(figure))
        self._results.print(
            f"  Built in {figure.build_s:.0f} s: {figure.alerts_per_s:,.0f} alerts/s, {figure.build_cpu_s:.0f} CPU-s, "
            f"at most {figure.peak_mib:.0f} MiB; {figure.after_mib:.0f} MiB after all requests; "
            f"{figure.file_mib:,.0f} MiB on disk."
        )
        asked = {label: value for label, value in figure.p95.items() if label != "statistics"}
        worst = max(asked, key=asked.__getitem__)
        colour, word = ("green", "reached") if asked[worst] <= READ_GOAL_MS else ("red", "missed")
        aim = f"aim at most {READ_GOAL_MS:.0f} ms"
        self._results.print(f"  Slowest p95, {worst}: [bold]{asked[worst]:.1f} ms[/], {aim} — [{colour}]{word}[/]")

    def deliver(self, figure: DeliverFigure) -> None:
        """The deliver part is done."""
        self._results.print(deliver_table(figure))

    def latency(self, rows: Sequence[Latency]) -> None:
        """The latency part is done."""
        self._results.print(latency_table(rows))


def throughput_table(part: Part, standings: Sequence[Standing]) -> Table:
    """One row per contestant, medians; all CPU values in brackets."""
    table = Table(title=part.title, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold")
    for column in ("", "events", "CPU-s per million", "× raw", "events/s", "peak MiB", "broker CPU-s/M", "alerts"):
        table.add_column(column, justify="left" if column in ("", "alerts") else "right", no_wrap=not column)
    raw = next((standing.cpu for standing in standings if standing.name == "raw"), None)
    for standing in standings:
        values = " ".join(f"{run.cpu_s_per_million:.2f}" for run in standing.runs)
        table.add_row(
            standing.label,
            f"{standing.runs[0].events:,}",
            f"{standing.cpu:.2f}" + (f" ({values})" if len(standing.runs) > 1 else ""),
            f"{standing.cpu / raw:.2f}" if raw else "",
            _number(standing.median("events_per_s"), 0),
            _number(standing.median("rss_peak_mib"), 0),
            _number(standing.median("broker_cpu_s_per_million"), 2),
            _alerts(standing),
        )
    return table


def backtest_table(rows: Sequence[BacktestFigure]) -> Table:
    """One row per set of rules."""
    title = "Backtest of CloudTrail records, one core"
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold")
    for column in ("", "events", "events/s", "µs per event", "alerts"):
        table.add_column(column, justify="left" if not column else "right")
    for row in rows:
        each = f"{row.cpu_s / row.events * 1e6:.1f}"
        table.add_row(row.label, f"{row.events:,}", f"{row.events_per_s:,.0f}", each, f"{row.alerts:,}")
    return table


def deliver_table(figure: DeliverFigure) -> Table:
    """One row."""
    table = Table(title="Notifications to a local webhook", box=box.SIMPLE_HEAD, title_justify="left")
    for column in ("notifications", "a second", "CPU-ms each", "peak MiB", "repeated"):
        table.add_column(column, justify="right")
    numbers = (f"{figure.per_s:,.0f}", f"{figure.cpu_ms:.2f}", f"{figure.rss_peak_mib:.0f}", f"{figure.repeated:,}")
    table.add_row(f"{figure.notifications:,}", *numbers)
    return table


def read_model_table(figure: ReadModelFigure) -> Table:
    """One row per kind of request, milliseconds."""
    title = f"Requests with {figure.alerts:,} alerts, milliseconds over HTTP"
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold")
    for column in ("", "requests", "p50", "p95", "max"):
        table.add_column(column, justify="left" if not column else "right")
    for row in figure.requests:
        table.add_row(row.label, f"{row.count:,}", f"{row.p50:.1f}", f"{figure.p95[row.label]:.1f}", f"{row.max:.1f}")
    return table


def latency_table(rows: Sequence[Latency]) -> Table:
    """One row per path, milliseconds."""
    table = Table(title="Latency, milliseconds", box=box.SIMPLE_HEAD, title_justify="left", title_style="bold")
    for column in ("", "measured", "missing", "p50", "p90", "p99", "max"):
        table.add_column(column, justify="left" if not column else "right")
    for row in rows:
        points = (f"{value:.1f}" for value in (row.p50, row.p90, row.p99, row.max))
        table.add_row(row.label, f"{row.count:,}", f"{row.missing:,}", *points)
    return table


def _alerts(standing: Standing) -> str:
    verdicts = [run.verdict for run in standing.runs if run.verdict is not None]
    if not verdicts:
        return ""
    wrong = [verdict for verdict in verdicts if not verdict.equal]
    return f"[red]{len(wrong)} of {len(verdicts)} runs wrong[/]" if wrong else f"{verdicts[0].found}, all right"


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"
