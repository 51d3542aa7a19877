"""The oracle counts by hand-made streams; its rules and the product's say the same; differences are told apart."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest

from streamproc.bench.draw import LOGIN, W1, Draw, draws, to_json
from streamproc.bench.oracle import AlertKey, Alerts, Episode, compare, expected
from streamproc.bench.rules import BRUTE_FORCE, BUSY_HOUR, TEN, CountingRule, documents
from streamproc.bench.worker import read_alerts
from streamproc.rules import compile_rule, parse_rule

THREE_A_MINUTE = replace(BRUTE_FORCE, count=3)
TWO_AN_HOUR = replace(BUSY_HOUR, count=2)
KEY = AlertKey("brute-force", "tenant-0000", "10.64.0.105")


def failing(number: int, ms: int, tenant: str = "tenant-0000", outcome: str = "failure") -> Draw:
    return Draw(number, ms, tenant, 5, 5, LOGIN, outcome, 0, 0)


@pytest.mark.parametrize(
    ("times", "episode"),
    [
        pytest.param([0, 10, 20], Episode("evt_0000000002", 1), id="the third triggers"),
        pytest.param([0, 10, 20, 30], Episode("evt_0000000002", 2), id="each further one too"),
        pytest.param([0, 10, 60_000], None, id="the window does not hold its beginning"),
        pytest.param([0, 10, 59_999], Episode("evt_0000000002", 1), id="but everything after it"),
        pytest.param([0, 1, 2, 90_000, 90_001, 90_002], Episode("evt_0000000002", 2), id="one episode, however long"),
    ],
)
def test_a_rolling_window(times: list[int], episode: Episode | None) -> None:
    found = expected([THREE_A_MINUTE], [failing(n, ms) for n, ms in enumerate(times)])
    assert found == ({} if episode is None else {KEY: episode})


@pytest.mark.parametrize(
    ("times", "triggers"), [([0, 3_599_999], 1), ([3_599_999, 3_600_000], 0), ([0, 1, 2, 3_600_000, 3_600_001], 3)]
)
def test_a_fixed_window_ends_with_the_hour(times: list[int], triggers: int) -> None:
    found = expected([TWO_AN_HOUR], [failing(n, ms) for n, ms in enumerate(times)])
    assert sum(episode.triggers for episode in found.values()) == triggers


def test_tenants_and_outcomes_are_kept_apart() -> None:
    stream = [failing(0, 0), failing(1, 1, tenant="tenant-0001"), failing(2, 2), failing(3, 3, outcome="success")]
    assert expected([THREE_A_MINUTE], stream) == {}


@pytest.mark.parametrize("rule", [*TEN, BUSY_HOUR], ids=lambda rule: rule.id)
def test_the_document_and_the_plain_python_of_a_rule_agree(rule: CountingRule) -> None:
    document = {name: value for name, value in rule.document("tenant-0000").items() if name != "kind"}
    compiled = compile_rule(parse_rule(document), 1)
    hits = 0
    for draw in draws(W1, 5_000):
        doc = orjson.loads(to_json(draw))
        assert compiled.matches(doc, draw.ms) == rule.matches(draw)
        assert compiled.groups(doc) == [(rule.group(draw),)]
        hits += rule.matches(draw)
    assert bool(hits) != rule.id.startswith("never-")


def test_each_tenant_gets_a_copy_of_each_rule() -> None:
    copies = documents(TEN, ["a", "b"])
    assert len({(copy["tenant_id"], copy["id"]) for copy in copies}) == len(copies) == 20


WANTED: Alerts = {KEY: Episode("evt_1", 3)}


@pytest.mark.parametrize(
    ("found", "counts"),
    [
        (WANTED, (0, 0, 0)),
        ({}, (1, 0, 0)),
        (WANTED | {KEY._replace(group="10.0.0.1"): Episode("evt_9", 1)}, (0, 1, 0)),
        ({KEY: Episode("evt_1", 2)}, (0, 0, 1)),
        ({KEY: Episode("evt_2", 3)}, (0, 0, 1)),
    ],
)
def test_differences_are_counted_by_kind(found: Alerts, counts: tuple[int, int, int]) -> None:
    verdict = compare(WANTED, found)
    assert (verdict.missing, verdict.invented, verdict.different) == counts
    assert verdict.equal == (counts == (0, 0, 0))


def record(id_: str, revision: int, triggers: int, event: str = "evt_1") -> bytes:
    return orjson.dumps(
        {
            "id": id_,
            "revision": revision,
            "tenant_id": KEY.tenant,
            "rule": {"id": KEY.rule},
            "group": {"actor.ip": KEY.group},
            "event": {"id": event},
            "trigger_count": triggers,
        }
    )


def test_the_latest_revision_of_an_alert_counts() -> None:
    assert read_alerts([record("a", 3, 3), record("a", 1, 1), None]) == WANTED


def test_two_alerts_of_one_group_are_not_taken_for_one() -> None:
    assert not compare(WANTED, read_alerts([record("a", 3, 3), record("b", 1, 1)])).equal
