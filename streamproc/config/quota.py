"""Whether changes keep every tenant within its plan. Pure: it looks at what is configured and what would change.

All rules of a tenant count, also those that are disabled or cannot be read; rules for every tenant (`*`) count for
nobody. A tenant without a plan has no limit: whoever runs streamproc for themselves needs none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from streamproc.config.changes import Action, Change
from streamproc.config.record import ConfigRecord
from streamproc.config.snapshot import RULE, Snapshot
from streamproc.model.document import DocumentError
from streamproc.model.plan import Plan, parse_plan

PLAN = "plan"


class QuotaError(ValueError):
    """Changes that a tenant's plan does not allow; the text is one line with the plan, its quota and the number."""


def check_quota(snapshot: Snapshot, changes: Sequence[Change]) -> None:
    """Raise QuotaError where the changes take a tenant over its plan's quota.

    What makes it no worse is allowed: a tenant that has too many rules already can still change and delete them. A
    plan that is made smaller than what the tenant has is refused. Two processes that write at the same time may
    together go over; the next change is refused then.
    """
    tenants = {
        change.record.tenant
        for change in changes
        if change.record.kind in (RULE, PLAN) and change.action is not Action.UNCHANGED
    }
    for tenant in sorted(tenants):
        mine = [change for change in changes if change.record.tenant == tenant]
        count_before, rules = len(_after(snapshot, RULE, tenant, ())), len(_after(snapshot, RULE, tenant, mine))
        before, plan = _after(snapshot, PLAN, tenant, ()), _plan(_after(snapshot, PLAN, tenant, mine))
        if plan is None or plan.quota is None or rules <= plan.quota:
            continue
        if rules > count_before or _quota_shrinks(before, plan.quota):
            raise QuotaError(
                f"tenant {tenant}: its plan {plan.plan} has a quota of {plan.quota} rules, and there would be {rules}"
                f" (now {count_before}); delete rules, or apply another plan"
            )


def event_rates(snapshot: Snapshot) -> dict[str, int]:
    """Events a second by tenant, of those whose plan has a limit; a plan that cannot be read has none."""
    rates: dict[str, int] = {}
    for record in snapshot.records(PLAN):
        try:
            rate = parse_plan(record.document()).events_per_second
        except DocumentError:
            continue
        if rate is not None:
            rates[record.tenant] = rate
    return rates


def _after(snapshot: Snapshot, kind: str, tenant: str, changes: Iterable[Change]) -> list[ConfigRecord]:
    """The tenant's records of a kind once the changes are made."""
    records = {record.key: record for record in snapshot.records(kind, tenant)}
    for change in changes:
        if change.record.kind == kind:
            if change.after is None:
                records.pop(change.record.key, None)
            else:
                records[change.record.key] = change.after
    return list(records.values())


def _plan(records: Sequence[ConfigRecord]) -> Plan | None:
    if len(records) > 1:
        names = ", ".join(record.key for record in records)
        raise QuotaError(f"tenant {records[0].tenant}: has {len(records)} plans ({names}), and should have one")
    if not records:
        return None
    try:
        return parse_plan(records[0].document())
    except DocumentError as error:
        raise QuotaError(f"{records[0].key}: {error}; apply the plan anew") from None


def _quota_shrinks(before: Sequence[ConfigRecord], quota: int) -> bool:
    """Whether `quota` is less than was allowed; a plan that cannot be read allowed nothing."""
    try:
        plan = _plan(before)
    except QuotaError:
        return False
    return plan is None or plan.quota is None or quota < plan.quota
