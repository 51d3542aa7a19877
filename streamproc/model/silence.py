"""A *silence*: a person says which alerts are to be quiet, when, and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainValidator, model_validator

from streamproc.model.alert_filter import FilterReader, unpacked
from streamproc.model.channel_settings import Frozen
from streamproc.model.condition import Filter
from streamproc.model.document import DocumentError, Problem, parsed
from streamproc.model.hours import Recurring
from streamproc.model.time_text import milliseconds

MATCHERS = "matchers"


def _instant(value: object) -> object:
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    try:
        return milliseconds(str(value))
    except (ValueError, OverflowError):
        raise ValueError("is not a time such as 2026-02-10T14:00:00Z") from None


Instant = Annotated[int | None, BeforeValidator(_instant)]
"""ms since the epoch; written as ISO 8601 text (UTC without a zone)."""


class Silence(Frozen):
    """A document of config kind `silence`. It holds from `starts_at` until before `ends_at`.

    A recurring one holds only in its hours, and may do without either bound; another has an end.
    """

    id: Annotated[str, Field(min_length=1, max_length=128)]
    tenant_id: Annotated[str, Field(min_length=1, max_length=128)]
    matchers: Annotated[Filter, PlainValidator(unpacked)]
    starts_at: Instant = None
    ends_at: Instant = None
    recurring: Recurring | None = None
    author: Annotated[str, Field(min_length=1, max_length=128)]
    comment: Annotated[str, Field(min_length=1, max_length=1024)]
    enabled: bool = True

    @model_validator(mode="after")
    def _ends(self) -> Silence:
        if self.ends_at is None and self.recurring is None:
            raise ValueError("ends_at: is required, unless the silence is recurring")
        if self.ends_at is not None and self.starts_at is not None and self.ends_at <= self.starts_at:
            raise ValueError("ends_at: is not after starts_at")
        return self


def parse_silence(doc: Mapping[str, Any]) -> Silence:
    """A document of config kind `silence`. Raises DocumentError."""
    body = {name: value for name, value in doc.items() if name != "kind"}
    problems: list[Problem] = []
    if MATCHERS in body:
        body[MATCHERS] = FilterReader(problems).read(body[MATCHERS], MATCHERS)
    try:
        silence = parsed(Silence, body)
    except DocumentError as error:
        raise DocumentError((*problems, *error.problems)) from None
    if problems:
        raise DocumentError(tuple(problems))
    return silence
