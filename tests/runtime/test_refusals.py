"""Processes that must not start, say why in one line and end."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from streamproc.kafka.admin import ClusterAdmin
from streamproc.kafka.topics import apply_topics, load_topics
from streamproc.settings import Settings

pytestmark = [pytest.mark.broker, pytest.mark.timeout(120)]


async def start(settings: Settings, command: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "STREAMPROC_KAFKA": settings.kafka,
        "STREAMPROC_TOPIC_PREFIX": settings.topic_prefix,
        "STREAMPROC_DATA_DIR": str(settings.data_dir),
        "STREAMPROC_WORKER_HTTP": "127.0.0.1:0",
        "STREAMPROC_DELIVERY_HTTP": "127.0.0.1:0",
        **more,
    }
    arguments = [sys.executable, "-m", "streamproc", command]
    return await asyncio.to_thread(
        subprocess.run, arguments, env=environment, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize("command", ["worker", "delivery"])
async def test_no_process_starts_where_topics_are_not_as_declared(settings: Settings, command: str) -> None:
    nothing = await start(settings, command)
    assert nothing.returncode == 2
    assert settings.topic("events" if command == "worker" else "alerts") in nothing.stderr

    topics = load_topics(settings)
    await apply_topics(settings, topics)
    one = topics["detectors-changelog"]
    async with ClusterAdmin(settings) as admin:
        await admin.delete([one.topic])
    gone = await start(settings, command)
    assert gone.returncode == 2
    assert one.topic in gone.stderr.splitlines()[-1]


@pytest.mark.parametrize("command", ["worker", "delivery"])
async def test_no_broker_is_status_3(new_settings: Callable[..., Settings], command: str) -> None:
    settings = new_settings(kafka="127.0.0.1:9")
    ended = await start(settings, command)
    assert ended.returncode == 3
    assert "127.0.0.1:9" in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr


async def test_a_bad_setting_is_named(settings: Settings) -> None:
    ended = await start(settings, "worker", STREAMPROC_SESSION_TIMEOUT="soon")
    assert ended.returncode == 2
    assert "STREAMPROC_SESSION_TIMEOUT: 'soon' is not a number" in ended.stderr
