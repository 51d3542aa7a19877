"""Draws the pictures of messages in the how-to pages, from what is really sent: `python docs/images/draw.py`.

Each picture is made of the payload that the channel's renderer makes for the sample alerts of `config
preview-template`, drawn plainly: the providers' own look changes, what a message says does not. A test holds the
pictures up to date.
"""

import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from html import escape
from html.parser import HTMLParser
from pathlib import Path
from textwrap import wrap
from typing import Any

from streamproc.alerting.alert_link import AlertLinks
from streamproc.alerting.message import Message
from streamproc.alerting.preview import SAMPLE, SECOND
from streamproc.alerting.render_dingtalk import dingtalk
from streamproc.alerting.render_email import email
from streamproc.alerting.render_lark import lark
from streamproc.alerting.render_pagerduty import pagerduty
from streamproc.alerting.render_slack import slack
from streamproc.alerting.render_teams import teams
from streamproc.alerting.render_wecom import wecom
from streamproc.model.notification import Purpose

HERE = Path(__file__).parent
WIDTH, MARGIN, LINE, CHARACTERS = 680, 18, 20, 88
COLOURS = {"attention": "#b91c1c", "warning": "#b45309", "accent": "#1d4ed8", "good": "#15803d"}
CARDS = {"red": "#b91c1c", "orange": "#b45309", "blue": "#1d4ed8", "green": "#15803d"}
Run = tuple[str, str]
"""A text and its style: any of b (bold), l (link), s (subtle), h (heading)."""


@dataclass
class Picture:
    """Lines of runs, a band of colour at the left, and what stands above."""

    name: str
    colour: str = "#94a3b8"
    lines: list[list[Run]] = field(default_factory=list)

    def say(self, *runs: Run) -> None:
        self.lines.append(list(runs))

    def svg(self) -> str:
        """The whole as SVG."""
        shown = [line for runs in self.lines for line in _wrapped(runs)]
        height = 2 * MARGIN + 26 + LINE * len(shown)
        band = height - 2 * MARGIN - 18
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
            'font-family="Helvetica,Arial,sans-serif" font-size="13">',
            f'<rect width="{WIDTH}" height="{height}" rx="8" fill="#ffffff" stroke="#cbd5e1"/>',
            f'<text x="{MARGIN}" y="{MARGIN + 8}" fill="#64748b" font-size="11">{escape(self.name)}</text>',
            f'<rect x="{MARGIN}" y="{MARGIN + 18}" width="4" height="{band}" fill="{self.colour}"/>',
        ]
        for place, line in enumerate(shown):
            y = MARGIN + 34 + LINE * place
            spans = "".join(f"<tspan{_style(style)}>{escape(text)}</tspan>" for text, style in line)
            parts.append(f'<text x="{MARGIN + 16}" y="{y}" fill="#111827" xml:space="preserve">{spans}</text>')
        return "\n".join([*parts, "</svg>"]) + "\n"


def _style(style: str) -> str:
    named = {
        "b": ' font-weight="bold"',
        "h": ' font-weight="bold" font-size="15"',
        "l": ' fill="#1d4ed8" text-decoration="underline"',
        "s": ' fill="#64748b"',
    }
    return "".join(named[one] for one in style)


def _wrapped(runs: list[Run]) -> Iterator[list[Run]]:
    """A long last run goes on in further lines."""
    if sum(len(text) for text, _ in runs) <= CHARACTERS or not runs:
        yield runs
        return
    *first, (text, style) = runs
    room = max(20, CHARACTERS - sum(len(one) for one, _ in first))
    begin, *rest = wrap(text, room, drop_whitespace=True) or [""]
    yield [*first, (begin, style)]
    for line in wrap(" ".join(rest), CHARACTERS - 4):
        yield [("    " + line, style)]


def _marked(text: str, bold: str, link: str, picture: Picture) -> None:
    """Lines in a chat's markup: `bold` and `link` are patterns with the shown text as their last group."""
    for line in text.split("\n"):
        quoted = re.sub(r"^(#+ |>|- )", lambda mark: "• " if mark[0] == "- " else "", line).rstrip()
        if not quoted:
            continue
        runs: list[Run] = []
        rest = quoted
        for found in re.finditer(f"{bold}|{link}", quoted):
            before = rest[: len(rest) - len(quoted) + found.start()]
            runs += [(before, "")] if before else []
            runs.append((next(group for group in reversed(found.groups()) if group), "b" if found[1] else "l"))
            rest = quoted[found.end() :]
        picture.say(*runs, *([(rest, "h" if line.startswith("#") else "")] if rest else []))


def draw_slack(message: Message) -> Picture:
    picture = Picture("Slack", "#b91c1c")
    for block in slack(message)["blocks"]:
        for text in [block["text"]] if "text" in block else block["elements"]:
            shown = text["text"].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
            _marked(shown, r"\*([^*\n]+)\*", r"<[^|>]+\|([^>]+)>", picture)
    return picture


