"""Grouping, digests and rate limits, with the time driven: what goes out when, and that nothing is lost on the way."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamproc.alerting.gathering import MAX_BYTES, Gathering
from streamproc.alerting.recipients import ChannelBook
from streamproc.model.delivery import DeliveryState
from streamproc.model.policy import parse_policy
from tests.alerting.driving import HOUR, MINUTE, SECOND, Driver, shown
from tests.alerting.making import Config, Record, Rule, hook, slack
from tests.alerting.test_policies_in_force import silence

TEAM = {"groups": [{"id": "team", "channels": ["slack"]}], "steps": [{"group": "team"}]}


def config(*channels: Record, rule: Rule | None = None, **grouping: Any) -> Config:
    lookup = Config({("acme", "r1"): rule or Rule(webhook_ids=(), channels=("slack",), cooldown_min=0)})
    lookup.channels = ChannelBook().fold(channels or (slack(),))
    if grouping:
        doc = {"id": "default", "tenant_id": "acme", **TEAM, "grouping": grouping}
        lookup.policies["acme", "default"] = parse_policy(doc)
    return lookup


def told(sent: list[tuple[int, Any]]) -> list[tuple[int, list[str]]]:
    """(second, names of the alerts) of each message."""
    return [(second, shown([one])[0][2]) for second, one in sent]


GROUPED = {"by": ["group.host"], "wait_seconds": 30, "interval_seconds": 300}


def test_the_first_of_a_group_waits_for_others_and_all_go_in_one_message() -> None:
    driver = Driver(config(**GROUPED))
    assert driver.trigger("a", group={"host": "db1"}) == []
    assert told(driver.run(10 * SECOND)) == []
    assert driver.trigger("b", group={"host": "db1"}) == []
    assert driver.trigger("c", group={"host": "db2"}) == []
    assert told(driver.run(MINUTE)) == [(30, ["a", "b"]), (40, ["c"])]
    bundle = driver.sent[0][1]
    assert bundle.alert_id.startswith("grp_")
    assert [str(member.purpose) for member in bundle.members] == ["triggered", "triggered"]


def test_the_next_message_of_a_group_comes_an_interval_later() -> None:
    driver = Driver(config(**GROUPED))
    driver.trigger("a", group={"host": "db1"})
    driver.run(MINUTE)
    driver.trigger("b", group={"host": "db1"})
    driver.trigger("c", group={"host": "db1"})
    assert told(driver.run(HOUR)) == [(330, ["b", "c"])]
    driver.trigger("d", group={"host": "db1"})
    assert told(driver.run(HOUR)) == [(3660 + 30, ["d"])]  # long after: as the first one


def test_a_full_group_does_not_wait() -> None:
    driver = Driver(config(**GROUPED | {"max": 3}))
    driver.trigger("a")
    driver.trigger("b")
    assert [shown([one])[0][2] for one in driver.trigger("c")] == [["a", "b", "c"]]
    assert driver.run(HOUR) == []


def test_an_alert_that_is_resolved_before_anybody_was_told_is_told_of_to_nobody_and_recorded() -> None:
    driver = Driver(config(**GROUPED))
    driver.trigger("a")
    driver.trigger("b")
    driver.status("resolved", "a")
    assert told(driver.run(MINUTE)) == [(30, ["b"])]
    assert sorted(str(record.reason) for record in driver.records.values()) == ["resolved_meanwhile"] * 2


def test_of_an_alert_that_goes_on_the_newest_is_told_once() -> None:
    driver = Driver(config(**GROUPED))
    driver.trigger("a")
    driver.trigger("a")
    driver.status("acknowledged", "a")
    (message,) = [one for _, one in driver.run(MINUTE)]
    assert shown([message.plain]) == [("slack", "acknowledged", ["a"])]
    assert [(str(record.state), str(record.reason)) for record in driver.records.values()] == [
        ("superseded", "newer")
    ] * 2


def test_a_bundle_of_one_is_sent_as_what_it_is() -> None:
    driver = Driver(config(**GROUPED))
    driver.trigger("a")
    (message,) = [one for _, one in driver.run(MINUTE)]
    plain = message.plain
    assert (plain.alert_id, plain.members, plain.delivery_id) == ("alt_a", (), message.members[0].delivery_id)


def test_what_is_silenced_while_it_waits_is_not_told() -> None:

    lookup = config(**GROUPED)
    driver = Driver(lookup)
    driver.trigger("a")
    lookup.silent.append(silence(driver, 10))
    lookup.revision += 1
    assert driver.run(MINUTE) == []
    assert [reason for _, reason in driver.reasons] == ["silence"]


def test_the_cooldown_begins_when_the_bundle_is_delivered() -> None:
    rule = Rule(webhook_ids=(), channels=("slack",), cooldown_min=5)
    driver = Driver(config(rule=rule, **GROUPED))
    driver.trigger("a")
    (message,) = [one for _, one in driver.run(MINUTE)]
    driver.settled(message)
    assert driver.trigger("a") == []
    assert driver.reasons == [("", "cooldown")]
    driver.run(6 * MINUTE)
    driver.trigger("a")
    assert told(driver.run(MINUTE)) == [(60 + 360 + 30, ["a"])]


def test_channels_that_tell_one_alert_at_a_time_are_not_kept_waiting() -> None:
    lookup = config(hook(), rule=Rule(webhook_ids=("hook",), cooldown_min=0), **GROUPED)
    doc = {"id": "default", "tenant_id": "acme", "groups": [{"id": "t"}], "steps": [{"group": "t"}]}
    lookup.policies["acme", "default"] = parse_policy(doc | {"grouping": GROUPED})
    assert shown(Driver(lookup).trigger()) == [("hook", "triggered", ["a"])]
    lookup.channels = ChannelBook().fold([hook(mode="batch")])
    assert Driver(lookup).trigger() == []


def test_a_rate_limit_gathers_what_is_over_it_and_drops_nothing() -> None:
    driver = Driver(config(slack(rate_limit={"max": 2, "per_seconds": 60})))
    assert [len(driver.trigger(name)) for name in "abcde"] == [1, 1, 0, 0, 0]
    assert told(driver.run(5 * MINUTE)) == [(60, ["c", "d", "e"])]


def test_one_by_one_channels_are_let_out_as_the_limit_allows() -> None:
    driver = Driver(
        config(hook(rate_limit={"max": 2, "per_seconds": 60}), rule=Rule(webhook_ids=("hook",), cooldown_min=0))
    )
    assert [len(driver.trigger(name)) for name in "abcde"] == [1, 1, 0, 0, 0]
    assert told(driver.run(5 * MINUTE)) == [(60, ["c"]), (60, ["d"]), (120, ["e"])]
    assert all(not one.members for _, one in driver.sent)


def test_a_digest_tells_at_set_times_what_happened_but_critical_alerts_at_once() -> None:
    driver = Driver(config(slack(digest={"schedule": "0 * * * *"})))  # it is 02:40
    assert driver.trigger("a") == []
    assert driver.trigger("b") == []
    driver.status("resolved", "b")
    assert told(driver.run(HOUR)) == [(1200, ["a", "b"])]
    assert [str(member.purpose) for member in driver.sent[0][1].members] == ["triggered", "resolved"]
    assert driver.trigger("c") == []
    assert [shown([one])[0][2] for one in driver.trigger("d", severity="critical")] == [["c", "d"]]


def test_what_is_too_large_for_one_message_goes_in_several() -> None:
    driver = Driver(config(**GROUPED))
    for name in "abc":
        driver.trigger(name, description="x" * (MAX_BYTES // 2 - 1000))
    assert told(driver.run(MINUTE)) == [(30, ["a", "b"]), (30, ["c"])]


def test_an_escalation_does_not_wait() -> None:
    lookup = config(**GROUPED)
    doc = {"id": "default", "tenant_id": "acme", **TEAM, "grouping": GROUPED}
    chain = {"escalation": [{"after_minutes": 5, "group": "team"}]}
    lookup.policies["acme", "default"] = parse_policy(doc | chain)
    driver = Driver(lookup)
    driver.trigger("a")
    assert told(driver.run(HOUR)) == [(30, ["a"]), (300, ["a"])]


def test_a_gathering_that_is_idle_is_forgotten_and_later_ones_have_other_ids() -> None:
    driver = Driver(config(**GROUPED))
    driver.trigger("a")
    driver.run(3 * 24 * HOUR)
    assert not [key for key in driver.table.rows if key[:1] in b"gi"]
    driver.trigger("b")
    driver.run(HOUR)
    first, second = (one for _, one in driver.sent)
    assert first.alert_id == second.alert_id
    assert first.revision < second.revision


def test_the_stored_form_is_the_state() -> None:
    one = Gathering("grp_1", 7, (1, 2), 3, 9, 44, "p", 99)
    assert Gathering.decode(one.encode()) == one
    with pytest.raises(ValueError, match="version"):
        Gathering.decode(b"\x09" + one.encode()[1:])


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("trigger"), st.sampled_from("abcd"), st.sampled_from(["low", "high", "critical"])),
        st.tuples(st.just("resolve"), st.sampled_from("abcd"), st.none()),
        st.tuples(st.just("acknowledge"), st.sampled_from("abcd"), st.none()),
        st.tuples(st.just("wait"), st.sampled_from([1, 29, 61, 300, 4000]), st.none()),
        st.tuples(st.just("crash"), st.none(), st.none()),
        st.tuples(st.just("delivered"), st.none(), st.booleans()),
    ),
    max_size=40,
)
PACES = st.sampled_from(
    [
        (slack(), GROUPED),
        (slack(), GROUPED | {"max": 2}),
        (slack(rate_limit={"max": 2, "per_seconds": 60}), None),
        (slack(digest={"schedule": "*/15 * * * *"}), None),
        (slack(digest={"schedule": "*/15 * * * *"}, rate_limit={"max": 1, "per_seconds": 600}), GROUPED),
        (slack(), None),
    ]
)


def played(steps: list[Any], channel: Record, grouping: dict[str, Any] | None, *, crashes: bool) -> Driver:
    driver = Driver(config(channel, **grouping or {}))
    for kind, what, more in steps:
        if kind == "trigger":
            if driver.alerts.latest.get(what, {}).get("status") != "resolved":
                driver.trigger(what, severity=more, group={"host": what})
        elif kind in ("resolve", "acknowledge"):
            latest = driver.alerts.latest.get(what)
            if latest and latest["status"] == "open":
                driver.status("resolved" if kind == "resolve" else "acknowledged", what)
        elif kind == "wait":
            driver.run(what * SECOND)
        elif kind == "crash" and crashes:
            driver.restart()
        elif kind == "delivered" and driver.sent:
            driver.settled(driver.sent[-1][1], DeliveryState.DELIVERED if more else DeliveryState.GAVE_UP)
    driver.run(2 * HOUR)
    return driver


@given(STEPS, PACES)
@settings(max_examples=150, deadline=None)
def test_every_notification_is_told_once_or_has_a_record_and_a_crash_changes_nothing(
    steps: list[Any], pace: tuple[Record, dict[str, Any] | None]
) -> None:
    channel, grouping = pace
    driver = played(steps, channel, grouping, crashes=True)
    calm = played(steps, channel, grouping, crashes=False)
    assert [(at, one) for at, one in driver.sent] == [(at, one) for at, one in calm.sent]
    assert driver.records == calm.records
    told_ids = [part.delivery_id for _, one in driver.sent for part in (one.members or (one,))]
    assert len(told_ids) == len(set(told_ids))
    assert not set(told_ids) & driver.records.keys()
    free = played(steps, slack(), None, crashes=False)
    assert {one.delivery_id for _, one in free.sent} <= set(told_ids) | driver.records.keys()
    assert not [key for key in driver.table.rows if key[:1] == b"i"]
    for name in "abcd":  # nobody hears of an end before the beginning
        purposes = [
            str(part.purpose)
            for _, one in driver.sent
            for part in (one.members or (one,))
            if part.alert_id == f"alt_{name}"
        ]
        if grouping or channel.content.get("rate_limit"):
            assert "resolved" not in purposes[:1] or "digest" in channel.content
