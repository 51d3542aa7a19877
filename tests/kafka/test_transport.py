"""Where reading goes on after a rebalance, on the real broker."""

from __future__ import annotations

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.structs import OffsetAndMetadata

from streamproc.kafka.client import client_options
from streamproc.kafka.transport import seek_to_committed
from streamproc.settings import Settings

pytestmark = pytest.mark.broker


@pytest.mark.parametrize(("commit", "expected"), [(None, 0), (0, 0), (2, 2)])
async def test_what_was_fetched_and_not_committed_is_read_again(
    settings_with_topics: Settings, commit: int | None, expected: int
) -> None:
    settings = settings_with_topics
    where = TopicPartition(settings.topic("events"), 1)
    producer = AIOKafkaProducer(**client_options(settings))
    await producer.start()
    for n in range(5):
        await producer.send_and_wait(where.topic, b"%d" % n, partition=where.partition)
    await producer.stop()
    consumer = AIOKafkaConsumer(
        **client_options(settings), group_id=settings.group("g"), enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        consumer.assign([where])
        assert [(await consumer.getone()).offset for _ in range(4)] == [0, 1, 2, 3]
        if commit is not None:
            await consumer.commit({where: OffsetAndMetadata(commit, "")})
        assert await seek_to_committed(consumer) == {where: commit}
        assert (await consumer.getone()).offset == expected
    finally:
        await consumer.stop()
