"""Event times: which text and numbers are which instant."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamproc.model.event import MAX_TIME_MS, EventError, Reason
from streamproc.model.times import iso
from streamproc.sources.times import parse_time, strict_second, time_text

T = 1_770_733_935_000  # 2026-02-10T14:32:15Z


@pytest.mark.parametrize(
    ("value", "ms"),
    [
        ("2026-02-10T14:32:15.123Z", T + 123),
        ("2026-02-10T14:32:15Z", T),
        ("2026-02-10T14:32Z", T - 15_000),
        ("2026-02-10t14:32:15z", T),
        ("2026-02-10 14:32:15Z", T),
        ("2026-02-10T14:32:15.1Z", T + 100),
        ("2026-02-10T14:32:15.123999999Z", T + 123),
        ("2026-02-10T14:32:15,5Z", T + 500),
        ("2026-02-10T15:32:15+01:00", T),
        ("2026-02-10T20:02:15+0530", T),
        ("2026-02-10T09:32:15-05", T),
        ("2026-02-10T14:32:15.250-00:00", T + 250),
        ("2016-12-31T23:59:60Z", 1_483_228_800_000),  # a leap second is the next second
        ("1970-01-01T00:00:00Z", 0),
        ("9999-12-31T23:59:59.999Z", MAX_TIME_MS),
        (1_770_733_935, T),
        (1_770_733_935.123, T + 123),
        (1_770_733_935_123, T + 123),
        (1_770_733_935_123.9, T + 123),
        (0, 0),
        (99_999_999_999, 99_999_999_999_000),  # the last number that is seconds
        (100_000_000_000, 100_000_000_000),  # the first that is milliseconds
    ],
)
def test_instants(value, ms):
    assert parse_time(value) == ms


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("", Reason.BAD_TIME),
        ("now", Reason.BAD_TIME),
        ("2026-02-10", Reason.BAD_TIME),
        ("2026-02-10T14:32:15", Reason.BAD_TIME),  # no zone
        ("2026-02-10T14:32:15.Z", Reason.BAD_TIME),
        ("2026-02-30T14:32:15Z", Reason.BAD_TIME),
        ("2026-02-10T24:00:00Z", Reason.BAD_TIME),
        ("2026-02-10T14:32:61Z", Reason.BAD_TIME),
        ("2026-02-10T14:32:15+24:00", Reason.BAD_TIME),
        ("2026-W07-2T14:32:15Z", Reason.BAD_TIME),
        ("2026-02-10T14:32:15.123Z ", Reason.BAD_TIME),
        ("٢٠٢٦-02-10T14:32:15Z", Reason.BAD_TIME),
        ("0000-01-01T00:00:00Z", Reason.TIME_OUT_OF_RANGE),
        ("0001-01-01T00:00:00Z", Reason.TIME_OUT_OF_RANGE),
        ("1969-12-31T23:59:59.999Z", Reason.TIME_OUT_OF_RANGE),
        ("10000-01-01T00:00:00Z", Reason.TIME_OUT_OF_RANGE),
        ("9999-12-31T23:59:59-01:00", Reason.TIME_OUT_OF_RANGE),
        (-1, Reason.TIME_OUT_OF_RANGE),
        (MAX_TIME_MS + 1, Reason.TIME_OUT_OF_RANGE),
        (1_770_733_935_123_456, Reason.TIME_OUT_OF_RANGE),  # microseconds
        (1e300, Reason.TIME_OUT_OF_RANGE),
        (2**64 - 1, Reason.TIME_OUT_OF_RANGE),
        (True, Reason.WRONG_TYPE),
        ([], Reason.WRONG_TYPE),
        ({}, Reason.WRONG_TYPE),
    ],
)
def test_what_is_no_time(value, reason):
    with pytest.raises(EventError) as caught:
        parse_time(value)
    assert caught.value.reason is reason
    assert str(caught.value).startswith("event_time: ")


@given(
    st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(9998, 12, 31)),
    st.integers(min_value=-14 * 60, max_value=14 * 60),
)
def test_agrees_with_datetime(moment, minutes):
    moment = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    expected = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    assert parse_time(moment.isoformat()) == expected


@given(st.integers(min_value=0, max_value=MAX_TIME_MS))
def test_text_and_instant_are_one(ms):
    assert time_text(ms) == iso(ms)
    assert parse_time(time_text(ms)) == ms
    assert strict_second(time_text(ms)[:20]) == ms // 1000 * 1000


@pytest.mark.parametrize(
    "prefix",
    [
        "2026-02-10 14:32:15.",
        "2026-02-10T14:32:15,",
        "2026-W07-2T14:32:15.",
        "2026-02-30T14:32:15.",
        "2026-02-10T14:32:60.",
        "1969-12-31T23:59:59.",
        "2026-02-10T14:32:15",
        "",
    ],
)
def test_only_the_canonical_form_takes_the_short_way(prefix):
    assert strict_second(prefix) is None
