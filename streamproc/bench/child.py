"""A contestant's process: its output in a file, ended with us however we end."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

STOP_S = 20.0


class Child:
    """A context manager. Leaving it stops the process: SIGTERM, and SIGKILL after `STOP_S`.

    The process gets a pipe as standard input that closes when we end; what is started here ends then too.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], directory: Path, log: Path) -> None:
        self._command = list(command)
        self._environment = dict(environment)
        self._directory = directory
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Child:
        self._directory.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                cwd=self._directory,  # where no streamproc.toml lies
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C is for us, who stop it
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process = self._process
        assert process is not None
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)  # the session is its own, so nobody else is in it
                process.wait()
        assert process.stdin is not None
        process.stdin.close()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def status(self) -> int | None:
        """The exit status; None while it runs."""
        return None if self._process is None else self._process.poll()

    def last_lines(self, count: int = 15) -> str:
        """What it said last."""
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-count:])
        except OSError:
            return ""


def plain_environment() -> dict[str, str]:
    """Ours, without settings of a streamproc that is not meant here."""
    return {name: value for name, value in os.environ.items() if not name.startswith("STREAMPROC_")}
