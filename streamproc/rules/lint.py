"""What is allowed in rules and yet is probably not what their authors meant.

An *error* cannot work: the rule can never match, or is there twice. A *warning* will be regretted. A *hint* is what
a careful author would add.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum

from streamproc.model.condition import AllOf, AnyOf, Filter, NoneOf, Op, PatternCondition, Test, ThresholdCondition
from streamproc.model.rule import Rule, Severity
from streamproc.rules.contradiction import ALWAYS_THERE, never
from streamproc.rules.counting import counting_hash
from streamproc.rules.needs import needs_geo
from streamproc.rules.operators import NEGATED
from streamproc.rules.types import COUNTING

SETTINGS = (*COUNTING, "group_by", "timezone")
KNOWN_FIELDS = frozenset(
    ("id", "tenant_id", "action", "outcome", "outcome_raw", "event_time", "actor", "resource", "source", "metadata")
)

PLACED_TYPES = ("new_country", "impossible_travel")
"""Types that are about places."""


class Level(StrEnum):
    ERROR = "error"
    WARNING = "warning"
    HINT = "hint"


@dataclass(frozen=True, slots=True)
class Finding:
    """One remark about one rule."""

    level: Level
    tenant: str
    rule_id: str
    path: str
    """Where in the rule, dotted, as a field path within the condition; empty for the whole rule."""
    message: str

    def __str__(self) -> str:
        where = f"{self.path}: " if self.path else ""
        return f"{self.level}: {where}{self.message}"


Check = Callable[[Rule], Iterator[tuple[Level, str, str]]]


def lint(rules: Iterable[Rule], actions: Collection[str] = (), *, geoip: bool = True) -> list[Finding]:
    """Findings in the order of the rules, and of each rule the gravest first.

    `actions` are some that are known to exist as they are spelled: one that differs from them only in case, or by the
    service before the colon, is remarked on. `geoip`: whether addresses are looked up where the rules will run.
    """
    checked = list(rules)
    twice = _twice(checked)
    spellings = _spellings(actions)
    found: list[Finding] = []
    for place, rule in enumerate(checked):
        remarks = [*twice.get(place, ()), *(remark for check in CHECKS for remark in check(rule))]
        remarks += _unknown_actions(rule, spellings)
        remarks += () if geoip else _placeless(rule)
        remarks.sort(key=lambda remark: list(Level).index(remark[0]))
        found += [Finding(level, rule.tenant_id, rule.id, path, text) for level, path, text in remarks]
    return found


def _twice(rules: Sequence[Rule]) -> dict[int, list[tuple[Level, str, str]]]:
    """By place: rules of an id that an earlier one of the tenant has, or that count what an earlier one counts."""
    found: dict[int, list[tuple[Level, str, str]]] = {}
    ids: dict[tuple[str, str], Rule] = {}
    counted: dict[tuple[str, bytes, int | None], Rule] = {}
    for place, rule in enumerate(rules):
        if ids.setdefault((rule.tenant_id, rule.id), rule) is not rule:
            found[place] = [(Level.ERROR, "id", f"{rule.id} is another rule of {rule.tenant_id} already")]
            continue
        key = (rule.tenant_id, counting_hash(rule), getattr(rule.condition, "count", None))
        first = counted.setdefault(key, rule)
        if first is not rule and first.enabled and rule.enabled:
            found[place] = [(Level.WARNING, "condition", f"says the same as rule {first.id}: each alert comes twice")]
    return found


def _impossible(rule: Rule) -> Iterator[tuple[Level, str, str]]:
    for conflict in never(rule.condition.filter, rule.tenant_id):
        yield Level.ERROR if conflict.certain else Level.WARNING, _below(conflict.path), conflict.message


def _everything(rule: Rule) -> Iterator[tuple[Level, str, str]]:
    if isinstance(rule.condition, PatternCondition) and _tests(rule.condition.filter) == []:
        yield Level.WARNING, "condition", "has no filter: every event of the tenant triggers"
    elif isinstance(rule.condition, PatternCondition) and not _selects(rule.condition.filter):
        text = "only says what events are not: nearly every event of the tenant triggers; say which action is meant"
        yield Level.WARNING, "condition", text


def _selects(tree: Filter) -> bool:
    """Whether it says what an event is, so that most are not. An outcome that is not success is rare enough."""
    match tree:
        case AllOf(parts):
            return any(map(_selects, parts))
        case AnyOf(parts):
            return all(map(_selects, parts))
        case NoneOf(parts):
            return not all(map(_selects, parts))
        case Test(path, op, value):
            if op is Op.EXISTS:
                return (value is True) is not (path in ALWAYS_THERE)
            return op not in NEGATED or path == ("outcome",)
        case _:
            return not tree.negated


def actions_of(tree: Filter) -> Iterator[str]:
    """The literal actions that a filter asks for."""
    for test in _tests(tree):
        if isinstance(test, Test) and test.path == ("action",) and not test.ignore_case:
            if test.op is Op.EQ and isinstance(test.value, str):
                yield test.value
            elif test.op is Op.IN and isinstance(test.value, tuple):
                yield from (value for value in test.value if isinstance(value, str))


def _spellings(actions: Collection[str]) -> dict[str, str]:
    """Right spellings by what may be written instead, in small letters; the service's own colon goes first."""
    found = {action.rpartition(":")[2].lower(): action for action in sorted(actions) if ":" in action}
    return found | {action.lower(): action for action in actions}


