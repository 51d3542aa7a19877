"""Who a rule itself says is told (Shield's `notificationTypes`, `emailRecipients`, …), beside `channels`."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Annotated, Any, ClassVar, Literal

from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from streamproc.model.channel_settings import ENV_MARK, Url
from streamproc.model.document import parsed, snake
from streamproc.model.webhook import WebhookSettings

NotificationType = Literal[
    "email",
    "slack",
    "teams",
    "webhook",
    "pagerduty",
    "dingtalk",
    "wecom",
    "lark",
    "sms",
    "voice",
    "message_center",
    "eventbridge",
    "function_compute",
]
"""CONTRACT "Delivery". The first four have recipients of their own in a rule."""

SECRET_FIELDS = frozenset({"webhook_urls"})
"""Fields of a rule that are sealed in the `config` topic: whoever knows a webhook's address can post to it."""

MAX_ADDRESSES = 100
"""Of each kind but e-mail, of which there may be as many as a record holds."""

_BOX = "$sealed"


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _few(value: object) -> object:
    if isinstance(value, list | tuple) and len(value) > MAX_ADDRESSES:
        raise ValueError(f"has more than {MAX_ADDRESSES} entries")
    return _listed(value)


def _address(text: str) -> str:
    """As the e-mail library writes it. Nothing is looked up, so that a mail domain may be a company's own."""
    try:
        return validate_email(text, check_deliverability=False).normalized
    except EmailNotValidError as error:
        raise ValueError(f"is not an e-mail address: {error}") from None


def _unboxed(value: object) -> object:
    """What is sealed is for the delivery process alone; to all others it is an address that they cannot use."""
    if isinstance(value, Mapping) and value.keys() == {_BOX} and isinstance(value[_BOX], str):
        return f"{ENV_MARK}SEALED}}"
    return value


def _https(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if ENV_MARK not in text and not text.lower().startswith("https://"):
        raise ValueError("is not an https address")
    return value


_Id = Annotated[str, Field(min_length=1, max_length=256)]
_Address = Annotated[str, Field(max_length=320), AfterValidator(_address)]
_Https = Annotated[Url, BeforeValidator(_unboxed), AfterValidator(_https)]


class RuleRecipients(BaseModel):
    """The fields of a rule that name recipients.

    With `notification_types`, only the recipients of those types are told; a type without recipients means all of the
    tenant's channels of that type. Without it, everybody named is told.
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    notification_types: Annotated[tuple[NotificationType, ...], BeforeValidator(_few)] = ()
    email_recipients: Annotated[tuple[_Address, ...], BeforeValidator(_listed)] = ()
    slack_channels: Annotated[tuple[_Id, ...], BeforeValidator(_few)] = ()
    """Ids of configured channels, as are `teams_channels`."""
    teams_channels: Annotated[tuple[_Id, ...], BeforeValidator(_few)] = ()
    webhook_urls: Annotated[tuple[_Https, ...], BeforeValidator(_few)] = ()
    """Secret, as some carry their password in the path; in a record of the config topic, sealed."""

    @property
    def told_types(self) -> tuple[str, ...]:
        """The types by which somebody is to be told, each once."""
        if self.notification_types:
            return tuple(dict.fromkeys(self.notification_types))
        given = {
            "email": self.email_recipients,
            "slack": self.slack_channels,
            "teams": self.teams_channels,
            "webhook": self.webhook_urls,
        }
        return tuple(name for name, recipients in given.items() if recipients)


class RuleWebhook(WebhookSettings):
    """An address of a rule's `webhook_urls` as a channel: format standard, unsigned.

    Its id is made from the rule's and the address, so it stays the same where other addresses come and go. Its
    `CONFIG` is no config kind: nothing in the configuration can be mistaken for it.
    """

    CONFIG: ClassVar[str] = "rule_url"

    id: str = Field(max_length=160)


def names_webhooks(doc: Mapping[str, Any]) -> bool:
    """Whether a rule's document has `webhook_urls`, in whichever spelling."""
    return any(snake(name) == "webhook_urls" for name in doc)


def rule_webhooks(doc: Mapping[str, Any]) -> tuple[RuleWebhook, ...]:
    """The channels that a rule's document (with its addresses in the clear) makes. Raises DocumentError."""
    fields = RuleRecipients.model_fields
    recipients = parsed(RuleRecipients, {name: value for name, value in doc.items() if snake(name) in fields})
    found: dict[str, RuleWebhook] = {}
    for url in recipients.webhook_urls:
        digest = blake2b(url.get_secret_value().encode(), digest_size=8, person=b"rule webhook").hexdigest()
        id = f"{doc['id']}:{digest}"
        found[id] = RuleWebhook(id=id, tenant_id=doc["tenant_id"], url=url)
    return tuple(found.values())
