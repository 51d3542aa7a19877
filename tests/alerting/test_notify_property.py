"""Whatever happens, every trigger is told exactly once, or still counted as silent."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given, settings

from streamproc.model.notification import OPENING, Notification
from tests.alerting.making import Rule, Timeline, config

steps = st.lists(
    st.tuples(
        st.sampled_from(("trigger", "trigger", "deliver", "fail", "acknowledge", "resolve", "next")),
        st.integers(1, 4),
    ),
    max_size=60,
)


@settings(deadline=None)
@given(steps, st.sampled_from((1, 5, 30)))
def test_every_trigger_is_told_once_or_counted(doings: list[tuple[str, int]], cooldown: int) -> None:
    line = Timeline(config(Rule(cooldown_min=cooldown)))
    triggers = told = episodes = 0
    delivered_at = acknowledged_at = -1000
    pending: Notification | None = None
    for now, (do, number) in enumerate(doings):
        if do == "trigger" and line.status != "resolved":
            triggers += number
            sent = [n for n in [line.trigger(now, times=number)] if n]
            if sent:
                assert pending is None, "told again while the first was on its way"
                assert now - max(delivered_at, acknowledged_at) >= cooldown, "told within the cooldown"
                pending = line.sent[-1]
        elif do == "deliver" and pending is not None:
            line.delivered(now, pending)
            told += pending.silent_count + 1
            delivered_at, pending = now, None
        elif do == "fail" and pending is not None:
            line.gave_up(now, pending)
            pending = None
        elif do == "acknowledge" and line.status == "open" and line.triggers:
            line.acknowledge(now)
            acknowledged_at = now
        elif do == "resolve" and line.status != "resolved" and line.triggers:
            line.resolve(now)
        elif do == "next" and line.status == "resolved":
            episodes += 1
            line.next_episode(f"alt_{episodes + 1}")
        on_its_way = 0 if pending is None else pending.silent_count + 1
        silent = 0 if line.state is None else line.state.silent
        assert told + on_its_way + silent == triggers
    assert len({n.delivery_id for n in line.sent}) == len(line.sent)
    assert all(n.event_type == "alert.triggered" for n in line.sent if n.purpose in OPENING)
