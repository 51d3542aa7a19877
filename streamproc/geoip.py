"""Places of addresses from an MMDB file, which may be replaced while it is in use."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import maxminddb
import structlog

from streamproc import metrics
from streamproc.sources.enrich import Enricher

log = structlog.get_logger(__name__)

REFRESH_S = 5.0

Stamp = tuple[int, int, int]


class GeoIpError(ValueError):
    """A file that cannot be used; the text is one line that says which and why."""


@dataclass(frozen=True, slots=True)
class _Opened:
    """One version of the file, and what was looked up in it; replaced as a whole, so that no lookup sees two."""

    enrich: Enricher
    label: str


class GeoIp:
    """Looks addresses up in the file at `path`; None: there is no file, and no address has a place.

    `refresh` opens the file when it is there and is not the one that was read last. One that cannot be used changes
    nothing: the one before stays in use. `refresh` may run in another thread than the lookups.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._opened: _Opened | None = None
        self._stamp: Stamp | None = None
        self._problem: str | None = None

    @property
    def loaded(self) -> bool:
        """Whether there is a file to look addresses up in."""
        return self._opened is not None

    def enrich(self, doc: dict[str, Any]) -> bool:
        """Add to a canonical event what its `actor.ip` tells (`sources.enrich`); answers whether it did."""
        opened = self._opened
        return opened is not None and opened.enrich(doc)

    def refresh(self, quiet: bool = False) -> None:
        """Look whether the file is another than the one read last, and take it up if it can be used.

        `quiet`: nothing is logged.
        """
        if self.path is None:
            return
        try:
            stamp = _stamp(self.path)
            if stamp == self._stamp:
                return
            found = _open(self.path)
            if _stamp(self.path) != stamp:
                return  # it is being written; the next look takes it up
        except OSError as error:
            self._stamp = None
            problem = f"{self.path}: cannot be read: {error.strerror or error}"
            if problem != self._problem:  # said once, not at every look
                self._failed(problem, quiet)
            return
        self._stamp = stamp
        if isinstance(found, GeoIpError):
            self._failed(str(found), quiet)
            return
        self._opened, self._problem = found, None
        metrics.GEOIP_LOADS.inc()
        if not quiet:
            log.info("geoip.loaded", file=str(self.path), database=found.label)

    def require(self) -> None:
        """`refresh`, for a command that should not go on without the file. Raises GeoIpError."""
        self.refresh(quiet=True)
        if self.path is not None and self._opened is None:
            raise GeoIpError(self._problem or f"{self.path}: is being written")

    async def keep_fresh(self) -> None:
        """`refresh` every few seconds, for ever; opening a large file does not hold up the event loop."""
        while True:
            await asyncio.sleep(REFRESH_S)
            await asyncio.to_thread(self.refresh)

    def detail(self, needing: int) -> str:
        """What `/readyz` says of it, where `needing` rules in force read what it adds."""
        opened = self._opened
        parts = [opened.label] if opened is not None else ["absent"] if self.path is None else []
        if self._problem is not None:
            parts.append(self._problem)
        if opened is None and needing:
            parts.append("1 rule needs it" if needing == 1 else f"{needing} rules need it")
        return "; ".join(parts)

    def _failed(self, problem: str, quiet: bool) -> None:
        self._problem = problem
        metrics.GEOIP_FAILURES.labels("load").inc()
        if not quiet:
            log.error("geoip.unusable", problem=problem, next="what was loaded before stays in use, if anything was")


def _lookup(get: Callable[[str], object], ipv6: bool) -> Callable[[str], object]:
    def found(address: str) -> object:
        if not ipv6 and ":" in address:
            return None  # the reader would raise: the file knows no such address
        try:
            return get(address)
        except Exception:  # whatever a file that is damaged inside makes of its reader, events go on
            metrics.GEOIP_FAILURES.labels("lookup").inc()
            return None

    return found


def _stamp(path: Path) -> Stamp:
    status = path.stat()
    return status.st_mtime_ns, status.st_size, status.st_ino


def _open(path: Path) -> _Opened | GeoIpError:
    """Open a copy of the file that nobody can write to or shorten: it is mapped into memory, and a mapped file that
    shrinks kills the process. The copy loses its name once it is open, so that it ends with its reader.

    Raises OSError when the file cannot be read or copied, which may pass.
    """
    descriptor, name = tempfile.mkstemp(suffix=".mmdb", prefix="streamproc-")
    os.close(descriptor)
    try:
        shutil.copyfile(path, name)
        reader = maxminddb.open_database(name)
        about = reader.metadata()
        for probe in _PROBES:
            reader.get(probe)
        label = f"{about.database_type} of {datetime.fromtimestamp(about.build_epoch, UTC):%Y-%m-%d}"
        return _Opened(Enricher(_lookup(reader.get, about.ip_version == 6)), label)
    except OSError:
        raise
    except Exception as error:  # a damaged file makes the reader raise nearly anything
        return GeoIpError(f"{path}: is not a whole MMDB file ({str(error).replace(name, 'the file')})")
    finally:
        Path(name).unlink()


_PROBES = tuple(f"{number}.0.0.1" for number in range(1, 224))
"""Looked up in a new file: one that is damaged inside mostly shows it here, and not later."""
