"""How often one recipient is told: a *digest* at set times, a *rate limit* that gathers what is over."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from streamproc.model.frozen import Frozen
from streamproc.model.hours import cron_schedule
from streamproc.model.severity import Severity
from streamproc.model.zone import Zone


class RateLimit(Frozen):
    """At most `max` messages to one recipient within any `per_seconds`; what is over goes together in a later one."""

    max: int = Field(ge=1, le=1_000)
    per_seconds: int = Field(default=60, ge=1, le=86_400)


class Digest(Frozen):
    """Alerts are gathered and told together at each instant of a CRON `schedule`; those of `except_severity` and
    higher are told at once (null: none are)."""

    schedule: Annotated[str, Field(max_length=200), AfterValidator(cron_schedule)]
    timezone: Zone = "UTC"
    except_severity: Severity | None = Severity.CRITICAL
