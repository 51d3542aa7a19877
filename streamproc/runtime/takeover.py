"""What commands need that work on tables themselves: nobody else at work, and the partitions in their own hands."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from streamproc.kafka.admin import AdminError
from streamproc.kafka.client import client_options
from streamproc.kafka.group_progress import group_progress
from streamproc.kafka.ledger import Ledger, LedgerSettings
from streamproc.kafka.topic_file import TopicSpec
from streamproc.kafka.topics import Topics
from streamproc.settings import Settings


class StillRunningError(AdminError):
    """Worker or delivery have members in their groups."""


async def nobody_runs(settings: Settings, topics: Topics) -> None:
    """Raise StillRunningError while any worker or delivery is a member of its group."""
    reading = {settings.worker_group: [], settings.delivery_group: []}  # type: dict[str, list[str]]
    running = [group for group in await group_progress(settings, reading, topics) if group.members]
    if running:
        said = " and ".join(f"{group.group} has {group.members} members" for group in running)
        raise StillRunningError(
            f"{said}: stop all `streamproc worker` and `streamproc delivery` first. One that did not stop in order "
            f"counts for {settings.session_timeout:g} s more"
        )


@asynccontextmanager
async def taken_over(
    settings: Settings, changelog: TopicSpec, partition: int, resizing: bool = False
) -> AsyncIterator[Ledger]:
    """The ledger of one partition, opened as by a new owner: who had it before is fenced, for good.

    Its local copy is read from the changelog, and gone afterwards.
    """
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="takeover-", dir=settings.data_dir) as directory:
        ledger = Ledger(
            LedgerSettings(client_options(settings), 30.0, resizing=resizing),
            changelog.topic,
            partition,
            Path(directory) / "table",
            lambda _key, _value: None,
        )
        await ledger.open()
        try:
            yield ledger
        finally:
            await ledger.close()
