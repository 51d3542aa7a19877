"""From a document to a `Rule`, or to everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any
from uuid import UUID

from streamproc.model.document import DocumentError, parsed
from streamproc.model.rule import A_ZONE, Rule, Severity, SeverityCase, is_zone
from streamproc.rules.filter import SHIELD, parse_filter
from streamproc.rules.plain import plain
from streamproc.rules.problems import MAX_PROBLEMS, Problems
from streamproc.rules.settings import Settings
from streamproc.rules.spelling import snake, spelled
from streamproc.rules.templates import TemplateError, is_template
from streamproc.rules.templates import parse as parse_template
from streamproc.rules.types import COUNTING, TYPES

_BESIDE = ("threshold_time", "threshold_type", SHIELD)
"""Shield writes these beside the name; they belong to the condition."""
_MAX_FIELDS = 100
NEEDS_CONDITION = ("threshold", "pattern")
"""Of these types a rule without a condition is a mistake; the others know what to look for by themselves."""
MAX_SEVERITY_CASES = 20


def parse_rule(doc: Any, *, default_tenant: str | None = None) -> Rule:
    """The rule; `default_tenant` owns one that names no tenant. Raises RuleError with every problem found.

    A rule without an id gets `rule_<uuid>`, derived from its tenant and name, so that reading it again names the
    same rule. Whatever is given, RuleError is the only error.
    """
    problems = Problems()
    if not isinstance(doc, Mapping):
        problems.value("", doc, "a rule: a map of fields")
        problems.check()
    written: dict[str, Any] | None = plain(doc, problems)
    if written is None:
        problems.check()
    assert written is not None
    if len(written) > _MAX_FIELDS:
        problems.add("", f"has more than {_MAX_FIELDS} fields")
        problems.check()
    return _Parser(written, default_tenant, problems).rule()


class _Parser:
    def __init__(self, written: dict[str, Any], default_tenant: str | None, problems: Problems) -> None:
        self._problems = problems
        self._odd = {problem.path for problem in problems.found}
        self._spelled = spelled(written)
        self._fields = written
        if default_tenant is not None:
            self._default("tenant_id", default_tenant)
        self._default("id", _derived_id(self._value("tenant_id"), self._value("name")))

    def rule(self) -> Rule:
        condition = self._condition()
        self._severity()
        self._templates()
        self._clearing(condition)
        try:
            rule = parsed(Rule, {**self._fields, "condition": condition})
        except DocumentError as error:
            self._merge(error)
        self._problems.check()
        return rule

    def _merge(self, error: DocumentError) -> None:
        """Each path's first problem says it; what follows from that one is left out."""
        odd = [snake(path) for path in self._odd]
        told = {problem.path for problem in self._problems.found}.union(odd)

        def follows(path: str) -> bool:
            return snake(path) in told or any(other.startswith((f"{path}.", f"{path}[")) for other in odd)

        found = [problem for problem in error.problems if not follows(problem.path)]
        self._problems.found[:0] = found[:MAX_PROBLEMS]

    def _value(self, name: str) -> Any:
        return self._fields.get(self._spelled[name][0]) if name in self._spelled else None

    def _take(self, name: str) -> tuple[str, Any] | None:
        """A field that is no field of the model, as written."""
        if name not in self._spelled:
            return None
        first, *others = self._spelled.pop(name)
        for other in others:
            del self._fields[other]
            self._problems.add(other, f"is given twice (as {first} too)")
        return first, self._fields.pop(first)

    def _default(self, name: str, value: Any) -> None:
        if self._value(name) is None:
            self._fields[self._spelled.setdefault(name, [name])[0]] = value

    def _condition(self) -> Any:
        taken = self._take("condition")
        beside = {pair[0]: pair[1] for pair in map(self._take, _BESIDE) if pair is not None}
        where, written = taken or ("condition", {})
        if not isinstance(written, dict):
            self._problems.value(where, written, "a map of fields")
            return None
        settings = Settings(written, self._problems, where, beside)
        if settings.has("threshold_time") or settings.has("threshold_type"):
            self._default("type", "threshold")
        self._misplaced()
        self._zone(settings)
        kind = self._value("type")
        if not isinstance(kind, str) or kind not in TYPES:
            if kind is not None:
                self._problems.value(self._spelled["type"][0], kind, f"one of {', '.join(TYPES)}")
            return None
        if taken is None and not beside and kind in NEEDS_CONDITION:
            self._problems.add("condition", "is required; {} is every event")
        return TYPES[kind](settings, self._problems)

    def _severity(self) -> None:
        """A list of `{when, severity}`, the last of which may go without `when`, becomes cases and a default."""
        for name in self._spelled.pop("severity_cases", ()):
            del self._fields[name]
            self._problems.unknown(name, name, ("severity",))
        written = self._value("severity")
        if not isinstance(written, list):
            return
        where = self._spelled["severity"][0]
        cases: list[SeverityCase] = []
        default = Severity.MEDIUM
        if not 1 <= len(written) <= MAX_SEVERITY_CASES:
            self._problems.add(where, f"is not a list of 1 to {MAX_SEVERITY_CASES} entries {{when, severity}}")
        for place, entry in enumerate(written[:MAX_SEVERITY_CASES]):
            at = f"{where}[{place}]"
            if not isinstance(entry, dict) or not entry.keys() <= {"when", "severity"}:
                self._problems.value(at, entry, "a map of when (a filter) and severity")
                continue
            if entry.get("severity") not in list(Severity):
                self._problems.value(f"{at}.severity", entry.get("severity"), f"one of {', '.join(Severity)}")
                continue
            severity = Severity(entry["severity"])
            when = entry.get("when")
            if "when" not in entry and place == len(written) - 1:
                default = severity
            elif isinstance(when, dict) and when:
                cases.append(SeverityCase(parse_filter(when, f"{at}.when", self._problems), severity))
            else:
                self._problems.value(f"{at}.when", when, "a filter; only the last entry may go without")
        self._fields[where] = default
        self._fields["severity_cases"] = tuple(cases)

    def _templates(self) -> None:
        for name in ("title", "description", "reason"):
            text = self._value(name)
            if isinstance(text, str) and is_template(text):
                try:
                    parse_template(text)
                except TemplateError as error:
                    self._problems.add(self._spelled[name][0], str(error))

    def _clearing(self, condition: Any) -> None:
        counts = hasattr(condition, "count") or hasattr(condition, "bucket_ms")
        if self._value("auto_resolve") == "when_clear" and condition is not None and not counts:
            self._problems.add(
                self._spelled["auto_resolve"][0],
                "when_clear is for rules that count within a window; write auto_resolve_after",
            )

    def _misplaced(self) -> None:
        for name in (*COUNTING, "group_by"):
            taken = self._take(name)
            if taken is not None:
                self._problems.add(taken[0], "belongs in the condition")

    def _zone(self, settings: Settings) -> None:
        """`timezone` may stand in the condition, though it is the rule's."""
        where, zone = settings.path("timezone"), settings.take("timezone")
        if zone is None:
            return
        if self._value("timezone") is not None:
            self._problems.add(where, "is given beside the condition too; keep one of them")
        elif not is_zone(zone):
            self._problems.value(where, zone, A_ZONE)
        else:
            self._default("timezone", zone)


def _derived_id(tenant: Any, name: Any) -> str:
    text = f"{tenant}\0{name}"
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16, person=b"rule id").digest()
    return f"rule_{UUID(bytes=digest, version=4)}"
