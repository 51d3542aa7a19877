"""Liquid within limits, for content templates: no template can hang, exhaust or leave the process that renders it.

python-liquid limits nested loops, output and names. What it does not limit is limited here: all the work of one
rendering has a budget (nodes, filters, and the size of every value that they touch), filters that could multiply are
refused before they do, and numbers, lists and texts have a greatest size. Nothing is read from disk, other templates
cannot be named, and there is no clock.

What a template puts out is escaped for where it goes (HTML, JSON, a chat's markup); what its author wrote is not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TextIO
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import orjson
from liquid import BoundTemplate, Environment, RenderContext
from liquid.builtin.output import Output, OutputNode
from liquid.builtin.tags.capture_tag import CaptureNode, CaptureTag
from liquid.builtin.tags.echo_tag import EchoTag
from liquid.exceptions import LiquidError
from liquid.token import Token
from liquid.undefined import Undefined

from streamproc.model.content_template import MAX_SOURCE

MAX_OUTPUT = 200_000
"""Bytes."""
MAX_TEXT = 100_000
MAX_LIST = 2_000
MAX_NUMBER = 10**18
MAX_DATE = 64
WORK = 1_500_000
"""Units for one rendering: about a character that is copied. Half a second at worst, a thousandth as a rule."""
NODE = 30
"""Units for a tag, an output or a filter."""
_ENTRY = 15
"""Units for an entry of a list that a filter goes through."""
_LOOK = 8
"""Characters that are looked at for one unit; copying them costs more."""

Escape = Callable[[str], str]


class SandboxError(ValueError):
    """A template that cannot be parsed or rendered; the text is one line."""


class Safe(str):
    """Text that is already fit for where it goes."""

    __slots__ = ()


class _Budget:
    def __init__(self) -> None:
        self._left = WORK

    def spend(self, units: int) -> None:
        self._left -= units
        if self._left < 0:
            raise SandboxError("does too much work")

    def look_at(self, value: Any) -> None:
        """Spend what it costs to go through a value."""
        self.spend(_extent(value, self._left * _LOOK) // _LOOK)


class _Context(RenderContext):
    """A rendering: python-liquid's, with a budget and an escape."""

    def __init__(self, template: BoundTemplate, variables: Mapping[str, Any], escape: Escape) -> None:
        super().__init__(template, globals={**variables, "now": None, "today": None})
        self.budget = _Budget()
        self.escape = escape

    @property
    def disabled_tags(self) -> list[str]:
        """Read before each node is rendered, so this is where nodes are counted."""
        if hasattr(self, "budget"):
            self.budget.spend(NODE)
        return []

    @disabled_tags.setter
    def disabled_tags(self, tags: list[str]) -> None:
        assert not tags

    def get(self, path: list[object], *, token: Token | None, default: object = None) -> object:
        found = super().get(path, token=token) if default is None else super().get(path, token=token, default=default)
        self.budget.spend(NODE // 3)
        self.budget.look_at(found)
        return found

    def assign(self, key: str, val: Any) -> None:
        self.budget.spend(NODE + 4 * len(self.locals))
        super().assign(key, _small(val))

    def filter(self, name: str, token: Token | None) -> Callable[..., object]:
        applied = super().filter(name, token)

        def guarded(value: object, *arguments: object, **named: object) -> object:
            self.budget.spend(NODE)
            for one in (value, *arguments, *named.values()):
                self.budget.look_at(_small(one))
                if isinstance(one, list | tuple | range):
                    self.budget.spend(_ENTRY * len(one))
            if name in _GROWTH:
                self.budget.spend(_GROWTH[name](value, *arguments))
            result = _small(applied(value, *arguments, **named))
            self.budget.look_at(result)
            return result

        return guarded

    def text(self, value: object) -> str:
        """A value as it is put out."""
        if isinstance(value, Safe):
            return value
        text = _text(value)
        self.budget.spend(len(text) // _LOOK)
        return self.escape(text)


def _extent(value: Any, limit: int) -> int:
    """About how many characters a value would make, its parts too; stops soon after `limit`."""
    total, waiting = 0, [value]
    while waiting and total <= limit:
        one = waiting.pop()
        if isinstance(one, str):
            total += len(one)
        elif isinstance(one, Mapping):
            total += 2 * len(one)
            waiting += [*one.keys(), *one.values()]
        elif isinstance(one, list | tuple):
            total += len(one)
            waiting += one
        else:
            total += 1
    return total


def _small(value: Any) -> Any:
    """The value, if it is of a size that filters may go on with. Raises SandboxError."""
    if isinstance(value, str) and len(value) > MAX_TEXT:
        raise SandboxError(f"makes a text of more than {MAX_TEXT} characters")
    if isinstance(value, list | tuple | range) and len(value) > MAX_LIST:
        raise SandboxError(f"makes a list of more than {MAX_LIST} entries")
    if isinstance(value, int) and abs(value) > MAX_NUMBER:
        raise SandboxError("makes a number that is too large")
    return value


def _product(value: object, sought: object = "", by: object = "") -> int:
    """What `replace` makes."""
    text, part = _text(value), _text(sought)
    return text.count(part) * len(_text(by))


def _joined(value: object, by: object = " ") -> int:
    return len(value) * len(_text(by)) if isinstance(value, list | tuple) else 0


def _squared(value: object, *_: object) -> int:
    return len(value) ** 2 if isinstance(value, list | tuple) else 0


_GROWTH: Mapping[str, Callable[..., int]] = {"replace": _product, "join": _joined, "uniq": _squared}
"""Filters that make or do more than the sum of what they get, and how much."""


def _text(value: object) -> str:
    """As people write it: maps and lists as JSON, true and false in small letters, nothing for nothing."""
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, Undefined):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return orjson.dumps(value, default=str).decode()
    if isinstance(value, list | tuple):
        if all(isinstance(one, str | int | float) for one in value):
            return ", ".join(_text(one) for one in value)
        return orjson.dumps(value, default=str).decode()
    return str(value)


class _OutputNode(OutputNode):
    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        assert isinstance(context, _Context)
        return buffer.write(context.text(self.expression.evaluate(context)))


class _Output(Output):
    node_class = _OutputNode


class _Echo(EchoTag):
    node_class = _OutputNode  # type: ignore[assignment]  # its own only differs in how it prints itself


class _CaptureNode(CaptureNode):
    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        """What is captured was escaped as it was put out."""
        captured = context.get_buffer(buffer)
        self.block.render(context, captured)
        context.assign(self.name, Safe(captured.getvalue()))
        return 0


class _Capture(CaptureTag):
    node_class = _CaptureNode


def _json(value: object) -> str:
    """Filter `json`: the value as JSON, fit to stand in a JSON content without quotes around it."""
    return Safe(orjson.dumps(value, default=str).decode())


def _date(value: object, form: object = "%Y-%m-%d %H:%M:%S", zone: object = "UTC") -> object:
    """Filter `date`: an ISO 8601 time in strftime's form, in a time zone; anything else stays as it is."""
    text, wanted = str(value), str(form)
    if len(text) > MAX_DATE or len(wanted) > MAX_DATE:
        return value
    try:
        moment = datetime.fromisoformat(text)
        moment = (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).astimezone(ZoneInfo(str(zone)))
        return moment.strftime(wanted)
    except ZoneInfoNotFoundError:
        raise SandboxError(f"names {str(zone)!r:.60}, which is not a time zone") from None
    except (ValueError, OverflowError, OSError):
        return value


class _Limited(Environment):
    template_class: type[BoundTemplate]
    loop_iteration_limit = 2_000
    output_stream_limit = MAX_OUTPUT
    local_namespace_limit = 4 * MAX_TEXT
    context_depth_limit = 16


_ENVIRONMENT = _Limited()
for _tag in ("include", "render", "extends", "block", "tablerow", "cycle", "doc"):
    _ENVIRONMENT.tags.pop(_tag, None)
for _filter in ("safe", "strip_html", "escape_once", "escapejs", "newline_to_br", "base64_decode", "script_tag"):
    # their results would count as text of the author's, or they are slow by nature
    _ENVIRONMENT.filters.pop(_filter, None)
for _made in (_Output, _Echo, _Capture):
    _ENVIRONMENT.add_tag(_made)
_ENVIRONMENT.add_filter("json", _json)
_ENVIRONMENT.add_filter("date", _date)


MAX_BLANKS = 100
MAX_PARENTHESES = 50
_BLANKS = re.compile(rf"\s{{{MAX_BLANKS + 1}}}")
_OPENING = re.compile(r"\{\{|\{%")


@lru_cache(maxsize=256)
def parse(source: str) -> BoundTemplate:
    """The parsed template. Raises SandboxError."""
    if len(source) > MAX_SOURCE:
        raise SandboxError(f"is longer than {MAX_SOURCE} characters")
    _closed(source)
    try:
        return _ENVIRONMENT.from_string(source)
    except (LiquidError, RecursionError) as error:
        raise SandboxError(f"is not a Liquid template: {_line(error)}") from None


def _closed(source: str) -> None:
    """Refuse what is opened and not closed, long blanks, many parentheses: the parser takes the square of their number.

    Raises SandboxError.
    """
    place, last_raw = 0, source.rfind("endraw")
    while (found := _OPENING.search(source, place)) is not None:
        closing = "}}" if found[0] == "{{" else "%}"
        place = source.find(closing, found.end())
        if place < 0:
            raise SandboxError(f"is not a Liquid template: {found[0]} without {closing}")
        if _BLANKS.search(source, found.end(), place) is not None:
            raise SandboxError(f"has more than {MAX_BLANKS} blanks in a row between {found[0]} and {closing}")
        if source.count("(", found.end(), place) > MAX_PARENTHESES:
            raise SandboxError(f"has more than {MAX_PARENTHESES} parentheses between {found[0]} and {closing}")
        tag = source[found.end() : place].strip(" \t\r\n-") if found[0] == "{%" else ""
        if tag == "doc":
            raise SandboxError("is not a Liquid template: {% doc %} is not known here; use {% comment %}")
        if tag == "raw":
            if found.end() > last_raw:
                raise SandboxError("is not a Liquid template: {% raw %} without {% endraw %}")
            place = source.find("endraw", place)


def render(source: str, variables: Mapping[str, Any], escape: Escape = str) -> str:
    """The text, at most `MAX_OUTPUT` bytes. Raises SandboxError."""
    template = parse(source)
    context = _Context(template, variables, escape)
    buffer = context.get_buffer()
    try:
        template.render_with_context(context, buffer)
    except SandboxError:
        raise
    except Exception as error:  # a filter may raise anything for odd values
        raise SandboxError(_line(error)) from None
    return buffer.getvalue()


def known_filters() -> Iterable[str]:
    """The filters that a template may use."""
    return sorted(_ENVIRONMENT.filters)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
