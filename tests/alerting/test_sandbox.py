"""Templates of tenants cannot hang, exhaust or leave the process, and what events say stays text."""

from __future__ import annotations

import time
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from streamproc.alerting.sandbox import MAX_OUTPUT, SandboxError, known_filters, parse, render

SECONDS = 5.0
"""No sample takes a tenth of this on an idle machine; without the limits each takes minutes, or all memory."""

VARIABLES: dict[str, Any] = {
    "title": "a" * 1000,
    "alerts": [{"t": "x" * 2000, "d": {"k": "v" * 100}} for _ in range(500)],
    "event": {"text": "a" * 20_000, "list": list(range(1500))},
}


def times(count: int, body: str) -> str:
    return f"{{% for i in (1..{count}) %}}{body}{{% endfor %}}"


HOSTILE = {
    "a loop without end": times(100_000_000, "x"),
    "loops in loops": times(1000, times(1000, "x")),
    "loops one after another": times(2000, "x") * 900,
    "100 MB": times(2000, "{{ event.text }}" * 3),
    "many nodes": times(2000, "{{a}}" * 6000),
    "many conditions": times(2000, "{%if 1%}{%endif%}" * 1800),
    "a number that squares": "{% assign x = 10 %}" + times(100, "{% assign x = x | times: x %}") + "{{ x }}",
    "a text that doubles": "{% assign s = 'ab' %}" + times(100, "{% assign s = s | append: s %}"),
    "a list that doubles": "{% assign s = event.list %}" + times(100, "{% assign s = s | concat: s %}"),
    "replace that multiplies": "{{ title | replace: 'a', title | replace: 'a', title | replace: 'a', title }}",
    "replace of nothing": "{{ title | replace: '', title | replace: '', title }}",
    "join that multiplies": "{% assign l = title | split: '' %}{{ l | join: title | split: '' | join: title }}",
    "every element with every other": times(1000, "{{ event.list | uniq | size }}"),
    "sorting again and again": times(2000, "{{ event.list | sort | size }}"),
    "large values compared": times(2000, "{% if alerts == alerts %}{% if alerts == alerts %}x{% endif %}{% endif %}"),
    "large values as JSON": times(2000, "{% assign x = alerts | json %}"),
    "many names": times(2000, "".join(f"{{% assign v{n}=1 %}}" for n in range(1300))),
    "a range as a list": "{{ (1..1000000000) | reverse | size }}",
    "a range joined": "{{ (1..1000000000) | join: 'x' }}",
    "a long number": "{{ '" + "9" * 30_000 + "' | plus: 1 }}",
    "deep conditions": "{% if 1 %}" * 1300 + "{% endif %}" * 1300,
    "deep parentheses": "{% if " + "(" * 15_000 + "1" + ")" * 15_000 + " %}{% endif %}",
    "braces that open": "{{" * 16_000,
    "tags that open": "{%" * 16_000,
    "raw that opens": "{% raw %}" * 3400,
    "doc that opens": "{% doc %}" * 3400,
    "blanks": "{{" + " " * 31_000 + "}}",
    "empty lines": "{% liquid " + "\n" * 31_000 + "%}",
    "long source": "x" * 100_000,
    "files": "{% include '/etc/passwd' %}",
    "templates": "{% render 'other' %}",
    "unknown tag": "{% python %}",
    "divided by zero": "{{ 1 | divided_by: 0 }}",
}


@pytest.mark.parametrize("source", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_templates_fail_soon(source: str) -> None:
    started = time.process_time()
    with pytest.raises(SandboxError) as caught:
        render(source, VARIABLES)
    assert time.process_time() - started < SECONDS
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_output_up_to_the_limit_is_made_and_more_is_not() -> None:
    assert len(render(times(100, "{{ title }}" * 2), VARIABLES)) == MAX_OUTPUT
    with pytest.raises(SandboxError, match="output"):
        render(times(100, "{{ title }}" * 2) + "x", VARIABLES)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ missing }}|{{ missing.deeper }}", "|"),
        ("{{ now }}{{ today }}", ""),
        ("{{ 'now' | date: '%Y' }}", "now"),
        ("{{ flag }} {{ nothing }} {{ number }}", "true  5"),
        ("{{ map }}", '{"a":1}'),
        ("{{ list }}", "1, two"),
        ("{{ time | date: '%d.%m.%Y %H:%M' }}", "10.02.2026 14:32"),
        ("{{ time | date: '%H:%M', 'Asia/Shanghai' }}", "22:32"),
        ("{{ map.__class__ }}{{ map.keys }}{{ list.append }}", ""),
        ("{% for one in list %}{{ one }}{% unless forloop.last %}-{% endunless %}{% endfor %}", "1-two"),
        ("{% liquid\nassign x = 1\necho x\n%}", "1"),
        ("{% capture c %}<{{ html }}>{% endcapture %}{{ c }}", "<&lt;b&gt;>"),
        ("{% echo html %}", "&lt;b&gt;"),
        ("{{ html | upcase }}", "&lt;B&gt;"),
        ("<i>", "<i>"),
    ],
)
def test_what_templates_make(source: str, text: str) -> None:
    variables = {
        "flag": True,
        "nothing": None,
        "number": 5,
        "map": {"a": 1},
        "list": [1, "two"],
        "time": "2026-02-10T14:32:15.123Z",
        "html": "<b>",
    }
    escape = lambda text: text.replace("<", "&lt;").replace(">", "&gt;")  # noqa: E731
    assert render(source, variables, escape) == text


def test_an_unknown_zone_is_an_error() -> None:
    with pytest.raises(SandboxError, match="'Mars'"):
        render("{{ '2026-01-01T00:00:00Z' | date: '%H', 'Mars' }}", {})


def test_no_filter_marks_text_as_safe() -> None:
    assert not {"safe", "escape_once", "newline_to_br", "base64_decode"} & set(known_filters())


pieces = st.sampled_from(
    ["{{", "}}", "{%", "%}", " if ", " for i in (1..9) ", "endif", "endfor", "| replace: 'a', title", "title",
     "{% raw %}", "{% endraw %}", "'", '"', "(", ")", "[", "]", ".", "-", "\n", "assign x = title",
     "| split: ''", "alerts", " "]
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(pieces, max_size=60).map("".join))
def test_any_source_is_rendered_or_refused(source: str) -> None:
    started = time.process_time()
    try:
        parse(source)
        assert len(render(source, VARIABLES).encode()) <= MAX_OUTPUT
    except SandboxError:
        pass
    assert time.process_time() - started < SECONDS
