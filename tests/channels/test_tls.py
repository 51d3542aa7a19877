"""Certificates are verified; an endpoint that has none we trust gets nothing, and is tried again."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from streamproc.channels.registry import Transports
from tests.channels.receiver import Receiver, answer, http, notification, receiving, webhook


def self_signed(directory: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = directory / "server.pem"
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


async def test_a_certificate_that_nobody_vouches_for(tmp_path: Path) -> None:
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0, ssl=self_signed(tmp_path))
    async with server, http() as client:
        port = server.sockets[0].getsockname()[1]
        outcome = await Transports(client, {}).send(notification(), webhook(f"https://127.0.0.1:{port}/"))
    assert (outcome.kind, outcome.reason) == ("retry", "tls")
    assert "certificate" in outcome.detail
    assert not receiver.requests


async def test_tls_to_a_port_that_does_not_speak_it() -> None:
    async with receiving(answer(200)) as receiver, http(total_seconds=0.5) as client:
        url = receiver.url.replace("http:", "https:")
        outcome = await Transports(client, {}).send(notification(), webhook(url))
    assert outcome.kind == "retry"
    assert not receiver.requests


async def test_a_reused_connection_carries_the_next_notification() -> None:
    async with receiving(answer(200)) as receiver, http() as client:
        transports = Transports(client, {})
        outcomes = [await transports.send(notification(), webhook(receiver.url)) for _ in range(3)]
    assert [outcome.kind for outcome in outcomes] == ["delivered"] * 3
    assert len(receiver.requests) == 3
