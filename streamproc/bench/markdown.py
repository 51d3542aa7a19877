"""`python -m streamproc.bench.markdown FILE`: a benchmark's results as tables in Markdown."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import orjson

from streamproc.bench.sheets import Sheet, sheets


def render(results: dict[str, Any], plots: Collection[str] = (), level: int = 3) -> str:
    """The results, a heading of `level` for each part; `plots` are files beside it, named after the parts."""
    return "\n".join(_lines(results, plots, "#" * level)) + "\n"


def measured_on(results: dict[str, Any]) -> str:
    """When, and on what machine."""
    machine = results["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items() if version)
    return (
        f"Measured {results['began'][:10]} on {machine['cores']} cores of {machine['cpu']}, "
        f"{machine['memory_gib']:.0f} GiB, {machine['system']}, Python {machine['python']}; {versions}."
    )


def _lines(results: dict[str, Any], plots: Collection[str], mark: str) -> Iterator[str]:
    yield measured_on(results)
    for reason in results["absent"]:
        yield ""
        yield f"{reason}."
    for sheet in sheets(results):
        yield ""
        yield f"{mark} {sheet.title}"
        if f"{sheet.name}.png" in plots:
            yield ""
            yield f"![{sheet.title}]({sheet.name}.png)"
        yield ""
        yield from _table(sheet)
        for note in sheet.notes:
            yield ""
            yield f"**{note.text}**" if note.good is False else note.text
    if results["problems"]:
        yield ""
        yield f"{mark} What failed"
        for problem in results["problems"]:
            yield ""
            yield "\n".join(f"    {line}" for line in problem.splitlines())


def _table(sheet: Sheet) -> Iterator[str]:
    numbers = [name != "alerts" and place > 0 for place, name in enumerate(sheet.header)]
    yield "| " + " | ".join(sheet.header) + " |"
    yield "|" + "|".join(" ---: " if number else " --- " for number in numbers) + "|"
    for row in sheet.rows:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"


if __name__ == "__main__":
    sys.stdout.write(render(orjson.loads(Path(sys.argv[1]).read_bytes())))
