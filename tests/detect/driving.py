"""Feeds hits to a detector, and stores its state in between if asked to."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import ormsgpack

from streamproc.detect.detector import Detector
from tests.detect.plainly import Hit


def raw(hit: Hit) -> bytes:
    return b'{"id":"%s"}' % hit.id.encode()


def stored_and_loaded(detector: Detector, state: Any) -> Any:
    """The state as it comes back from disk."""
    return detector.decode(ormsgpack.unpackb(ormsgpack.packb(detector.encode(state))))


def verdicts(detector: Detector, hits: Iterable[Hit], restarts: Collection[int] = ()) -> tuple[list[int], Any]:
    """What the detector says of each hit, and its state at the end; it is stored and loaded before `restarts`."""
    state, said = detector.new(), []
    for number, hit in enumerate(hits):
        if number in restarts:
            state = stored_and_loaded(detector, state)
        said.append(detector.apply(state, hit.t, hit.t, hit.id, hit.value, raw(hit)))
    return said, state


def told(detector: Detector, state: Any) -> tuple[Any, ...]:
    """What an alert would say."""
    return detector.context(state), detector.samples(state), detector.reason(state, {}, None)
