"""The kinds of things that can be configured, and how a document of each is checked.

A kind's `parse` raises DocumentError; what it returns compares equal for documents that mean the same, however
they are spelled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from streamproc.alerting.content import check
from streamproc.model.channel import parse_channel, parse_webhook
from streamproc.model.content_template import parse_content_template
from streamproc.model.document import DocumentError, Problem
from streamproc.model.key import parse_key
from streamproc.model.plan import DEFAULT_ID, parse_plan
from streamproc.model.policy import parse_policy
from streamproc.model.silence import parse_silence
from streamproc.model.user import parse_user
from streamproc.model.user_group import parse_user_group
from streamproc.rules import compile_rule, parse_rule

MAX_NAME = 128


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of configured thing."""

    name: str
    parse: Callable[[Mapping[str, Any]], Any]


def _rule(document: Mapping[str, Any]) -> Any:
    rule = parse_rule(document)
    compile_rule(rule, 1)  # some mistakes only show here, such as a regular expression that is none
    return rule


def _template(document: Mapping[str, Any]) -> Any:
    template = parse_content_template(document)
    check(template)  # whether its texts are Liquid
    return template


def _list(document: Mapping[str, Any]) -> Any:
    values = document.get("values")
    if not isinstance(values, list | tuple):
        raise DocumentError((Problem("values", f"{values!r:.80} is not a list"),))
    for place, value in enumerate(values):
        if not isinstance(value, str | int | float):
            raise DocumentError((Problem(f"values[{place}]", f"{value!r:.80} is not a text or a number"),))
    return dict(document)


KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("rule", _rule),
        Kind("webhook", parse_webhook),
        Kind("channel", parse_channel),
        Kind("user", parse_user),
        Kind("user_group", parse_user_group),
        Kind("template", _template),
        Kind("policy", parse_policy),
        Kind("silence", parse_silence),
        Kind("list", _list),
        Kind("plan", parse_plan),
        Kind("key", parse_key),
    )
}


def identify(
    content: Mapping[str, Any], *, kind: str | None, tenant: str | None
) -> tuple[str, str, str, dict[str, Any]]:
    """(kind, tenant, id, spec) of a document as written; `kind` and `tenant` are for those that do not say.

    A rule without an id has the one that `parse_rule` derives, the same each time; a plan without one
    is `plan`. Raises DocumentError.
    """
    spec = dict(content)
    kind = _taken(spec, ("kind",), kind, "say what it is, one of " + ", ".join(KINDS))
    if kind not in KINDS:
        raise DocumentError((Problem("kind", f"{kind!r} is not one of {', '.join(KINDS)}"),))
    tenant = _taken(spec, ("tenant_id", "tenantId"), tenant, "say it here or with --tenant")
    made = None
    if kind == "rule" and spec.get("id") is None:
        spec.pop("id", None)
        made = parse_rule({**spec, "tenant_id": tenant}).id
    elif kind == "plan":
        made = DEFAULT_ID
    return kind, tenant, _taken(spec, ("id",), made, "each document has one"), spec


def _taken(spec: dict[str, Any], names: tuple[str, ...], default: str | None, hint: str) -> str:
    given = [(name, spec.pop(name)) for name in names if name in spec]
    name, value = given[0] if given else (names[0], default)
    if len(given) > 1:
        raise DocumentError((Problem(given[1][0], f"is given twice (as {name} too)"),))
    if value is None:
        raise DocumentError((Problem(names[0], f"is required; {hint}"),))
    if not isinstance(value, str) or not value.strip() or not value.isprintable() or len(value) > MAX_NAME:
        raise DocumentError((Problem(name, f"{value!r:.80} is not a text of 1 to {MAX_NAME} printable characters"),))
    return value
