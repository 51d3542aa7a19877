"""`python -m streamproc.bench.report FILE.json`: a benchmark's results as report.md and plots beside the file.

With `--out DIR`, the plots alone, into that directory: those of the documentation are made so.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from streamproc.bench import plot_style
from streamproc.bench.markdown import render

NO_PLOTS = "No plots: matplotlib is not installed (`pip install 'streamproc[bench]'`)"


def write_report(results: dict[str, Any], directory: Path) -> Path:
    """report.md, with plots where matplotlib is installed; answers the file."""
    directory.mkdir(parents=True, exist_ok=True)
    plots = [file.name for file in draw_plots(results, directory)]
    parts = ["# Benchmark", render(results, plots, level=2)]
    if not plots and not plot_style.available():
        parts.insert(1, f"{NO_PLOTS}.")
    parts.append("What is measured, and how to read it: docs/reference/benchmarks.md. Every run is in results.json.")
    file = directory / "report.md"
    file.write_text("\n\n".join(part.strip() for part in parts) + "\n", encoding="utf-8")
    return file


def draw_plots(results: dict[str, Any], directory: Path) -> Sequence[Path]:
    """The plots, as PNG; none without matplotlib."""
    if not plot_style.available():
        return ()
    from streamproc.bench.plots import draw

    return draw(results, directory)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m streamproc.bench.report", description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, metavar="FILE.json", help="results of `streamproc bench`")
    parser.add_argument("--out", type=Path, metavar="DIR", help="only the plots, into this directory")
    given = parser.parse_args()
    results = orjson.loads(given.file.read_bytes())
    if not plot_style.available():
        print(NO_PLOTS)
    if given.out is None:
        print(write_report(results, given.file.parent))
    else:
        for file in draw_plots(results, given.out):
            print(file)


if __name__ == "__main__":
    main()
