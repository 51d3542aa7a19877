"""Makes an aiokafka consumer hand over records as its decoder made them."""

from __future__ import annotations

from typing import Any


def take_wire_records(consumer: Any) -> None:
    """Of a started consumer that has fetched nothing yet.

    aiokafka wraps each record in a dataclass of eleven fields, which takes 1.2 µs: of a million events' 4.2 s, and of a
    changelog's 2.6 µs a record. The decoder's own records have everything we use (offset, timestamp, key, value,
    headers).
    """
    fetcher = consumer._fetcher
    fetcher._records = _WireRecords(fetcher._records)


class _WireRecords(dict[Any, Any]):
    """Fetched partitions whose records stay what the decoder made of them."""

    def __setitem__(self, tp: Any, result: Any) -> None:
        records = getattr(result, "_partition_records", None)
        if records is not None:
            records._consumer_record = _as_it_is
        super().__setitem__(tp, result)


def _as_it_is(tp: Any, record: Any) -> Any:
    return record
