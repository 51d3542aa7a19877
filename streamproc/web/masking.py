"""Secrets that clients cannot read and yet send back: a field left out, or sent as `(sealed)`, keeps what it had."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from streamproc.config.sealing import HIDDEN, SECRETS, has_sealed
from streamproc.model.document import DocumentError, Problem, snake


def with_secrets(kind: str, spec: Mapping[str, Any], before: Mapping[str, Any] | None) -> dict[str, Any]:
    """`spec` with the sealed secrets of `before` where it has none or their mask; null takes a secret away.

    Raises DocumentError for a mask of what is not there, and for sealed values where none may be: opened, they would
    be shown.
    """
    secret = SECRETS.get(kind, frozenset())
    problems = [
        Problem(name, "is a sealed value; send the text itself")
        for name, value in spec.items()
        if snake(name) not in secret and has_sealed(value)
    ]
    had = {snake(name): value for name, value in (before or {}).items() if snake(name) in secret}
    result: dict[str, Any] = {}
    for name, value in spec.items():
        if snake(name) not in secret:
            result[name] = value
        elif value is not None:
            result[name] = _unmasked(value, had.get(snake(name)), name, problems)
    if problems:
        raise DocumentError(tuple(problems))
    same_type = before is None or before.get("type") == spec.get("type")
    named = {snake(name) for name in spec}
    if same_type:  # another type of channel has other secrets
        result |= {name: value for name, value in had.items() if name not in named}
    return result


_ADDRESSES = ("url", "endpoint", "host")
"""Fields that say where secrets are sent."""


def carried_off(
    kind: str, sent: Mapping[str, Any], before: Mapping[str, Any], after: Mapping[str, Any]
) -> list[Problem]:
    """The secrets that `sent` does not repeat while it changes the address that they are sent to.

    Whoever may change a channel may not read its secrets; keeping them for an address of theirs would let them.
    `before` and `after` are documents with secrets in the clear.
    """
    if all(_host(before.get(name)) == _host(after.get(name)) for name in _ADDRESSES):
        return []
    repeated = {snake(name) for name, value in sent.items() if value is not None and not _masked(value)}
    kept = SECRETS.get(kind, frozenset()) - {*_ADDRESSES} - repeated
    return [
        Problem(name, "is to be sent again: the address is another one now, and would get the secret that is kept")
        for name in sorted(kept)
        if after.get(name) and after.get(name) == before.get(name)
    ]


def _host(address: Any) -> str:
    """What a change of makes an address another one."""
    if not isinstance(address, str):
        return ""
    try:
        return urlsplit(address).netloc.lower() or address.lower()
    except ValueError:
        return address


def _masked(value: Any) -> bool:
    if has_sealed(value):
        return True
    if isinstance(value, Mapping):
        return any(map(_masked, value.values()))
    return any(map(_masked, value)) if isinstance(value, list) else bool(value == HIDDEN)


def _unmasked(value: Any, before: Any, path: str, problems: list[Problem]) -> Any:
    if value == HIDDEN:
        if before is None:
            problems.append(Problem(path, f"{HIDDEN!r} stands for a secret, and there is none yet"))
        return before
    if isinstance(value, Mapping):
        held = before if isinstance(before, Mapping) else {}
        return {name: _unmasked(item, held.get(name), f"{path}.{name}", problems) for name, item in value.items()}
    if isinstance(value, list):
        kept = before if isinstance(before, list) else []
        return [
            _unmasked(item, kept[place] if place < len(kept) else None, f"{path}[{place}]", problems)
            for place, item in enumerate(value)
        ]
    return value


def merged(base: Any, patch: Any) -> Any:
    """`base` with `patch` merged into it (RFC 7396), but that null stays at the top, where it may stand for a secret
    to be taken away."""
    if not isinstance(patch, Mapping) or not isinstance(base, Mapping) or has_box(base):
        return patch
    result = dict(base)
    for name, value in patch.items():
        result[name] = _merged(result.get(name), value)
    return result


def has_box(value: Mapping[str, Any]) -> bool:
    """Whether it is itself a sealed value."""
    return "$sealed" in value


def _merged(base: Any, patch: Any) -> Any:
    if not isinstance(patch, Mapping):
        return patch
    result = dict(base) if isinstance(base, Mapping) and not has_box(base) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = _merged(result.get(name), value)
    return result
