"""What decoding a canonical event costs beside `orjson.loads`, and finding its rules among few and among many.

Run it as `.venv/bin/python docs/adr/measure/decode_and_match.py`. Needs no broker; some ten seconds.
"""

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from streamproc.generate import Plan, generate
from streamproc.rules import CompiledRule, RuleIndex, compile_rule, parse_rule
from streamproc.sources.decode import Decoder

NOW = 1_770_733_935_000
STRETCH = 128


@dataclass(slots=True)
class Record:
    """As a record comes off the wire."""

    value: bytes
    offset: int
    timestamp: int
    headers: tuple[tuple[str, bytes], ...] = ()


def seconds(work: Callable[[], object]) -> float:
    """CPU time of the best of seven tries."""
    best = float("inf")
    for _ in range(7):
        began = time.process_time()
        work()
        best = min(best, time.process_time() - began)
    return best


def index_of(rules: int, tenants: int) -> RuleIndex:
    """Rules for actions of which the events have none."""
    owners: dict[str, list[CompiledRule]] = {}
    for n in range(rules):
        condition = {"action": f"nothing.{n}", "outcome": "failure", "count": 5, "window_seconds": 300}
        doc: dict[str, Any] = {"id": f"r{n}", "name": "n", "type": "threshold", "condition": condition}
        rule = compile_rule(parse_rule(doc, default_tenant=f"t{n % tenants}"), 1)
        owners.setdefault(rule.owner, []).append(rule)
    return RuleIndex.empty.with_tenants(owners)


def main() -> None:
    """Measure and print."""
    values = [orjson.dumps(event) for event in generate(Plan(start_ms=NOW, count=20_000, rate=1000))]
    records = [Record(value, n, NOW) for n, value in enumerate(values)]
    decoder = Decoder("events")

    def decode() -> None:
        for start in range(0, len(records), STRETCH):
            decoder.decode_batch(records[start : start + STRETCH], 0)

    gc.freeze()
    gc.disable()
    parse = seconds(lambda: [orjson.loads(value) and None for value in values])
    print(f"orjson.loads        {parse / len(values) * 1e6:6.2f} µs an event")
    print(f"decoded, validated  {seconds(decode) / len(values) * 1e6:6.2f} µs an event")
    doc = {**orjson.loads(values[0]), "tenant_id": "t0"}
    for rules, tenants in ((10, 1), (10_000, 1000)):
        began = time.process_time()
        index = index_of(rules, tenants)
        built = time.process_time() - began
        found = seconds(lambda index=index: [index.candidates("t0", doc) for _ in range(10_000)])  # type: ignore[misc]
        print(
            f"{rules:>6} rules, {tenants:>4} tenants: loaded in {built:.2f} s, looked up in {found / 1e4 * 1e9:.0f} ns"
        )


if __name__ == "__main__":
    main()
