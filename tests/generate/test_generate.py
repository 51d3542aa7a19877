"""Generated traffic: the same for the same seed, believable, and with the attacks that were asked for."""

from collections import Counter, defaultdict
from dataclasses import replace
from itertools import pairwise

import orjson
import pytest

from streamproc.generate import ATTACKS, Plan, generate
from streamproc.sources.decode import Decoder

TUESDAY_NOON = 1_770_724_800_000  # 2026-02-10T12:00:00Z
PLAN = Plan(start_ms=TUESDAY_NOON, seed=7, tenants=4, count=3000, rate=10)


def attack(name, **change):
    plan = replace(PLAN, attacks=(name,), **change)
    return [event for event in generate(plan) if event["metadata"].get("attack") == name]


def ordinary(plan=PLAN):
    return [event for event in generate(plan) if "attack" not in event["metadata"]]


def ms(event):
    [decoded] = Decoder("events").decode(orjson.dumps(event), 0, 0, None)
    return decoded.time


def test_the_same_plan_gives_the_same_events():
    plan = replace(PLAN, attacks=tuple(ATTACKS))
    assert list(generate(plan)) == list(generate(plan))


def test_another_seed_gives_others():
    assert list(generate(PLAN)) != list(generate(replace(PLAN, seed=8)))


def test_attacks_leave_the_ordinary_events_as_they_were():
    assert ordinary(replace(PLAN, attacks=("brute_force", "exfiltration"))) == list(generate(PLAN))


def test_every_event_is_canonical_in_order_and_has_an_id_of_its_own():
    decoder = Decoder("events")
    ids, times = set(), []
    for event in generate(replace(PLAN, attacks=tuple(ATTACKS))):
        value = orjson.dumps(event)
        [decoded] = decoder.decode(value, 0, 0, TUESDAY_NOON)
        assert decoded.raw is value
        ids.add(decoded.id)
        times.append(decoded.time)
    assert len(ids) == len(times)
    assert times == sorted(times)


def test_count_rate_and_tenants():
    events = list(generate(PLAN))
    assert len(events) == 3000
    assert ms(events[0]) == TUESDAY_NOON
    assert 270_000 < ms(events[-1]) - TUESDAY_NOON < 330_000  # 3,000 at 10 a second
    assert len({event["tenant_id"] for event in events}) == 4


def test_there_is_a_mix_of_actions():
    actions = Counter(event["action"] for event in generate(PLAN))
    assert len(actions) >= 8
    assert actions["document.read"] > actions["document.delete"] > 0


def test_people_work_from_home_and_in_working_hours():
    homes = defaultdict(set)
    for event in generate(PLAN):
        homes[event["actor"]["id"], event["tenant_id"]].add((event["actor"]["ip"], event["actor"]["country"]))
    assert all(len(places) == 1 for places in homes.values())

    def people(start_ms):
        events = generate(replace(PLAN, start_ms=start_ms, count=2000, rate=1))
        return Counter(event["actor"]["country"] for event in events if event["actor"]["type"] == "user")

    noon, night = people(TUESDAY_NOON), people(TUESDAY_NOON - 10 * 3_600_000)  # 02:00 in UTC: Japan works
    assert noon["DE"] / noon.total() > 5 * night["DE"] / night.total()


@pytest.mark.parametrize("rate", [1, 1000])
def test_nothing_ordinary_looks_like_an_attack(rate):
    hour = defaultdict(Counter)
    for event in ordinary(replace(PLAN, count=10_000, rate=rate, attacks=tuple(ATTACKS))):
        slot = event["event_time"][:13], event["actor"]["id"], event["tenant_id"]
        if event["outcome"] == "failure":
            hour["failures"][slot] += 1
        if event["action"].endswith((".delete", ".export")):
            hour[event["action"]][slot] += 1
    assert max(hour["failures"].values()) <= 2
    assert max(hour["document.delete"].values()) <= 3
    assert max(hour["report.export"].values()) <= 2


def test_brute_force_is_many_failures_from_one_address_then_a_success():
    events = attack("brute_force")
    assert [event["outcome"] for event in events] == ["failure"] * 12 + ["success"]
    assert {event["action"] for event in events} == {"user.login"}
    assert len({event["actor"]["ip"] for event in events}) == 1
    assert ms(events[-1]) - ms(events[0]) < 60_000
    assert events[0]["actor"]["ip"] not in {event["actor"]["ip"] for event in ordinary()}


def test_mass_deletion_is_one_actor_within_a_minute():
    events = attack("mass_deletion")
    assert len(events) == 25
    assert {event["action"] for event in events} == {"document.delete"}
    assert len({event["actor"]["id"] for event in events}) == 1
    assert ms(events[-1]) - ms(events[0]) < 60_000


def test_a_new_country_is_one_where_nobody_was_before():
    home, *away = attack("new_country")
    countries = {event["actor"]["country"] for event in ordinary()}
    assert home["actor"]["country"] in countries
    assert not {event["actor"]["country"] for event in away} & countries
    assert {event["actor"]["id"] for event in away} == {home["actor"]["id"]}


def test_exfiltration_is_many_large_exports_by_one_actor():
    events = attack("exfiltration")
    assert len(events) == 30
    assert all(event["action"].endswith(".export") for event in events)
    assert len({event["actor"]["id"] for event in events}) == 1
    assert sum(event["metadata"]["bytes"] for event in events) > 1e9


def test_several_attacks_follow_one_another_within_the_stream():
    names = ("exfiltration", "brute_force", "mass_deletion")
    events = list(generate(replace(PLAN, count=300, attacks=names)))  # 30 s: shorter than the attacks usually take
    seen = [event["metadata"]["attack"] for event in events if "attack" in event["metadata"]]
    assert tuple(dict.fromkeys(seen)) == names
    assert sum(a != b for a, b in pairwise(seen)) == 2
    last = max(ms(event) for event in events if "attack" in event["metadata"])
    assert last - TUESDAY_NOON < 30_000


def test_attacks_alone():
    assert len(attack("brute_force", count=0)) == 13


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tenants": 0}, "tenants: 0"),
        ({"tenants": 1001}, "tenants: 1001"),
        ({"count": -1}, "count: -1"),
        ({"rate": 0}, "rate: 0"),
        ({"rate": float("nan")}, "rate: nan"),
        ({"attacks": ("brute",)}, "attack: 'brute' is not one of brute_force"),
    ],
)
def test_a_plan_that_cannot_be(change, message):
    with pytest.raises(ValueError, match=message):
        replace(PLAN, **change)