def draw_teams(message: Message) -> Picture:
    card = teams(message)["attachments"][0]["content"]
    picture = Picture("Microsoft Teams", COLOURS[card["body"][0]["inlines"][0]["color"]])
    for block in card["body"]:
        picture.say(*((run["text"], _teams_style(run)) for run in block["inlines"]))
    if "actions" in card:
        picture.say(*((f"[ {action['title']} ]  ", "l") for action in card["actions"]))
    return picture


def _teams_style(run: dict[str, Any]) -> str:
    if run.get("size") == "large":
        return "h"
    named = (("b", "weight"), ("l", "selectAction"), ("s", "isSubtle"))
    return "".join(style for style, key in named if run.get(key))


def draw_dingtalk(message: Message) -> Picture:
    picture = Picture("DingTalk", "#1677ff")
    _marked(dingtalk(message)["markdown"]["text"], r"\*\*([^*\n]+)\*\*", r"\[([^\]]+)\]\([^)]+\)", picture)
    return picture


def draw_wecom(message: Message) -> Picture:
    picture = Picture("WeCom", "#16a34a")
    _marked(wecom(message)["markdown"]["content"], r"\*\*([^*\n]+)\*\*", r"\[([^\]]+)\]\([^)]+\)", picture)
    return picture


def draw_lark(message: Message) -> Picture:
    card = lark(message)["card"]
    picture = Picture("Lark, Feishu", CARDS[card["header"]["template"]])
    picture.say((card["header"]["title"]["content"], "h"))
    for element in card["elements"]:
        for shown in element.get("fields", []):
            picture.say((shown["text"]["content"], ""))
        for line in element["text"]["content"].split("\n") if "text" in element else []:
            picture.say((line, ""))
        if element["tag"] == "action":
            picture.say(*((f"[ {button['text']['content']} ]  ", "l") for button in element["actions"]))
        if element["tag"] == "note":
            picture.say(*((one["content"], "s") for one in element["elements"]))
    return picture


def draw_pagerduty(message: Message) -> Picture:
    event = pagerduty(message, str(message.alert["id"]))
    payload = event["payload"]
    picture = Picture("PagerDuty", "#06ac38")
    picture.say((payload["summary"], "h"))
    picture.say(("Severity ", "s"), (payload["severity"], "b"), ("   Source ", "s"), (payload["source"], "b"))
    for name, value in payload["custom_details"].items():
        picture.say((f"{name}: ", "s"), (str(value), ""))
    picture.say(*((f"{link['text']}   ", "l") for link in event.get("links", [])))
    return picture


class _Mail(HTMLParser):
    """Collects the heading, the rows and the paragraphs of the HTML part."""

    def __init__(self, picture: Picture) -> None:
        super().__init__()
        self._picture, self._runs, self._cell, self._style = picture, list[Run](), 0, ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        style = dict(attrs).get("style") or ""
        if tag == "div":
            self._style = "h"
            self._picture.colour = (re.search(r"solid (#\w+)", style) or ["", "#94a3b8"])[1]
        elif tag == "td":
            self._cell += 1
            self._style = "s" if self._cell == 1 else ""
        elif tag == "a":
            self._style = "l"
        elif tag == "p":
            self._style = "s"

    def handle_data(self, data: str) -> None:
        if data.strip():
            self._runs.append((data + ("   " if self._cell == 1 else ""), self._style))

    def handle_endtag(self, tag: str) -> None:
        if tag in ("div", "tr", "p") and self._runs:
            self._picture.say(*self._runs)
            self._runs, self._cell = [], 0


def draw_email(message: Message) -> Picture:
    mail = email(message)
    picture = Picture("E-mail, HTML part")
    picture.say(("Subject: ", "s"), (mail.subject, "b"))
    _Mail(picture).feed(mail.html)
    return picture


DRAWN: dict[str, Callable[[Message], Picture]] = {
    "dingtalk": draw_dingtalk,
    "email": draw_email,
    "lark": draw_lark,
    "pagerduty": draw_pagerduty,
    "slack": draw_slack,
    "teams": draw_teams,
    "wecom": draw_wecom,
}


def pictures() -> dict[Path, str]:
    """Every picture by its file: one alert, and (but for PagerDuty) several alerts in one message."""
    link = AlertLinks("https://alerts.example.com", b"k" * 32)
    alerts = [Message(one, Purpose.TRIGGERED, link=link(one, 0)) for one in (SAMPLE, SECOND)]
    single = replace(alerts[0], silent_count=2)
    several = replace(alerts[-1], members=tuple(alerts), link="")
    found = {HERE / f"{name}.svg": draw(single).svg() for name, draw in DRAWN.items()}
    found |= {HERE / f"{name}-bundle.svg": draw(several).svg() for name, draw in DRAWN.items() if name != "pagerduty"}
    return found


if __name__ == "__main__":
    for path, content in pictures().items():
        path.write_text(content)
        sys.stdout.write(f"{path.name}\n")
