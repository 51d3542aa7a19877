"""E-mail over SMTP: one message for all recipients of the channel, text and HTML.

A mail server answers for each recipient. Whoever it accepts has the message; a 5yz answer is final for that recipient
and a 4yz answer is not, so the outcome carries the `Progress`, and a retry is sent to those alone who are left:

- somebody is left: RETRY, whoever else has it;
- nobody is left, and at least one recipient was reached (by this attempt or an earlier one): DELIVERED, and the
  detail names those who were refused;
- nobody is left or reached: PERMANENT.

A retry carries the same Message-ID, so a mail program shows a message once that came twice. All messages about an
alert refer to one id made from the alert's, which makes them a thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP as WIRE
from email.utils import format_datetime, parseaddr

import aiosmtplib
from aiosmtplib.errors import (
    SMTPAuthenticationError,
    SMTPConnectError,
    SMTPException,
    SMTPNotSupported,
    SMTPRecipientsRefused,
    SMTPResponseException,
)
from pydantic import SecretStr

from streamproc.alerting.message import Message
from streamproc.alerting.render_email import email, email_content
from streamproc.channels.http import ForbiddenAddressError
from streamproc.channels.outcome import Outcome, OutcomeKind, Reason, unusable
from streamproc.channels.secrets import masked
from streamproc.channels.tcp import connected
from streamproc.channels.transport import BaseTransport
from streamproc.model.channel_settings import ChannelSettings
from streamproc.model.channels_mail import EmailChannel, MailTls
from streamproc.model.delivery import MAX_EXCERPT_BYTES, cut
from streamproc.model.notification import Notification

QUIT_SECONDS = 2.0
"""The message is accepted by then; a server that does not say goodbye is left."""


@dataclass(frozen=True, slots=True)
class Login:
    """User name and password, with their variables filled in."""

    username: str
    password: str = field(repr=False)


Answers = Mapping[str, tuple[int, str]]
"""What the server said of recipients that it refused: (SMTP code, text)."""


class EmailTransport(BaseTransport):
    """Takes an `EmailChannel`. One connection per message: alerts are few, and servers drop idle ones.

    `http` lends its limits and its guard on addresses; nothing is sent with it.
    """

    async def send(self, notification: Notification, channel: ChannelSettings) -> Outcome:
        """One attempt, at the recipients that `notification.progress` leaves. Raises `SettingError`."""
        assert isinstance(channel, EmailChannel)
        login = self._login(channel)
        everybody = channel.recipients
        to = notification.progress.left(everybody)
        if not to:
            # the settings lost the recipients that a retry was for
            return _judged(notification, [], {}, "nobody is left to be told")
        message = made(notification, channel, self._message(notification, channel))
        started = time.monotonic()
        try:
            async with asyncio.timeout(self._http.total_seconds):
                refused, said = await self._transfer(channel, login, message, to)
            outcome = _judged(notification, to, refused, said)
        except SMTPRecipientsRefused as error:
            answers = {one.recipient: (one.code, one.message) for one in error.recipients}
            outcome = _judged(notification, to, answers, "")
        except (SMTPException, OSError, ssl.SSLError, ValueError) as error:
            outcome = _failure(error)
            if outcome.kind is not OutcomeKind.RETRY and notification.progress.reached:
                detail = f"others have it; {outcome.detail}"
                outcome = replace(outcome, kind=OutcomeKind.DELIVERED, reason=Reason.OK, detail=detail)
        secrets = [login.password] if login else []
        return replace(
            outcome,
            latency_ms=round((time.monotonic() - started) * 1000),
            excerpt=cut(masked(outcome.excerpt, secrets), MAX_EXCERPT_BYTES),
            detail=masked(outcome.detail, secrets),
        )

    def _login(self, channel: EmailChannel) -> Login | None:
        if channel.username is None or channel.password is None:
            return None
        username = self._environment.text(SecretStr(channel.username))
        return Login(username, self._environment.text(channel.password))

    async def _transfer(
        self, channel: EmailChannel, login: Login | None, message: EmailMessage, to: Sequence[str]
    ) -> tuple[Answers, str]:
        """(recipients refused while others were not, what the server said to the message)."""
        address = parseaddr(channel.sender)[1]
        sock = await connected(self._http, channel.host, channel.connects_to)
        client = aiosmtplib.SMTP(
            hostname=channel.host,
            sock=sock,
            local_hostname=_domain(address),  # the default would look this machine up and tell its name
            use_tls=channel.tls is MailTls.IMPLICIT,
            start_tls=channel.tls is MailTls.STARTTLS,
            tls_context=None if channel.tls is MailTls.NONE else _tls_context(),
            timeout=self._http.total_seconds,
        )
        try:
            await client.connect()
            if login is not None:
                await client.login(login.username, login.password)
            refused, said = await client.send_message(message, sender=address, recipients=list(to))
            with contextlib.suppress(SMTPException, OSError):
                await client.quit(timeout=QUIT_SECONDS)
            return {name: (answer.code, answer.message) for name, answer in refused.items()}, said
        finally:
            client.close()
            sock.close()


def made(notification: Notification, channel: EmailChannel, told: Message) -> EmailMessage:
    """The message. The same notification makes the same one, but for the boundary between its parts."""
    content = notification.content
    mail = email(told, channel.template) if content is None else email_content(told, content)
    domain = _domain(parseaddr(channel.sender)[1])
    thread = f"<{_id_text(notification.alert_id)}@{domain}>"
    message = EmailMessage(policy=WIRE)
    message["From"] = channel.sender
    message["To"] = ", ".join(channel.recipients)
    message["Subject"] = mail.subject
    message["Date"] = format_datetime(datetime.fromtimestamp(notification.created_at / 1000, UTC))
    message["Message-ID"] = f"<{_id_text(notification.delivery_id)}@{domain}>"
    message["In-Reply-To"] = thread
    message["References"] = thread
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers
    message["X-Auto-Response-Suppress"] = "All"
    if mail.urgent:
        message["Importance"] = "high"
    message.set_content(mail.text, cte="quoted-printable")
    if mail.html:
        message.add_alternative(mail.html, subtype="html", cte="quoted-printable")
    return message


def _domain(address: str) -> str:
    domain = address.rpartition("@")[2]
    try:
        return domain.encode("idna").decode()
    except UnicodeError:
        return "localhost"


def _id_text(id: str) -> str:
    """An id of ours as the left side of a Message-ID, whatever a record may hold."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "_-.") else "_" for c in id)[:200]


