"""The process that replays: `python -m streamproc.web.replay_process`. It works for the API that started it alone.

Frames (a length of 4 bytes, then JSON) come by standard input and go by standard output. The first holds the
settings; each further one is a `Replay`, and is answered by any number of `{"progress": {…}}` and one
`{"report": {…}}` or `{"failure": "…"}`, with what the log should have as `fault`. It ends with its input. What it may
use of time and memory is limited here as well, in case that nobody is left to end it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import struct
import sys
import time
from traceback import format_exception
from typing import IO, Any

import orjson
from pydantic import SecretStr

from streamproc.geoip import GeoIp
from streamproc.kafka.client import BrokerUnavailableError
from streamproc.model.times import iso
from streamproc.settings import HostPort, Settings
from streamproc.web.replay_topics import Recorded
from streamproc.web.replaying import Replay, play_given, play_recorded

LENGTH = struct.Struct(">I")
MAX_MEMORY = 2 << 30
PROGRESS_SECONDS = 0.25
NICE = 5
PATIENCE = 3.0
"""So many times its limit of computing a replay may take on the clock: on a busy machine others come first."""


def framed(content: bytes) -> bytes:
    """The content with its length before it."""
    return LENGTH.pack(len(content)) + content


def settings_frame(settings: Settings, seconds: float) -> bytes:
    """The first frame: the settings with their secrets, and the limit of each replay in seconds of computing."""
    return orjson.dumps(
        {
            "seconds": seconds,
            "settings": {name: _plain(getattr(settings, name)) for name in type(settings).model_fields},
        }
    )


def settings_from(plain: dict[str, Any]) -> Settings:
    """The settings of a `settings_frame`; neither the environment nor a file adds to them."""
    return Settings(**plain)


def _plain(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, tuple) and not isinstance(value, HostPort):
        return [str(item) for item in value]
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def main() -> None:
    """Work until the input ends."""
    frames_in = sys.stdin.buffer
    frames_out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever is printed must not look like a frame
    _limit()
    first = _read(frames_in)
    if first is None:
        return
    start = orjson.loads(first)
    settings, seconds = settings_from(start["settings"]), float(start["seconds"])
    geoip = GeoIp(settings.geoip_db)
    while (frame := _read(frames_in)) is not None:
        geoip.refresh(quiet=True)
        _allow(seconds)
        answer = _answer(Replay.decode(frame), settings, geoip, frames_out)
        _allow(0)
        _write(frames_out, answer)


def _answer(replay: Replay, settings: Settings, geoip: GeoIp, out: IO[bytes]) -> dict[str, Any]:
    try:
        enrich = geoip.enrich if geoip.loaded else None
        if replay.events is not None:
            return {"report": play_given(replay, enrich)}
        told = _Told(out)
        events = Recorded(
            settings, replay.tenant, replay.now - replay.span_ms, replay.latest_only, told.progress, enrich
        )
        report = play_recorded(replay, events)
        report["truncated"] = events.truncated
        report["read"] = events.read
        if events.oldest is not None:
            report["from"] = iso(events.oldest)
        return {"report": report}
    except BrokerUnavailableError as error:
        return {"failure": str(error), "unavailable": True}
    except MemoryError:
        return {"failure": "it needs more memory than a replay may use: take fewer events, or a rule that fires less"}
    except Exception as error:
        return {"failure": "a fault in streamproc; its log says more", "fault": "".join(format_exception(error))}


class _Told:
    """Tells the API how far it is, not more often than anybody could see."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out
        self._last = 0.0

    def progress(self, read: int, total: int, events: int) -> None:
        now = time.monotonic()
        if read >= total or now - self._last >= PROGRESS_SECONDS:
            self._last = now
            _write(self._out, {"progress": {"read": read, "total": total, "events": events}})


def _allow(seconds: float) -> None:
    """End this process after so many seconds of computing, or several times as many on the clock; 0: never."""
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.setitimer(signal.ITIMER_REAL, seconds * PATIENCE)


def _limit() -> None:
    with contextlib.suppress(OSError):
        os.nice(NICE)
    try:
        import resource
    except ImportError:  # not a Unix
        return
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))


def _read(source: IO[bytes]) -> bytes | None:
    head = source.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    (length,) = LENGTH.unpack(head)
    content = source.read(length)
    return content if len(content) == length else None


def _write(out: IO[bytes], answer: dict[str, Any]) -> None:
    out.write(framed(orjson.dumps(answer)))
    out.flush()


if __name__ == "__main__":
    main()
