"""What commands that ask the cluster one thing have in common."""

from __future__ import annotations

import asyncio
import getpass
import logging
import os
from collections.abc import Coroutine
from typing import Any, TypeVar

import structlog

from streamproc.config.snapshot import Snapshot
from streamproc.kafka.config_writer import TOPIC
from streamproc.kafka.tailer import ConfigTailer
from streamproc.kafka.topics import check_topics
from streamproc.settings import Settings

Result = TypeVar("Result")


def ask(question: Coroutine[Any, Any, Result]) -> Result:
    """Run to the end, without the log lines of long-running processes: a failure is the command's one line."""
    logging.disable(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    return asyncio.run(question)


async def read_snapshot(settings: Settings) -> Snapshot:
    """What is configured now."""
    await check_topics(settings, names=[TOPIC])
    tailer = ConfigTailer(settings)
    await tailer.start()
    await tailer.stop()
    return tailer.snapshot


def author() -> str:
    """Who a change is by: the account that runs the command."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):  # an account without a name, as containers have
        return f"cli:uid {os.getuid()}"
