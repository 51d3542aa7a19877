"""What a hit costs on its way from route to detect, as msgpack and as JSON (docs/adr/0006).

Run it as `.venv/bin/python docs/adr/measure/frames.py`. Needs no broker; some ten seconds.
"""

import time
from collections.abc import Callable

import orjson

from streamproc.alerting.fingerprint import fingerprint
from streamproc.engine.frame import Frame, RuleRef, pack_frame, unpack
from streamproc.generate import Plan, generate
from streamproc.model.hit import Hit

EVENTS = 50_000
ROWS = 500
"""Hits of one frame."""


def measured(name: str, work: Callable[[], object]) -> None:
    """Print CPU time per event, the best of three."""
    best = float("inf")
    for _ in range(3):
        began = time.process_time()
        work()
        best = min(best, time.process_time() - began)
    print(f"{name:<60} {best / EVENTS * 1e6:7.2f} µs CPU an event")


def main() -> None:
    """Pack and unpack the same hits both ways."""
    plan = Plan(start_ms=1_770_733_935_000, count=EVENTS, rate=1000)
    documents = [orjson.dumps(event) for event in generate(plan)]
    ref = RuleRef("acme", "rule", 1, b"12345678", "acme")
    hits: list[Hit] = []
    for place, raw in enumerate(documents):
        group = (f"198.51.100.{place % 250}",)
        id = f"evt_{place}"
        hits.append((0, fingerprint("acme", "acme", "rule", group), group, place, place, place, id, None, raw))
    batches = [hits[start : start + ROWS] for start in range(0, EVENTS, ROWS)]
    frames = [pack_frame(Frame("events/0", 1, {0: ref}, rows)) for rows in batches]
    bodies = [[(*row[:1], row[1].hex(), *row[2:8], orjson.loads(row[8])) for row in rows] for rows in batches]
    texts = [orjson.dumps(body) for body in bodies]

    measured("msgpack with the event's own bytes: pack", lambda: [pack_frame(Frame("e/0", 1, {}, b)) for b in batches])
    measured("msgpack with the event's own bytes: unpack", lambda: [unpack(frame) for frame in frames])
    measured("JSON with the event inside: write", lambda: [orjson.dumps(body) for body in bodies])
    measured("JSON with the event inside: read", lambda: [orjson.loads(text) for text in texts])
    print(f"bytes an event: msgpack {sum(map(len, frames)) / EVENTS:.0f}, JSON {sum(map(len, texts)) / EVENTS:.0f}")


if __name__ == "__main__":
    main()
