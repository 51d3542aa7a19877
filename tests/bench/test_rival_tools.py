"""Contestants that are not there are said not to be, and nothing fails for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamproc.bench import rival_tools
from streamproc.bench.rival_tools import QUIX, find_others
from streamproc.bench.rivals import QuixStreams


def silent(_: str) -> None:
    pass


def test_quix_is_asked_for_before_it_is_installed(tmp_path: Path) -> None:
    assert find_others(tmp_path, None, False, silent) == (
        [],
        ["Quix Streams takes no part: not installed (--quix installs it)"],
    )
    assert find_others(tmp_path, False, False, silent) == ([], []), "not wanted, so nothing to say"


def test_quix_takes_part_where_it_is_installed(tmp_path: Path) -> None:
    home = tmp_path / f"quix-{QUIX}"
    home.mkdir()
    assert find_others(tmp_path, None, False, silent)[0] == [], "half an installation is none"
    (home / "complete").touch()
    (found,), absent = find_others(tmp_path, None, False, silent)
    assert isinstance(found, QuixStreams)
    assert found.python == home / "bin" / "python"
    assert absent == []


def test_what_pip_says_is_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = tmp_path / f"quix-{QUIX}" / "bin" / "python"

    def make(home: Path, **_: object) -> None:
        python.parent.mkdir(parents=True)
        python.write_text("#!/bin/sh\necho some progress >&2\necho no network >&2\nexit 1\n")
        python.chmod(0o755)

    monkeypatch.setattr(rival_tools.venv, "create", make)
    found, absent = find_others(tmp_path, True, False, silent)
    assert (found, absent) == ([], ["Quix Streams takes no part: not installed: no network"])


def test_kafka_streams_needs_maven_and_a_jdk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rival_tools, "find_java", lambda: str(tmp_path / "java"))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_others(tmp_path, False, True, silent)[1] == [
        "Kafka Streams takes no part: a JDK is needed, and only a Java to run things is installed"
    ]
    (tmp_path / "javac").touch(mode=0o755)
    assert find_others(tmp_path, False, True, silent)[1] == [
        "Kafka Streams takes no part: Maven (mvn) is not installed, which fetches it"
    ]
