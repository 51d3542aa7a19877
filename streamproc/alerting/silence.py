"""Which silence holds for an alert, and when that may change. Pure; time is an argument (ms since the epoch)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from streamproc.alerting.hours import holds, look_again
from streamproc.alerting.matching import matches
from streamproc.model.rule import EVERY_TENANT
from streamproc.model.silence import Silence


def silenced(alert: Mapping[str, Any], silences: Iterable[Silence], now: int) -> Silence | None:
    """The silence that holds for the alert record now, the first by tenant and id where there are several.

    A silence is about its tenant's alerts; one of tenant `*`, which only operators write, about everybody's.
    """
    found = [one for one in silences if active(one, now) and concerns(one, alert)]
    return min(found, key=lambda one: (one.tenant_id, one.id), default=None)


def concerns(silence: Silence, alert: Mapping[str, Any]) -> bool:
    """Whether the alert is of the silence's tenant and matches, whatever the time."""
    return silence.tenant_id in (alert.get("tenant_id"), EVERY_TENANT) and matches(silence.matchers, alert)


def active(silence: Silence, now: int) -> bool:
    """Whether the silence holds now."""
    if not silence.enabled or over(silence, now):
        return False
    if silence.starts_at is not None and now < silence.starts_at:
        return False
    return silence.recurring is None or holds(silence.recurring, now)


def over(silence: Silence, now: int) -> bool:
    """Whether it will never hold again."""
    return silence.ends_at is not None and now >= silence.ends_at


def next_change(silences: Iterable[Silence], now: int) -> int | None:
    """A time after `now` before which none of them begins or ends; None when none ever will."""
    return min((at for one in silences if (at := _next(one, now)) is not None), default=None)


def _next(silence: Silence, now: int) -> int | None:
    if not silence.enabled or over(silence, now):
        return None
    if silence.starts_at is not None and now < silence.starts_at:
        return silence.starts_at
    ends = [silence.ends_at, None if silence.recurring is None else look_again(silence.recurring, now)]
    return min((at for at in ends if at is not None), default=None)
