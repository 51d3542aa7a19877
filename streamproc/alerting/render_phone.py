"""An alert in a few words: for a text message, for a voice that reads it out, and as a template's variables."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from streamproc.alerting.render import facts, headline
from streamproc.model.notification import Purpose

MAX_SMS = 300
"""Characters: five parts at most, when something in it is outside the telephone alphabet (67 in a part)."""
MAX_SPOKEN = 200
MAX_VARIABLE = 35
"""Aliyun refuses longer values of a template's variables."""


def sms(alert: Mapping[str, Any], purpose: Purpose) -> str:
    """One line: what happened, how severe, and why."""
    top = dict(facts(alert))
    reason = " ".join(str(alert.get("reason") or "")[: 4 * MAX_SMS].split())
    text = f"[{top['Severity']}] {_head(alert, purpose)}" + (f". {reason}" if reason else "")
    return _cut(text, MAX_SMS)


def spoken(alert: Mapping[str, Any], purpose: Purpose) -> str:
    """What a voice says, once."""
    return _cut(f"{_head(alert, purpose)}. Severity: {dict(facts(alert))['Severity']}.", MAX_SPOKEN)


def twiml(alert: Mapping[str, Any], purpose: Purpose, language: str) -> str:
    """Twilio's markup that says it twice, as people miss the beginning of a call."""
    say = f'<Say language="{escape(language)}">{escape(_xml(spoken(alert, purpose)))}</Say>'
    return f'<?xml version="1.0" encoding="UTF-8"?><Response>{say}<Pause length="1"/>{say}</Response>'


def variables(alert: Mapping[str, Any], purpose: Purpose) -> dict[str, str]:
    """The variables of a template that is kept at the provider."""
    top = dict(facts(alert))
    return {
        "severity": top["Severity"],
        "title": _cut(top["Alert"], MAX_VARIABLE),
        "status": purpose.value,
        "time": top["Triggered"],
        "count": _cut(str(alert.get("trigger_count") or 1), MAX_VARIABLE),
    }


def _head(alert: Mapping[str, Any], purpose: Purpose) -> str:
    """Without the sign in front, which costs half of a text message's room and cannot be read out."""
    return headline(alert, purpose).partition(" ")[2]


def _xml(text: str) -> str:
    """Without characters that XML does not have."""
    return "".join(c for c in text if c.isprintable() and c not in "\ufffe\uffff")


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