def _unknown_actions(rule: Rule, spellings: dict[str, str]) -> Iterator[tuple[Level, str, str]]:
    known = set(spellings.values())
    steps = getattr(rule.condition, "steps", ())
    for action in dict.fromkeys(action for tree in (rule.condition.filter, *steps) for action in actions_of(tree)):
        right = spellings.get(action.lower())
        if right is None or action in known:
            continue
        if right.lower() == action.lower():
            yield Level.WARNING, "condition.action", f"{action} is spelled {right}, and case counts"
        elif action != action.lower():  # sources of camel case name the service; an application's own word may be any
            yield Level.HINT, "condition.action", f"{action} has no service before it; did you mean {right}?"


def _once(rule: Rule) -> Iterator[tuple[Level, str, str]]:
    condition = rule.condition
    if isinstance(condition, ThresholdCondition) and condition.count == 1 and condition.distinct is None:
        yield Level.HINT, "condition.count", "is 1: a pattern rule says the same and keeps no window"


def _mistyped(rule: Rule) -> Iterator[tuple[Level, str, str]]:
    """A setting that is spelled wrong is taken for a field of the event, which is never there."""
    tree = rule.condition.filter
    for part in tree.parts if isinstance(tree, AllOf) else (tree,):
        if not isinstance(part, Test) or len(part.path) != 1 or part.path[0] in KNOWN_FIELDS:
            continue
        name = part.path[0]
        near = get_close_matches(name.lower().replace("-", "_"), SETTINGS, n=1, cutoff=0.75)
        if near:
            yield Level.WARNING, f"condition.{name}", f"is a field of the event here; did you mean {near[0]}?"


def _placeless(rule: Rule) -> Iterator[tuple[Level, str, str]]:
    if needs_geo(rule):
        text = "needs the actor's country or coordinates, and no GEOIP_DB is set: only events that bring them count"
        yield Level.WARNING, "type" if rule.type in PLACED_TYPES else "condition", text


def _nobody_told(rule: Rule) -> Iterator[tuple[Level, str, str]]:
    told = rule.channels or rule.webhook_ids or rule.told_types
    if rule.severity is Severity.CRITICAL and rule.mode == "live" and not told:
        yield Level.WARNING, "channels", "are none, and neither is there a webhook: of a critical alert nobody is told"


def _noise(rule: Rule) -> Iterator[tuple[Level, str, str]]:
    if rule.cooldown_min == 0 and isinstance(rule.condition, PatternCondition):
        yield Level.WARNING, "cooldown_min", "is 0 on a pattern: each matching event notifies"


def _runbook(rule: Rule) -> Iterator[tuple[Level, str, str]]:
    if rule.runbook is None:
        yield Level.HINT, "runbook", "is missing: say where one reads what to do"


CHECKS: tuple[Check, ...] = (_impossible, _everything, _once, _mistyped, _nobody_told, _noise, _runbook)


def _tests(tree: Filter) -> list[Filter]:
    if isinstance(tree, AllOf | AnyOf | NoneOf):
        return [test for part in tree.parts for test in _tests(part)]
    return [tree]


def _below(path: str) -> str:
    return f"condition.{path}" if path else "condition"
