"""Who is told, and when not. Times are minutes; a trigger answers [(channel, purpose, silent triggers)]."""

from __future__ import annotations

from dataclasses import replace

import pytest

from streamproc.alerting.cooldown import on_delivery
from streamproc.alerting.notify_state import MAX_ALERTS, NotifyState
from streamproc.model.delivery import DeliveryState
from streamproc.model.silence import Silence, parse_silence
from tests.alerting.making import (
    MINUTE,
    Config,
    Rule,
    Timeline,
    alert,
    config,
    delivery,
    hook,
    slack,
)

HOOK = "webhook/hook"


def test_a_cooldown_begins_when_the_first_notification_is_delivered() -> None:
    line = Timeline(config())
    assert line.trigger(0) == [(HOOK, "triggered", 0)]
    line.delivered(2)
    assert line.trigger(3) == []
    assert line.trigger(6.99) == []
    assert line.trigger(7) == [(HOOK, "updated", 2)]
    assert line.reasons == [("cooldown", 2)]


def test_the_next_notification_tells_every_silent_trigger_also_those_that_detect_put_into_one_record() -> None:
    line = Timeline(config())
    line.trigger(0)
    line.delivered(0)
    assert line.trigger(1, times=40) == []
    assert line.trigger(6, times=3) == [(HOOK, "updated", 42)]
    line.delivered(6)
    assert line.trigger(12) == [(HOOK, "updated", 0)]


def test_a_further_trigger_is_alert_triggered_to_its_receiver() -> None:
    line = Timeline(config())
    line.trigger(0)
    line.delivered(0)
    line.trigger(6)
    assert [n.event_type for n in line.sent] == ["alert.triggered", "alert.triggered"]


def test_triggers_are_silent_while_the_notification_is_on_its_way() -> None:
    line = Timeline(config())
    line.trigger(0)
    assert line.trigger(60) == []
    assert line.reasons == [("waiting", 1)]
    line.delivered(90)
    assert line.trigger(94) == []
    assert line.trigger(95) == [(HOOK, "updated", 2)]


def test_a_round_that_failed_for_good_told_nobody() -> None:
    line = Timeline(config())
    line.trigger(0)
    line.trigger(1)
    line.gave_up(2)
    assert line.trigger(2.5) == [(HOOK, "updated", 2)]


def test_the_first_channel_that_delivers_begins_the_cooldown_and_a_failing_one_does_not_end_it() -> None:
    line = Timeline(config(Rule(channels=("slack",))))
    assert line.trigger(0) == [("channel/slack", "triggered", 0), (HOOK, "triggered", 0)]
    to_slack, to_hook = line.sent
    line.gave_up(0.5, to_slack)
    assert line.trigger(1) == []
    line.delivered(2, to_hook)
    assert line.trigger(6) == []
    assert [purpose for _, purpose, _ in line.trigger(7)] == ["updated", "updated"]


def test_a_late_delivery_of_an_older_round_begins_no_cooldown() -> None:
    line = Timeline(config(Rule(channels=("slack",))))
    line.trigger(0)
    to_slack, to_hook = line.sent
    line.delivered(0, to_slack)
    line.trigger(5)
    line.delivered(5, line.sent[-1])
    line.delivered(9, to_hook)
    assert len(line.trigger(10)) == 2


def test_cooldown_0_notifies_at_every_update() -> None:
    line = Timeline(config(Rule(cooldown_min=0)))
    assert [line.trigger(at) for at in (0, 0.1, 0.2)] == [
        [(HOOK, "triggered", 0)],
        [(HOOK, "updated", 0)],
        [(HOOK, "updated", 0)],
    ]
    line.delivered(0.2)
    assert line.trigger(0.3, times=3) == [(HOOK, "updated", 2)]


def test_acknowledging_begins_a_cooldown_too() -> None:
    line = Timeline(config())
    line.trigger(0)
    line.delivered(0)
    line.trigger(3)
    assert line.acknowledge(4) == [(HOOK, "acknowledged", 1)]
    assert line.trigger(8.9) == []
    assert line.trigger(9) == [(HOOK, "updated", 2)]


def test_acknowledge_and_resolve_notices_pass_within_the_cooldown() -> None:
    line = Timeline(config())
    line.trigger(0)
    line.delivered(0)
    assert line.acknowledge(1) == [(HOOK, "acknowledged", 0)]
    assert line.resolve(2) == [(HOOK, "resolved", 0)]


def test_the_cooldown_holds_across_episodes_of_the_fingerprint() -> None:
    line = Timeline(config())
    line.trigger(0)
    line.delivered(0)
    line.resolve(1)
    line.next_episode("alt_2")
    assert line.trigger(2) == []
    assert line.resolve(3) == [(HOOK, "resolved", 1)]
    line.next_episode("alt_3")
    assert line.trigger(5) == [(HOOK, "triggered", 1)]


