"""A *dead letter*: a record that could not be used, kept whole with the reason and where it came from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """`value` and `key` are the original bytes; the rest travels in headers."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    reason: str
    message: str
    by: str
    headers: tuple[tuple[str, bytes], ...] = ()

    def record_headers(self) -> list[tuple[str, bytes]]:
        """`reason` (a metric label), `message` (for people), origin, the original's own headers behind `original-`."""
        return [
            ("reason", self.reason.encode()),
            ("message", self.message.encode("utf-8", "replace")[:2000]),
            ("by", self.by.encode()),
            ("origin-topic", self.topic.encode()),
            ("origin-partition", str(self.partition).encode()),
            ("origin-offset", str(self.offset).encode()),
            ("origin-timestamp", str(self.timestamp).encode()),
            *((f"original-{name}", value) for name, value in self.headers if isinstance(value, bytes)),
        ]
