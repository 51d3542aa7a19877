"""Running a Faust app as a process: signals, stopping, and rejoining after another process took over."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Awaitable, Callable

import structlog

from streamproc.kafka.ledger import Fenced
from streamproc.runtime import loop as event_loop

log = structlog.get_logger(__name__)

FAILED = 70
"""Exit status after an error that must not be skipped; a supervisor should start the process again."""
SUPERVISED = "STREAMPROC_INTERNAL_SUPERVISED"
"""Set by a supervisor whose end of our standard input closes when it dies: then we stop too."""
_STARTS = "STREAMPROC_INTERNAL_STARTS"
STOP_LIMIT_S = 15.0
"""Stopping takes no longer than this, also when the broker has gone and nothing answers any more."""
FAILED_LIMIT_S = 5.0
"""The same after a failure. Nothing is to be finished then; what counts is that others get the partitions."""
_run_here: list[bool] = []
"""Whether `run` runs this process; where it does not, as in a test, nobody else may end it."""
_ending: list[bool] = []
MAX_REJOINS = 5
REJOIN_SPAN_S = 60


def collect_seldom() -> None:
    """Set the garbage collector for a process that works on batches.

    They make many short-lived objects and no cycles: the default thresholds spend a third of a decoder's time looking
    for some (measured: 7.0 µs an event, 4.0 with these).
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def run(main: Callable[[asyncio.Event], Awaitable[BaseException | None]]) -> int:
    """Run `main(stop)` until it ends; SIGTERM and SIGINT set `stop`. Answers the exit status.

    When `main` answers `Fenced`, this process was thought dead and another one owns its partitions: it starts
    itself over in place, with the same arguments and process id, and joins as a new member.
    """
    _run_here.append(True)
    event_loop.install()
    collect_seldom()
    # The consumer has a thread of its own, and each hop between the two may wait this long for the interpreter's lock:
    # the default of 5 ms shows in the latency, 0.5 ms costs a tenth of the throughput.
    sys.setswitchinterval(0.002)

    async def guarded() -> BaseException | None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()

        def ask_to_stop() -> None:
            if not stop.is_set():
                stop.set()
                end_at_last()

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, ask_to_stop)
        if os.environ.get(SUPERVISED):

            def supervisor_speaks() -> None:
                if not os.read(0, 4096):  # it says nothing, and then it is gone
                    loop.remove_reader(0)
                    ask_to_stop()

            loop.add_reader(0, supervisor_speaks)
        return await main(stop)

    error: BaseException | None
    try:
        error = asyncio.run(guarded())
    except BaseException:
        # Threads of clients may live on, and their heartbeats keep partitions that nobody works on.
        end_at_last(FAILED_LIMIT_S)
        raise
    if error is None:
        return 0
    if isinstance(error, Fenced) and _may_rejoin():
        log.warning("process.rejoin", reason=str(error))
        sys.stderr.flush()
        os.execv(sys.executable, [sys.executable, "-m", "streamproc", *sys.argv[1:]])  # noqa: S606 - ourselves
    return FAILED


def end_at_last(limit_s: float = STOP_LIMIT_S) -> None:
    """End the process even if stopping in order does not come to an end; what was not committed is repeated.

    Does nothing when called again, or in a process that `run` does not run.
    """
    if not _run_here or _ending:
        return
    _ending.append(True)

    def end() -> None:
        sys.stderr.write(f"streamproc: not stopped after {limit_s:g} s; ending now\n")
        sys.stderr.flush()
        os._exit(FAILED)

    timer = threading.Timer(limit_s, end)
    timer.daemon = True
    timer.start()


def _may_rejoin() -> bool:
    """At most `MAX_REJOINS` times within `REJOIN_SPAN_S`, so that a fight over partitions ends visibly."""
    now = time.time()
    starts = [float(t) for t in os.environ.get(_STARTS, "").split() if now - float(t) < REJOIN_SPAN_S]
    os.environ[_STARTS] = " ".join(map(str, [*starts, now]))
    return len(starts) < MAX_REJOINS
