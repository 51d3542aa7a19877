"""A process that does not come to an end by itself is ended, so that others get its partitions."""

from __future__ import annotations

import subprocess
import sys

from streamproc.runtime.process import FAILED

HANGS = """
import asyncio, sys
from streamproc.runtime.process import end_at_last, run

async def main(stop):
    end_at_last(0.2)
    end_at_last(60)
    await asyncio.sleep(60)

sys.exit(run(main))
"""
FAILS = """
import asyncio, sys
from streamproc.runtime.process import run

async def main(stop):
    return RuntimeError("no more")

sys.exit(run(main))
"""


def test_a_process_that_hangs_in_stopping_is_ended() -> None:
    done = subprocess.run([sys.executable, "-c", HANGS], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == FAILED
    assert done.stderr == "streamproc: not stopped after 0.2 s; ending now\n"


def test_a_failure_is_told_by_the_status() -> None:
    done = subprocess.run([sys.executable, "-c", FAILS], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == FAILED
