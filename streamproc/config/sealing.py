"""Which fields of a document are secret, and how they are kept.

In the topic, and so in every snapshot, each text below a secret field is `{"$sealed": "v1.…"}`; `open_sealed`
opens them where they are used. A secret that is just `${NAME}`, a reference to the environment, is kept as
that text: whoever uses it looks it up, at the time of use.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from streamproc.config.keyring import Keyring, SealError
from streamproc.config.record import ConfigRecord
from streamproc.model import channel, rule_recipients
from streamproc.model.document import snake

SEALED = "$sealed"
HIDDEN = "(sealed)"
"""What people are shown in place of a secret."""

SECRETS: Mapping[str, frozenset[str]] = {
    **channel.SECRET_FIELDS,
    "rule": rule_recipients.SECRET_FIELDS,
    "key": frozenset({"secret", "token"}),
}
"""Per kind the fields, at the top of a document, below which every value is secret."""

_REFERENCE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")


def seal(kind: str, key: str, spec: Mapping[str, Any], keyring: Keyring) -> dict[str, Any]:
    """`spec` with its secrets sealed for the record `key`; what is sealed already stays. Raises SealError."""
    return _secrets_replaced(kind, spec, lambda value: {SEALED: keyring.seal(value, key)})


def open_sealed(record: ConfigRecord, keyring: Keyring) -> dict[str, Any]:
    """The record's document as it was written, its secrets in the clear. Raises SealError."""
    opened: dict[str, Any] = _opened(record.document(), record.key, keyring, "")
    return opened


def hidden(kind: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    """`spec` for people to see: `(sealed)` in place of each secret, references as they are."""
    clear = _secrets_replaced(kind, spec, lambda _: HIDDEN)
    return {name: _without_boxes(value) for name, value in clear.items()}


def is_sealed(value: object) -> bool:
    return isinstance(value, dict) and value.keys() == {SEALED} and isinstance(value[SEALED], str)


def has_sealed(value: object) -> bool:
    """Whether anything in it is sealed."""
    if isinstance(value, Mapping):
        return is_sealed(value) or any(map(has_sealed, value.values()))
    return isinstance(value, list | tuple) and any(map(has_sealed, value))


def _secrets_replaced(kind: str, spec: Mapping[str, Any], secret: Callable[[Any], Any]) -> dict[str, Any]:
    fields = SECRETS.get(kind, frozenset())
    return {name: _below(value, secret) if snake(name) in fields else value for name, value in spec.items()}


def _below(value: Any, secret: Callable[[Any], Any]) -> Any:
    if is_sealed(value) or value is None or isinstance(value, bool):
        return value
    if isinstance(value, Mapping):
        return {name: _below(item, secret) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_below(item, secret) for item in value]
    if isinstance(value, str) and _REFERENCE.fullmatch(value):
        return value
    return secret(value)


def _opened(value: Any, key: str, keyring: Keyring, path: str) -> Any:
    if is_sealed(value):
        try:
            return keyring.open(value[SEALED], key)
        except SealError as error:
            raise SealError(f"{path}: {error}") from None
    if isinstance(value, Mapping):
        return {
            name: _opened(item, key, keyring, f"{path}.{name}" if path else str(name)) for name, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_opened(item, key, keyring, f"{path}[{place}]") for place, item in enumerate(value)]
    return value


def _without_boxes(value: Any) -> Any:
    if is_sealed(value):
        return HIDDEN
    if isinstance(value, Mapping):
        return {name: _without_boxes(item) for name, item in value.items()}
    return [_without_boxes(item) for item in value] if isinstance(value, list | tuple) else value
