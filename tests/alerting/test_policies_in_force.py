"""Policies, people, escalation, silences and inhibition as notify carries them out, with the time driven."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from streamproc.alerting.people import PeopleBook
from streamproc.alerting.recipients import ChannelBook
from streamproc.model.channel_settings import ChannelRef
from streamproc.model.delivery import DeliveryState
from streamproc.model.policy import parse_policy
from streamproc.model.silence import parse_silence
from tests.alerting.driving import HOUR, MINUTE, SECOND, Driver, shown
from tests.alerting.making import Config, Record, Rule, hook, slack

MAIL = {"type": "email", "host": "mail.example.com", "sender": "a@example.com", "tls": "none"}
PHONE = {
    "type": "sms",
    "provider": "twilio",
    "account_sid": "AC1",
    "auth_token": "t",
    "sender": "+15005550006",
}


def mail(id: str = "email", **settings: Any) -> Record:
    return Record("channel", id, MAIL | settings)


def sms(id: str = "sms", **settings: Any) -> Record:
    return Record("channel", id, PHONE | settings)


def user(id: str, **fields: Any) -> Record:
    return Record("user", id, {"name": id, "email": f"{id}@example.com", **fields})


PEOPLE = (
    user("alice", roles=["admin"]),
    user("bobby", phone="49-15112345678", sms=True),
    user("carol", roles=["owner"], quiet_hours={"start": "02:00", "end": "03:00"}),
    user("daisy", enabled=False, roles=["admin"]),
    Record("user_group", "night-shift", {"name": "night", "members": ["bobby", "carol"]}),
)


def config(
    *channels: Record, rule: Rule | None = None, policy: dict[str, Any] | None = None, people: Any = PEOPLE
) -> Config:
    lookup = Config({("acme", "r1"): rule or Rule(webhook_ids=(), channels=("slack",))})
    lookup.channels = ChannelBook().fold(channels or (hook(), slack(), mail(), sms()))
    lookup.people = PeopleBook().fold(people)
    if policy is not None:
        parsed = parse_policy({"id": "default", "tenant_id": "acme", **policy})
        lookup.policies[parsed.tenant_id, parsed.id] = parsed
    return lookup


TEAM = {"id": "team", "channels": ["slack"]}
NIGHT = {"id": "night", "channels": ["email", "sms"], "recipients": {"user_groups": ["night-shift"]}}
BOSS = {"id": "boss", "channels": ["email"], "recipients": {"users": ["alice"]}, "template": "urgent"}


# who is told


def test_without_a_policy_the_rule_s_own_channels_are_told() -> None:
    driver = Driver(config())
    assert shown(driver.trigger()) == [("slack", "triggered", ["a"])]


def test_mail_without_recipients_goes_to_admins_and_owners_who_are_enabled() -> None:
    driver = Driver(config(rule=Rule(webhook_ids=(), channels=("email",))))
    assert shown(driver.trigger(severity="critical")) == [
        ("email/user/alice", "triggered", ["a"]),
        ("email/user/carol", "triggered", ["a"]),
    ]
    assert ("user/daisy", "no_recipient") in driver.reasons


def test_mail_goes_to_the_rule_s_own_addresses_before_the_channel_s() -> None:
    book = (mail(recipients=["list@example.com"]),)
    driver = Driver(config(*book, rule=Rule(webhook_ids=(), channels=("email",))))
    assert shown(driver.trigger()) == [("email", "triggered", ["a"])]
    own = Rule(webhook_ids=(), told_types=("email",), email_recipients=("x@example.com", "y@example.com"))
    driver = Driver(config(*book, rule=own))
    assert shown(driver.trigger()) == [
        ("email/address/x@example.com", "triggered", ["a"]),
        ("email/address/y@example.com", "triggered", ["a"]),
    ]


def test_a_policy_s_groups_are_told_each_person_on_what_reaches_them() -> None:
    driver = Driver(config(policy={"groups": [TEAM, NIGHT], "steps": [{"group": "team"}, {"group": "night"}]}))
    assert shown(driver.trigger(severity="critical")) == [
        ("slack", "triggered", ["a"]),
        ("email/user/bobby", "triggered", ["a"]),
        ("email/user/carol", "triggered", ["a"]),
        ("sms/user/bobby", "triggered", ["a"]),
    ]
    assert driver.reasons == [("user/carol", "no_recipient")]  # who gave no number


def test_quiet_hours_keep_a_person_from_what_is_not_critical_and_it_is_recorded() -> None:
    driver = Driver(config(policy={"groups": [NIGHT], "steps": [{"group": "night"}]}))
    assert shown(driver.trigger(severity="high")) == [
        ("email/user/bobby", "triggered", ["a"]),
        ("sms/user/bobby", "triggered", ["a"]),
    ]
    assert ("user/carol", "quiet_hours") in driver.reasons


@pytest.mark.parametrize(
    ("group", "reason"),
    [
        ({"min_severity": "critical"}, ("group/team", "below_severity")),
        ({"active_hours": {"start": "09:00", "end": "17:00"}}, ("group/team", "quiet_hours")),
    ],
)
def test_a_group_that_the_alert_is_not_for_is_not_told_and_it_is_recorded(group: Any, reason: Any) -> None:
    driver = Driver(config(policy={"groups": [TEAM | group], "steps": [{"group": "team"}]}))
    assert driver.trigger() == []
    assert driver.reasons == [reason]
    assert driver.trigger() == []  # the suppression was meant, so a cooldown holds now
    assert driver.reasons == [reason, ("", "cooldown")]


def test_an_alert_that_no_group_takes_is_recorded() -> None:
    driver = Driver(config(policy={"groups": [TEAM], "steps": [{"end": True}, {"group": "team"}]}))
    assert driver.trigger() == []
    assert driver.reasons == [("", "no_group")]


def test_a_rule_names_its_policy_and_one_that_is_disabled_gives_way_to_the_default() -> None:
    lookup = config(
        rule=Rule(webhook_ids=("hook",), policy="own"), policy={"groups": [TEAM], "steps": [{"group": "team"}]}
    )
    own: dict[str, Any] = {"id": "own", "tenant_id": "acme", "groups": [BOSS], "steps": [{"group": "boss"}]}
    lookup.policies["acme", "own"] = parse_policy(own)
    sent = Driver(lookup).trigger()
    assert (shown(sent), sent[0].template) == ([("email/user/alice", "triggered", ["a"])], "urgent")
    lookup.policies["acme", "own"] = parse_policy(own | {"enabled": False})
    assert shown(Driver(lookup).trigger()) == [("slack", "triggered", ["a"])]


def test_who_was_told_is_told_how_it_ends_whatever_the_policy_says_then() -> None:
    lookup = config(policy={"groups": [NIGHT], "steps": [{"group": "night"}]})
    driver = Driver(lookup)
    driver.trigger()
    lookup.policies["acme", "default"] = parse_policy(
        {"id": "default", "tenant_id": "acme", "groups": [TEAM], "steps": [{"group": "team"}]}
    )
    driver.restart()
    assert shown(driver.status("resolved")) == [
        ("email/user/bobby", "resolved", ["a"]),
        ("sms/user/bobby", "resolved", ["a"]),
    ]


# escalation

CHAIN = {
    "groups": [TEAM, NIGHT, BOSS],
    "steps": [{"group": "team"}],
    "escalation": [{"after_minutes": 5, "group": "night"}, {"after_minutes": 10, "group": "boss"}],
    "repeat": 1,
}


def test_nobody_acknowledges_so_the_next_group_is_told_and_so_on_and_again() -> None:
    driver = Driver(config(policy=CHAIN))
    driver.trigger(severity="critical")
    steps = [(second // 60, one.step, one.repeat, shown([one])[0][0]) for second, one in driver.run(2 * HOUR)]
    assert steps == [
        (5, 1, 0, "email/user/bobby"),
        (5, 1, 0, "email/user/carol"),
        (5, 1, 0, "sms/user/bobby"),
        (15, 2, 0, "email/user/alice"),
        (20, 1, 1, "email/user/bobby"),
        (20, 1, 1, "email/user/carol"),
        (20, 1, 1, "sms/user/bobby"),
        (30, 2, 1, "email/user/alice"),
    ]
    assert len({one.delivery_id for _, one in driver.sent}) == len(driver.sent)
    assert {str(one.purpose) for _, one in driver.sent[:5]} == {"triggered"}
    assert {str(one.purpose) for _, one in driver.sent[5:]} == {"updated"}


@pytest.mark.parametrize("ending", ["acknowledged", "resolved", "escalated"])
def test_whoever_answers_ends_the_escalation_and_all_who_were_told_learn_of_it(ending: str) -> None:
    driver = Driver(config(policy=CHAIN))
    driver.trigger()
    driver.run(6 * MINUTE)
    assert [who for who, _, _ in shown(driver.status(ending))] == ["slack", "email/user/bobby", "sms/user/bobby"]
    assert driver.run(2 * HOUR) == []


def test_an_escalation_survives_a_crash_and_steps_missed_meanwhile_are_made_late_not_lost() -> None:
    driver = Driver(config(policy=CHAIN))
    driver.trigger()
    driver.now += 7 * MINUTE
    driver.restart()
    assert {who for _, one in driver.run(SECOND) for who, _, _ in shown([one])} == {
        "email/user/bobby",
        "sms/user/bobby",
    }
    driver.restart()
    assert [second // 60 for second, _ in driver.run(20 * MINUTE)] == [15, 20, 20, 20]  # carol is up by then


def test_further_triggers_do_not_start_the_escalation_anew() -> None:
    driver = Driver(config(policy=CHAIN, rule=Rule(webhook_ids=(), channels=("slack",), cooldown_min=1)))
    (first,) = driver.trigger()
    driver.settled(first)
    driver.run(4 * MINUTE)
    assert shown(driver.trigger()) == [("slack", "updated", ["a"])]
    assert [second // 60 for second, _ in driver.run(2 * MINUTE)] == [5, 5]


def test_a_step_outside_its_hours_is_passed_over_with_a_record() -> None:
    closed = NIGHT | {"active_hours": {"start": "09:00", "end": "17:00"}}
    driver = Driver(config(policy=CHAIN | {"groups": [TEAM, closed, BOSS], "repeat": 0}))
    driver.trigger()
    assert [(second // 60, one.recipient) for second, one in driver.run(HOUR)] == [(15, "user/alice")]
    assert driver.reasons == [("group/night", "quiet_hours")]


def test_a_silenced_alert_does_not_escalate_and_begins_anew_when_the_silence_is_over() -> None:
    lookup = config(policy=CHAIN)
    driver = Driver(lookup)
    (first,) = driver.trigger()
    driver.settled(first)
    lookup.silent.append(silence(driver, 10))
    lookup.revision += 1
    sent = driver.run(HOUR)
    assert ("", "silence") in driver.reasons
    assert [(second // 60, shown([one])[0][0]) for second, one in sent][:3] == [
        (10, "slack"),
        (15, "email/user/bobby"),
        (15, "sms/user/bobby"),
    ]


# silence and inhibition


def silence(driver: Driver, minutes: float, **matchers: Any) -> Any:
    return parse_silence(
        {
            "id": "works",
            "tenant_id": "acme",
            "matchers": matchers or {"rule.id": "r1"},
            "ends_at": driver.now + round(minutes * MINUTE),
            "author": "ann",
            "comment": "maintenance",
        }
    )


def test_a_silenced_alert_is_suppressed_and_told_of_when_the_silence_ends() -> None:
    lookup = config()
    driver = Driver(lookup)
    lookup.silent.append(silence(driver, 30))
    assert driver.trigger() == []
    assert [(str(one.action), one.reason) for one in driver.commands] == [("suppress", "silence:works")]
    assert driver.trigger() == []
    assert driver.alerts.latest["a"]["status"] == "suppressed"
    driver.restart()
    told = driver.run(HOUR)
    assert [(second // 60, shown([one])) for second, one in told] == [(30, [("slack", "triggered", ["a"])])]
    assert told[0][1].silent_count == 1
    (record,) = driver.records.values()
    assert (record.reason, record.count, record.detail) == ("silence", 2, "works")


def test_a_silence_that_is_deleted_ends_and_one_that_comes_meanwhile_holds() -> None:
    lookup = config()
    driver = Driver(lookup)
    lookup.silent.append(silence(driver, 600))
    driver.trigger()
    assert driver.run(MINUTE) == []
    lookup.silent.clear()
    lookup.silent.append(silence(driver, 300))
    lookup.revision += 1
    assert driver.run(MINUTE) == []
    lookup.silent.clear()
    lookup.revision += 1
    assert [shown([one]) for _, one in driver.run(2 * SECOND)] == [[("slack", "triggered", ["a"])]]


def test_an_alert_that_was_resolved_in_silence_is_told_of_to_nobody() -> None:
    lookup = config(policy={"groups": [TEAM], "steps": [{"group": "team"}]})
    driver = Driver(lookup)
    lookup.silent.append(silence(driver, 30))
    driver.trigger()
    assert driver.status("resolved") == []
    assert driver.run(HOUR) == []


def test_a_command_that_detect_did_not_get_is_sent_again_under_the_same_id() -> None:
    lookup = config()
    driver = Driver(lookup)
    lookup.silent.append(silence(driver, 1))
    driver.trigger()
    driver.obey = False
    driver.run(2 * MINUTE)
    asked = [one.id for one in driver.commands if one.action == "unsuppress"]
    assert len(asked) >= 2
    assert len(set(asked)) == 1


INHIBIT = {
    "groups": [TEAM],
    "steps": [{"group": "team"}],
    "inhibit": [{"source": {"severity": "critical"}, "target": {"severity": "low"}, "equal": ["group.host"]}],
}


def test_an_alert_is_quiet_while_another_that_inhibits_it_goes_on() -> None:
    driver = Driver(config(policy=INHIBIT))
    assert len(driver.trigger("source", severity="critical", group={"host": "db1"})) == 1
    assert driver.trigger("target", severity="low", group={"host": "db1"}) == []
    assert len(driver.trigger("other", severity="low", group={"host": "db2"})) == 1
    assert driver.alerts.latest["target"]["suppressed_by"] == "inhibited:alt_source"
    assert [reason for _, reason in driver.reasons] == ["inhibited"]
    driver.restart()
    assert driver.run(HOUR) == []
    driver.status("acknowledged", "source")
    assert driver.run(HOUR) == []
    driver.status("resolved", "source")
    assert [shown([one]) for _, one in driver.run(2 * SECOND)] == [[("slack", "triggered", ["target"])]]


def test_a_snooze_is_detect_s_and_its_end_is_told() -> None:
    driver = Driver(config())
    (first,) = driver.trigger()
    driver.settled(first)
    assert driver.status("suppressed", suppressed_by="snooze") == []
    assert driver.trigger() == []
    assert driver.run(HOUR) == []
    assert shown(driver.status("open", suppressed_by=None)) == [("slack", "updated", ["a"])]
    assert [reason for _, reason in driver.reasons] == ["snoozed"]


# cooldown


def test_a_cooldown_may_grow_up_to_its_longest_and_starts_small_after_quiet() -> None:
    rule = Rule(webhook_ids=(), channels=("slack",), cooldown_min=5, cooldown_factor=2, cooldown_max_min=15)
    driver = Driver(config(rule=rule))
    told = []
    for minute in range(60):
        for one in driver.trigger():
            driver.settled(one)
            told.append(minute)
        driver.run(MINUTE)
    assert told == [0, 5, 15, 30, 45]
    driver.run(2 * HOUR)
    told = []
    for minute in range(8):
        for one in driver.trigger():
            driver.settled(one)
            told.append(minute)
        driver.run(MINUTE)
    assert told == [0, 5]


def test_a_fallback_that_told_the_alert_is_told_how_it_ends() -> None:
    driver = Driver(config(hook(), slack()))
    (first,) = driver.trigger()
    driver.settled(first, DeliveryState.GAVE_UP)
    stand_in = replace(first, delivery_id="dlv_f", channel=ChannelRef("webhook", "hook"), fallback_for=first.channel)
    driver.settled(stand_in)
    assert [who for who, _, _ in shown(driver.status("resolved"))] == ["slack", "hook"]


def test_the_fallback_of_a_channel_that_is_switched_off_is_told_in_its_place() -> None:
    off = slack(enabled=False, fallback="second")
    second = hook("second", enabled=False, fallback="hook")
    driver = Driver(config(off, second, hook()))
    (told,) = driver.trigger()
    assert (shown([told]), str(told.fallback_for)) == ([("hook", "triggered", ["a"])], "channel/slack")
    assert driver.reasons == [("channel/slack", "disabled")]
    assert [who for who, _, _ in shown(driver.status("resolved"))] == ["hook"]
    driver = Driver(config(slack(enabled=False, fallback="slack")))
    assert driver.trigger() == []
