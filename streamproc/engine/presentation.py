"""What a rule says of its alerts in words of its own: templated title, description, reason, and severity by case."""

from __future__ import annotations

from typing import Any

from streamproc.alerting.episode import Episode
from streamproc.model.rule import Rule, Severity
from streamproc.rules.compile import Predicate, compile_filter
from streamproc.rules.templates import TemplateError, is_template, render

_GRAVITY = {str(severity): place for place, severity in enumerate(Severity)}


class Presentation:
    """Applied whenever an alert's context is brought up to date.

    The engine takes a rule's head anew at each trigger and leaves in it the severity that the episode had reached.
    """

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        written = {"title": rule.title, "description": rule.description, "reason": rule.reason}
        self._texts = {name: text for name, text in written.items() if text is not None and is_template(text)}
        self._plain = {} if rule.title is None or is_template(rule.title) else {"title": rule.title}
        self._plain_reason = None if rule.reason is None or is_template(rule.reason) else rule.reason
        self._cases: list[tuple[Predicate, Severity]] = [
            (compile_filter(case.when, rule.zone), case.severity) for case in rule.severity_cases
        ]

    def apply(self, episode: Episode, event: dict[str, Any] | None) -> None:
        """Set head and reason of an episode whose context is up to date; `event` is the latest one, if any.

        A template that fails leaves what stands without it. Severity never falls within an episode.
        """
        head = {**episode.head, **self._plain}
        if self._cases:
            self._grade(head, episode, event or {})
        if self._plain_reason is not None:
            episode.reason = self._plain_reason
        if self._texts:
            variables = self._variables(head, episode, event)
            for name, text in self._texts.items():
                try:
                    made = render(text, variables)
                except TemplateError:
                    made = ""
                if not made:
                    made = self._rule.name if name == "title" else ""
                if name == "reason":
                    episode.reason = made or episode.reason
                else:
                    head[name] = made
        episode.head = head

    def _grade(self, head: dict[str, Any], episode: Episode, event: dict[str, Any]) -> None:
        document = {**event, "context": episode.context, "group": episode.group}
        document["trigger_count"] = episode.trigger_count
        found = self._rule.severity
        for when, severity in self._cases:
            if when(document, episode.triggered):
                found = severity
                break
        before = str(head["severity"]) if episode.revision > 1 else str(found)
        head["severity"] = max(before, str(found), key=lambda severity: _GRAVITY[severity])

    def _variables(self, head: dict[str, Any], episode: Episode, event: dict[str, Any] | None) -> dict[str, Any]:
        return {
            "rule": head["rule"],
            "severity": head["severity"],
            "event": event or {},
            "group": episode.group,
            "context": episode.context,
            "count": episode.context.get("count"),
            "trigger_count": episode.trigger_count,
            "reason": episode.reason,
            "tenant_id": episode.tenant,
        }


def presentation_of(rule: Rule) -> Presentation | None:
    """None for a rule that says nothing of its own, which costs nothing then."""
    own = rule.title is not None or rule.reason is not None or rule.severity_cases or is_template(rule.description)
    return Presentation(rule) if own else None
