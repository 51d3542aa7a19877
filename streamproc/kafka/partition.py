"""Which partition a tenant's or a channel's records go to; the same everywhere that writes or looks one up."""

from __future__ import annotations

from aiokafka.partitioner import murmur2


def partition_by(name: str, partitions: int) -> int:
    """Kafka's own hash of the name, so that other clients' default partitioners agree when `name` is the key."""
    return int((murmur2(name.encode()) & 0x7FFFFFFF) % partitions)
