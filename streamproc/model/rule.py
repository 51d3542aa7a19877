"""A rule as people write it (CONTRACT "Rule"), checked and normalised."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from streamproc.model.spans import milliseconds_of

EVERY_TENANT = "*"
"""The owner of rules that hold for every tenant, each counted apart."""


class Severity(StrEnum):
    INFORMATIONAL = "informational"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class Category(StrEnum):
    IDENTITY = "identity"
    ENDPOINT = "endpoint"
    NETWORK = "network"
    CLOUD = "cloud"
    COMPLIANCE = "compliance"


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("is not made of printable characters only")
    return text


def _tenant(text: str) -> str:
    if text != EVERY_TENANT and ("/" in text or "*" in text or not text.isprintable()):
        raise ValueError("is not a tenant: no /, * or control characters")
    return text


def _zone(name: str) -> str:
    if name not in _zones():
        raise ValueError("is not a time zone such as UTC or Europe/Berlin")
    return name


def _zones() -> set[str]:
    if not _ZONES:
        _ZONES.update(available_timezones())
    return _ZONES


_ZONES: set[str] = set()


def _texts(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _auto_resolve(value: object) -> object:
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    ms = milliseconds_of(value)
    if ms is None:
        raise ValueError("is not a span such as 12h or 30d, nor null")
    return ms // 1000


Name = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_printable)]
Description = Annotated[str, Field(max_length=128), AfterValidator(_printable)]
RuleId = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]*$")]
Texts = Annotated[tuple[str, ...], BeforeValidator(_texts)]


class Rule(BaseModel):
    """`condition` is one of `model.condition`'s, made by the parser of the rule's type."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, strict=False)

    id: RuleId
    tenant_id: Annotated[str, Field(min_length=1, max_length=128), AfterValidator(_tenant)]
    name: Name
    description: Description = ""
    type: str
    condition: Any
    severity: Severity = Severity.MEDIUM
    category: Category | None = None
    mitre_tactics: Texts = ()
    mitre_techniques: Texts = ()
    channels: Texts = ()
    webhook_ids: Texts = ()
    cooldown_min: Annotated[float, Field(ge=0, le=60 * 24 * 365, allow_inf_nan=False)] = 5
    policy: Literal["default"] = "default"
    enabled: Annotated[bool, Field(strict=True)] = True
    lateness_seconds: Annotated[int, Field(ge=0, le=7 * 86_400)] = 600
    auto_resolve_after: Annotated[int | None, BeforeValidator(_auto_resolve)] = 30 * 86_400
    """Seconds of quiet after which an open alert resolves by itself; None: only people resolve."""
    mode: Literal["live", "shadow"] = "live"
    timezone: Annotated[str, AfterValidator(_zone)] = "UTC"
    runbook: Annotated[str, Field(max_length=2048)] | None = None
    metadata: dict[str, Any] = {}
    tests: tuple[dict[str, Any], ...] = ()

    @property
    def auto_resolve_ms(self) -> int | None:
        """`auto_resolve_after` in ms."""
        return None if self.auto_resolve_after is None else self.auto_resolve_after * 1000

    @property
    def lateness_ms(self) -> int:
        """`lateness_seconds` in ms."""
        return self.lateness_seconds * 1000

    @property
    def zone(self) -> ZoneInfo:
        """The zone in which the rule's times of day are meant."""
        return ZoneInfo(self.timezone)
