"""The benchmark's events are the same everywhere, and what the documentation says they are."""

from __future__ import annotations

import hashlib
from itertools import islice

import orjson
import pytest

from streamproc.bench.draw import LOGIN, W1, W2, Workload, address_text, draws, to_json
from streamproc.sources.decode import Decoder

COUNT = 20_000


@pytest.mark.parametrize(
    ("workload", "digest"),
    [
        (W1, "943ea39a3a75f0906e87d2f3c8df0d625691ddde71e413ea789649e81f7ab07e"),
        (W2, "15db73c8c67963865c13c75d95c60c50f2e3e464417caa66945b36af6165ce73"),
    ],
    ids=lambda value: value.name if isinstance(value, Workload) else "",
)
def test_the_bytes_never_change_unnoticed(workload: Workload, digest: str) -> None:
    """Published figures are about these bytes: when they change, `preload.VERSION` has to."""
    found = hashlib.sha256(b"".join(to_json(draw) for draw in draws(workload, 2_000))).hexdigest()
    assert found == digest


def test_a_longer_stream_begins_with_the_shorter_one() -> None:
    assert list(islice(draws(W1, COUNT), 7_000)) == list(draws(W1, 7_000))


def test_some_3_5_percent_are_failing_logins_and_events_have_some_400_bytes() -> None:
    stream = list(draws(W1, COUNT))
    failing = sum(draw.action == LOGIN and draw.outcome == "failure" for draw in stream)
    assert failing / COUNT == pytest.approx(0.035, abs=0.005)
    assert sum(len(to_json(draw)) for draw in stream) / COUNT == pytest.approx(400, abs=20)


def test_a_burst_is_twelve_failing_logins_from_one_address_within_twenty_seconds() -> None:
    by_place: dict[tuple[str, int], list[int]] = {}
    for draw in draws(W1, 30_000):
        if draw.action == LOGIN and draw.outcome == "failure":
            by_place.setdefault((draw.tenant, draw.address), []).append(draw.ms)
    bursts = [times for times in by_place.values() if len(times) >= 12]
    assert bursts
    for times in bursts:
        assert min(times[n + 11] - times[n] for n in range(len(times) - 11)) <= 20_100


@pytest.mark.parametrize(("workload", "hours"), [(W1, 1_000 / 3_600), (W2, 27.8)])
def test_a_million_events_span(workload: Workload, hours: float) -> None:
    assert workload.step_ms * 1_000_000 / 3_600_000 == pytest.approx(hours, abs=0.03)


def test_the_product_takes_every_event_as_it_is() -> None:
    decoder = Decoder("events", "event")
    for draw in draws(W2, 500):
        value = to_json(draw)
        (event,) = decoder.decode(value, 0, draw.number, 1_760_000_000_000)
        assert (event.raw, event.time, event.tenant) == (value, draw.ms, draw.tenant)
        assert event.doc["actor"]["ip"] == orjson.loads(value)["actor"]["ip"] == address_text(draw.address)
