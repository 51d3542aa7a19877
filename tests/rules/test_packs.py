"""The packs that come with the product: every rule works, can be tested, and says what to do."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from streamproc.backtest.rule_tests import read_tests, run
from streamproc.config.packs import RuleTemplate, known_actions, rule_templates
from streamproc.rules import parse_rule
from streamproc.rules.lint import lint
from streamproc.rules.types import TYPES

RUNBOOKS = Path(__file__).parents[2] / "docs" / "runbooks"
LINK = "https://streamproc.dev/docs/runbooks/{pack}#{id}"
PACKS = ("actiontrail", "aws", "generic", "github", "kubernetes", "okta")
TACTICS = {
    *("Initial Access", "Execution", "Persistence", "Privilege Escalation", "Defense Evasion", "Credential Access"),
    *("Discovery", "Lateral Movement", "Collection", "Exfiltration", "Impact"),
}
WANTED = {
    "generic": [
        *("brute-force", "password-spray", "mass-deletion", "mass-export", "privilege-escalation", "new-country"),
        *("after-hours-administration", "impossible-travel", "dormant-account-used"),
    ],
    "actiontrail": [
        *("actiontrail-vpc-route-changed", "actiontrail-security-group-opened", "actiontrail-root-login"),
        *("actiontrail-access-key-created", "actiontrail-mfa-disabled", "actiontrail-log-service-stopped"),
    ],
}
"""What the requirements name."""

every = pytest.mark.parametrize("template", rule_templates(), ids=lambda template: template.id)


@every
def test_its_tests_pass_and_it_is_seen_to_fire_and_to_stay_quiet(template: RuleTemplate) -> None:
    tests = read_tests(template.rule)
    outcomes = [run(template.rule, test) for test in tests]
    assert [(one.test.name, one.missing, one.unexpected) for one in outcomes if not one.passed] == []
    assert any(test.expect for test in tests), "one that fires"
    assert any(not test.expect for test in tests), "one that stays quiet"
    assert all(test.events for test in tests)


@every
def test_it_says_what_people_need(template: RuleTemplate) -> None:
    rule = template.rule
    assert rule.description
    assert rule.category is not None
    assert rule.mitre_tactics
    assert set(rule.mitre_tactics) <= TACTICS
    assert rule.mitre_techniques
    assert [one for one in rule.mitre_techniques if not re.fullmatch(r"T1\d{3}(\.0\d\d)?", one)] == []
    assert rule.runbook == LINK.format(pack=template.pack, id=rule.id)


@every
def test_it_is_no_one_s_and_counts_for_its_owner_only(template: RuleTemplate) -> None:
    assert "tenant_id" not in template.content
    assert parse_rule(template.content, default_tenant="acme").tenant_id == "acme"
    assert template.pack == "generic" or template.id.startswith(f"{template.pack}-")


def test_lint_has_nothing_to_say() -> None:
    found = lint([template.rule for template in rule_templates()], known_actions())
    assert [f"{finding.rule_id}: {finding}" for finding in found] == []


def test_a_group_is_always_there() -> None:
    """Patterns of native sources are grouped by what each of their records has, as others would be counted nowhere."""
    groups = {
        path
        for template in rule_templates()
        if template.pack != "generic"
        for path in getattr(template.rule.condition, "group_by", ())
    }
    assert groups == {"actor.id", "actor.ip"}


def test_ids_and_names_are_given_once() -> None:
    for values in ([one.id for one in rule_templates()], [(one.pack, one.rule.name) for one in rule_templates()]):
        assert [value for value, count in Counter(values).items() if count > 1] == []
    assert all(one.document.source == f"{one.pack}/{one.id}.yaml" for one in rule_templates())


def test_the_packs_are_those_that_were_asked_for() -> None:
    assert tuple(dict.fromkeys(one.pack for one in rule_templates())) == PACKS
    assert len(rule_templates()) >= 70
    ids = {one.id for one in rule_templates()}
    assert [id for wanted in WANTED.values() for id in wanted if id not in ids] == []


def test_every_rule_type_is_shown() -> None:
    assert {one.rule.type for one in rule_templates()} == TYPES.keys()


@pytest.mark.parametrize("pack", PACKS)
def test_the_runbook_has_a_section_for_each_rule_and_no_other(pack: str) -> None:
    sections = re.split(r"^## ", (RUNBOOKS / f"{pack}.md").read_text(), flags=re.MULTILINE)[1:]
    titles = [section.partition("\n")[0] for section in sections]
    assert sorted(titles) == sorted(one.id for one in rule_templates() if one.pack == pack)
    names = {one.id: one.rule.name for one in rule_templates()}
    for title, section in zip(titles, sections, strict=True):
        assert f"**{names[title]}.**" in " ".join(section.split()), title
        assert "- **Check:** " in section, title
        assert "- **Do:** " in section, title
