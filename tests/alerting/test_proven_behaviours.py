"""What other alerting software proves of itself, as far as notify decides it; the time is driven.

From Alertmanager: repeat, batching (`test_gathering`), resolved filter, cold start, silence and delete
(`test_policies_in_force`), inhibition (same). From GoAlert: repeated acknowledgement, bundling (`test_gathering`). What
the outbox decides (retries, endpoints that fail) has its tests beside the outbox.
"""

from __future__ import annotations

from streamproc.model.policy import parse_policy
from tests.alerting.driving import HOUR, MINUTE, Driver, shown
from tests.alerting.making import Config, Rule, config, hook


def one_hook(**settings: object) -> Config:
    return config(Rule(cooldown_min=5), hook(**settings))


def with_policy(lookup: Config, **fields: object) -> Config:
    doc = {"id": "default", "tenant_id": "acme", "groups": [{"id": "team"}], "steps": [{"group": "team"}], **fields}
    lookup.policies["acme", "default"] = parse_policy(doc)
    return lookup


def test_an_alert_that_nobody_acknowledges_is_repeated_to_the_same_people() -> None:
    again = [{"after_minutes": 60, "group": "team"}]
    driver = Driver(with_policy(one_hook(), escalation=again, repeat=3))
    driver.trigger()
    assert [second // 3600 for second, _ in driver.run(12 * HOUR)] == [1, 2, 3, 4]
    driver = Driver(with_policy(one_hook(), escalation=again, repeat=3))
    driver.trigger()
    driver.run(90 * MINUTE)
    driver.status("acknowledged")
    assert driver.run(12 * HOUR) == []


def test_a_receiver_may_leave_out_how_alerts_end() -> None:
    driver = Driver(one_hook(events=["alert.triggered"]))
    assert shown(driver.trigger()) == [("hook", "triggered", ["a"])]
    assert driver.status("acknowledged") == []
    assert driver.status("resolved") == []


def test_a_start_without_any_state_tells_what_is_open_once_and_not_what_has_ended() -> None:
    driver = Driver(with_policy(one_hook()))
    driver.alerts.trigger("a")
    driver.alerts.trigger("b")
    driver.alerts.status("b", "resolved")
    latest = [driver.alerts.latest[name] for name in "ab"]
    assert [shown(driver.feed(record)) for record in latest] == [[("hook", "triggered", ["a"])], []]
    assert [driver.feed(record) for record in latest] == [[], []]
    driver.restart()
    assert [driver.feed(record) for record in latest] == [[], []]


def test_acknowledging_twice_tells_once() -> None:
    driver = Driver(one_hook())
    driver.trigger()
    assert len(driver.status("acknowledged")) == 1
    refused = driver.alerts.latest["a"] | {"event_type": "alert.updated", "last_command": {"result": "refused"}}
    assert driver.feed(refused) == []


def test_an_alert_that_goes_on_after_it_was_acknowledged_does_not_escalate() -> None:
    driver = Driver(with_policy(one_hook(), escalation=[{"after_minutes": 5, "group": "team"}]))
    (first,) = driver.trigger()
    driver.settled(first)
    driver.status("acknowledged")
    driver.run(6 * MINUTE)
    assert len(driver.trigger()) == 1  # acknowledged alerts do tell of what is new, after the cooldown
    assert driver.run(HOUR) == []


def test_tenants_do_not_share_policies_silences_or_people() -> None:
    lookup = with_policy(one_hook())
    driver = Driver(lookup)
    driver.alerts.common = {"tenant_id": "globex"}
    lookup.rules["acme", "r1"] = Rule()
    record = driver.alerts.trigger("x")
    record["rule"]["owner"] = "acme"
    assert driver.feed(record) == []  # globex has no such channel, and acme's policy is not asked
    assert [reason for _, reason in driver.reasons] == ["no_channel"]
