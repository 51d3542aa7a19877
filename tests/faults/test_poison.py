"""Whatever bytes arrive: each bad record is one dead letter with its reason and origin, and the rest proceeds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from aiokafka import AIOKafkaProducer

from streamproc.kafka.client import client_options
from streamproc.kafka.topics import apply_topics, load_topics
from streamproc.model.times import iso
from streamproc.settings import Settings

from .harness import Process, apply_config, latest, read_topic

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.timeout(120)]

GOOD = {"id": "e", "tenant_id": "acme", "action": "a", "outcome": "success", "actor": {"id": "u"}}
POISON: dict[str, tuple[bytes | None, str]] = {
    "bytes that are not text": (b"\xff\xfe\x00{", "not_utf8"),
    "text that is not JSON": (b"{not json", "not_json"),
    "nothing": (b"", "empty"),
    "a tombstone": (None, "tombstone"),
    "a list": (b"[1,2]", "not_object"),
    "a number": (b"7", "not_object"),
    "no tenant": (b'{"action": "a"}', "missing_field"),
    "no action": (b'{"tenant_id": "acme"}', "missing_field"),
    "a tenant that is a list": (b'{"tenant_id": ["acme"], "action": "a"}', "wrong_type"),
    "a tenant for everyone": (b'{"tenant_id": "*", "action": "a"}', "bad_tenant"),
    "an actor that is a list": (b'{"tenant_id": "acme", "action": "a", "actor": []}', "wrong_type"),
    "not a number": (b'{"tenant_id": "acme", "action": "a", "metadata": {"n": NaN}}', "not_finite"),
    "a number beyond all": (b'{"tenant_id": "acme", "action": "a", "metadata": {"n": 1e400}}', "not_finite"),
    "the year 0": (b'{"tenant_id": "acme", "action": "a", "event_time": "0000-01-01T00:00:00Z"}', "time_out_of_range"),
    "the year 10000": (
        b'{"tenant_id": "acme", "action": "a", "event_time": "10000-01-01T00:00:00Z"}',
        "time_out_of_range",
    ),
    "300 KiB": (orjson.dumps({**GOOD, "metadata": {"x": "y" * 300 * 1024}}), "too_large"),
    "depth 1,000": (b'{"tenant_id": "acme", "action": "a", "m": ' + b'{"m":' * 999 + b"1" + b"}" * 1000, "too_deep"),
}


async def test_each_is_one_dead_letter_and_the_rest_proceeds(
    broker: str, new_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = new_settings(kafka=broker, session_timeout=6.0, commit_interval=0.5)
    topics = load_topics(settings)
    await apply_topics(settings, topics)
    rule = {
        "id": "r",
        "tenant_id": "acme",
        "name": "All good events",
        "type": "threshold",
        "condition": {"action": "a", "count": 1, "window_seconds": 3600},
    }
    await apply_config(settings, [rule])
    topic = topics["events"].topic
    now = int(time.time() * 1000)
    good = 0
    for codec in (None, "gzip", "lz4", "snappy", "zstd"):  # unknown to a client without codecs
        producer = AIOKafkaProducer(
            **client_options(settings), compression_type=codec, linger_ms=50, max_request_size=2**20
        )
        await producer.start()
        sent = []
        for value, _ in POISON.values() if codec is None else ():
            pair = (value, orjson.dumps({**GOOD, "id": f"good_{good}", "event_time": iso(now)}))
            headers = [("from", b"test")]
            sent += [await producer.send(topic, value=v, key=b"k", partition=2, headers=headers) for v in pair]
            good += 1
        if codec is not None:
            value = orjson.dumps({**GOOD, "id": f"good_{good}", "event_time": iso(now)})
            sent.append(await producer.send(topic, value=value, key=b"k", partition=2))
            good += 1
        await asyncio.gather(*sent)
        await producer.stop()

    worker = Process(["worker"], settings, tmp_path / "w", "worker")
    worker.start()
    try:
        deadline = time.monotonic() + 40
        while time.monotonic() < deadline:
            alerts = latest([r for r in await read_topic(settings, "alerts") if r.value])
            if sum(alert["trigger_count"] for alert in alerts.values()) >= good:
                break
            await asyncio.sleep(0.5)
        assert [alert["trigger_count"] for alert in alerts.values()] == [good], worker.tail()
        letters = await read_topic(settings, "dead-letters")
    finally:
        assert worker.stop() == 0, worker.tail()

    found = {}
    for letter in letters:
        headers = dict(letter.headers)
        assert headers["origin-topic"].decode() == topic
        assert headers["origin-partition"] == b"2"
        assert headers["original-from"] == b"test"
        assert headers["message"]
        assert letter.key == b"k"
        found[int(headers["origin-offset"])] = (letter.value, headers["reason"].decode())
    expected = {2 * n: poison for n, poison in enumerate(POISON.values())}
    assert found == expected
    assert len(letters) == len(POISON)
