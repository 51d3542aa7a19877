"""Command lines in a process of their own, with one test's settings."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from streamproc.settings import Settings

STREAMPROC = ("-m", "streamproc")


def environment_of(settings: Settings) -> dict[str, str]:
    """That of a command with these settings."""
    return os.environ | {
        "STREAMPROC_KAFKA": settings.kafka,
        "STREAMPROC_TOPIC_PREFIX": settings.topic_prefix,
        "STREAMPROC_DATA_DIR": str(settings.data_dir),
        "STREAMPROC_BROKER": "java",
        "STREAMPROC_BROKER_JARS": str(settings.broker_jars),
    }


def run_command(
    settings: Settings,
    *arguments: str,
    directory: Path | None = None,
    stdin: str | None = None,
    program: Sequence[str] = STREAMPROC,
) -> subprocess.CompletedProcess[str]:
    """What became of it, whatever its status; `program` is what Python runs."""
    return subprocess.run(
        [sys.executable, *program, *arguments],
        cwd=directory,
        env=environment_of(settings),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
