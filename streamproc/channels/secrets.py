"""`${ENV_VAR}` in settings, and keeping what it stands for out of the log."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

from pydantic import SecretStr

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
RESERVED = ("STREAMPROC_", "AWS_", "AZURE_", "GOOGLE_", "GCP_", "ALIBABA_", "ALIYUN_", "KUBERNETES_", "VAULT_")
"""Beginnings of names that belong to the process and to the machine's account at a cloud."""
MASK = "***"
SHORTEST_MASKED = 6
"""Shorter texts are not masked: they would riddle an answer without hiding anything."""


class SettingError(ValueError):
    """A setting that cannot be used; the text says which and what to do, and holds no secret."""


class Environment:
    """The variables that settings may name. Those of `RESERVED` are not among them: whoever may write a webhook could
    else have them sent to it."""

    def __init__(self, variables: Mapping[str, str], allowed: Sequence[str] = ("*",)) -> None:
        """`allowed`: names that may be used, with `*` and `?`; a reserved one only where it is named without them."""
        self._variables = variables
        self._allowed = allowed

    def text(self, setting: SecretStr) -> str:
        """The setting with its variables filled in. Raises `SettingError`."""
        return _VARIABLE.sub(lambda match: self._value(match[1]), setting.get_secret_value())

    def _value(self, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise SettingError(f"${{{name}}} is not the name of an environment variable")
        own = name.upper().startswith(RESERVED[0])
        reserved = name.upper().startswith(RESERVED) and name not in self._allowed
        if own or reserved or not any(fnmatchcase(name, pattern) for pattern in self._allowed):
            raise SettingError(
                f"${{{name}}}: this variable cannot be used here"
                + ("" if own else "; an operator may allow it (STREAMPROC_CHANNEL_VARIABLES)")
            )
        value = self._variables.get(name)
        if value is None:
            raise SettingError(f"the environment variable {name} is not set where deliveries are sent")
        return value


def masked(text: str, secrets: Iterable[str]) -> str:
    """The text without these secrets."""
    for secret in sorted({secret for secret in secrets if len(secret) >= SHORTEST_MASKED}, key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text
