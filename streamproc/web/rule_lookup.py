"""Which rule a request means, and what of the configuration goes with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from streamproc.config.record import ConfigRecord
from streamproc.config.snapshot import LIST, RULE, Snapshot
from streamproc.model.rule import EVERY_TENANT
from streamproc.web.principal import Principal
from streamproc.web.problem import ApiError


def find_rule(snapshot: Snapshot, principal: Principal, id: str, tenant: str | None = None) -> ConfigRecord:
    """The rule of this id that the asker sees: their own, else one of every tenant's.

    Operators name the tenant where several have a rule of this id. Raises ApiError: 403 for another's tenant, 404, and
    422 for an operator who has to name one.
    """
    if tenant is not None and not principal.sees(tenant):
        raise ApiError(403, f"the key is {principal.tenant}'s; it cannot act for {tenant}")
    own = tenant if principal.operator else principal.tenant
    if own is not None:
        for owner in dict.fromkeys((own, EVERY_TENANT)):
            record = snapshot.record(RULE, owner, id)
            if record is not None:
                return record
        raise ApiError(404, f"there is no rule {id!r:.80}")
    found = [record for record in snapshot.records(RULE) if record.id == id]
    if len(found) > 1:
        message = f"is required: {len(found)} tenants have a rule {id}"
        raise ApiError(422, f"tenant_id: {message}", errors=[("tenant_id", message)])
    if not found:
        raise ApiError(404, f"there is no rule {id!r:.80}")
    return found[0]


def own_rule(snapshot: Snapshot, principal: Principal, id: str, tenant: str | None = None) -> ConfigRecord:
    """As `find_rule`, of rules that the asker may change. Raises ApiError 403 for those of every tenant."""
    record = find_rule(snapshot, principal, id, tenant)
    if not principal.sees(record.tenant):
        raise ApiError(403, f"rule {id} is for every tenant, and operators alone change it; it can be silenced")
    return record


def tenant_of(principal: Principal, record: ConfigRecord, tenant: str | None) -> str:
    """For whom a rule is tried or played: its own tenant; of one of every tenant, the asker's or the one named.

    Raises ApiError 422 when an operator has to name one.
    """
    if record.tenant != EVERY_TENANT:
        return record.tenant
    found = tenant if principal.operator else principal.tenant
    if found in (None, EVERY_TENANT):
        message = f"is required: rule {record.id} is for every tenant"
        raise ApiError(422, f"tenant_id: {message}", errors=[("tenant_id", message)])
    assert found is not None
    return found


def lists_of(snapshot: Snapshot, owners: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
    """The values of the owners' named lists that are in force, by owner and id."""
    return {
        owner: {
            record.id: record.spec["values"]
            for record in snapshot.records(LIST, owner)
            if snapshot.problem(record.key) is None
        }
        for owner in dict.fromkeys(owners)
    }
