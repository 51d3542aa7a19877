"""Liquid templates that tenants write: parsed and rendered within limits, so that none can hang or exhaust a process.

Nothing is read from disk, an unknown variable is empty, and what a template makes is cut to one line of text.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from liquid import BoundTemplate, Environment
from liquid.exceptions import LiquidError

MAX_SOURCE = 2000
MAX_OUTPUT = 1000


class TemplateError(ValueError):
    """A template that cannot be parsed or rendered; the text is one line."""


class _Limited(Environment):
    """Limits as python-liquid has them: iterations of loops, output, assigned names, nesting."""

    loop_iteration_limit = 1000
    output_stream_limit = 8 * MAX_OUTPUT
    local_namespace_limit = 16 * 1024
    context_depth_limit = 8


_ENVIRONMENT = _Limited()
# Other templates cannot be named, as there are none; without the tags the message says so at once.
for _tag in ("include", "render", "extends", "block"):
    _ENVIRONMENT.tags.pop(_tag, None)


def is_template(text: str) -> bool:
    """Whether the text has anything to render."""
    return "{{" in text or "{%" in text


@lru_cache(maxsize=10_000)
def parse(source: str) -> BoundTemplate:
    """The parsed template. Raises TemplateError."""
    if len(source) > MAX_SOURCE:
        raise TemplateError(f"is longer than {MAX_SOURCE} characters")
    try:
        return _ENVIRONMENT.from_string(source)
    except (LiquidError, RecursionError) as error:
        raise TemplateError(f"is not a Liquid template: {_line(error)}") from None


def render(source: str, variables: Mapping[str, Any]) -> str:
    """The text, at most `MAX_OUTPUT` characters on one line. Raises TemplateError."""
    try:
        text = parse(source).render(**variables)
    except TemplateError:
        raise
    except Exception as error:  # a filter may raise anything for odd values
        raise TemplateError(_line(error)) from None
    return " ".join(text.split())[:MAX_OUTPUT]


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
