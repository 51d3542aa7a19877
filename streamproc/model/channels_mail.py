"""Settings of an e-mail channel: a mail server, and who gets the messages."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator

from streamproc.model.channel_settings import ChannelSettings

MAX_RECIPIENTS = 100
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*")


class MailTls(StrEnum):
    """How the connection is encrypted; certificates are verified."""

    STARTTLS = "starttls"
    IMPLICIT = "implicit"
    NONE = "none"


_PORTS = {MailTls.STARTTLS: 587, MailTls.IMPLICIT: 465, MailTls.NONE: 25}


class MailTemplate(StrEnum):
    """How much a message says."""

    DEFAULT = "default"
    MINIMAL = "minimal"
    DETAILED = "detailed"


def _host(text: str) -> str:
    if not _HOST.fullmatch(text):
        raise ValueError("is not a host name or an IP address")
    return text


def _address(text: str) -> str:
    """As the e-mail library writes it; nothing is looked up, so that a mail domain may be a company's own."""
    try:
        return validate_email(text, check_deliverability=False).normalized
    except EmailNotValidError as error:
        raise ValueError(f"is not an e-mail address: {error}") from None


def _sender(text: str) -> str:
    """`Name <address>`, or an address alone."""
    try:
        found = validate_email(text, check_deliverability=False, allow_display_name=True)
    except EmailNotValidError as error:
        raise ValueError(f"is not an e-mail address: {error}") from None
    name = found.display_name or ""
    if not name.isprintable():
        raise ValueError("holds a line break or control character")
    return f"{name} <{found.normalized}>" if name else found.normalized


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _each_once(value: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value))


Recipient = Annotated[str, Field(max_length=320), AfterValidator(_address)]


class EmailChannel(ChannelSettings):
    """E-mail over SMTP. All `recipients` get one message and see each other's addresses; without any, users are told.

    `port` defaults to 587 (starttls), 465 (implicit) or 25 (none). A password is never sent unencrypted.
    """

    PERSONAL: ClassVar[bool] = True

    type: Literal["email"] = "email"
    host: Annotated[str, Field(max_length=253), AfterValidator(_host)]
    port: int | None = Field(default=None, ge=1, le=65535)
    tls: MailTls = MailTls.STARTTLS
    username: str | None = Field(default=None, min_length=1, max_length=320)
    password: SecretStr | None = Field(default=None, min_length=1, max_length=1024)
    sender: Annotated[str, Field(max_length=400), AfterValidator(_sender)]
    recipients: Annotated[tuple[Recipient, ...], BeforeValidator(_listed), AfterValidator(_each_once)] = Field(
        default=(), max_length=MAX_RECIPIENTS
    )
    template: MailTemplate = MailTemplate.DEFAULT

    @model_validator(mode="after")
    def _usable_login(self) -> EmailChannel:
        if (self.username is None) != (self.password is None):
            raise ValueError("username: give username and password, or neither")
        if self.password is not None and self.tls is MailTls.NONE:
            raise ValueError("password: would be sent unencrypted; set tls to starttls or implicit")
        return self

    @property
    def connects_to(self) -> int:
        """The port: as given, else the usual one."""
        return self.port or _PORTS[self.tls]
