"""A mail server on this machine that answers as a test says, and a channel that points to it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as POLICY
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from streamproc.model.channel_settings import ChannelSettings
from streamproc.model.channels_mail import EmailChannel
from streamproc.model.document import parsed


@dataclass
class Mailbox:
    """`refuse`: what RCPT is answered per recipient; `sender`, `data`: what MAIL and DATA are; None: 250."""

    refuse: Mapping[str, str] = field(default_factory=dict)
    sender: str | None = None
    data: str | None = None
    hang: bool = False
    password: str = "s3cret-pw"
    got: list[tuple[list[str], EmailMessage]] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)
    port: int = 0

    async def handle_MAIL(self, _: SMTP, __: Session, envelope: Envelope, address: str, options: list[str]) -> str:
        if self.sender:
            return self.sender
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(self, _: SMTP, __: Session, envelope: Envelope, address: str, ___: list[str]) -> str:
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _: SMTP, session: Session, envelope: Envelope) -> str:
        if self.hang:
            await asyncio.sleep(60)
        if self.data:
            return self.data
        assert isinstance(envelope.content, bytes)
        message = message_from_bytes(envelope.content, policy=POLICY)  # type: ignore[arg-type]
        self.got.append((list(envelope.rcpt_tos), message))  # type: ignore[arg-type]
        self.raw.append(envelope.content)
        self.encrypted.append(session.ssl is not None)
        return "250 2.0.0 kept as 42"

    def authenticate(self, _: SMTP, __: Session, ___: Envelope, ____: str, login: Any) -> AuthResult:
        good = isinstance(login, LoginPassword) and login.password == self.password.encode()
        return AuthResult(success=good, handled=False)

    def channel(self, **settings: Any) -> ChannelSettings:
        doc = {
            "id": "mail",
            "tenant_id": "acme",
            "host": "127.0.0.1",
            "port": self.port,
            "tls": "none",
            "sender": "Streamproc <alerts@acme.example.com>",
            "recipients": ["ann@acme.example.com"],
        }
        return parsed(EmailChannel, {**doc, **settings})


@asynccontextmanager
async def mailbox(
    *, tls: ssl.SSLContext | None = None, implicit: bool = False, login: bool = False, **answers: Any
) -> AsyncIterator[Mailbox]:
    box = Mailbox(**answers)
    loop = asyncio.get_running_loop()

    def session() -> SMTP:
        return SMTP(
            box,
            hostname="mx.test",
            loop=loop,
            enable_SMTPUTF8=False,
            tls_context=None if implicit else tls,
            authenticator=box.authenticate if login else None,
            auth_required=login,
            auth_require_tls=not implicit,
        )

    server = await loop.create_server(session, "127.0.0.1", 0, ssl=tls if implicit else None)
    box.port = server.sockets[0].getsockname()[1]
    try:
        yield box
    finally:
        server.close()


def certified(directory: Path, name: str = "127.0.0.1") -> tuple[ssl.SSLContext, Path]:
    """(a server's TLS context for an IP address, the file of the authority that vouches for it)."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(name))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    public = certificate.public_bytes(serialization.Encoding.PEM)
    authority, pem = directory / "authority.pem", directory / "server.pem"
    authority.write_bytes(public)
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + public
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context, authority
