"""What all *channels* have in common, of whatever type: the model that each type's settings extend.

Text that may hold a secret (address, token, secret, headers) is `SecretStr`, and may contain `${ENV_VAR}`:
it is looked up when a notification is sent, not here.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, NamedTuple
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr

from streamproc.model.frozen import Frozen as Frozen
from streamproc.model.pace import Digest, RateLimit

CONCURRENCY = 16
"""Attempts in flight to one channel, by default: a sick channel cannot take every slot."""

EVENT_TYPES = (
    "alert.triggered",
    "alert.updated",
    "alert.acknowledged",
    "alert.resolved",
    "alert.escalated",
    "compliance.check.failed",
)
"""What an `events` filter can name."""

ENV_MARK = "${"

Language = Literal["en", "zh"]
"""What messages can be written in."""


class ChannelRef(NamedTuple):
    """Names a channel of a tenant: the config kind (`channel`, `webhook`) and its id. Text form `kind/id`."""

    config: str
    id: str

    def __str__(self) -> str:
        return f"{self.config}/{self.id}"

    @classmethod
    def parse(cls, text: str) -> ChannelRef:
        """The inverse of `str`."""
        config, _, id = text.partition("/")
        return cls(config, id)


def _url(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if ENV_MARK in text:
        return value
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or any(character <= " " for character in text):
        raise ValueError("is not an http or https address")
    if parts.username or parts.password:
        raise ValueError("holds a user name or password; put credentials in headers")
    return value


Url = Annotated[SecretStr, AfterValidator(_url)]
"""An http or https address."""


class RetryConfig(Frozen):
    """After failed attempt n wait `initial_seconds * backoff_multiplier^(n-1)`, at most `max_seconds`."""

    max_attempts: int = Field(default=24, ge=1, le=100)
    backoff_multiplier: float = Field(default=2.0, ge=1, le=100, allow_inf_nan=False)
    initial_seconds: float = Field(default=2.0, ge=0.1, le=86400, allow_inf_nan=False)
    max_seconds: float = Field(default=3600.0, ge=0.1, le=86400, allow_inf_nan=False)


def _events(value: tuple[str, ...]) -> tuple[str, ...]:
    unknown = [event for event in value if event not in EVENT_TYPES]
    if unknown:
        raise ValueError(f"holds {unknown[0]!r}, which is not one of {', '.join(EVENT_TYPES)}")
    return value


class ChannelSettings(Frozen):
    """The settings of every channel. `events` empty: all events."""

    CONFIG: ClassVar[str] = "channel"

    id: str = Field(max_length=128, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]*$")
    tenant_id: str = Field(min_length=1, max_length=256)
    type: str
    name: str = Field(default="", max_length=128)
    enabled: bool = True
    events: Annotated[tuple[str, ...], AfterValidator(_events)] = Field(default=(), max_length=16)
    retry_config: RetryConfig | None = None
    max_concurrency: int = Field(default=CONCURRENCY, ge=1, le=256)
    rate_limit: RateLimit | None = None
    digest: Digest | None = None
    fallback: str | None = Field(default=None, min_length=1, max_length=128)
    """Id of another channel or webhook of the tenant, which is told when this one gives up."""
    content_template: str | None = Field(default=None, min_length=1, max_length=128)
    """Id of a content template, for what no policy gives one."""
    content_language: Language | None = None
    """Of messages to nobody in particular, and to users who chose none. None: English."""
    disable_details: bool = False
    """Leave out the link that shows the alert without signing in."""

    PERSONAL: ClassVar[bool] = False
    """Whether it reaches people one by one, at addresses of their own: a user can be its recipient."""

    @property
    def bundles(self) -> bool:
        """Whether one message can tell of several alerts."""
        return True

    @property
    def ref(self) -> ChannelRef:
        """How notifications name this channel."""
        return ChannelRef(self.CONFIG, self.id)

    @property
    def transport(self) -> str:
        """The name, in `streamproc/channels/registry.py`, of what speaks to it."""
        return self.type

    @property
    def patient(self) -> bool:
        """Whether retries follow the Standard Webhooks schedule (about three days) by default."""
        return False
