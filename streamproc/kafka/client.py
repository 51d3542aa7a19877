"""What every Kafka client of the product is given: where the brokers are, and how to prove who we are."""

from __future__ import annotations

import contextlib
import ssl
from typing import Any

from streamproc.kafka.refusal import why_refused
from streamproc.settings import Settings, SettingsError


class BrokerUnavailableError(ConnectionError):
    """No broker answers. The text is one line that says which address was tried and what to do."""


def bootstrap_servers(settings: Settings) -> str:
    """Where the brokers are: the setting, else the embedded broker that runs. Or BrokerUnavailableError."""
    if settings.kafka:
        return settings.kafka
    try:
        found = settings.bootstrap_file.read_text().strip()
    except OSError:
        found = ""
    if not found:
        raise BrokerUnavailableError(
            f"No broker: STREAMPROC_KAFKA is not set and none runs on {settings.data_dir}. "
            "Start one with `streamproc broker` or `streamproc up`."
        )
    return found


def client_options(settings: Settings) -> dict[str, Any]:
    """Keyword arguments for any aiokafka client. Ask anew for each client: an embedded broker may move."""
    options: dict[str, Any] = {
        "bootstrap_servers": bootstrap_servers(settings).split(","),
        "security_protocol": settings.kafka_security_protocol,
    }
    if settings.kafka_security_protocol in ("SSL", "SASL_SSL"):
        options["ssl_context"] = _ssl_context(settings)
    if settings.kafka_security_protocol.startswith("SASL"):
        password = settings.kafka_security_password
        options["sasl_mechanism"] = settings.kafka_security_mechanism
        options["sasl_plain_username"] = settings.kafka_security_username
        options["sasl_plain_password"] = password.get_secret_value() if password else None
    return options


def unreachable(settings: Settings) -> BrokerUnavailableError:
    """The error to raise when the brokers are known but do not answer, or do not let us in."""
    protocol = settings.kafka_security_protocol
    if protocol != "PLAINTEXT":
        with contextlib.suppress(SettingsError, BrokerUnavailableError):
            refused = why_refused(client_options(settings))
            if refused is not None:
                return BrokerUnavailableError(refused)
    if settings.kafka:
        spoken = "" if protocol == "PLAINTEXT" else f" by {protocol}"
        return BrokerUnavailableError(
            f"No broker answers at {settings.kafka}{spoken}. Check STREAMPROC_KAFKA, and that the broker runs."
        )
    return BrokerUnavailableError(
        f"The broker named in {settings.bootstrap_file} does not answer. Start it with `streamproc broker`."
    )


def _ssl_context(settings: Settings) -> ssl.SSLContext:
    cafile, certfile, keyfile = (
        settings.kafka_security_cafile,
        settings.kafka_security_certfile,
        settings.kafka_security_keyfile,
    )
    for name, path in (("CAFILE", cafile), ("CERTFILE", certfile), ("KEYFILE", keyfile)):
        if path is not None and not path.is_file():
            raise SettingsError(f"STREAMPROC_KAFKA_SECURITY_{name}: '{path}' is not a readable file")
    try:
        context = ssl.create_default_context(cafile=str(cafile) if cafile else None)
        if certfile is not None:
            context.load_cert_chain(str(certfile), str(keyfile) if keyfile else None)
    except (ssl.SSLError, OSError) as error:
        raise SettingsError(f"STREAMPROC_KAFKA_SECURITY_*: the certificates cannot be used: {error}") from None
    return context
