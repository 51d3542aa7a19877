"""What is wrong with a rule that is being written, and what its author might not have meant. Pure, and quick."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import BaseModel, Field

from streamproc.backtest.rule_tests import read_tests
from streamproc.config.packs import known_actions
from streamproc.config.snapshot import RULE, Snapshot
from streamproc.model.channel import SETTINGS as CHANNEL_TYPES
from streamproc.model.document import DocumentError, snake
from streamproc.model.rule import EVERY_TENANT, Rule
from streamproc.rules import compile_rule, parse_rule
from streamproc.rules.lint import Finding, Level, lint
from streamproc.web.masking import with_secrets
from streamproc.web.rule_lookup import lists_of

MAX_COMPARED = 500
"""Rules of the tenant among which one that says the same is looked for; of more it would take too long."""
MAX_TEST_EVENTS = 2_000
"""Events of a rule's tests that are read here; `streamproc rules test` reads and runs any number."""


class FieldProblem(BaseModel):
    """What is wrong at a path of the document."""

    path: str
    message: str


class FindingAnswer(BaseModel):
    """What is allowed and probably not meant."""

    level: Literal["error", "warning", "hint"]
    path: str
    message: str


class Validation(BaseModel):
    """`valid`: the rule can be saved. A finding of level error says that it could never match."""

    valid: bool
    errors: list[FieldProblem]
    findings: list[FindingAnswer]
    id: str | None = Field(description="The id that it has, or would get.")
    type: str | None
    normal: dict[str, Any] | None = Field(description="Its defaults filled in: what is in force when it is saved.")


def validate(spec: Mapping[str, Any], tenant: str, snapshot: Snapshot, *, geoip: bool = True) -> Validation:
    """`spec` with or without id, for `tenant`; secrets may be masked where the rule is there already."""
    try:
        rule = _read(spec, tenant, snapshot)
    except DocumentError as error:
        errors = [FieldProblem(path=one.path, message=one.message) for one in error.problems]
        return Validation(valid=False, errors=errors, findings=[], id=None, type=None, normal=None)
    findings = [*_lint(rule, snapshot, geoip), *_channels(rule, tenant, snapshot)]
    order = list(Level)
    findings.sort(key=lambda finding: order.index(Level(finding.level)))
    return Validation(valid=True, errors=[], findings=findings, id=rule.id, type=rule.type, normal=_normal(rule))


def _read(spec: Mapping[str, Any], tenant: str, snapshot: Snapshot) -> Rule:
    """Raises DocumentError."""
    id = next((value for name, value in spec.items() if snake(name) == "id"), None)
    before = snapshot.record(RULE, tenant, id) if isinstance(id, str) else None
    rest = {name: value for name, value in spec.items() if snake(name) != "tenant_id"}
    document = with_secrets(RULE, rest, None if before is None else before.spec)
    rule = parse_rule({**document, "tenant_id": tenant})
    compile_rule(rule, 1, lists_of(snapshot, [tenant])[tenant])
    if sum(map(_events_of, rule.tests)) <= MAX_TEST_EVENTS:
        read_tests(rule)
    return rule


def _events_of(test: Mapping[str, Any]) -> int:
    """How many events a test has, as far as it can be told without reading it."""
    events = test.get("events")
    if not isinstance(events, list | tuple):
        return 0
    times = [one.get("x", 1) if isinstance(one, Mapping) else 1 for one in events]
    return sum(max(1, n) if isinstance(n, int) else 1 for n in times)


def _lint(rule: Rule, snapshot: Snapshot, geoip: bool) -> Iterator[FindingAnswer]:
    others = []
    for record in snapshot.records(RULE, rule.tenant_id):
        compiled = snapshot.rule(record.tenant, record.id)
        if compiled is not None and record.id != rule.id:
            others.append(compiled.rule)
    compared = others if len(others) <= MAX_COMPARED else []
    found: list[Finding] = lint([*compared, rule], known_actions(), geoip=geoip)
    for finding in found:
        if finding.rule_id == rule.id:
            yield FindingAnswer(level=finding.level.value, path=finding.path, message=finding.message)


def _channels(rule: Rule, tenant: str, snapshot: Snapshot) -> Iterator[FindingAnswer]:
    """Names that mean no channel of the tenant; a rule for every tenant is told through each one's own."""
    if tenant == EVERY_TENANT:
        return
    channels, types = set(), set()
    for record in snapshot.records("channel", tenant):
        channels.add(record.id)
        types.add(str(record.spec.get("type") or record.id))
    webhooks = {record.id for record in snapshot.records("webhook", tenant)}
    for place, name in enumerate(rule.channels):
        if name not in channels | types | webhooks:
            what = "channel of this type" if name in CHANNEL_TYPES else "channel or webhook of this id or type"
            yield FindingAnswer(level="warning", path=f"channels[{place}]", message=f"{name}: {tenant} has no {what}")
    for place, name in enumerate(rule.webhook_ids):
        if name not in webhooks:
            message = f"{name}: {tenant} has no webhook of this id"
            yield FindingAnswer(level="warning", path=f"webhook_ids[{place}]", message=message)


def _normal(rule: Rule) -> dict[str, Any]:
    left_out = {"condition", "severity_cases", "tests", "webhook_urls", "metadata"}
    return rule.model_dump(mode="json", exclude=left_out)
