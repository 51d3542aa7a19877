"""One real broker for the whole test run, and settings that keep tests apart on it."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from streamproc.kafka.admin import ClusterAdmin
from streamproc.kafka.broker.resolve import open_broker
from streamproc.kafka.topics import apply_topics, load_topics
from streamproc.settings import HostPort, Settings

# No deadline per example: machines are noisy, and time is measured by the benchmark. (Importing Hypothesis here also
# keeps its plugin from importing it after the tests, which CPython 3.11 does not survive at that depth.)
hypothesis.settings.register_profile("streamproc", deadline=None)
hypothesis.settings.load_profile("streamproc")

JARS = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "streamproc" / "jars"
"""Kafka's jars, kept between test runs."""

for name in list(os.environ):
    # what a developer has set for a real installation must not reach the tests
    if name.startswith("STREAMPROC_") and not name.startswith(("STREAMPROC_TEST_", "STREAMPROC_REAL_")):
        del os.environ[name]


@contextmanager
def open_test_broker() -> Iterator[str]:
    """Bootstrap address of a real broker: STREAMPROC_TEST_KAFKA when set, else one started for this run."""
    running = os.environ.get("STREAMPROC_TEST_KAFKA")
    if running:
        yield running
        return
    directory = Path(tempfile.mkdtemp(prefix="streamproc-test-broker-"))
    try:
        with open_broker(Settings(broker="java", data_dir=directory, broker_jars=JARS), print) as started:
            yield started.bootstrap
    finally:
        shutil.rmtree(directory, ignore_errors=True)


SHARED_BROKER = pytest.StashKey[ExitStack]()
BOOTSTRAP = pytest.StashKey[str]()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """With several test processes, they share one broker: the process that directs them starts it before the first."""
    config = node.config
    if SHARED_BROKER not in config.stash:
        config.stash[SHARED_BROKER] = ExitStack()
        config.stash[BOOTSTRAP] = config.stash[SHARED_BROKER].enter_context(open_test_broker())
    node.workerinput["kafka"] = config.stash[BOOTSTRAP]


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the shared broker."""
    if SHARED_BROKER in config.stash:
        config.stash[SHARED_BROKER].close()


@pytest.fixture(scope="session")
def broker(request: pytest.FixtureRequest) -> Iterator[str]:
    """Bootstrap address of the run's real broker."""
    shared = getattr(request.config, "workerinput", {}).get("kafka")
    if shared:
        yield shared
        return
    with open_test_broker() as bootstrap:
        yield bootstrap


@pytest.fixture
def new_settings(tmp_path: Path) -> Callable[..., Settings]:
    """Makes settings with a fresh topic prefix and data directory, and free ports; overrides win."""

    def make(**overrides: Any) -> Settings:
        unique = uuid.uuid4().hex[:8]
        free = HostPort("127.0.0.1", 0)
        defaults: dict[str, Any] = {
            "data_dir": tmp_path / f"data-{unique}",
            "topic_prefix": f"t-{unique}-",
            "broker": "java",
            "broker_jars": JARS,
            "http": free,
            "worker_http": free,
            "delivery_http": free,
        }
        return Settings(**(defaults | overrides))

    return make


@pytest.fixture
def settings(broker: str, new_settings: Callable[..., Settings]) -> Settings:
    """Fresh settings on the real broker; its topics do not exist yet."""
    return new_settings(kafka=broker)


@pytest.fixture
async def settings_with_topics(settings: Settings) -> AsyncIterator[Settings]:
    """Fresh settings on the real broker, with every topic of topics.yaml; they are deleted at the end."""
    topics = load_topics(settings)
    await apply_topics(settings, topics)
    yield settings
    async with ClusterAdmin(settings) as admin:
        await admin.delete([spec.topic for spec in topics.values()])
