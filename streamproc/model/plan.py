"""A tenant's *plan*: how many rules it may have (CONTRACT "HTTP": free 2, starter 10, pro 50, enterprise none), and how
many events it is to send."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from streamproc.model.channel_settings import Frozen
from streamproc.model.document import DocumentError, Problem, parsed
from streamproc.model.rule import EVERY_TENANT

DEFAULT_ID = "plan"
"""The id of a plan that names none: a tenant has one plan."""


class PlanName(StrEnum):
    FREE = "free"
    STARTER = "starter"
    PRO = "pro"
    ENTERPRISE = "enterprise"


QUOTAS: Mapping[PlanName, int | None] = {
    PlanName.FREE: 2,
    PlanName.STARTER: 10,
    PlanName.PRO: 50,
    PlanName.ENTERPRISE: None,
}
"""Rules per plan; None: without limit."""


class Plan(Frozen):
    """A document of config kind `plan`."""

    id: Annotated[str, Field(min_length=1, max_length=128)] = DEFAULT_ID
    tenant_id: Annotated[str, Field(min_length=1, max_length=128)]
    plan: PlanName
    max_rules: Annotated[int | None, Field(ge=0, le=1_000_000, strict=True)] = None
    """In place of the plan's own number; None: that one."""
    events_per_second: Annotated[int | None, Field(ge=1, le=1_000_000_000, strict=True)] = None
    """What it may send; more is worked on when others leave time for it (docs/adr/0011). None: any number."""

    @property
    def quota(self) -> int | None:
        """How many rules the tenant may have, the disabled ones too; None: as many as it likes."""
        return QUOTAS[self.plan] if self.max_rules is None else self.max_rules


def parse_plan(doc: Mapping[str, Any]) -> Plan:
    """A document of config kind `plan`. Raises DocumentError."""
    plan = parsed(Plan, {name: value for name, value in doc.items() if name != "kind"})
    if plan.tenant_id == EVERY_TENANT:
        raise DocumentError((Problem("tenant_id", "'*' has no plan; rules for every tenant are not counted"),))
    return plan
