"""The keys that seal secrets: from the settings, else a file that only we may read.

Sealing is AES-256-GCM with a random nonce. The record's key is authenticated with it, so a sealed value does
not open in any other record. A sealed value names its key, so that keys can be rotated.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import hmac
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from streamproc.settings import Settings, SettingsError

KEY_BYTES = 32
KEY_FILE = "secret.key"
_NONCE_BYTES = 12


class SealError(ValueError):
    """A secret that cannot be sealed or opened; the text is one line without the secret."""


class Keyring:
    """The first key seals, all open. With a `path`, the key is read from (or, to seal, made in) that file."""

    def __init__(self, keys: Sequence[bytes], path: Path | None = None) -> None:
        self._keys = {_key_id(key): key for key in keys}
        self._path = path

    def __repr__(self) -> str:
        return f"Keyring({', '.join(self._keys)})"

    def seal(self, value: Any, context: str) -> str:
        """`v1.<key id>.<base64>` for a JSON value; `context` must be the same to open it."""
        key_id, key = self._first()
        nonce = os.urandom(_NONCE_BYTES)
        box = nonce + AESGCM(key).encrypt(nonce, orjson.dumps(value), context.encode())
        return f"v1.{key_id}.{base64.urlsafe_b64encode(box).decode().rstrip('=')}"

    def open(self, sealed: str, context: str) -> Any:
        """The value that was sealed. Raises SealError."""
        version, _, rest = sealed.partition(".")
        key_id, _, text = rest.partition(".")
        if version != "v1" or not text:
            raise SealError("is not a sealed value that this release reads")
        key = self._named(key_id)
        if key is None:
            raise SealError(
                f"was sealed with key {key_id}, which this process does not have: "
                "give STREAMPROC_SECRET_KEY the same value everywhere"
            )
        try:
            box = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            return orjson.loads(AESGCM(key).decrypt(box[:_NONCE_BYTES], box[_NONCE_BYTES:], context.encode()))
        except (InvalidTag, ValueError):
            raise SealError("was sealed for another record, or altered") from None

    def mac(self, message: bytes, purpose: str) -> str:
        """`<key id>.<base64>`: keyed BLAKE2b of `message`, for whoever only has to know it again.

        A mac of one `purpose` (at most 16 bytes) is none of another. Raises SealError.
        """
        key_id, key = self._first()
        return f"{key_id}.{_mac(key, message, purpose)}"

    def verifies(self, mac: str, message: bytes, purpose: str) -> bool:
        """Whether `mac` was made of `message` by a key that we have; takes as long for a wrong one."""
        key_id, _, text = mac.partition(".")
        key = self._named(key_id)
        wanted = _mac(key or bytes(KEY_BYTES), message, purpose)
        return hmac.compare_digest(wanted.encode(), text.encode()) and key is not None

    def derived(self, label: str) -> tuple[bytes, ...]:
        """A key for one use from each of ours, 32 bytes; the first is for making, all are for checking.

        `label` has at most 16 bytes; keys of different labels say nothing of each other. Raises SealError.
        """
        self._first()
        return tuple(
            hashlib.blake2b(b"streamproc derived", key=key, digest_size=32, person=label.encode()).digest()
            for key in self._keys.values()
        )

    def _first(self) -> tuple[str, bytes]:
        if not self._keys and self._path is not None:
            self._add(_read_or_make(self._path))
        if not self._keys:
            raise SealError("there is no key to seal secrets with: set STREAMPROC_SECRET_KEY")
        return next(iter(self._keys.items()))

    def _named(self, key_id: str) -> bytes | None:
        if key_id not in self._keys and self._path is not None and self._path.exists():
            self._add(_read(self._path))  # another process may have made it since
        return self._keys.get(key_id)

    def _add(self, key: bytes) -> None:
        self._keys.setdefault(_key_id(key), key)


def load_keyring(settings: Settings) -> Keyring:
    """The keys of `settings.secret_key`, else of DATA_DIR/secret.key. Raises SettingsError."""
    if settings.secret_key is None:
        return Keyring([], settings.data_dir / KEY_FILE)
    texts = [text.strip() for text in settings.secret_key.get_secret_value().split(",") if text.strip()]
    keys = [_decoded(text) for text in texts]
    if not keys or any(key is None for key in keys):
        raise SettingsError(
            f"STREAMPROC_SECRET_KEY: (hidden) is not {KEY_BYTES} bytes in base64; "
            f"`openssl rand -base64 {KEY_BYTES}` makes one"
        )
    return Keyring([key for key in keys if key is not None])


def _decoded(text: str) -> bytes | None:
    try:
        key = base64.b64decode(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
    return key if len(key) == KEY_BYTES else None


def _mac(key: bytes, message: bytes, purpose: str) -> str:
    digest = hashlib.blake2b(message, key=_derived(key, purpose), digest_size=32).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _derived(key: bytes, purpose: str) -> bytes:
    """A key of its own, so that nothing that is learned of what it makes says anything about what is sealed."""
    return hashlib.blake2b(b"streamproc mac", key=key, digest_size=KEY_BYTES, person=purpose.encode()).digest()


def _key_id(key: bytes) -> str:
    return hashlib.sha256(b"streamproc key id" + key).hexdigest()[:8]


def _read(path: Path) -> bytes:
    try:
        key = _decoded(path.read_text().strip())
    except OSError as error:
        raise SealError(f"{path} cannot be read: {error.strerror}") from None
    if key is None:
        raise SealError(f"{path} does not hold a key of {KEY_BYTES} bytes in base64")
    return key


def _read_or_make(path: Path) -> bytes:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(base64.urlsafe_b64encode(os.urandom(KEY_BYTES)).decode() + "\n")
        with contextlib.suppress(FileExistsError):
            os.link(fresh, path)  # unlike a rename this leaves another process's key in place
        fresh.unlink()
    return _read(path)
