"""Results become tables, Markdown and plots; what was not measured, and what is missing, is said."""

from __future__ import annotations

import copy
import io
import re
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest
from rich.console import Console

from streamproc.bench import plot_style, report
from streamproc.bench.markdown import render
from streamproc.bench.plot_style import rounded, short
from streamproc.bench.results import Results
from streamproc.bench.sheets import Sheet, recovery, sheets, throughput
from streamproc.bench.show import Show
from tests.bench import sample

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def results() -> dict[str, Any]:
    """As they are read from a file."""
    found: dict[str, Any] = orjson.loads(orjson.dumps(sample.results(Path("venv/bin/python"))))
    return found


def named(results: dict[str, Any], name: str) -> Sheet:
    return next(sheet for sheet in sheets(results) if sheet.name == name)


def test_there_is_a_table_of_everything(results: dict[str, Any]) -> None:
    names = [sheet.name for sheet in sheets(results)]
    assert names == [
        *("w1", "w2", "rules", "types", "worker-rare-state", "worker-types-state", "keys"),
        *("worker-keys-state", "workers", "latency"),
        *("curve-rules", "curve-keys", "curve-tenants", "curve-partitions", "curve-workers"),
        *("recovery", "backtest", "readmodel", "deliver"),
    ]
    for sheet in sheets(results):
        assert sheet.rows, sheet.name
        assert {len(row) for row in sheet.rows} == {len(sheet.header)}, sheet.name


def test_contestants_are_compared_with_the_raw_client(results: dict[str, Any]) -> None:
    rows = {row[0]: row for row in named(results, "w1").rows}
    assert list(rows) == ["aiokafka + orjson.loads", "streamproc worker", "Quix Streams", "stock Faust worker"]
    worker = rows["streamproc worker"]
    assert worker[1] == "1,000,000"
    assert worker[2] == "8.70 (8.70, 9.05, 8.53)", "the median, and every run"
    assert worker[3] == "1.58"
    assert worker[-1] == "200, all right"


def test_aims_are_judged(results: dict[str, Any]) -> None:
    assert [(note.text, note.good) for note in named(results, "w1").notes] == [
        ("streamproc against the raw client: 1.58×, aim at most 2.20×: reached.", True),
        ("streamproc against stock Faust: 1/27.8, aim at most 1/15.0: reached.", True),
    ]
    assert [note.good for note in named(results, "recovery").notes] == [True, False, False]


def test_aims_are_not_judged_by_few_events_or_on_a_busy_machine(results: dict[str, Any]) -> None:
    part = copy.deepcopy(results["parts"][0])
    for standing in part["standings"]:
        standing["events"], standing["median"]["foreign_cores"] = 50_000, 0.4
    (sheet,) = throughput(part)
    assert [note.text for note in sheet.notes] == [
        "Others used 0.40 cores meanwhile: these are no figures to keep.",
        "Too few events for figures that mean something; the alerts are what counts here.",
    ]


def test_wrong_alerts_are_seen(results: dict[str, Any]) -> None:
    part = copy.deepcopy(results["parts"][0])
    part["standings"][1]["runs"][2]["verdict"]["missing"] = 1
    (sheet,) = throughput(part)
    assert sheet.rows[1][-1] == "1 of 3 runs wrong"


def test_recovery_without_a_million_keys_has_no_aims(results: dict[str, Any]) -> None:
    assert recovery(results["recovery"][:2], []).notes == []


def test_markdown_has_a_heading_a_plot_and_a_table_for_each(results: dict[str, Any]) -> None:
    text = render(results | {"absent": ["Quix Streams takes no part: not installed"]}, ["w1.png"], level=2)
    assert "2026-11-21" in text
    assert "Quix Streams takes no part: not installed." in text
    assert re.findall(r"!\[.*\]\((.*)\)", text) == ["w1.png"]
    assert len(re.findall(r"^## ", text, re.M)) == len(list(sheets(results)))
    for row in re.findall(r"^\|.*\|$", text, re.M):
        assert "None" not in row


