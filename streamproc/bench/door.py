"""Holds the processes of a consumer group back until all are there.

Two workers that start together never join at the same instant: the first would begin, and begin again when the second
comes. So a member that does nothing is in the group before them. As long as it does not answer the rebalance that
they cause, nobody gets partitions; once all stand at the door it leaves, and they get theirs at once and for good.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import ConnectionGroup
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaError, for_code
from aiokafka.protocol.group import JoinGroupRequest, LeaveGroupRequest

from streamproc.kafka.client import client_options
from streamproc.settings import Settings

PATIENCE_S = 60.0
"""After so long the broker takes us for dead, and opens the door."""
_LOOK_S = 0.1
_MEMBER_ID_REQUIRED = 79
_COORDINATOR_LIMIT_S = 20.0


class Door:
    """An async context manager: shut from entering it until `open_for`."""

    def __init__(self, settings: Settings, group: str, topics: Sequence[str]) -> None:
        self._settings = settings
        self._group = group
        self._topics = list(topics)
        self._admin: Any = None
        self._node = 0
        self._member = ""

    async def __aenter__(self) -> Door:
        self._admin = AIOKafkaAdminClient(**client_options(self._settings))
        await self._admin.start()
        self._node = await self._coordinator()
        member = ""
        while True:
            answer = await self._send(
                JoinGroupRequest(
                    self._group,
                    int(PATIENCE_S * 1000),
                    int(PATIENCE_S * 1000),
                    member,
                    None,
                    "consumer",
                    [(RangePartitionAssignor.name, RangePartitionAssignor.metadata(self._topics).encode())],
                )
            )
            if answer.error_code == _MEMBER_ID_REQUIRED and not member:
                member = answer.member_id
                continue
            if answer.error_code:
                raise for_code(answer.error_code)(f"the group {self._group} cannot be held")
            self._member = answer.member_id
            return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._leave()
        finally:
            await self._admin.close()

    async def open_for(self, members: int, check: Callable[[], None]) -> None:
        """Wait until so many others stand there, and let them in. `check` raises when one of them has ended.

        Raises TimeoutError when they do not come within `PATIENCE_S`.
        """
        deadline = time.monotonic() + PATIENCE_S
        while await self._waiting() < members:
            check()
            if time.monotonic() > deadline:
                raise TimeoutError(f"the group {self._group} did not get {members} members in {PATIENCE_S:.0f} s")
            await asyncio.sleep(_LOOK_S)
        await self._leave()

    async def _leave(self) -> None:
        member, self._member = self._member, ""
        if member:
            await self._send(LeaveGroupRequest(self._group, member))

    async def _waiting(self) -> int:
        (described,) = await self._admin.describe_consumer_groups([self._group], group_coordinator_id=self._node)
        return sum(len(one["members"]) for one in described.to_object()["groups"]) - 1

    async def _coordinator(self) -> int:
        """A broker that has just started makes the topic that groups are kept in when it is first asked."""
        deadline = time.monotonic() + _COORDINATOR_LIMIT_S
        while True:
            try:
                return int(await self._admin.find_coordinator(self._group))
            except KafkaError as error:
                if not error.retriable or time.monotonic() > deadline:
                    raise
            await asyncio.sleep(_LOOK_S)

    async def _send(self, request: Any) -> Any:
        return await self._admin._client.send(self._node, request, group=ConnectionGroup.COORDINATION)
