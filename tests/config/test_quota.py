"""How many rules a tenant's plan allows: counted over what is configured and what would change."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamproc.cli import applying
from streamproc.cli.failures import BAD_INPUT, explain
from streamproc.config.changes import DocumentsError
from streamproc.config.quota import QuotaError, check_quota
from streamproc.config.record import ConfigRecord, encode
from streamproc.config.snapshot import ConfigEntry, Snapshot
from streamproc.model.document import DocumentError
from streamproc.model.plan import QUOTAS, Plan, PlanName, parse_plan
from streamproc.settings import Settings

from .test_changes import after, planned, wanted


def rule(id: object, tenant: str = "acme", **fields: object) -> str:
    more = "".join(f", {name}: {value}" for name, value in fields.items())
    return (
        f"{{kind: rule, tenant_id: '{tenant}', id: r{id}, name: n, type: pattern, condition: {{action: a{id}}}{more}}}"
    )


def rules(count: int, tenant: str = "acme") -> list[str]:
    return [rule(n, tenant) for n in range(count)]


def plan_of(name: str, **fields: object) -> str:
    more = "".join(f", {name}: {value}" for name, value in fields.items())
    return f"{{kind: plan, tenant_id: acme, plan: {name}{more}}}"


def checked(snapshot: Snapshot, *texts: str, prune: bool = False) -> None:
    check_quota(snapshot, planned(snapshot, *texts, prune=prune))


def refusal(snapshot: Snapshot, *texts: str, prune: bool = False) -> str:
    with pytest.raises(QuotaError) as caught:
        checked(snapshot, *texts, prune=prune)
    return str(caught.value)


@pytest.mark.parametrize(("name", "quota"), [("free", 2), ("starter", 10), ("pro", 50)])
def test_the_plans(name: str, quota: int) -> None:
    snapshot = after(plan_of(name))
    checked(snapshot, *rules(quota))
    assert refusal(snapshot, *rules(quota + 1)) == (
        f"tenant acme: its plan {name} has a quota of {quota} rules, and there would be {quota + 1} (now 0); "
        "delete rules, or apply another plan"
    )


def test_without_a_limit() -> None:
    checked(after(plan_of("enterprise")), *rules(200))
    checked(Snapshot.empty(), *rules(200))
    assert QUOTAS == {"free": 2, "starter": 10, "pro": 50, "enterprise": None}


def test_a_number_of_its_own() -> None:
    assert "plan free has a quota of 3 rules" in refusal(after(plan_of("free", maxRules=3)), *rules(4))
    checked(after(plan_of("free", max_rules=3)), *rules(3))
    assert "plan enterprise has a quota of 0 rules" in refusal(after(plan_of("enterprise", max_rules=0)), *rules(1))


def test_what_counts() -> None:
    snapshot = after(plan_of("free"), rule(1), rule(2, enabled="false"))
    assert "would be 3 (now 2)" in refusal(snapshot, rule(3, enabled="false"))
    checked(snapshot, *rules(5, "other"))
    checked(snapshot, *rules(5, "*"))
    checked(snapshot, rule(1), rule(2, severity="high"))
    everybody = after(*rules(5, "*"), *rules(5, "other"), plan_of("free"))
    checked(everybody, *rules(2))


def test_a_rule_that_cannot_be_read_counts_too() -> None:
    broken = ConfigRecord("rule", "acme", "old", 1, {"type": "gone"}, "", "")
    snapshot = after(plan_of("free"), rule(1))
    snapshot = snapshot.fold([ConfigEntry(snapshot.offset, broken.key.encode(), encode(broken))])
    assert "would be 3 (now 2)" in refusal(snapshot, rule(2))


def test_deletions_make_room() -> None:
    snapshot = after(plan_of("free"), rule(1), rule(2))
    assert "would be 3" in refusal(snapshot, rule(3))
    checked(snapshot, rule(3), plan_of("free"), prune=True)
    assert "would be 3" in refusal(snapshot, rule(3), rule(4), rule(5), plan_of("free"), prune=True)


def test_a_plan_and_rules_at_once() -> None:
    assert "would be 3" in refusal(Snapshot.empty(), plan_of("free"), *rules(3))
    snapshot = after(plan_of("free"), *rules(2))
    checked(snapshot, plan_of("starter"), *rules(3))
    checked(snapshot, *rules(3), prune=True)  # the plan goes too


def test_who_has_too_many_may_change_and_delete_and_not_add() -> None:
    snapshot = after(plan_of("free"), *rules(4))
    checked(snapshot, rule(1, severity="high"))
    checked(snapshot, rule(1), rule(2), rule(3), plan_of("free"), prune=True)
    checked(snapshot, plan_of("free", max_rules=3))
    assert "would be 5 (now 4)" in refusal(snapshot, rule(4))


def test_a_plan_that_is_too_small_is_refused() -> None:
    snapshot = after(plan_of("starter"), *rules(4))
    assert "plan free has a quota of 2 rules, and there would be 4 (now 4)" in refusal(snapshot, plan_of("free"))
    assert "plan free" in refusal(after(*rules(3)), plan_of("free"))
    checked(snapshot, plan_of("pro"))


def test_a_tenant_has_one_plan() -> None:
    snapshot = after(plan_of("free"))
    assert refusal(snapshot, plan_of("pro", id="new")) == (
        "tenant acme: has 2 plans (acme/plan/plan, acme/plan/new), and should have one"
    )
    checked(snapshot, plan_of("pro", id="new"), prune=True)


def test_a_plan_of_an_earlier_release_that_is_none() -> None:
    broken = ConfigRecord("plan", "acme", "plan", 1, {"level": "gold"}, "", "")
    snapshot = Snapshot.empty().fold([ConfigEntry(0, broken.key.encode(), encode(broken))])
    assert refusal(snapshot, rule(1)).startswith("acme/plan/plan: level: is not a known field")
    checked(snapshot, rule(1), plan_of("free"))


@given(
    st.sampled_from(["free", "starter"]),
    st.sets(st.integers(0, 14), max_size=14),
    st.sets(st.integers(0, 14), min_size=1, max_size=14),
    st.booleans(),
)
def test_as_counted_by_hand(name: str, had: set[int], given_: set[int], prune: bool) -> None:
    snapshot = after(plan_of(name), *(rule(n) for n in had))
    documents = [plan_of(name), *(rule(n) for n in given_)]
    left = given_ if prune else had | given_
    try:
        checked(snapshot, *documents, prune=prune)
        refused = False
    except QuotaError:
        refused = True
    quota = {"free": 2, "starter": 10}[name]
    assert refused == (len(left) > quota and len(left) > len(had))


def test_the_document() -> None:
    assert parse_plan({"tenant_id": "acme", "plan": "pro"}) == Plan(tenant_id="acme", plan=PlanName.PRO)
    [one] = wanted(plan_of("pro"))
    assert (one.key, one.meaning.quota) == ("acme/plan/plan", 50)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (plan_of("gold"), "plan: 'gold' is not 'free', 'starter', 'pro' or 'enterprise'"),
        ("{kind: plan, tenant_id: acme}", "plan: is required"),
        (plan_of("free", max_rules=-1), "max_rules: -1 is not at least 0"),
        (plan_of("free", max_rules="many"), "max_rules: 'many' is not a whole number"),
        (plan_of("free", max_rule=1), "max_rule: is not a known field; did you mean max_rules?"),
        ("{kind: plan, tenant_id: '*', plan: free}", "tenant_id: '*' has no plan"),
    ],
)
def test_what_is_wrong_with_a_plan(text: str, message: str) -> None:
    with pytest.raises(DocumentsError) as caught:
        wanted(text)
    assert f"f.yaml:1: {message}" in str(caught.value)
    with pytest.raises(DocumentError):
        parse_plan({"plan": 7})


def test_the_command_line_says_it_in_one_line() -> None:
    assert explain(QuotaError("tenant acme: its plan …")) == (BAD_INPUT, "tenant acme: its plan …")


def test_apply_and_diff_ask(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async def configured(_settings: Settings) -> Snapshot:
        return after(plan_of("free"), *rules(2))

    monkeypatch.setenv("STREAMPROC_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(applying, "read_snapshot", configured)
    file = tmp_path / "rules.yaml"
    file.write_text("\n---\n".join(rules(2)))
    assert [str(change.action) for change in applying.plan_documents([file], tenant=None, prune=False)] == [
        "unchanged",
        "unchanged",
    ]
    file.write_text("\n---\n".join(rules(3)))
    with pytest.raises(QuotaError, match="would be 3"):
        applying.plan_documents([file], tenant=None, prune=False)
    with pytest.raises(QuotaError, match="would be 3"):
        applying.apply_documents([file], tenant=None, prune=False, told=lambda changes: None)
