"""Providers that answer 200 and say in the body, with a number of their own, whether they took the message.

A code that is not known is permanent: it means that a person has to change something. An answer without a code is
not the provider's (a proxy's login page, for one) and is tried again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson

from streamproc.channels.http import Answer
from streamproc.channels.outcome import Outcome, OutcomeKind, Reason
from streamproc.channels.secrets import masked

MAX_DETAIL = 200


@dataclass(frozen=True, slots=True)
class Codes:
    """How to read one provider's answers.

    `fields`: names under which the code may stand, the first that is there counts. `text`: the name of its text.
    `rate_limits` and `transient` are tried again. `pause_seconds`: how long a rate limit lasts at least, as the
    provider documents it; taken where the answer has no Retry-After.
    """

    provider: str
    fields: tuple[str, ...]
    text: tuple[str, ...]
    rate_limits: frozenset[int]
    transient: frozenset[int]
    pause_seconds: float | None = None
    rate_limit_text: str | None = None
    """A code that means several things is a rate limit where its text, in small letters, contains this."""


def by_code(answer: Answer, outcome: Outcome, codes: Codes, secrets: Iterable[str]) -> Outcome:
    """The outcome by the code in the body, for an answer whose status alone gave `outcome`.

    A 4xx with a code that is known to pass is tried again; any other status but 2xx stands as it is.
    """
    taken = outcome.kind is OutcomeKind.DELIVERED
    if not taken and outcome.reason is not Reason.CLIENT_ERROR:
        return outcome
    document = object_in(answer)
    code = _code(document, codes.fields)
    if code is None:
        return strange(outcome, codes.provider) if taken else outcome
    if code == 0:
        return outcome
    said = next((str(document[name]) for name in codes.text if document.get(name)), "")
    detail = masked(" ".join(f"{code} {said}".split()), secrets)[:MAX_DETAIL]
    if code in codes.rate_limits or (codes.rate_limit_text and codes.rate_limit_text in said.lower()):
        pause = codes.pause_seconds if outcome.retry_after is None else outcome.retry_after
        return replace(outcome, kind=OutcomeKind.RETRY, reason=Reason.RATE_LIMITED, detail=detail, retry_after=pause)
    kind = OutcomeKind.RETRY if code in codes.transient else OutcomeKind.PERMANENT
    reason = Reason.PROVIDER_ERROR if taken or kind is OutcomeKind.RETRY else outcome.reason
    return replace(outcome, kind=kind, reason=reason, detail=detail)


def strange(outcome: Outcome, provider: str) -> Outcome:
    """The answer cannot be the provider's."""
    detail = f"not an answer of {provider}'s"
    return replace(outcome, kind=OutcomeKind.RETRY, reason=Reason.BAD_ANSWER, detail=detail)


def object_in(answer: Answer) -> Mapping[str, Any]:
    """The JSON object that the body is; empty for any other.

    Whether the body was complete does not matter: the beginning of an object is none.
    """
    try:
        document = orjson.loads(answer.body)
    except ValueError:
        return {}
    return document if isinstance(document, Mapping) else {}


def _code(document: Mapping[str, Any], fields: tuple[str, ...]) -> int | None:
    for name in fields:
        value = document.get(name)
        if isinstance(value, str) and value.lstrip("-").isdecimal() and len(value) < 12:
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    return None
