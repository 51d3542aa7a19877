"""How plots look: little ink, units on every axis, and colours that can be read on a light page and on a dark one.

The background is transparent; each colour has a contrast of at least 3 to white and to #0d1117, text of at least 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

OURS, OTHERS, SECOND, THIRD = "#2f80ed", "#858b94", "#dd6b10", "#16936f"
TEXT = "#767c85"
LINES = (OURS, SECOND, THIRD)
DPI = 160
_ROW_IN = 0.34
_STYLE: Any = {
    "font.size": 9.5,
    "font.family": "sans-serif",
    "text.color": TEXT,
    "axes.labelcolor": TEXT,
    "axes.edgecolor": TEXT,
    "axes.linewidth": 0.8,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "xtick.color": TEXT,
    "ytick.color": TEXT,
    "grid.color": TEXT,
    "grid.alpha": 0.22,
    "grid.linewidth": 0.7,
    "lines.linewidth": 1.8,
    "lines.markersize": 5.5,
    "legend.frameon": False,
    "svg.fonttype": "none",
}


def available() -> bool:
    """Whether matplotlib is installed; it is in the extra `bench`."""
    try:
        import matplotlib  # noqa: F401  # only looked for
    except ImportError:
        return False
    return True


class Canvas:
    """A context manager: a figure of panels beside one another, saved as a PNG when it is left without an error."""

    def __init__(self, file: Path, panels: int, *, rows: float | None = None, title: str = "") -> None:
        """`rows`: how many lines of bars each panel has room for; None: as high as a curve wants."""
        self._file = file
        self._panels = panels
        self._height = 2.9 if rows is None else 0.95 + _ROW_IN * rows
        self._title = title
        self._context: Any = None
        self._figure: Any = None

    def __enter__(self) -> Sequence[Any]:
        import matplotlib as mpl
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        self._context = mpl.rc_context(_STYLE)
        self._context.__enter__()
        figure: Any = Figure(figsize=(9.0, self._height), layout="constrained")
        FigureCanvasAgg(figure)
        self._figure = figure
        if self._title:
            figure.suptitle(self._title, x=0.01, ha="left", fontsize=11, fontweight="bold", color=TEXT)
        axes = figure.subplots(1, self._panels, squeeze=False)[0]
        figure.get_layout_engine().set(wspace=0.06, w_pad=0.07, h_pad=0.07)
        return list(axes)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        try:
            if error is None:
                self._file.parent.mkdir(parents=True, exist_ok=True)
                # no date and no version in it: the same figures make the same file
                self._figure.savefig(self._file, dpi=DPI, metadata={"Software": None})
        finally:
            self._context.__exit__(None, None, None)


def short(value: float, _: object = None) -> str:
    """`950`, `1.5k`, `20k`, `1M`: for axes."""
    for limit, letter in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= limit:
            return f"{value / limit:g}{letter}"
    return f"{value:g}"


def rounded(value: float) -> str:
    """Three digits that matter: `5.49`, `24.4`, `242`, `114k`."""
    if value >= 10_000:
        return f"{value / 1000:,.0f}k"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
