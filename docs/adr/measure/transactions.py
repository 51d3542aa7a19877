"""What a Kafka transaction costs beside an idempotent send of the same records (docs/adr/0003).

Run it as `.venv/bin/python docs/adr/measure/transactions.py`, with STREAMPROC_KAFKA naming a broker, or without:
then one is started in DATA_DIR. It makes topics that begin with `adr-` and deletes them again. About a minute.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

from aiokafka import AIOKafkaProducer

from streamproc.kafka.admin import ClusterAdmin
from streamproc.kafka.broker.resolve import open_broker
from streamproc.kafka.client import client_options
from streamproc.kafka.ledger import send_all
from streamproc.kafka.topics import apply_topics, load_topics
from streamproc.settings import Settings, load_settings

ROUNDS = 200
PAUSE_S = 0.05
CHANGES = [(b"k%03d" % n, b"x" * 300, []) for n in range(50)]
"""What a batch changes: fifty keys."""
ALERT = [(b"alt_1", b"x" * 2000, [])]
"""And one alert that it writes."""


async def measured(name: str, once: Callable[[], Awaitable[None]], pause_s: float) -> None:
    """Print wall and CPU time of one call, after a few to warm up."""
    for _ in range(20):
        await once()
    cpu, wall = time.process_time(), 0.0
    for _ in range(ROUNDS):
        began = time.perf_counter()
        await once()
        wall += time.perf_counter() - began
        if pause_s:
            await asyncio.sleep(pause_s)
    cpu = time.process_time() - cpu
    print(f"{name:<44} {wall / ROUNDS * 1000:7.2f} ms until acknowledged {cpu / ROUNDS * 1000:7.2f} ms CPU")


async def main(settings: Settings) -> None:
    """Measure both producers, back to back and paced."""
    topics = load_topics(settings)
    async with ClusterAdmin(settings) as admin:
        await apply_topics(settings, topics)
        changelog, alerts = topics["detectors-changelog"].topic, topics["alerts"].topic
        plain = AIOKafkaProducer(**client_options(settings), acks="all", enable_idempotence=True)
        fenced = AIOKafkaProducer(**client_options(settings), acks="all", transactional_id="adr-measure")
        await plain.start()
        await fenced.start()

        async def send(producer: AIOKafkaProducer) -> None:
            await asyncio.gather(
                send_all(producer, changelog, 0, CHANGES),
                send_all(producer, alerts, 0, ALERT),
            )

        async def idempotent() -> None:
            await send(plain)

        async def transaction() -> None:
            await fenced.begin_transaction()
            await send(fenced)
            await fenced.commit_transaction()

        try:
            await measured("idempotent producer, back to back", idempotent, 0)
            await measured("transaction, back to back", transaction, 0)
            await measured(f"idempotent producer, every {PAUSE_S * 1000:.0f} ms", idempotent, PAUSE_S)
            await measured(f"transaction, every {PAUSE_S * 1000:.0f} ms", transaction, PAUSE_S)
        finally:
            await plain.stop()
            await fenced.stop()
            await admin.delete([spec.topic for spec in topics.values()])


if __name__ == "__main__":
    own = load_settings(topic_prefix="adr-")
    with open_broker(own, print) as broker:
        asyncio.run(main(own.model_copy(update={"kafka": broker.bootstrap})))
