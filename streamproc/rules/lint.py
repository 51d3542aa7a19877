"""What is allowed in rules and yet is probably not what their authors meant.

An *error* cannot work: the rule can never match, or is there twice. A *warning* will be regretted. A *hint* is what
a careful author would add.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum

from streamproc.model.condition import AllOf, AnyOf, Filter, NoneOf, PatternCondition, Test, ThresholdCondition
from streamproc.model.rule import Rule, Severity
from streamproc.rules.contradiction import never
from streamproc.rules.counting import counting_hash
from streamproc.rules.types import COUNTING

SETTINGS = (*COUNTING, "group_by", "timezone")
KNOWN_FIELDS = frozenset(
    ("id", "tenant_id", "action", "outcome", "outcome_raw", "event_time", "actor", "resource", "source", "metadata")
)


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


def lint(rules: Iterable[Rule]) -> list[Finding]:
    """Findings in the order of the rules, and of each rule the gravest first."""
    checked = list(rules)
    twice = _twice(checked)
    found: list[Finding] = []
    for place, rule in enumerate(checked):
        remarks = [*twice.get(place, ()), *(remark for check in CHECKS for remark in check(rule))]
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
