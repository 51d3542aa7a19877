"""What a rule needs of an event that most sources do not bring, but enrichment can add."""

from __future__ import annotations

from streamproc.model.condition import AllOf, AnyOf, Filter, NoneOf, Op, Path, Test, TravelCondition
from streamproc.model.rule import Rule

_PLACES = (("actor", "country"), ("actor", "location"))


def needs_geo(rule: Rule) -> bool:
    """Whether the rule looks at the actor's country or coordinates, in whatever part of it."""
    condition = rule.condition
    if isinstance(condition, TravelCondition):
        return True
    written = [*condition.group_by, getattr(condition, "path", None), getattr(condition, "distinct", None)]
    trees = [condition.filter, *getattr(condition, "steps", ()), *(case.when for case in rule.severity_cases)]
    return any(path is not None and _is_place(tuple(path.split("."))) for path in written) or any(map(_asks, trees))


def _asks(tree: Filter) -> bool:
    match tree:
        case AllOf(parts) | AnyOf(parts) | NoneOf(parts):
            return any(map(_asks, parts))
        case Test(path=path, op=op, value=value):
            return _is_place(path) or (op is Op.FIELD and _is_place(value))
        case _:
            return False


def _is_place(path: Path) -> bool:
    return path[:2] in _PLACES
