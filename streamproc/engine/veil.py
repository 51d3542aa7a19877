"""What a hit tells beside its document, with the redacted fields in it veiled: group values and observed values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from streamproc.model.condition import NewValueCondition, TravelCondition
from streamproc.model.hit import GroupValue
from streamproc.rules import CompiledRule
from streamproc.rules.paths import parse_path
from streamproc.rules.problems import Problems
from streamproc.sources.redact import Redactor

_PLACE = (("actor", "ip"), ("actor", "country"), ("actor", "location", "city"))
"""What the name of a place is made of, see `rules.observe`."""


class Veil:
    """What of one rule's hits has to be veiled."""

    __slots__ = ("_groups", "_observed", "_place", "needed")

    def __init__(self, rule: CompiledRule, redactor: Redactor) -> None:
        condition = rule.rule.condition
        self._groups = [place for place, path in enumerate(condition.group_by) if _covered(path, redactor)]
        observed = condition.path if isinstance(condition, NewValueCondition) else getattr(condition, "distinct", None)
        self._observed = observed is not None and _covered(observed, redactor)
        self._place = isinstance(condition, TravelCondition) and any(map(redactor.covers, _PLACE))
        self.needed = bool(self._groups or self._observed or self._place)

    def group(self, values: tuple[GroupValue, ...]) -> tuple[GroupValue, ...]:
        """The group values as they may be told."""
        told = list(values)
        for place in self._groups:
            told[place] = Redactor.veil(told[place])
        return tuple(told)

    def observed(self, value: Any) -> Any:
        """The observed value as it may be told."""
        if self._observed:
            return Redactor.veil(value)
        if self._place and isinstance(value, Sequence):
            return [*value[:2], Redactor.veil(value[2])]
        return value


def _covered(path: str, redactor: Redactor) -> bool:
    return redactor.covers(parse_path(path, "path", Problems()))
