"""What the product asks of a cluster's administration: which topics there are, and to make or change them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol

from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, for_code
from aiokafka.protocol.metadata import MetadataRequest

from streamproc.kafka.client import BrokerUnavailableError, client_options, unreachable
from streamproc.settings import Settings

_TOPIC_ALREADY_EXISTS = 36
_UNKNOWN_TOPIC = 3
_TOPIC_SET = 1
"""`config_source` of a value that was set on the topic itself, not inherited from the broker."""
_REQUEST_TIMEOUT_MS = 20_000


class AdminError(RuntimeError):
    """The cluster refused a change. The text is one line."""


@dataclass(frozen=True, slots=True)
class TopicState:
    """A topic as the cluster has it. `config` holds every setting in effect, `overrides` those set on it."""

    partitions: int
    replication: int
    config: Mapping[str, str]
    overrides: Mapping[str, str]


class NewTopicSpec(Protocol):
    """What is needed to create a topic."""

    @property
    def topic(self) -> str: ...
    @property
    def partitions(self) -> int: ...
    @property
    def replication(self) -> int: ...
    @property
    def config(self) -> Mapping[str, str]: ...


class ClusterAdmin:
    """An async context manager; entering it raises BrokerUnavailableError when no broker answers."""

    def __init__(self, settings: Settings, timeout: float = 10.0) -> None:
        self._settings = settings
        self._timeout = timeout
        self._client: Any = None

    async def __aenter__(self) -> ClusterAdmin:
        options = client_options(self._settings)
        client = AIOKafkaAdminClient(**options, request_timeout_ms=_REQUEST_TIMEOUT_MS)
        try:
            await asyncio.wait_for(client.start(), self._timeout)
        except (KafkaError, OSError, TimeoutError):
            await client.close()
            raise unreachable(self._settings) from None
        self._client = client
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.close()

    async def topics(self, names: Iterable[str]) -> dict[str, TopicState]:
        """Those of `names` that exist."""
        wanted = list(names)
        if not wanted:
            return {}
        described = await self._describe(wanted)
        found = {topic["topic"]: topic for topic in described if topic["error_code"] != _UNKNOWN_TOPIC}
        for topic in found.values():
            if topic["error_code"]:
                raise AdminError(f"topic {topic['topic']}: {for_code(topic['error_code']).__name__}")
        configs = await self._configs(list(found))
        return {
            name: TopicState(
                partitions=len(topic["partitions"]),
                replication=min((len(part["replicas"]) for part in topic["partitions"]), default=0),
                config={key: value for key, (value, _) in configs[name].items()},
                overrides={key: value for key, (value, source) in configs[name].items() if source == _TOPIC_SET},
            )
            for name, topic in found.items()
        }

    async def create(self, specs: Sequence[NewTopicSpec]) -> None:
        """Create topics and wait until the cluster shows them all; one that exists already is left alone."""
        request = [
            NewTopic(
                name=spec.topic,
                num_partitions=spec.partitions,
                replication_factor=spec.replication,
                topic_configs=dict(spec.config),
            )
            for spec in specs
        ]
        response = await self._ask(self._client.create_topics(request))
        for topic, code, *message in response.topic_errors:
            if code and code != _TOPIC_ALREADY_EXISTS:
                detail = message[0] if message and message[0] else for_code(code).__name__
                raise AdminError(f"topic {topic} cannot be created: {detail}")
        await self._wait_for({spec.topic for spec in specs})

    async def grow(self, counts: Mapping[str, int]) -> None:
        """Give topics that many partitions, and wait until the cluster shows them; it refuses to make them fewer."""
        present = await self.topics(counts)
        wanted = {name: NewPartitions(count) for name, count in counts.items() if present[name].partitions != count}
        if wanted:
            await self._ask(self._client.create_partitions(wanted))
        deadline = asyncio.get_running_loop().time() + self._timeout
        while any(state.partitions != counts[name] for name, state in (await self.topics(counts)).items()):
            if asyncio.get_running_loop().time() > deadline:
                raise AdminError(f"partitions made but not ready: {', '.join(sorted(counts))}")
            await asyncio.sleep(0.05)
        await self._wait_for(set(counts))

    async def set_config(self, changes: Mapping[str, Mapping[str, str]]) -> None:
        """Set topic settings; others that were set on a topic keep their values."""
        current = await self.topics(changes)
        resources = [
            # the request replaces all of a topic's own settings, so the others go with it
            ConfigResource(ConfigResourceType.TOPIC, name, dict(current[name].overrides) | dict(wanted))
            for name, wanted in changes.items()
        ]
        for response in await self._ask(self._client.alter_configs(resources)):
            for code, message, _, name in response.resources:
                if code:
                    raise AdminError(f"topic {name} cannot be changed: {message or for_code(code).__name__}")
        # brokers learn of a change a moment after it was accepted
        deadline = asyncio.get_running_loop().time() + self._timeout
        while asyncio.get_running_loop().time() < deadline:
            states = await self.topics(changes)
            if all(wanted.items() <= states[name].overrides.items() for name, wanted in changes.items()):
                return
            await asyncio.sleep(0.05)

    async def delete(self, names: Sequence[str]) -> None:
        """Delete topics and their records; one that does not exist is no error."""
        response = await self._ask(self._client.delete_topics(list(names)))
        for topic, code, *_ in response.topic_error_codes:
            if code and code != _UNKNOWN_TOPIC:
                raise AdminError(f"topic {topic} cannot be deleted: {for_code(code).__name__}")

    async def _describe(self, names: list[str]) -> list[dict[str, Any]]:
        # the client's own describe_topics would create what is missing, where the cluster allows that
        request = MetadataRequest(names, allow_auto_topic_creation=False)
        response = await self._ask(self._client._send_request(request))
        topics: list[dict[str, Any]] = response.to_object()["topics"]
        return topics

    async def _configs(self, names: list[str]) -> dict[str, dict[str, tuple[str, int]]]:
        if not names:
            return {}
        resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
        result: dict[str, dict[str, tuple[str, int]]] = {}
        for response in await self._ask(self._client.describe_configs(resources)):
            for code, message, _, name, entries in response.resources:
                if code:
                    raise AdminError(f"topic {name}: {message or for_code(code).__name__}")
                # an entry is (name, value, read_only, source, …)
                result[name] = {entry[0]: (str(entry[1]), int(entry[3])) for entry in entries}
        return result

    async def _wait_for(self, names: set[str]) -> None:
        """A new topic takes a moment to reach the metadata; producing before that fails."""
        deadline = asyncio.get_running_loop().time() + self._timeout
        while True:
            described = await self._describe(sorted(names))
            waiting = [
                topic["topic"]
                for topic in described
                if topic["error_code"] or any(part["leader"] < 0 for part in topic["partitions"])
            ]
            if not waiting:
                return
            if asyncio.get_running_loop().time() > deadline:
                raise AdminError(f"topics created but not ready: {', '.join(waiting)}")
            await asyncio.sleep(0.05)

    async def _ask(self, request: Any) -> Any:
        try:
            return await asyncio.wait_for(request, _REQUEST_TIMEOUT_MS / 1000)
        except (OSError, TimeoutError):
            raise unreachable(self._settings) from None
        except KafkaError as error:
            if error.retriable:
                raise unreachable(self._settings) from error
            raise AdminError(f"the cluster refused the request: {error}") from None


__all__ = ["AdminError", "BrokerUnavailableError", "ClusterAdmin", "NewTopicSpec", "TopicState"]
