"""Asking detect to change an alert, and waiting for the record that answers."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from aiokafka.errors import KafkaError

from streamproc.alerting.commanding import make_command
from streamproc.alerting.fingerprint import partition_of
from streamproc.engine.frame import pack_command
from streamproc.model.command import Action
from streamproc.web.problem import ApiError
from streamproc.web.read_model import queries
from streamproc.web.site import Site

WAIT_S = 10.0
"""How long a request waits for a worker's answer."""
DONE = "done"
Doc = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of a command. `alert` is how it stands after it; `result` says why a command was refused."""

    outcome: Literal["done", "refused", "pending"]
    command_id: str
    result: str
    alert: Doc


async def command(site: Site, alert: Mapping[str, Any], action: Action, by: str, **fields: Any) -> Answered:
    """Send a command about `alert`, as the read model has it, and wait for its answer.

    `fields` are those of `alerting.commanding.make_command`. Raises DocumentError for fields that are not sound, and
    ApiError 503 when Kafka does not acknowledge the command.
    """
    id = str(uuid.uuid4())
    made = make_command(alert, action, id=id, by=by, at=time.time_ns() // 1_000_000, **fields)
    signals = site.topics["signals"]
    target = (signals.topic, partition_of(made.fingerprint, signals.partitions))
    try:
        await site.producer.send({target: [(None, pack_command(made), [])]})
    except (KafkaError, OSError, TimeoutError):
        raise ApiError(503, "Kafka did not acknowledge the command; it may still be applied") from None
    result = await site.store.seen_command(id, WAIT_S)
    after = await site.store.read(queries.get_alert, made.alert_id) or dict(alert)
    if result is None:
        return Answered("pending", id, "no worker has answered yet", after)
    return Answered("done" if result == DONE else "refused", id, result, after)


def refused(answered: Answered) -> ApiError:
    """The problem document of a refusal: it says how the alert stands now."""
    alert = answered.alert
    return ApiError(
        409,
        answered.result.removeprefix("refused: "),
        command_id=answered.command_id,
        alert={name: alert[name] for name in ("id", "status", "revision", "updated_at")},
    )


async def command_each(
    site: Site, alerts: list[Doc], action: Action, by: str, at_once: int, **fields: Any
) -> list[Answered | ApiError]:
    """The same command about several alerts, at most `at_once` under way; in their order."""
    limit = asyncio.Semaphore(at_once)

    async def one(alert: Doc) -> Answered | ApiError:
        async with limit:
            try:
                return await command(site, alert, action, by, **fields)
            except ApiError as error:
                return error

    return list(await asyncio.gather(*(one(alert) for alert in alerts)))
