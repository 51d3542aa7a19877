"""A rule as people write it (CONTRACT "Rule"), checked and normalised."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import orjson
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from streamproc.model.condition import Filter
from streamproc.model.rule_recipients import RuleRecipients
from streamproc.model.severity import Severity as Severity
from streamproc.model.spans import milliseconds_of
from streamproc.model.zone import A_ZONE as A_ZONE
from streamproc.model.zone import Zone
from streamproc.model.zone import is_zone as is_zone

EVERY_TENANT = "*"
"""The owner of rules that hold for every tenant, each counted apart."""

MAX_METADATA_BYTES = 16 * 1024
"""Every alert carries its rule's metadata, and an alert must fit its topic."""

_PRINTED = frozenset("\u00a0\u3000\u200c\u200d")
"""Spaces and joiners of other scripts and of emoji, which Python does not count as printable."""


class Category(StrEnum):
    IDENTITY = "identity"
    ENDPOINT = "endpoint"
    NETWORK = "network"
    CLOUD = "cloud"
    COMPLIANCE = "compliance"


def _printable(text: str) -> str:
    if not text.isprintable() and not all(c.isprintable() or c in _PRINTED for c in text):
        raise ValueError("is not made of printable characters only")
    return text


def _tenant(text: str) -> str:
    if text != EVERY_TENANT and ("/" in text or "*" in text or not text.strip() or not text.isprintable()):
        raise ValueError("is not a tenant: some text without /, * or control characters")
    return text


def _texts(value: object) -> object:
    return [value] if isinstance(value, str) else _at_most(100, value)


def _at_most(most: int, value: object) -> object:
    """Before the entries are looked at, because each wrong one makes a problem of its own."""
    if isinstance(value, list | tuple) and len(value) > most:
        raise ValueError(f"has more than {most} entries")
    return value


def _quiet_seconds(value: object) -> object:
    if value is None:
        return None
    seconds = value if type(value) is int else None
    ms = milliseconds_of(value)
    if ms is not None:
        seconds = ms // 1000
    if seconds is None:
        raise ValueError("is not a span such as 12h or 30d, a number of seconds, nor null")
    if not 1 <= seconds <= MAX_QUIET_SECONDS:
        raise ValueError("is not between 1s and 3650d")
    return seconds


MAX_QUIET_SECONDS = 3650 * 86_400


def _link(text: str) -> str:
    # messages make it a link, so that nothing but a web page may stand here
    if not text.startswith(("https://", "http://")) or not text.isprintable() or " " in text:
        raise ValueError("is not an https:// address")
    return text


def _carried(metadata: dict[str, Any]) -> dict[str, Any]:
    try:
        size = len(orjson.dumps(metadata))
    except orjson.JSONEncodeError as error:
        raise ValueError(f"is not JSON: {error}") from None
    if size > MAX_METADATA_BYTES:
        raise ValueError(f"is not at most {MAX_METADATA_BYTES // 1024} KiB, and every alert of the rule carries it")
    return metadata


Name = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_printable)]
Description = Annotated[str, Field(max_length=128), AfterValidator(_printable)]
RuleId = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]*$")]
Texts = Annotated[tuple[Annotated[str, Field(min_length=1, max_length=256)], ...], BeforeValidator(_texts)]


@dataclass(frozen=True, slots=True)
class SeverityCase:
    """`{when, severity}`: the severity of an alert for which the filter holds.

    The filter reads the latest event, and beside its fields `context`, `group` and `trigger_count` of the alert.
    """

    when: Filter
    severity: Severity


class Rule(RuleRecipients, BaseModel):
    """`condition` is one of `model.condition`'s, made by the parser of the rule's type."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    id: RuleId
    tenant_id: Annotated[str, Field(min_length=1, max_length=128), AfterValidator(_tenant)]
    name: Name
    description: Description = ""
    """A Liquid template, as are `title` and `reason` (`rules.templates`)."""
    title: Annotated[str, Field(min_length=1, max_length=500)] | None = None
    """The alert's title; None: the rule's name."""
    reason: Annotated[str, Field(min_length=1, max_length=1000)] | None = None
    """The alert's reason; None: what the rule's type says."""
    type: str
    condition: Any
    severity: Severity = Severity.MEDIUM
    severity_cases: tuple[SeverityCase, ...] = ()
    """The first whose filter holds decides, else `severity`; made by the parser of a `severity` list."""
    category: Category | None = None
    mitre_tactics: Texts = ()
    mitre_techniques: Texts = ()
    channels: Texts = ()
    webhook_ids: Texts = ()
    cooldown_min: Annotated[float, Field(ge=0, le=60 * 24 * 365, allow_inf_nan=False, strict=True)] = 5
    cooldown_factor: Annotated[float, Field(ge=1, le=10, allow_inf_nan=False, strict=True)] = 1
    """Above 1, each cooldown that ends in a further trigger is so many times as long as the one before."""
    cooldown_max_min: Annotated[float, Field(gt=0, le=60 * 24 * 365, allow_inf_nan=False, strict=True)] = 1440
    """What a growing cooldown stops at."""
    policy: Annotated[str, Field(max_length=128, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]*$")] = "default"
    """The action policy it goes by, where the tenant has it (else its `default`)."""
    enabled: Annotated[bool, Field(strict=True)] = True
    lateness_seconds: Annotated[int, Field(ge=0, le=7 * 86_400, strict=True)] = 600
    auto_resolve_after: Annotated[int | None, BeforeValidator(_quiet_seconds)] = 30 * 86_400
    """Seconds of quiet after which an open alert resolves by itself; None: only people resolve."""
    auto_resolve: Literal["when_clear"] | None = None
    """when_clear: an open alert resolves when its window falls under the count, too."""
    mode: Literal["live", "shadow"] = "live"
    timezone: Zone = "UTC"
    runbook: Annotated[str, Field(max_length=2048), AfterValidator(_link)] | None = None
    metadata: Annotated[dict[str, Any], AfterValidator(_carried)] = {}
    tests: Annotated[tuple[dict[str, Any], ...], BeforeValidator(partial(_at_most, 1000))] = ()

    @property
    def auto_resolve_ms(self) -> int | None:
        """`auto_resolve_after` in ms."""
        return None if self.auto_resolve_after is None else self.auto_resolve_after * 1000

    @property
    def when_clear(self) -> bool:
        """Whether an alert resolves once its condition holds no more."""
        return self.auto_resolve == "when_clear"

    @property
    def lateness_ms(self) -> int:
        """`lateness_seconds` in ms."""
        return self.lateness_seconds * 1000

    @property
    def zone(self) -> ZoneInfo:
        """The zone in which the rule's times of day are meant."""
        return ZoneInfo(self.timezone)
