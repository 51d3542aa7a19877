"""How a broker of our own is locked: TLS and SASL for clients, and who may do what. Off unless it is asked for."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LISTENER = "SASL_SSL"
OURSELVES = "streamproc-broker"
"""The user that the broker is to itself; its password is made anew at each start."""
_ITERATIONS = 4096
_SCRAM = {"SCRAM-SHA-256": "sha256", "SCRAM-SHA-512": "sha512"}
_NAME = re.compile(r"[A-Za-z0-9._-]{1,100}")


@dataclass(frozen=True, slots=True)
class Security:
    """One listener, SASL_SSL, that takes PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512.

    `certificate` is a PEM file with the broker's private key (PKCS 8, without a password) and after it its
    certificate, which must be good for 127.0.0.1; `authorities` a PEM file of who signed it. `users` are passwords by
    name. With `acls` a user may do what an access control list allows, and nothing else; `admins` may do everything.
    The controller listens on loopback without a lock: this is a broker for tests and one machine.
    Users for SCRAM are written when the data directory is prepared, so later changes of them have no effect.
    """

    certificate: Path
    authorities: Path
    users: Mapping[str, str] = field(repr=False)
    admins: frozenset[str] = frozenset()
    acls: bool = False

    def __post_init__(self) -> None:
        for name in (*self.users, *self.admins):
            if not _NAME.fullmatch(name) or name == OURSELVES:
                raise ValueError(f"users: {name!r} is not a name of letters, digits, . _ - (nor {OURSELVES!r})")

    def write(self, directory: Path) -> Path:
        """What the launcher needs, in a file that only we may read."""
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / "security.json"
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(self._order(secrets.token_urlsafe(24)), file)
        return path

    def _order(self, own: str) -> dict[str, Any]:
        return {
            "listener": LISTENER,
            "properties": self._properties(own),
            "format": [argument for name in self.users for argument in self._scram(name)],
            "authorities": str(self.authorities),
            "user": OURSELVES,
            "password": own,
        }

    def _properties(self, own: str) -> dict[str, str]:
        listener = f"listener.name.{LISTENER.lower()}"
        plain = {f"user_{name}": password for name, password in {**self.users, OURSELVES: own}.items()}
        found = {
            "inter.broker.listener.name": LISTENER,
            "sasl.mechanism.inter.broker.protocol": "PLAIN",
            "sasl.enabled.mechanisms": ",".join(["PLAIN", *_SCRAM]),
            f"{listener}.plain.sasl.jaas.config": _jaas(
                "org.apache.kafka.common.security.plain.PlainLoginModule",
                {"username": OURSELVES, "password": own, **plain},
            ),
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self.certificate),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self.authorities),
        }
        for mechanism in _SCRAM:
            found[f"{listener}.{mechanism.lower()}.sasl.jaas.config"] = _jaas(
                "org.apache.kafka.common.security.scram.ScramLoginModule", {}
            )
        if self.acls:
            # what comes to the controller's listener, which is ours alone, has no name
            everything = ["ANONYMOUS", OURSELVES, *sorted(self.admins)]
            found["authorizer.class.name"] = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
            found["super.users"] = ";".join(f"User:{name}" for name in everything)
        return found

    def _scram(self, name: str) -> list[str]:
        """Arguments of `kafka-storage format` for one user, with the salted password of RFC 5802."""
        arguments = []
        for mechanism, digest in _SCRAM.items():
            salt = secrets.token_bytes(24)
            salted = hashlib.pbkdf2_hmac(digest, self.users[name].encode(), salt, _ITERATIONS)
            values = f'name={name},iterations={_ITERATIONS},salt="{_base64(salt)}",saltedpassword="{_base64(salted)}"'
            arguments += ["--add-scram", f"{mechanism}=[{values}]"]
        return arguments


def _jaas(module: str, options: Mapping[str, str]) -> str:
    def quoted(value: str) -> str:
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'

    return " ".join([module, "required", *(f"{name}={quoted(value)}" for name, value in options.items())]) + ";"


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()
