"""How far a notification with several recipients of its own (addresses, telephone numbers) has come."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """`reached` have the message; `refused` will never take it. Whoever is in neither is tried again."""

    reached: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()

    def left(self, recipients: Iterable[str]) -> list[str]:
        """Those of `recipients` that an attempt is for, in their order."""
        done = {*self.reached, *self.refused}
        return [recipient for recipient in recipients if recipient not in done]

    def after(self, reached: Sequence[str], refused: Sequence[str]) -> Progress:
        """With what an attempt added."""
        return Progress((*self.reached, *reached), (*self.refused, *refused))


NONE_YET = Progress()
