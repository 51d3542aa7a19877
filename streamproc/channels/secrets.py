"""`${ENV_VAR}` in settings, and keeping what it stands for out of the log."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from pydantic import SecretStr

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OWN_PREFIX = "STREAMPROC_"
MASK = "***"
SHORTEST_MASKED = 6
"""Shorter texts are not masked: they would riddle an answer without hiding anything."""


class SettingError(ValueError):
    """A setting that cannot be used; the text says which and what to do, and holds no secret."""


class Environment:
    """The variables that settings may name. The product's own (`STREAMPROC_…`) are not among them: whoever may
    write a webhook could else have them sent to it."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables

    def text(self, setting: SecretStr) -> str:
        """The setting with its variables filled in. Raises `SettingError`."""
        return _VARIABLE.sub(lambda match: self._value(match[1]), setting.get_secret_value())

    def _value(self, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise SettingError(f"${{{name}}} is not the name of an environment variable")
        if name.upper().startswith(_OWN_PREFIX):
            raise SettingError(f"${{{name}}}: variables that begin with {_OWN_PREFIX} cannot be used here")
        value = self._variables.get(name)
        if value is None:
            raise SettingError(f"the environment variable {name} is not set where deliveries are sent")
        return value


def masked(text: str, secrets: Iterable[str]) -> str:
    """The text without these secrets."""
    for secret in sorted({secret for secret in secrets if len(secret) >= SHORTEST_MASKED}, key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text
