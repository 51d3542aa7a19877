"""The rules in force, each with what the engine needs to judge a key by it; made once per rule and ruleset."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from streamproc.alerting.episode import head_of
from streamproc.detect.detector import Detector
from streamproc.detect.registry import detector_for
from streamproc.engine.frame import RuleRef
from streamproc.engine.presentation import Presentation, presentation_of
from streamproc.engine.state import KeyState
from streamproc.rules import CompiledRule, RuleIndex

MAX_REMEMBERED = 50_000


class Judge(NamedTuple):
    """A rule, its detector, what its alerts say of it, and the words of its own that it has for them."""

    rule: CompiledRule
    detector: Detector
    head: dict[str, Any]
    presentation: Presentation | None
    quiet_ms: int | None

    def counts(self, state: KeyState) -> bool:
        """Whether the key's window is a count of what the rule counts now."""
        return state.counting_hash == self.rule.counting_hash


class Judges:
    """Finds the judge of a key, or of a frame's reference. All is forgotten when another ruleset comes."""

    __slots__ = ("_by_ref", "_by_rule", "rules")

    def __init__(self, rules: RuleIndex) -> None:
        self.rules = rules
        self._by_rule: dict[tuple[str, str], Judge] = {}
        self._by_ref: dict[RuleRef, Judge | None] = {}

    def use(self, rules: RuleIndex) -> None:
        """Judge by another ruleset from now on."""
        if rules is not self.rules:
            self.rules = rules
            self._by_rule.clear()
            self._by_ref.clear()

    @property
    def used(self) -> Iterable[Judge]:
        """Those that were asked for since the ruleset came."""
        return self._by_rule.values()

    def of(self, state: KeyState) -> Judge | None:
        """The judge of a key; None when its rule is not there. It may be disabled."""
        return self._find(state.owner, state.rule_id)

    def meant(self, ref: RuleRef) -> Judge | None:
        """The rule a reference means today; None when it is gone, off, or counts something else by now."""
        try:
            return self._by_ref[ref]
        except KeyError:
            pass
        found = self._find(ref.owner, ref.rule_id)
        if found is not None and not (found.rule.rule.enabled and found.rule.counting_hash == ref.counting_hash):
            found = None
        if len(self._by_ref) > MAX_REMEMBERED:
            self._by_ref.clear()
        self._by_ref[ref] = found
        return found

    def _find(self, owner: str, rule_id: str) -> Judge | None:
        found = self._by_rule.get((owner, rule_id))
        if found is None:
            rule = self.rules.get(owner, rule_id)
            if rule is None:
                return None
            found = self._by_rule[(owner, rule_id)] = Judge(
                rule,
                detector_for(rule.rule),
                head_of(rule.rule, rule.revision),
                presentation_of(rule.rule),
                rule.rule.auto_resolve_ms,
            )
        return found
