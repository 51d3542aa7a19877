"""A message in a few words: for a text message, for a voice that reads it out, and as a template's variables."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from streamproc.alerting.message import Message
from streamproc.alerting.render import facts, headline, more, notes, severity, title
from streamproc.alerting.words import say
from streamproc.model.alert_filter import RANKS
from streamproc.model.content import Content

MAX_SMS = 300
"""Characters: five parts at most, when something in it is outside the telephone alphabet (67 in a part)."""
MAX_SPOKEN = 200
MAX_CONTENT = 1_500
"""Characters of a text that a template made; Twilio refuses more than 1,600."""
MAX_VARIABLE = 35
"""Aliyun refuses longer values of a template's variables."""


def sms(message: Message) -> str:
    """One line: what happened, how severe, and why; of a bundle the titles, the severest first."""
    said = [f"[{severity(message)}] {_head(message)}"]
    if message.step or message.fallback_for:
        said += [note.rstrip(".。") for note in notes(message)[-1:]]
    if message.members:
        return _listed(message, ". ".join(said))
    reason = " ".join(str(message.alert.get("reason") or "")[: 4 * MAX_SMS].split())
    return _cut(". ".join([*said, reason] if reason else said), MAX_SMS)


def _listed(message: Message, text: str) -> str:
    """The titles of a bundle, as many as there is room for; how many more there are always is."""
    titles = list(_titles(message))
    for place, one in enumerate(titles):
        left = len(titles) - place - 1
        rest = f"; {more(message, left)}" if left else ""
        longer = f"{text}{': ' if not place else '; '}{one}"
        if len(longer) + len(rest) > MAX_SMS:
            return _cut(f"{text}; {more(message, len(titles) - place)}", MAX_SMS)
        text = longer
    return text


def _titles(message: Message) -> Iterator[str]:
    members = sorted(message.members, key=lambda one: -RANKS.get(str(one.alert.get("severity")), -1))
    for member in members:
        yield _cut(title(member), 80)


def spoken(message: Message) -> str:
    """What a voice says, once."""
    name = say(message.language, "Severity")
    worst = next(_titles(message), "")
    text = f"{_head(message)}. {name}: {severity(message)}."
    return _cut(f"{text} {worst}." if worst else text, MAX_SPOKEN)


def twiml(words: str, language: str) -> str:
    """Twilio's markup that says it twice, as people miss the beginning of a call."""
    say_it = f'<Say language="{escape(language)}">{escape(_xml(words))}</Say>'
    return f'<?xml version="1.0" encoding="UTF-8"?><Response>{say_it}<Pause length="1"/>{say_it}</Response>'


def content_text(content: Content) -> str:
    """A text that a template made, for a text message or a voice."""
    return _cut(content.text.strip(), MAX_CONTENT)


def variables(message: Message, content: Content | None = None) -> dict[str, str]:
    """The variables of a template that is kept at the provider; `content` where a template of ours made one."""
    top = list(facts(message))
    status = message.purpose.value
    found = {
        "severity": _cut(severity(message), MAX_VARIABLE),
        "title": _cut(title(message), MAX_VARIABLE),
        "status": status,
        "time": _cut(top[-1][1] if message.members else top[2][1], MAX_VARIABLE),
        "count": _cut(str(len(message.members) or message.alert.get("trigger_count") or 1), MAX_VARIABLE),
    }
    return found | ({"content": _cut(" ".join(content.text.split()), MAX_VARIABLE)} if content is not None else {})


def _head(message: Message) -> str:
    """Without the sign in front, which costs half of a text message's room and cannot be read out."""
    return headline(message).partition(" ")[2]


def _xml(text: str) -> str:
    """Without characters that XML does not have."""
    return "".join(c for c in text if c.isprintable() and c not in "\ufffe\uffff")


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
