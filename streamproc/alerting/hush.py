"""What keeps an alert quiet now: a silence, or another alert that inhibits it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from streamproc.alerting.audience import policy_of
from streamproc.alerting.inhibit import ACTIVE, inhibited
from streamproc.alerting.lookup import Lookup
from streamproc.alerting.matching import matches
from streamproc.alerting.recipients import NotifyingRule
from streamproc.alerting.silence import silenced
from streamproc.model.delivery import Reason
from streamproc.model.policy import Policy

Alert = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Hush:
    """`reason` is `silence` or `inhibited`, `by` the silence's id or the id of the alert that inhibits."""

    reason: Reason
    by: str

    def __str__(self) -> str:
        """As it stands in an alert's `suppressed_by`."""
        return f"{self.reason}:{self.by}"


def hushed_by(alert: Alert, rule: NotifyingRule, lookup: Lookup, sources: Iterable[Alert], now: int) -> Hush | None:
    """What keeps the alert quiet at `now`; `sources` are the tenant's alerts that could inhibit others."""
    silences = lookup.silences(alert["tenant_id"])
    silence = silenced(alert, silences, now) if silences else None
    if silence is not None:
        return Hush(Reason.SILENCE, silence.id)
    policy = policy_of(rule, alert["tenant_id"], lookup)
    if policy is None or not policy.inhibit:
        return None
    found = inhibited(alert, policy.inhibit, sources)
    return None if found is None else Hush(Reason.INHIBITED, found.source_id)


def may_inhibit(alert: Alert, policies: Iterable[Policy]) -> bool:
    """Whether the alert is a source of any policy's inhibitions, as its status is now."""
    if alert.get("status") not in ACTIVE:
        return False
    return any(matches(one.source, alert) for policy in policies if policy.enabled for one in policy.inhibit)
