"""What becomes of a Sigma rule that cannot be carried over: it is named with the reason, and nothing of it is used."""

from __future__ import annotations

from dataclasses import dataclass


class NotCarriedError(ValueError):
    """A part of a Sigma rule that our rules cannot say; the text is the reason, for the rule's author."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A rule, or a whole file, that was not carried over."""

    source: str
    """`file:line` of the rule."""
    id: str | None
    title: str | None
    reason: str