def test_the_first_that_a_channel_hears_of_an_alert_is_a_trigger() -> None:
    line = Timeline(config())
    line.trigger(0)
    line.delivered(0)
    line.lookup = config(Rule(channels=("slack",)))
    assert line.trigger(6) == [("channel/slack", "triggered", 0), (HOOK, "updated", 0)]


def test_reopening_is_told_and_begins_a_cooldown_when_delivered() -> None:
    line = Timeline(config())
    line.trigger(0)
    line.delivered(0)
    line.resolve(10)
    assert line.reopen(11) == [(HOOK, "reopened", 0)]
    line.delivered(11)
    assert line.trigger(12) == []
    assert line.trigger(16) == [(HOOK, "updated", 1)]


def test_notes_and_assignments_are_not_news() -> None:
    line = Timeline(config(Rule(cooldown_min=0)))
    line.trigger(0)
    assert line.record(1, "alert.updated") == []


def test_a_revision_is_decided_once() -> None:
    line = Timeline(config(Rule(cooldown_min=0)))
    line.trigger(0)
    line.trigger(1)
    stored = line.stored
    assert line.repeat(2) == []
    line.revision, line.triggers = 1, 1
    assert line.repeat(3, "alert.triggered") == []
    assert line.stored == stored


def test_a_replay_from_the_same_state_makes_the_same_delivery_ids() -> None:
    line = Timeline(config(Rule(channels=("slack",))))
    record = alert(1, 1, "alert.triggered")
    first, again = line.decide(0, record), line.decide(3, record)
    assert [n.delivery_id for n in first.notifications] == [n.delivery_id for n in again.notifications]
    assert len({n.delivery_id for n in first.notifications}) == 2


def test_records_that_compaction_took_away_are_counted() -> None:
    line = Timeline(config())
    line.revision = 39
    assert line.trigger(0, times=40) == [(HOOK, "triggered", 39)]


@pytest.mark.parametrize(
    ("lookup", "reasons"),
    [
        (config(Rule(mode="shadow")), [("shadow", 4)]),
        (config(Rule(enabled=False)), [("disabled", 4)]),
        (config(Rule(), hook(enabled=False)), [("disabled", 1), ("cooldown", 2), ("disabled", 1)]),
        (config(Rule(webhook_ids=())), [("no_channel", 1)]),
        (config(Rule(webhook_ids=("nope",))), [("no_channel", 1)]),
        (config(Rule(), hook(url="ftp://x")), [("no_channel", 1)]),
        (config(Rule(), hook(events=["alert.resolved"])), [("not_subscribed", 1)]),
        (Config({}, config().channels), [("rule_gone", 4)]),
    ],
    ids=["shadow", "rule disabled", "channel disabled", "none named", "unknown", "unreadable", "filtered", "gone"],
)
def test_nobody_is_told_and_it_is_recorded_why(lookup: Config, reasons: list[tuple[str, int]]) -> None:
    line = Timeline(lookup)
    assert [line.trigger(at) for at in (0, 1, 2, 6)] == [[], [], [], []]
    assert line.reasons == reasons


def test_a_rule_that_leaves_shadow_mode_notifies_after_the_cooldown_with_what_was_silent() -> None:
    line = Timeline(config(Rule(mode="shadow")))
    line.trigger(0)
    line.lookup = config()
    assert line.trigger(4) == []
    assert line.trigger(5) == [(HOOK, "triggered", 2)]


def test_a_backfilled_alert_is_not_notified_and_not_told_of_later() -> None:
    line = Timeline(config())
    assert line.trigger(0, backfill=True) == []
    assert line.reasons == [("backfill", 1)]
    line.next_episode("alt_2")
    assert line.trigger(1) == [(HOOK, "triggered", 0)]


def test_resolve_notices_go_out_when_the_rule_has_vanished() -> None:
    line = Timeline(config())
    line.trigger(0)
    line.delivered(0)
    line.lookup = Config({}, line.lookup.channels)
    assert line.resolve(1) == [(HOOK, "resolved", 0)]


def test_a_resolve_goes_to_who_was_told_and_to_who_is_named_now() -> None:
    line = Timeline(config())
    line.trigger(0)
    line.lookup = config(Rule(channels=("slack",), webhook_ids=()))
    assert line.resolve(1) == [(HOOK, "resolved", 0), ("channel/slack", "resolved", 0)]


def test_a_resolve_for_a_channel_deleted_meanwhile_is_recorded() -> None:
    line = Timeline(config())
    line.trigger(0)
    line.lookup = config(Rule(channels=("slack",), webhook_ids=()), slack())
    assert line.resolve(1) == [("channel/slack", "resolved", 0)]
    assert line.reasons == [("no_channel", 0)]