def test_what_failed_is_in_the_report(results: dict[str, Any]) -> None:
    text = render(results | {"problems": ["w1, faust: ended with status 1:\nTraceback"]})
    assert "What failed\n\n    w1, faust: ended with status 1:\n    Traceback" in text


def test_nothing_measured_is_an_empty_report() -> None:
    assert list(sheets(Results("2026-11-21T12:00:00.000Z").as_json())) == []


def test_a_terminal_gets_the_same_tables(results: dict[str, Any]) -> None:
    console = Console(record=True, width=200, file=io.StringIO())
    show = Show(console, console)
    for sheet in sheets(results):
        show.sheet(sheet)
    text = console.export_text()
    assert "Quix Streams" in text
    assert "aim at most 2.20×: reached." in text


def test_the_report_and_its_plots(results: dict[str, Any], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    file = report.write_report(results, tmp_path / "new")
    plots = {plot.name for plot in file.parent.glob("*.png")}
    assert plots == {
        *("w1.png", "w2.png", "rules.png", "types.png", "workers.png", "latency.png", "recovery.png", "readmodel.png"),
        *(f"curve-{name}.png" for name in ("rules", "keys", "tenants", "partitions", "workers")),
    }
    assert set(re.findall(r"!\[.*\]\((.*)\)", file.read_text())) == plots
    for plot in file.parent.glob("*.png"):
        content = plot.read_bytes()
        assert content.startswith(PNG), plot.name
        width, height = (int.from_bytes(content[at : at + 4], "big") for at in (16, 20))
        assert 1_200 < width < 2_400, plot.name
        assert 150 < height < width, plot.name


def test_the_same_results_make_the_same_plots(results: dict[str, Any], tmp_path: Path) -> None:
    """Or a plot of the documentation would change with each commit."""
    pytest.importorskip("matplotlib")
    only = results | {"parts": results["parts"][:1], "curves": [], "recovery": [], "read_model": None}
    once, again = (report.draw_plots(only, tmp_path / name) for name in ("once", "again"))
    assert [file.read_bytes() for file in once] == [file.read_bytes() for file in again]


def test_without_matplotlib_the_report_says_so(
    results: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert not plot_style.available()
    text = report.write_report(results, tmp_path).read_text()
    assert "matplotlib is not installed" in text
    assert "![" not in text
    assert list(tmp_path.glob("*.png")) == []


def test_plots_are_remade_from_the_file(
    results: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    file = tmp_path / "results.json"
    file.write_bytes(orjson.dumps(results | {"parts": results["parts"][:1], "curves": []}))
    monkeypatch.setattr(sys, "argv", ["report", str(file), "--out", str(tmp_path / "images")])
    report.main()
    written = capsys.readouterr().out.splitlines()
    assert sorted(written) == sorted(str(path) for path in (tmp_path / "images").iterdir())
    assert not (tmp_path / "report.md").exists()


@pytest.mark.parametrize(
    ("value", "text"), [(5.494, "5.49"), (24.44, "24.4"), (242.4, "242"), (4132.0, "4,132"), (114_300.0, "114k")]
)
def test_values_have_three_digits(value: float, text: str) -> None:
    assert rounded(value) == text


@pytest.mark.parametrize(("value", "text"), [(0, "0"), (950, "950"), (1_500, "1.5k"), (20_000, "20k"), (1e6, "1M")])
def test_axes_are_short(value: float, text: str) -> None:
    assert short(value) == text


def luminance(colour: str) -> float:
    """Relative luminance of `#rrggbb`, as WCAG 2 defines it."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("page", ["#ffffff", "#0d1117"])
@pytest.mark.parametrize(
    ("colour", "least"), [(plot_style.TEXT, 4.0), *((one, 3.0) for one in (*plot_style.LINES, plot_style.OTHERS))]
)
def test_colours_can_be_read_on_a_light_page_and_a_dark_one(colour: str, least: float, page: str) -> None:
    light, dark = sorted((luminance(colour), luminance(page)), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= least
