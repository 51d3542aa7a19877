"""An *action policy*: who is told of an alert, how, and who next if nobody answers.

As ActionTrail draws it, a policy is a tree of three kinds of node: Condition, Action Group and End. Here it is a list
of steps, taken in order: a `condition` goes on in its `then` or its `otherwise`, and after those with what follows it;
a `group` tells an action group; `end: true` ends the walk.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainValidator, model_validator

from streamproc.model.alert_filter import FilterReader, unpacked
from streamproc.model.channel_settings import Frozen
from streamproc.model.condition import AnyOf, Filter, NoneOf
from streamproc.model.document import DocumentError, Problem, parsed
from streamproc.model.hours import WeeklyHours
from streamproc.model.recipients import Recipients
from streamproc.model.rule import Severity

DEFAULT_ID = "default"
"""The policy of rules that name none."""

MAX_DEPTH = 8
"""Conditions within one another."""
MAX_STEPS = 100
"""Of a whole policy."""
MAX_GROUPS = 50
MAX_CHANNELS = 20
MAX_ESCALATIONS = 20
MAX_REPEATS = 20
MAX_INHIBITS = 50
MAX_EQUAL = 8
_MAX_LEVELS = 64
_MAX_PARTS = 50_000
"""Of the document as written, before anything is read of it."""
_FILTERS = ("when", "source", "target")


def _few(most: int) -> BeforeValidator:
    """Before the entries are looked at, because each wrong one makes a problem of its own."""

    def check(value: object) -> object:
        listed = [value] if isinstance(value, str) else value
        if isinstance(listed, list | tuple) and len(listed) > most:
            raise ValueError(f"has more than {most} entries")
        return listed

    return BeforeValidator(check)


Id = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]*$")]
Tests = Annotated[Filter, PlainValidator(unpacked)]


class ActionGroup(Frozen):
    """Some channels and people who are told together.

    `channels` are named as in a rule (an id, or a type); none: the rule's own. Alerts below `min_severity`, and all
    outside `active_hours`, are not for this group.
    """

    id: Id
    channels: Annotated[tuple[Id, ...], _few(MAX_CHANNELS)] = ()
    recipients: Recipients = Recipients()
    template: Annotated[str | None, Field(min_length=1, max_length=128)] = None
    """Id of a content template."""
    min_severity: Severity = Severity.INFORMATIONAL
    active_hours: WeeklyHours | None = None


class ConditionNode(Frozen):
    """Tests of the alerts that are told together: `match: all` wants every one to pass, `any` one or more.

    In mode `standard` all tests must hold; `advanced` also has `any`, `none` (`and`, `or`) within one another.
    """

    match: Literal["all", "any"] = "all"
    mode: Literal["standard", "advanced"] = "advanced"
    when: Tests

    @model_validator(mode="after")
    def _plain(self) -> ConditionNode:
        if self.mode == "standard" and _has_choice(self.when):
            raise ValueError("when: has any or none in it, which only mode advanced takes")
        return self


class Step(Frozen):
    """One node: exactly one of `condition` (with `then`, `otherwise`), `group` and `end`."""

    condition: ConditionNode | None = None
    then: tuple[Step, ...] = ()
    otherwise: tuple[Step, ...] = ()
    group: Id | None = None
    end: Literal[True] | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Step:
        if sum(node is not None for node in (self.condition, self.group, self.end)) != 1:
            raise ValueError("is not exactly one of condition, group, end")
        if self.condition is None and (self.then or self.otherwise):
            raise ValueError("has then or otherwise without a condition")
        return self


class Escalation(Frozen):
    """Unless somebody acknowledged within `after_minutes` of the step before it (or of the alert), tell `group`."""

    after_minutes: Annotated[float, Field(ge=1, le=7 * 24 * 60, allow_inf_nan=False, strict=False)]
    group: Id


class Inhibition(Frozen):
    """While an alert that matches `source` is active, those that match `target` are quiet, if all `equal` fields are
    the same in both."""

    id: Annotated[str, Field(max_length=128)] = ""
    source: Tests
    target: Tests
    equal: Annotated[tuple[Annotated[str, Field(min_length=1, max_length=256)], ...], _few(MAX_EQUAL)] = ()


class Grouping(Frozen):
    """Alerts with equal values at `by` (paths into the alert; none: all of the policy's) go in one message.

    The first waits `wait_seconds` for others; after a message the next one comes `interval_seconds` later at the
    earliest; `max` alerts are sent at once, whatever the time.
    """

    by: Annotated[tuple[Annotated[str, Field(min_length=1, max_length=256)], ...], _few(MAX_EQUAL)] = ()
    wait_seconds: Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False, strict=False)] = 30
    interval_seconds: Annotated[float, Field(ge=0, le=7 * 86400, allow_inf_nan=False, strict=False)] = 300
    max: Annotated[int, Field(ge=1, le=1000, strict=True)] = 100


class Policy(Frozen):
    """A document of config kind `policy`. `repeat`: how many times more the escalations are gone through."""

    id: Id
    tenant_id: Annotated[str, Field(min_length=1, max_length=128)]
    name: Annotated[str, Field(max_length=128)] = ""
    enabled: bool = True
    groups: Annotated[tuple[ActionGroup, ...], _few(MAX_GROUPS)] = ()
    steps: tuple[Step, ...] = ()
    escalation: Annotated[tuple[Escalation, ...], _few(MAX_ESCALATIONS)] = ()
    repeat: Annotated[int, Field(ge=0, le=MAX_REPEATS, strict=True)] = 0
    inhibit: Annotated[tuple[Inhibition, ...], _few(MAX_INHIBITS)] = ()
    grouping: Grouping | None = None

    @model_validator(mode="after")
    def _known_groups(self) -> Policy:
        ids = [group.id for group in self.groups]
        for place, id in enumerate(ids):
            if id in ids[:place]:
                raise ValueError(f"groups[{place}].id: {id!r} is given twice")
        named = [(path, step.group) for path, step in every_step(self.steps) if step.group is not None]
        named += [(f"escalation[{place}]", one.group) for place, one in enumerate(self.escalation)]
        for path, id in named:
            if id not in ids:
                raise ValueError(f"{path}.group: {id!r} is not one of the policy's groups")
        return self

    def group(self, id: str) -> ActionGroup:
        """One of its groups; every id in its steps and escalations is one."""
        return next(group for group in self.groups if group.id == id)


def every_step(steps: tuple[Step, ...], path: str = "steps") -> Iterator[tuple[str, Step]]:
    """(path, step) of each, also those of branches, in the order in which they are written."""
    for place, step in enumerate(steps):
        at = f"{path}[{place}]"
        yield at, step
        yield from every_step(step.then, f"{at}.then")
        yield from every_step(step.otherwise, f"{at}.otherwise")


def parse_policy(doc: Mapping[str, Any]) -> Policy:
    """A document of config kind `policy`. Raises DocumentError."""
    _check_bounds(doc)
    body = {name: value for name, value in doc.items() if name != "kind"}
    problems: list[Problem] = []
    _check_steps(body.get("steps"), problems)
    if problems:
        raise DocumentError(tuple(problems))
    read = _with_filters(body, "", FilterReader(problems))
    try:
        policy = parsed(Policy, read)
    except DocumentError as error:
        raise DocumentError((*problems, *error.problems)) from None
    if problems:
        raise DocumentError(tuple(problems))
    return policy


def _check_bounds(doc: Mapping[str, Any]) -> None:
    """Without recursion, as a document may be nested as deeply as its author likes."""
    waiting: list[tuple[Any, int]] = [(doc, 0)]
    parts = 0
    while waiting:
        value, depth = waiting.pop()
        parts += 1
        if depth > _MAX_LEVELS:
            raise DocumentError((Problem("", f"is nested deeper than {_MAX_LEVELS} levels"),))
        if parts > _MAX_PARTS:
            raise DocumentError((Problem("", f"has more than {_MAX_PARTS} parts"),))
        if isinstance(value, Mapping):
            waiting += [(inner, depth + 1) for inner in value.values()]
        elif isinstance(value, list | tuple):
            waiting += [(inner, depth + 1) for inner in value]


def _check_steps(steps: object, problems: list[Problem]) -> None:
    waiting: list[tuple[object, str, int]] = [(steps, "steps", 0)]
    count = 0
    while waiting:
        value, path, depth = waiting.pop()
        if not isinstance(value, list | tuple):
            continue
        count += len(value)
        if depth > MAX_DEPTH:
            problems.append(Problem(path, f"is nested deeper than {MAX_DEPTH} conditions"))
            return
        if count > MAX_STEPS:
            problems.append(Problem("steps", f"has more than {MAX_STEPS} steps in all"))
            return
        for place, step in enumerate(value):
            if isinstance(step, Mapping):
                waiting += [(step.get(name), f"{path}[{place}].{name}", depth + 1) for name in ("then", "otherwise")]


def _with_filters(value: Any, path: str, reader: FilterReader) -> Any:
    """The document with every filter in it read; they all share the reader's bounds."""
    if isinstance(value, Mapping):
        result: dict[Any, Any] = {}
        for name, inner in value.items():
            at = f"{path}.{name}" if path else str(name)
            result[name] = reader.read(inner, at) if name in _FILTERS else _with_filters(inner, at, reader)
        return result
    if isinstance(value, list | tuple):
        return [_with_filters(inner, f"{path}[{place}]", reader) for place, inner in enumerate(value)]
    return value


def _has_choice(tree: Filter) -> bool:
    if isinstance(tree, AnyOf | NoneOf):
        # `!~` alone is one negated test, which is no choice
        return isinstance(tree, AnyOf) or len(tree.parts) != 1 or _has_choice(tree.parts[0])
    return any(_has_choice(part) for part in getattr(tree, "parts", ()))
