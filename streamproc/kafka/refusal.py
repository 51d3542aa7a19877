"""Why a broker that is there does not let us in: its certificate, our password, the protocol.

aiokafka tells none of it to its caller ("Unable to bootstrap"), so the first connection is tried once more, by hand.
Only the error path asks, and only where TLS or SASL is set up.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aiokafka.conn import create_conn
from aiokafka.errors import (
    AuthenticationFailedError,
    IllegalSaslStateError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)

_SECONDS = 4.0
_NAME_MISMATCH = (62, 64)
"""OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH."""


def why_refused(options: dict[str, Any]) -> str | None:
    """A sentence that says what is wrong and which setting mends it; None: nobody refuses us.

    `options` are those of `client.client_options`. Blocks for up to a few seconds.
    """
    with ThreadPoolExecutor(1) as thread:  # the caller's event loop is busy waiting for us
        return thread.submit(lambda: asyncio.run(_try(options))).result()


async def _try(options: dict[str, Any]) -> str | None:
    for server in options["bootstrap_servers"]:
        host, _, port = server.rpartition(":")
        given = {name: value for name, value in options.items() if name != "bootstrap_servers"}
        try:
            connection = await asyncio.wait_for(
                create_conn(host.strip("[]"), int(port), request_timeout_ms=int(_SECONDS * 1000), **given), _SECONDS
            )
        except (OSError, KafkaError, TimeoutError) as error:
            said = explain(error, server, options)
            if said is not None:
                return said
        else:
            connection.close()
    return None


def explain(error: BaseException, server: str, options: dict[str, Any]) -> str | None:
    """The sentence for an error of the connection; None for one that is not about who we are."""
    match error:
        case ssl.SSLCertVerificationError() if error.verify_code in _NAME_MISMATCH:
            return (
                f"The certificate of {server} is for another name ({error.verify_message}): put the name that it "
                "is for into STREAMPROC_KAFKA, and into the broker's advertised.listeners."
            )
        case ssl.SSLCertVerificationError():
            return (
                f"The certificate of {server} is not trusted ({error.verify_message}): set "
                "STREAMPROC_KAFKA_SECURITY_CAFILE to the PEM file of the authority that signed it."
            )
        case ssl.SSLError() if "CERTIFICATE_REQUIRED" in str(error) or "certificate required" in str(error):
            return (
                f"{server} wants a certificate of ours: set STREAMPROC_KAFKA_SECURITY_CERTFILE and "
                "STREAMPROC_KAFKA_SECURITY_KEYFILE."
            )
        case ssl.SSLError():
            return (
                f"{server} does not speak TLS with us ({error.reason or error}): check "
                "STREAMPROC_KAFKA_SECURITY_PROTOCOL and the port in STREAMPROC_KAFKA."
            )
        case socket.gaierror():
            return f"{server} is not the name of a machine: check STREAMPROC_KAFKA."
        case UnsupportedSaslMechanismError():
            return (
                f"{server} does not offer {options['sasl_mechanism']}: set STREAMPROC_KAFKA_SECURITY_MECHANISM "
                "to one that it does."
            )
        case AuthenticationFailedError() | SaslAuthenticationFailed() | IllegalSaslStateError():
            return (
                f"{server} refuses the user {options.get('sasl_plain_username')!r} by "
                f"{options.get('sasl_mechanism')}: check STREAMPROC_KAFKA_SECURITY_USERNAME, "
                "STREAMPROC_KAFKA_SECURITY_PASSWORD and STREAMPROC_KAFKA_SECURITY_MECHANISM."
            )
    return None
