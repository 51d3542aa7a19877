"""Timelines and charts, made from records alone."""

from __future__ import annotations

from typing import Any

from streamproc.model.times import iso
from streamproc.web.series import series
from streamproc.web.timeline import timeline
from tests.web.read_model.records import START, alert, delivery


def at(seconds: float) -> str:
    return iso(START + int(seconds * 1000))


def test_it_tells_what_happened_in_order() -> None:
    record = alert(
        1,
        4,
        at=0,
        updated_at=at(300),
        context={"count": 9, "last_event_time": at(40)},
        history=[
            {
                "at": at(100),
                "by": "ann",
                "from": "open",
                "to": "acknowledged",
                "revision": 3,
                "action": "acknowledge",
                "note": "on…",
            },
            {
                "at": at(300),
                "by": "streamproc",
                "from": "acknowledged",
                "to": "resolved",
                "revision": 4,
                "action": "resolve",
            },
        ],
        notes=[
            {"at": at(50), "by": "bob", "text": "first release's"},
            {"at": at(100), "by": "ann", "text": "on it", "action": "acknowledge"},
        ],
    )
    failed = {
        "at": at(2),
        "outcome": "retry",
        "reason": "timeout",
        "status": None,
        "latency_ms": 9,
        "excerpt": "",
        "detail": "",
    }
    sent = {**failed, "at": at(31), "outcome": "delivered", "reason": "ok", "status": 200}
    deliveries = [
        delivery(1, 1, at=1000, attempts=[failed, sent]),
        delivery(2, 1, at=45_000, state="suppressed", reason="cooldown", channel=None, attempts=[], count=3),
    ]
    found = timeline(record, deliveries)
    assert [(entry["at"], entry["kind"]) for entry in found] == [
        (at(0), "triggered"),
        (at(1), "notification"),
        (at(2), "attempt"),
        (at(31), "attempt"),
        (at(40), "updated"),
        (at(45), "notification"),
        (at(50), "action"),
        (at(100), "action"),
        (at(300), "action"),
    ]
    assert (found[4]["trigger_count"], found[4]["event_time"]) == (4, at(40))
    assert [(found[n]["told"], found[n]["reason"], found[n]["triggers"]) for n in (1, 5)] == [
        (True, "ok", 0),
        (False, "cooldown", 3),
    ]
    assert [(one["number"], one["outcome"]) for one in found if one["kind"] == "attempt"] == [
        (1, "retry"),
        (2, "delivered"),
    ]
    assert [(one["action"], one["by"], one["note"]) for one in found if one["kind"] == "action"] == [
        ("comment", "bob", "first release's"),
        ("acknowledge", "ann", "on it"),
        ("resolve", "streamproc", None),
    ]


def test_an_update_stands_at_its_record_when_no_action_came_after() -> None:
    record = alert(
        1, 2, at=0, updated_at=at(60), event_type="alert.updated", context={"count": 6, "last_event_time": at(-3600)}
    )
    assert [(entry["at"], entry["kind"]) for entry in timeline(record, [])] == [
        (at(0), "triggered"),
        (at(60), "updated"),
    ]


def counts(shown: dict[str, Any]) -> list[tuple[str, float]]:
    return [(point["at"], point["count"]) for point in shown["points"]]


def test_a_window_is_drawn_from_the_events_whose_times_are_known() -> None:
    sample = [{"event_time": at(n)} for n in (0, 10, 20, 60)]
    context = {
        "count": 7,
        "window_seconds": 300,
        "first_event_time": at(0),
        "last_event_time": at(60),
        "sample": sample,
    }
    shown = series(alert(1, context=context), {"condition": {"count": 5}})
    assert counts(shown) == [(at(0), 1), (at(10), 2), (at(20), 3), (at(60), 7)]
    assert (shown["kind"], shown["threshold"], shown["complete"], shown["window_seconds"]) == ("window", 5, False, 300)
    assert series(alert(1, context=context), None)["threshold"] is None


def test_a_baseline_is_drawn_from_its_buckets() -> None:
    context = {
        "count": 40, "bucket_seconds": 3600, "mean": 4.5, "threshold": 21.0, "last_event_time": at(7200),
        "history": [[at(0), 4], [at(3600), 5], [at(7200), 40]],
    }  # fmt: skip
    shown = series(alert(1, context=context), None)
    assert counts(shown) == [(at(0), 4), (at(3600), 5), (at(7200), 40)]
    assert (shown["kind"], shown["mean"], shown["threshold"], shown["bucket_seconds"]) == ("buckets", 4.5, 21.0, 3600)


def test_steps_single_events_and_nothing() -> None:
    steps = [{"step": n, "event_id": f"e{n}", "event_time": at(n)} for n in (1, 2, 3)]
    chain = {"count": 3, "steps": steps, "first_event_time": at(1), "last_event_time": at(3)}
    assert counts(series(alert(1, context=chain), None)) == [(at(1), 1), (at(2), 2), (at(3), 3)]
    single = {"count": 1, "first_event_time": at(1), "last_event_time": at(1)}
    assert counts(series(alert(1, context=single), None)) == [(at(1), 1)]
    absent = {"count": 0, "first_event_time": at(1), "last_event_time": at(1)}
    assert counts(series(alert(1, context=absent), None)) == [(at(1), 0)]
    assert series(alert(1, context={}), None)["kind"] == "none"
