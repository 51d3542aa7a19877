"""What a benchmark shows while it runs and when it is done."""

from __future__ import annotations

from types import TracebackType

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from streamproc.bench.measure import RunResult
from streamproc.bench.sheets import Sheet

_COLOURS = {True: "green", False: "red"}


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

    def run(self, where: str, label: str, result: RunResult) -> None:
        """One run is done."""
        verdict = "" if result.verdict is None else f", alerts: {result.verdict}"
        self.line(
            f"{where}: {label}: {result.cpu_s_per_million:.2f} CPU-s per million, "
            f"{result.events_per_s:,.0f} events/s, {result.rss_peak_mib:.0f} MiB{verdict}"
        )

    def sheet(self, sheet: Sheet) -> None:
        """A part is done."""
        self._results.print(rich_table(sheet))
        for note in sheet.notes:
            colour = _COLOURS.get(note.good) if note.good is not None else None
            self._results.print(f"  [{colour}]{escape(note.text)}[/]" if colour else f"  {escape(note.text)}")


def rich_table(sheet: Sheet) -> Table:
    """For a terminal."""
    table = Table(title=sheet.title, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold")
    for place, column in enumerate(sheet.header):
        left = place == 0 or column == "alerts"
        table.add_column(column, justify="left" if left else "right", no_wrap=place == 0)
    for row in sheet.rows:
        table.add_row(*map(escape, row))
    return table
