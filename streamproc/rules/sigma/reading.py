"""Documents of files to pySigma's rules, each on its own, so that a bad one takes no other with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from sigma.collection import SigmaCollection
from sigma.correlations import SigmaCorrelationRule
from sigma.filters import SigmaFilter
from sigma.policy import SigmaPolicy
from sigma.policy.regex_engine import RE2RegexEngine
from sigma.rule import SigmaRule

from streamproc.rules.sigma.refusal import Refused

MAX_SHOWN = 300


class _LinearEngine(RE2RegexEngine):
    """RE2. Applying a filter copies a rule with all that hangs on it, and a module cannot be copied."""

    def __deepcopy__(self, memo: object) -> _LinearEngine:
        return self


# regular expressions of strangers are compiled, and matched with names, by an engine of linear time
_POLICY = SigmaPolicy(regex_engine=_LinearEngine())


@dataclass(frozen=True, slots=True)
class Parsed:
    """A rule as pySigma has it, and the place it was written."""

    source: str
    rule: SigmaRule | SigmaCorrelationRule


def parse_documents(
    documents: Sequence[tuple[str, str, Mapping[str, Any]]],
) -> tuple[list[Parsed], list[Refused]]:
    """(file, place, content) of each document → the rules, with filters applied, and what is none."""
    rules: list[Parsed] = []
    filters: list[tuple[str, SigmaFilter]] = []
    refused: list[Refused] = []
    for group in _groups(documents):
        place = group[0][0]
        contents = [deepcopy(dict(content)) for _, content in group]
        try:
            collection = SigmaCollection.from_dicts(
                contents, collect_errors=True, collect_filters=True, resolve_references=False, policy=_POLICY
            )
        except Exception as error:  # whatever is made of a document that looks like no rule at all
            refused.append(_refused(place, group[0][1], error))
            continue
        read = [*collection.rules, *collection.filters]
        errors = [error for rule in read for error in rule.errors] or collection.errors
        if errors or (not read and "action" not in group[0][1]):
            refused.append(_refused(place, group[0][1], errors[0] if errors else "is no Sigma rule"))
            continue
        rules += [Parsed(place, rule) for rule in collection.rules]
        filters += [(place, one) for one in collection.filters if isinstance(one, SigmaFilter)]
    return _filtered(rules, filters, refused), refused


def _groups(
    documents: Sequence[tuple[str, str, Mapping[str, Any]]],
) -> Iterator[list[tuple[str, Mapping[str, Any]]]]:
    """Documents that are read together: one, or all of a file that has `action`, which changes the others."""
    files: dict[str, list[tuple[str, Mapping[str, Any]]]] = {}
    for file, place, content in documents:
        files.setdefault(file, []).append((place, content))
    for found in files.values():
        if any("action" in content for _, content in found):
            yield found
        else:
            yield from ([one] for one in found)


def _filtered(rules: list[Parsed], filters: list[tuple[str, SigmaFilter]], refused: list[Refused]) -> list[Parsed]:
    """The rules with the filters on them; a rule whose filter cannot be applied is refused."""
    if not filters:
        return rules
    found = []
    for parsed in rules:
        rule: Any = parsed.rule
        try:
            for _, one in filters:
                rule = one.apply_on_rule(rule)
        except Exception as error:
            refused.append(refusal(parsed, f"a filter cannot be applied to it: {error_text(error)}"))
        else:
            found.append(Parsed(parsed.source, rule))
    return found


def refusal(parsed: Parsed, reason: str) -> Refused:
    """The refusal of a rule that was read."""
    rule = parsed.rule
    return Refused(parsed.source, None if rule.id is None else str(rule.id), rule.title, reason)


def error_text(error: object) -> str:
    """One line."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"


def _refused(place: str, content: Mapping[str, Any], error: object) -> Refused:
    known = [content.get(name) for name in ("id", "title")]
    rule_id, title = (error_text(value) if isinstance(value, str) and value else None for value in known)
    reason = error_text(error)
    if isinstance(error, AttributeError | TypeError | KeyError):
        reason = f"is no Sigma rule: {reason}"
    return Refused(place, rule_id, title, reason)
