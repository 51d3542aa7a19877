"""Processes of the product as they are installed: their environment, their configuration, whether they are ready."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from streamproc.bench.child import Child, plain_environment
from streamproc.bench.contestant import BenchError
from streamproc.settings import Settings

CONFIG_LIMIT_S = 300.0


def product_environment(settings: Settings, directory: Path, tag: str) -> dict[str, str]:
    """What a process of the product is started with: everything at its default but where things are."""
    environment = plain_environment() | {
        "STREAMPROC_KAFKA": settings.kafka,
        "STREAMPROC_TOPIC_PREFIX": settings.topic_prefix,
        "STREAMPROC_DATA_DIR": str(directory / "state"),
        "STREAMPROC_WORKER_GROUP": f"worker-{tag}",
        "STREAMPROC_DELIVERY_GROUP": f"delivery-{tag}",
        "PYTHONUNBUFFERED": "1",
    }
    if settings.topics_file is not None:
        environment["STREAMPROC_TOPICS_FILE"] = str(settings.topics_file)
    return environment


def product_command(name: str) -> list[str]:
    """`streamproc NAME`, by the Python that runs us."""
    return [sys.executable, "-m", "streamproc", name]


async def configure(documents: Sequence[dict[str, Any]], environment: dict[str, str], directory: Path) -> float:
    """`streamproc config apply`; answers how long it took. Raises BenchError when it refuses."""
    started = time.monotonic()
    file = _written(documents, directory)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "streamproc", "config", "apply", str(file)),
        env=environment,
        cwd=directory,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(CONFIG_LIMIT_S):
            _, said = await process.communicate()
    except BaseException:
        process.kill()
        raise
    if process.returncode:
        raise BenchError(f"config apply: {said.decode(errors='replace').strip()[-2000:]}")
    return time.monotonic() - started


def _written(documents: Sequence[dict[str, Any]], directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / "config.jsonl"
    file.write_bytes(b"\n".join(map(orjson.dumps, documents)))
    return file


async def ready(session: aiohttp.ClientSession, address: str, child: Child, limit_s: float, every_s: float) -> float:
    """Wait until /readyz says so; answers when it did, by `time.monotonic()`. Raises BenchError."""
    deadline = time.monotonic() + limit_s
    while True:
        if child.status is not None:
            raise BenchError(f"{child.log.stem} ended with status {child.status}:\n{child.last_lines()}")
        try:
            async with session.get(f"http://{address}/readyz") as answer:
                if answer.status == 200:
                    return time.monotonic()
        except (aiohttp.ClientError, OSError):
            pass
        if time.monotonic() > deadline:
            raise BenchError(f"{child.log.stem} is not ready after {limit_s:.0f} s:\n{child.last_lines()}")
        await asyncio.sleep(every_s)


def free_port() -> int:
    """A TCP port of this machine that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