def _tls_context() -> ssl.SSLContext:
    return ssl.create_default_context()


def _judged(notification: Notification, to: Sequence[str], refused: Answers, said: str) -> Outcome:
    """The outcome of an attempt at `to`, of whom the server refused some."""
    final = [name for name in to if name in refused and refused[name][0] >= 500]
    later = [name for name in to if name in refused and refused[name][0] < 500]
    reached = [name for name in to if name not in refused]
    progress = notification.progress.after(reached, final)
    detail = "; ".join(f"{name}: {refused[name][0]} {_one_line(refused[name][1])}" for name in (*final, *later))
    excerpt = "\n".join([said, *(f"{name}: {code} {text}" for name, (code, text) in refused.items())]).strip()
    if later:
        first = refused[later[0]][0]
        return Outcome(OutcomeKind.RETRY, Reason.SERVER_ERROR, first, excerpt=excerpt, detail=detail, progress=progress)
    if progress.reached:
        text = f"refused: {detail}" if detail else ""
        return Outcome(OutcomeKind.DELIVERED, Reason.OK, 250, excerpt=excerpt, detail=text, progress=progress)
    worst = refused[final[0]][0] if final else None
    return Outcome(
        OutcomeKind.PERMANENT, Reason.PROVIDER_ERROR, worst, excerpt=excerpt, detail=detail or said, progress=progress
    )


def _failure(error: Exception) -> Outcome:
    """The outcome for all recipients alike. Texts are ours, but for what the server said."""
    if isinstance(error, SMTPResponseException):
        return _answered(error)
    if isinstance(error, SMTPNotSupported) and "SMTPUTF8" in error.message:
        return unusable("recipients: the mail server takes no addresses outside ASCII")
    if type(error) is SMTPException:  # the library has no classes for these two
        if "STARTTLS extension not supported" in error.message:
            return unusable("tls: the mail server does not offer STARTTLS")
        if "AUTH" in error.message:
            return unusable("username: the mail server offers no login that is known here")
    cause = error.__cause__ if isinstance(error, SMTPConnectError) else None
    for one in (error, cause):
        if isinstance(one, ForbiddenAddressError):
            detail = "the address is private or reserved; an operator can permit its network in ALLOWED_NETWORKS"
            return Outcome(OutcomeKind.PERMANENT, Reason.FORBIDDEN_ADDRESS, detail=detail)
        if isinstance(one, ssl.SSLError):
            return Outcome(OutcomeKind.RETRY, Reason.TLS, detail="TLS failed: check the mail server's certificate")
    if isinstance(error, TimeoutError):
        return Outcome(OutcomeKind.RETRY, Reason.TIMEOUT, detail="no answer in time")
    if isinstance(error, socket.gaierror):
        return Outcome(OutcomeKind.RETRY, Reason.CONNECTION, detail="the host name cannot be resolved")
    if isinstance(error, OSError):
        text = error.strerror or "the connection was closed"
        return Outcome(OutcomeKind.RETRY, Reason.CONNECTION, detail=f"connection failed: {text}")
    if isinstance(error, SMTPException):
        return Outcome(OutcomeKind.RETRY, Reason.PROTOCOL, detail="the answer is not SMTP")
    return unusable("the message cannot be built from these settings")


def _answered(error: SMTPResponseException) -> Outcome:
    """By the code of an answer to anything but a recipient."""
    said = Outcome(
        OutcomeKind.RETRY,
        Reason.SERVER_ERROR,
        error.code,
        excerpt=f"{error.code} {error.message}",
        detail=f"{error.code} {_one_line(error.message)}",
    )
    if 400 <= error.code < 500:
        return said
    if isinstance(error, SMTPAuthenticationError) and error.code >= 500:
        detail = "username: the mail server refuses this user name and password"
        return replace(said, kind=OutcomeKind.PERMANENT, reason=Reason.SETTINGS, detail=detail)
    if error.code >= 500:
        return replace(said, kind=OutcomeKind.PERMANENT, reason=Reason.PROVIDER_ERROR)
    return replace(said, reason=Reason.PROTOCOL, detail="the answer is not SMTP")


def _one_line(text: str) -> str:
    return " ".join(text.split())[:100]
