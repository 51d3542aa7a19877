"""`POST /v1/events` on a real broker: what was acknowledged is there, what is no event is answered and not written."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from typing import Any

import aiohttp
import orjson
import pytest

from streamproc.kafka.tailer import ConfigTailer
from streamproc.settings import Settings
from streamproc.sources.decode import Decoder
from streamproc.web.keys import ADMIN_FILE
from tests.faults.harness import read_topic
from tests.web.conftest import Api

pytestmark = pytest.mark.broker
LOGIN: dict[str, Any] = {"action": "user.login", "outcome": "failure", "actor": {"id": "alice", "ip": "203.0.113.7"}}


async def written(api: Api) -> list[Any]:
    return [
        event
        for record in await read_topic(api.site.settings, "events")
        for event in Decoder("events").decode(
            record.value, record.partition, record.offset, record.timestamp, record.headers
        )
    ]


async def test_one_event_is_the_tenants(api: Api) -> None:
    answer = (await api("POST", "/v1/events", LOGIN)).json
    assert (answer["accepted"], answer["rejected"]) == (1, 0)
    (event,) = await written(api)
    assert (event.tenant, event.action) == ("acme", "user.login")
    assert [event.id] == answer["items"][0]["ids"]


async def test_each_of_a_list_is_answered(api: Api) -> None:
    items = [
        {**LOGIN, "id": "e1"},
        {**LOGIN, "tenant_id": "other"},
        {"outcome": "failure"},
        "text",
        None,
        [LOGIN],
        {**LOGIN, "id": "e6", "tenantId": "acme", "metadata": {"deep": [[[1]]]}},
        {**LOGIN, "event_time": "yesterday"},
    ]
    answer = (await api("POST", "/v1/events", items)).json
    assert [item["status"] == "accepted" for item in answer["items"]] == [True, *[False] * 5, True, False]
    assert [item["index"] for item in answer["items"]] == list(range(8))
    assert answer["items"][1]["errors"][0]["path"] == "tenant_id"
    assert answer["items"][2]["errors"][0]["path"] == "action"
    assert [event.id for event in await written(api)] == ["e1", "e6"]
    refused = await api("POST", "/v1/events", items[1:3], status=422)
    assert refused.json["errors"][0]["path"] == "[0].tenant_id"
    assert [item["status"] for item in refused.json["items"]] == ["rejected", "rejected"]
    await api("POST", "/v1/events", [], status=422)
    assert await read_topic(api.site.settings, "dead-letters") == []


async def test_ndjson(api: Api) -> None:
    lines = [orjson.dumps({**LOGIN, "id": f"n{n}"}) for n in range(2500)]
    lines[7] = b"{not json"
    answer = await api(
        "POST", "/v1/events", data=b"\n".join(lines) + b"\n\n", headers={"Content-Type": "application/x-ndjson"}
    )
    assert (answer.json["accepted"], answer.json["rejected"]) == (2499, 1)
    assert [item["index"] for item in answer.json["items"] if item["status"] == "rejected"] == [7]
    found = await written(api)
    assert [event.id for event in found] == [f"n{n}" for n in range(2500) if n != 7], "in order, as one tenant's are"


async def test_operators_send_for_the_tenant_that_each_names(api: Api) -> None:
    items = [{**LOGIN, "tenant_id": "one", "id": "1"}, {**LOGIN, "tenant_id": "two", "id": "2"}, LOGIN]
    answer = (await api("POST", "/v1/events", items, token=api.operator)).json
    assert answer["accepted"] == 2
    assert {(event.tenant, event.id) for event in await written(api)} == {("one", "1"), ("two", "2")}
    await api("POST", "/v1/events?tenant_id=three", LOGIN, token=api.operator)
    assert "three" in {event.tenant for event in await written(api)}


async def test_native_records_are_the_tenants_whatever_they_name(api: Api) -> None:
    record = {
        "eventVersion": "1.08",
        "userIdentity": {"type": "Root", "accountId": "111122223333"},
        "eventTime": "2026-02-10T14:32:15Z",
        "eventSource": "signin.amazonaws.com",
        "eventName": "ConsoleLogin",
        "awsRegion": "us-east-1",
        "sourceIPAddress": "203.0.113.7",
        "eventID": "c1",
    }
    body = {"Records": [record, {**record, "eventID": "c2"}]}
    answer = (await api("POST", "/v1/events?format=cloudtrail", body)).json
    assert answer["items"][0]["ids"] == ["c1", "c2"]
    assert {(event.tenant, event.id) for event in await written(api)} == {("acme", "c1"), ("acme", "c2")}
    await api("POST", "/v1/events?format=nothing", body, status=422)


@pytest.mark.slow
async def test_what_was_accepted_is_there_though_the_process_is_killed(settings_with_topics: Settings) -> None:
    """The answer comes after the acknowledgement: nothing that was answered is still in a buffer."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{one.getsockname()[1]}"
    environment = os.environ | {
        "STREAMPROC_KAFKA": settings_with_topics.kafka,
        "STREAMPROC_TOPIC_PREFIX": settings_with_topics.topic_prefix,
        "STREAMPROC_DATA_DIR": str(settings_with_topics.data_dir),
        "STREAMPROC_HTTP": address,
        "STREAMPROC_RATE_LIMIT": "0",
    }
    process = subprocess.Popen([sys.executable, "-m", "streamproc", "api"], env=environment, stderr=subprocess.DEVNULL)
    accepted: set[str] = set()
    lists: set[str] = set()
    try:
        async with aiohttp.ClientSession() as session:

            async def ready() -> bool:
                with contextlib.suppress(OSError, aiohttp.ClientError):
                    async with session.get(f"http://{address}/readyz") as answer:
                        return answer.status == 200
                return False

            async with asyncio.timeout(30):
                while not await ready():
                    await asyncio.sleep(0.1)
            token = (settings_with_topics.data_dir / ADMIN_FILE).read_text().strip()
            headers = {"Authorization": f"Bearer {token}"}

            async def send(worker: int) -> None:
                with contextlib.suppress(OSError, aiohttp.ClientError):
                    for number in range(10_000):
                        id = f"k{worker}-{number}"
                        body: dict[str, Any] = {**LOGIN, "id": id, "tenant_id": "acme"}
                        async with session.post(f"http://{address}/v1/events", json=body, headers=headers) as answer:
                            assert answer.status == 200
                        accepted.add(id)
                        if number % 10 == 0:
                            body = {"id": id, "tenant_id": "acme", "values": ["x"]}
                            async with session.post(f"http://{address}/v1/lists", json=body, headers=headers) as answer:
                                assert answer.status == 201
                            lists.add(id)

            async def kill() -> None:
                async with asyncio.timeout(30):
                    while len(accepted) < 100:
                        await asyncio.sleep(0.005)
                process.kill()

            await asyncio.gather(*(send(worker) for worker in range(8)), kill())
    finally:
        process.kill()
        process.wait(10)
    found = {orjson.loads(record.value)["id"] for record in await read_topic(settings_with_topics, "events")}
    assert len(accepted) >= 100
    assert accepted <= found
    tailer = ConfigTailer(settings_with_topics)
    await tailer.start()
    await tailer.stop()
    assert lists
    assert lists <= {record.id for record in tailer.snapshot.records("list", "acme")}
