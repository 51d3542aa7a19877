"""Content templates at work: which of a template's texts a notification gets, and what it says then.

What comes from events is escaped for the method: HTML in the HTML part of a mail, JSON where the content looks like
JSON, Slack's entities, full-width marks in the Markdown of chats; nothing where all text is plain.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from html import escape as html_escape

import orjson

from streamproc.alerting.content_variables import variables
from streamproc.alerting.message import Message
from streamproc.alerting.render_chat import inert
from streamproc.alerting.render_slack import escaped
from streamproc.alerting.sandbox import Escape, SandboxError, parse, render
from streamproc.model.content import Content
from streamproc.model.content_template import MACHINES, METHODS, ContentTemplate, Method
from streamproc.model.document import DocumentError, Problem
from streamproc.model.notification import EVENT_TYPES

MAX_SUBJECT = 300
BETWEEN = "\n\n"
"""Between the alerts of a bundle that a text was written for one of."""

_NAMES_ALERTS = re.compile(r"\balerts\b|\balert_count\b")


class ContentError(ValueError):
    """A template that cannot be rendered for a notification; the text is one line and names the part."""


def method_of(transport: str) -> Method | None:
    """The method of a channel by its transport's name; None for what no template can word (PagerDuty)."""
    return next((method for method in METHODS if method == transport and method != "default"), None)


def check(template: ContentTemplate) -> None:
    """Whether every text of it is Liquid. Raises DocumentError."""
    problems: list[Problem] = []
    for path, _, source in template.sources():
        try:
            parse(source)
        except SandboxError as error:
            problems.append(Problem(path, str(error)))
    if problems:
        raise DocumentError(tuple(problems))


def rendered(template: ContentTemplate, method: Method, message: Message) -> Content | None:
    """What the template says of a message; None where it has nothing for the method. Raises ContentError."""
    found = template.content(method)
    if found is None:
        return None
    wording = found.wording(message.language)
    if method in MACHINES:
        items = tuple(_item(wording.text, method, one) for one in message.each)
        subject = _line(_part("subject", wording.subject, method, message, str))
        return Content(subject, items=items, send_mode=found.send_mode, max_items=found.max_items)
    escape = _ESCAPES.get(method, str)
    return Content(
        subject=_line(_part("subject", wording.subject, method, message, escape)),
        text=_told(wording.text, method, message, escape),
        html=_told(wording.html, method, message, html_escape, "<hr>") if method == "email" else "",
    )


def _told(source: str, method: Method, message: Message, escape: Escape, between: str = BETWEEN) -> str:
    """A text; of a bundle once for each alert, unless the template goes through `alerts` itself."""
    name = "html" if between != BETWEEN else "text"
    if not message.members or _NAMES_ALERTS.search(source):
        return _part(name, source, method, message, escape).strip()
    texts = [_part(name, source, method, one, escape).strip() for one in message.members]
    return between.join(text for text in texts if text)


def _item(source: str, method: Method, message: Message) -> str:
    looks_like_json = source.lstrip()[:1] in ("{", "[") and not source.lstrip().startswith(("{%", "{{"))
    return _part("text", source, method, message, _json_escape if looks_like_json else str)


def _part(name: str, source: str, method: Method, message: Message, escape: Escape) -> str:
    if not source:
        return ""
    try:
        return render(source, variables(message, EVENT_TYPES[message.purpose]), escape)
    except SandboxError as error:
        raise ContentError(f"contents.{method}.{name}: {error}") from None


def _line(text: str) -> str:
    return " ".join(text.split())[:MAX_SUBJECT]


def _json_escape(text: str) -> str:
    """As it stands within a JSON text, without the quotes around it."""
    return orjson.dumps(text).decode()[1:-1]


def _slack_escape(text: str) -> str:
    return escaped(text, len(text) * 5 + 1)


_ESCAPES: Mapping[Method, Callable[[str], str]] = {
    "slack": _slack_escape,
    "dingtalk": inert,
    "wecom": inert,
}
