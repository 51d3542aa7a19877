"""Settings of a *webhook*: an HTTP endpoint, the shape of what it gets, and how that is signed."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, SecretStr, model_validator

from streamproc.model.channel_settings import ENV_MARK, ChannelSettings, Frozen, Url

_RESERVED_HEADERS = frozenset({"connection", "content-length", "host", "te", "trailer", "transfer-encoding", "upgrade"})
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


class WebhookFormat(StrEnum):
    """The shape of the body."""

    STANDARD = "standard"
    TRAILBASE = "trailbase"
    IMMUTABLE = "immutable"
    TEMPLATE = "template"
    """As the tenant's content template makes it."""


def _header_name(name: str) -> str:
    if not _TOKEN.fullmatch(name) or name.lower() in _RESERVED_HEADERS:
        raise ValueError("is not a header name that can be set")
    return name


class Signature(Frozen):
    """HMAC-SHA256 of the body in one header: `<prefix><hex or base64>`."""

    header: Annotated[str, AfterValidator(_header_name)] = Field(max_length=64)
    prefix: str = Field(default="", pattern=r"^[ -~]*$", max_length=64)
    algorithm: Literal["hmac-sha256"] = "hmac-sha256"
    encoding: Literal["hex", "base64"] = "hex"


STANDARD_SIGNATURE = Signature(header="webhook-signature", prefix="v1,", encoding="base64")
"""Stands for Standard Webhooks, which signs the id and the time too (`channels/sign.py`)."""

_SIGNATURES = {
    WebhookFormat.STANDARD: STANDARD_SIGNATURE,
    WebhookFormat.TRAILBASE: Signature(header="X-Trailbase-Signature"),
    WebhookFormat.IMMUTABLE: Signature(header="X-Immutable-Signature", prefix="sha256="),
    WebhookFormat.TEMPLATE: STANDARD_SIGNATURE,
}


def _signature(value: Any) -> Any:
    """`standard-webhooks` is the one style that has a name."""
    if isinstance(value, str):
        if value == "standard-webhooks":
            return STANDARD_SIGNATURE
        raise ValueError("is not standard-webhooks, nor a map of header, prefix, algorithm and encoding")
    return value


class Secret(Frozen):
    """A signing secret; from `expires_at` it no longer signs (rotation: old and new overlap until then)."""

    value: SecretStr = Field(min_length=1, max_length=1024)
    expires_at: AwareDatetime | None = None

    def signs_at(self, moment: datetime) -> bool:
        """Whether it has not expired; `moment` is aware."""
        return self.expires_at is None or moment < self.expires_at


def _secrets(value: Any) -> Any:
    """Texts in the list are secrets that do not expire."""
    if isinstance(value, list | tuple):
        return [{"value": item} if isinstance(item, str) else item for item in value]
    return value


def standard_key(secret: str) -> bytes:
    """The HMAC key of a Standard Webhooks secret: `whsec_` (optional) and the base64 of 24 to 64 bytes.

    Raises ValueError.
    """
    text = secret.removeprefix("whsec_")
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        key = b""
    if not 24 <= len(key) <= 64:
        raise ValueError("is not a Standard Webhooks secret: whsec_ and the base64 of 24 to 64 bytes")
    return key


def _headers(value: Mapping[str, SecretStr]) -> Mapping[str, SecretStr]:
    for name, text in value.items():
        if not _TOKEN.fullmatch(name) or name.lower() in _RESERVED_HEADERS:
            raise ValueError(f"holds {name!r}, which is not a header name that can be set")
        if name.lower().startswith("webhook-"):
            raise ValueError(f"holds {name!r}, which is set with the signature")
        if not sendable_header(text.get_secret_value()):
            raise ValueError(f"holds a line break or control character in {name}")
    return value


def sendable_header(text: str) -> bool:
    """Whether a header may have this value."""
    return not any((character < " " and character != "\t") or character == "\x7f" for character in text)


class WebhookSettings(ChannelSettings):
    """An HTTP endpoint that gets a POST per notification.

    Every secret that has not expired signs with Standard Webhooks signatures; the first of them where there is
    room for one signature only. `signature` defaults to the format's own. Without a secret nothing is signed.
    """

    type: Literal["webhook"] = "webhook"
    url: Url
    format: WebhookFormat = WebhookFormat.STANDARD
    signature: Annotated[Signature | None, BeforeValidator(_signature)] = None
    secret: SecretStr | None = Field(default=None, min_length=1, max_length=1024)
    secrets: Annotated[tuple[Secret, ...], BeforeValidator(_secrets)] = Field(default=(), max_length=4)
    headers: Annotated[Mapping[str, SecretStr], AfterValidator(_headers)] = Field(default={}, max_length=32)
    mode: Literal["single", "batch"] = "single"
    """Batch: the body is a list, of all that is told together."""
    max_items: int | None = Field(default=None, ge=1, le=1_000)
    """Of a batch; more go in further requests. None: no limit but the message's size."""

    @property
    def bundles(self) -> bool:
        """Only a batch can tell of several."""
        return self.transport == "slack" or (self.mode == "batch" and self.transport == "webhook")

    @model_validator(mode="after")
    def _has_its_template(self) -> WebhookSettings:
        if self.format is WebhookFormat.TEMPLATE and self.content_template is None:
            raise ValueError("content_template: is required for format template")
        return self

    @model_validator(mode="after")
    def _usable_secrets(self) -> WebhookSettings:
        if self.signature_style == STANDARD_SIGNATURE and self.transport == "webhook":
            for secret in self.all_secrets:
                text = secret.value.get_secret_value()
                try:
                    _ = ENV_MARK in text or standard_key(text)
                except ValueError as error:
                    raise ValueError(f"secret: {error}") from None
        return self

    @property
    def all_secrets(self) -> tuple[Secret, ...]:
        """The newest first."""
        return ((Secret(value=self.secret),) if self.secret is not None else ()) + self.secrets

    @property
    def signature_style(self) -> Signature:
        """As given, else the format's own."""
        return self.signature or _SIGNATURES[self.format]

    @property
    def transport(self) -> str:
        """An address of Slack's or PagerDuty's is spoken to as they want it."""
        return provider_of(self.url.get_secret_value()) or "webhook"

    @property
    def patient(self) -> bool:
        """Format `standard` follows the Standard Webhooks schedule, unless `retry_config` says otherwise."""
        return self.format is WebhookFormat.STANDARD and self.transport == "webhook"


class Webhook(WebhookSettings):
    """A `webhook` of the config topic; `WebhookSettings` is the same as a `channel` of type webhook."""

    CONFIG: ClassVar[str] = "webhook"


_PROVIDERS = {
    "hooks.slack.com": "slack",
    "events.pagerduty.com": "pagerduty",
    "events.eu.pagerduty.com": "pagerduty",
}


def provider_of(url: str) -> str | None:
    """The transport that an address of a provider's wants; None for any other address."""
    try:
        return _PROVIDERS.get(urlsplit(url).hostname or "")
    except ValueError:
        return None
