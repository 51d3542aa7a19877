"""What the alerts must be, counted in the plainest way: no index, no batches, no store.

An alert is one (rule, tenant, group) here: nothing resolves an alert during a run, so each has one episode, whose
first triggering event and number of triggers have to be right.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from streamproc.bench.draw import Draw, event_id
from streamproc.bench.rules import CountingRule


class AlertKey(NamedTuple):
    """What an alert is about."""

    rule: str
    tenant: str
    group: str


class Episode(NamedTuple):
    """What became of it."""

    first_event: str
    triggers: int


Alerts = dict[AlertKey, Episode]


def expected(rules: Iterable[CountingRule], stream: Iterable[Draw]) -> Alerts:
    """The alerts of these rules over events in order of time."""
    chosen = list(rules)
    rolling: dict[AlertKey, deque[int]] = {}
    hours: dict[tuple[AlertKey, int], int] = {}
    alerts: Alerts = {}
    for draw in stream:
        for rule in chosen:
            if not rule.matches(draw):
                continue
            key = AlertKey(rule.id, draw.tenant, rule.group(draw))
            if rule.fixed:
                window = (key, draw.ms // rule.window_ms)
                reached = hours[window] = hours.get(window, 0) + 1
            else:
                times = rolling.setdefault(key, deque())
                times.append(draw.ms)
                while times[0] <= draw.ms - rule.window_ms:
                    times.popleft()
                reached = len(times)
            if reached >= rule.count:
                note_trigger(alerts, key, event_id(draw.number))
    return alerts


def note_trigger(alerts: Alerts, key: AlertKey, event: str) -> None:
    """Count one more trigger; the first names the event."""
    before = alerts.get(key)
    alerts[key] = Episode(event, 1) if before is None else before._replace(triggers=before.triggers + 1)


@dataclass(frozen=True, slots=True)
class Verdict:
    """How what was found differs from what was expected."""

    expected: int
    found: int
    missing: int
    invented: int
    different: int
    """Right alerts with another first event or number of triggers."""
    example: str

    @property
    def equal(self) -> bool:
        return not (self.missing or self.invented or self.different)

    def __str__(self) -> str:
        if self.equal:
            return f"{self.found} as expected"
        return f"{self.missing} missing, {self.invented} invented, {self.different} different: {self.example}"


def compare(wanted: Mapping[AlertKey, Episode], found: Mapping[AlertKey, Episode]) -> Verdict:
    """Judge the alerts found."""
    missing = [key for key in wanted if key not in found]
    invented = [key for key in found if key not in wanted]
    different = [key for key, episode in found.items() if key in wanted and wanted[key] != episode]
    examples = [(key, wanted.get(key), found.get(key)) for key in (*missing[:1], *invented[:1], *different[:1])]
    example = "; ".join(f"{'/'.join(key)} expected {want}, found {got}" for key, want, got in examples)
    return Verdict(len(wanted), len(found), len(missing), len(invented), len(different), example)