@pytest.mark.parametrize(
    ("events", "told"),
    [
        ([], ["triggered", "updated", "acknowledged", "resolved"]),
        (["alert.triggered"], ["triggered", "updated"]),
        (["alert.updated"], ["triggered"]),  # the first that this channel hears of it
        (["alert.acknowledged", "alert.resolved"], ["acknowledged", "resolved"]),
        (["compliance.check.failed"], []),
    ],
)
def test_event_filters(events: list[str], told: list[str]) -> None:
    line = Timeline(config(Rule(cooldown_min=0), hook(events=events)))
    line.trigger(0)
    line.trigger(1)
    line.acknowledge(2)
    line.resolve(3)
    assert [str(n.purpose) for n in line.sent] == told


def test_compliance_alerts_match_their_own_event_name() -> None:
    line = Timeline(config(Rule(), hook(events=["compliance.check.failed"])))
    rule = {"id": "r1", "owner": "acme", "type": "compliance"}
    assert line.trigger(0, rule=rule) == [(HOOK, "triggered", 0)]
    assert line.sent[0].event_type == "alert.triggered"


def test_a_missing_channel_beside_a_working_one_is_recorded_once() -> None:
    line = Timeline(config(Rule(channels=("email",), cooldown_min=0)))
    assert line.trigger(0) == [(HOOK, "triggered", 0)]
    line.trigger(1)
    assert line.reasons == [("no_channel", 1)]


def test_rules_for_all_tenants_use_the_event_tenants_channels() -> None:
    line = Timeline(config())
    line.lookup.rules = {("*", "r1"): Rule()}
    rule = {"id": "r1", "owner": "*", "type": "threshold"}
    assert line.trigger(0, rule=rule) == [(HOOK, "triggered", 0)]


def test_a_lost_round_is_not_waited_for_for_ever() -> None:
    line = Timeline(config())
    line.trigger(0)
    assert line.trigger(5 * 24 * 60 - 1) == []
    assert line.trigger(5 * 24 * 60) == [(HOOK, "updated", 2)]


def test_state_is_bounded_and_says_when_it_may_be_dropped() -> None:
    line = Timeline(config())
    for number in range(20):
        line.next_episode(f"alt_{number}")
        line.trigger(number)
        line.delivered(number)
        line.resolve(number)
    state = line.state
    assert state is not None
    assert [seen.alert_id for seen in state.alerts] == [f"alt_{number}" for number in range(20 - MAX_ALERTS, 20)]
    assert state.expires_at == 19 * MINUTE + 25 * 60 * MINUTE
    line.next_episode("alt_open")
    line.trigger(30)
    assert line.state is not None
    assert line.state.expires_at > 60 * 24 * 60 * MINUTE


def test_deliveries_of_unknown_fingerprints_are_nothing() -> None:
    line = Timeline(config())
    line.trigger(0)
    record = delivery(line.sent[0], DeliveryState.DELIVERED, 0)
    assert on_delivery(record, None, 0) is None
    stranger = NotifyState("ff")
    assert on_delivery(record, stranger, 0) == stranger
    retrying = replace(record, state=DeliveryState.RETRYING)
    assert on_delivery(retrying, line.state, 0) == line.state


def test_a_state_of_an_unknown_version_is_refused() -> None:
    with pytest.raises(ValueError, match="version"):
        NotifyState.decode(b"\x63" + NotifyState("ff").encode()[1:])


def test_a_silence_keeps_triggers_quiet_and_the_first_one_after_it_tells_how_many() -> None:
    lookup = config(Rule(cooldown_min=0))
    lookup.silent = [silence("1970-01-01T00:10:00Z", severity="high")]
    line = Timeline(lookup)
    assert line.trigger(1) == []
    assert line.trigger(9, times=4) == []
    assert line.reasons == [("silence", 5)]
    assert line.trigger(10) == [(HOOK, "triggered", 5)]


def test_a_silence_of_other_alerts_changes_nothing() -> None:
    lookup = config()
    lookup.silent = [silence("1970-01-01T00:10:00Z", severity="low")]
    assert Timeline(lookup).trigger(1) == [(HOOK, "triggered", 0)]


def test_a_resolve_passes_a_silence_to_whom_was_told() -> None:
    lookup = config()
    line = Timeline(lookup)
    line.trigger(0)
    line.delivered(0)
    lookup.silent = [silence("1970-01-01T01:00:00Z", severity="high")]
    assert line.trigger(20) == []
    assert line.resolve(21) == [(HOOK, "resolved", 1)]


def silence(ends_at: str, **matchers: str) -> Silence:
    doc = {"id": "s1", "tenant_id": "acme", "ends_at": ends_at, "matchers": matchers, "author": "ann", "comment": "c"}
    return parse_silence(doc)
