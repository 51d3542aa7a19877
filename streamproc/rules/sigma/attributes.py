"""What people see of a Sigma rule: name, severity, ATT&CK, and where it comes from, within the limits of our rules."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import orjson
from sigma.correlations import SigmaCorrelationRule
from sigma.rule import SigmaRule

MAX_NAME, MAX_DESCRIPTION = 64, 128
MAX_METADATA = 12 * 1024
"""Bytes; a rule may have 16 KiB, and a few are left for whoever tends it."""
MAX_TEXT = 2000
_LISTS = ("references", "falsepositives", "tags")
_TECHNIQUE = re.compile(r"t[0-9]{4}(\.[0-9]{3})?")
_TACTICS = {
    "reconnaissance",
    "resource-development",
    "initial-access",
    "execution",
    "persistence",
    "privilege-escalation",
    "defense-evasion",
    "stealth",
    "defense-impairment",
    "credential-access",
    "discovery",
    "lateral-movement",
    "collection",
    "command-and-control",
    "exfiltration",
    "impact",
}
"""ATT&CK's tactics; `defense-evasion` became the two that follow it."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a collection of Sigma rules is from, which its licence wants to be kept with each rule."""

    link: str = "https://github.com/SigmaHQ/sigma"
    licence: str = "Detection Rule License (DRL) 1.1, https://github.com/SigmaHQ/Detection-Rule-License"
    """Of rules that do not name one themselves."""


def rule_id(rule: SigmaRule | SigmaCorrelationRule) -> str:
    """The Sigma id; else one from the title, the same each time."""
    if rule.id is not None:
        return str(rule.id)
    words = re.sub(r"[^a-z0-9]+", "-", rule.title.lower()).strip("-")[:64].strip("-")
    digest = blake2b(rule.title.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
    return f"sigma-{words}-{digest}" if words else f"sigma-{digest}"


def shown_fields(rule: SigmaRule | SigmaCorrelationRule, category: str | None, origin: Origin) -> dict[str, Any]:
    """The fields of our rule that do not say what it matches, in the order in which they are written."""
    tags = [str(tag) for tag in rule.tags]
    attack = [tag.name.lower().replace("_", "-") for tag in rule.tags if tag.namespace.lower() == "attack"]
    fields: dict[str, Any] = {
        "id": rule_id(rule),
        "name": cut(rule.title, MAX_NAME) or "Sigma rule without a title",
        "description": cut(rule.description or "", MAX_DESCRIPTION),
        "severity": rule.level.name.lower() if rule.level is not None else None,
        "category": category,
        "mitre_tactics": [_tactic(name) for name in _once(attack) if name in _TACTICS],
        "mitre_techniques": [name.upper() for name in _once(attack) if _TECHNIQUE.fullmatch(name)],
    }
    return {name: value for name, value in fields.items() if value} | {"metadata": _metadata(rule, tags, origin)}


def cut(text: str, length: int) -> str:
    """The text on one line, shortened to so many printable characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    if len(line) <= length:
        return line
    head = line[: length - 1]
    words = head.rpartition(" ")[0]
    return (words if len(words) > length // 2 else head).rstrip(" ,;:.") + "…"


def _metadata(rule: SigmaRule | SigmaCorrelationRule, tags: list[str], origin: Origin) -> dict[str, Any]:
    logsource = rule.logsource.to_dict() if isinstance(rule, SigmaRule) else {}
    kept: dict[str, Any] = {
        "title": rule.title,
        "description": rule.description,
        "author": rule.author,
        "link": origin.link,
        "license": rule.license or origin.licence,
        "id": None if rule.id is None else str(rule.id),
        "status": rule.status.name.lower() if rule.status is not None else None,
        "date": None if rule.date is None else rule.date.isoformat(),
        "modified": None if rule.modified is None else rule.modified.isoformat(),
        "logsource": {name: logsource[name] for name in ("product", "category", "service") if logsource.get(name)},
        "references": rule.references,
        "falsepositives": rule.falsepositives,
        "tags": tags,
    }
    short = {name: _short(value) for name, value in kept.items() if value}
    for name in _LISTS:
        while short.get(name) and len(orjson.dumps(short)) > MAX_METADATA:
            short[name].pop()
    return {"sigma": short}


def _short(value: Any) -> Any:
    if isinstance(value, list):
        return [_short(item) for item in value[:100]]
    if isinstance(value, dict):
        return {str(name): _short(item) for name, item in value.items()}
    text = str(value).strip().encode("utf-8", "replace").decode()
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


def _tactic(name: str) -> str:
    return " ".join(word if word == "and" else word.capitalize() for word in name.split("-"))


def _once(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
