"""The layout holds: imports point one way, what decides is pure, files have one concept and speakable names."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "streamproc"
FILES = sorted(PACKAGE.rglob("*.py"))
PURE = ("model", "rules", "detect", "alerting", "engine", "sources", "backtest")
LONGEST = 450
"""Lines. A file that nears it usually holds two concepts."""

AVOIDED = {"manager", "handler", "processor", "helper", "helpers", "utils", "util", "data", "info", "misc", "common"}
"""Names that say nothing; the words to use are in docs/concepts."""

CLOCKS = {
    *("datetime.now", "datetime.utcnow", "datetime.today", "date.today"),
    *("uuid.uuid1", "uuid.uuid4", "uuid1", "uuid4", "os.urandom", "os.getpid", "perf_counter", "monotonic"),
}
"""Calls that answer differently each time; the modules `time` and `random` are import-linter's matter."""


def relative(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def dotted(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=name):
            return f"{dotted(value)}.{name}"
        case _:
            return "?"


def test_imports_point_one_way() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    run = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def test_what_decides_reads_no_clock() -> None:
    impure = [
        f"{relative(path)}:{node.lineno}: {dotted(node.func)}"
        for path in FILES
        if path.relative_to(PACKAGE).parts[0] in PURE
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ".".join(dotted(node.func).split(".")[-2:]) in CLOCKS
    ]
    assert impure == []


def test_every_module_says_what_it_is() -> None:
    silent = [relative(p) for p in FILES if p.read_text().strip() and not ast.get_docstring(ast.parse(p.read_text()))]
    assert silent == []


def test_no_file_is_long() -> None:
    assert [relative(path) for path in FILES if len(path.read_text().splitlines()) > LONGEST] == []


def test_names_say_something() -> None:
    files = [relative(path) for path in FILES if set(path.stem.split("_")) & AVOIDED]
    classes = [
        f"{relative(path)}: {node.name}"
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef) and {w.lower() for w in re.findall("[A-Z][a-z]+", node.name)} & AVOIDED
    ]
    assert files + classes == []


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock", "requirements-audit.lock"])
def test_lock_files_have_hashes_and_name_no_registry(name: str) -> None:
    lines = (ROOT / name).read_text().splitlines()
    pinned = [line for line in lines if re.match(r"[a-z0-9]", line)]
    assert pinned
    assert all("==" in line and line.endswith("\\") for line in pinned), "each is pinned, and its hashes follow"
    assert [line for line in lines if "://" in line or line.startswith("-")] == []


def test_the_locks_agree() -> None:
    run, dev = (
        dict(re.findall(r"^([a-z0-9._-]+)==([^\s;]+)", (ROOT / name).read_text(), re.MULTILINE))
        for name in ("requirements.lock", "requirements-dev.lock")
    )
    assert run.items() <= dev.items()


def test_make_lists_its_targets() -> None:
    listed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert [name for name in ("run", "test", "check", "audit", "bench", "clean") if f"make {name} " not in listed] == []
