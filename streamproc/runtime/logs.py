"""Logging: one line per fact, readable on a terminal or JSON, from our own code and from libraries alike."""

from __future__ import annotations

import logging
import sys
import threading
from typing import Any

import structlog

from streamproc.settings import Settings

QUIET = ("aiokafka", "faust", "mode", "asyncio", "kafka")
"""Libraries whose chatter below a warning helps nobody."""


_PASSING = ("Group Coordinator Request failed", "Marking the coordinator dead")
"""What aiokafka reports as errors while a cluster starts; it tries again, and says other things when it cannot."""


REPEATED_S = 10.0
"""A library says the same no more often than this. Without a broker, aiokafka would say so a hundred times a second."""
_REMEMBERED = 1000


class _Repetitions:
    """Of what a library says again and again, the first in every `REPEATED_S`, and how often it was said before."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._said: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """The same is what has the same logger and the same text before anything was put in."""
        if record.name.partition(".")[0] not in QUIET:
            return True
        what = (record.name, str(record.msg))
        with self._lock:
            if len(self._said) > _REMEMBERED:  # a library that puts values in by itself
                self._said.clear()
            at, times = self._said.get(what, (-REPEATED_S, 0))
            if record.created - at < REPEATED_S:
                self._said[what] = (at, times + 1)
                return False
            self._said[what] = (record.created, 0)
        if times:
            record.msg = f"{record.msg} [and {times} like it before]"
        return True


def _worth_telling(record: logging.LogRecord) -> bool:
    """Drops the life signs of Faust's services and what passes by itself."""
    if record.levelno < logging.WARNING and str(record.msg).startswith("[^"):
        return False
    return not str(record.msg).startswith(_PASSING)


def configure(settings: Settings, process: str) -> None:
    """Set up structlog and the standard library's logging on standard error."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    if settings.log_format == "json":
        final: list[Any] = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:
        final = [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(),
                pad_event_to=24,
                exception_formatter=structlog.dev.plain_traceback,  # the other prints local variables: secrets too
            )
        ]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *final],
        )
    )
    handler.addFilter(_worth_telling)
    handler.addFilter(_Repetitions())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    level = getattr(logging, settings.log_level.upper())
    root.setLevel(level)
    for name in QUIET:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(process=process)
