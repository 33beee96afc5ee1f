"""Opening hours: weeks with breaks, holidays, special days, and the two nights a year the clock changes.

Clock changes of 2026: Europe/London 29 March 01:00 -> 02:00 and 25 October 02:00 -> 01:00 (local),
America/New_York 8 March and 1 November (IANA time zone database).
"""

from datetime import datetime
from zoneinfo import ZoneInfo

import hypothesis.strategies as st
import pytest
from hypothesis import given
from msgspec.structs import replace

from routing.hours import Hours, Shut, Span, find_faults, is_open, lasting, next_opening

OFFICE = (Span("09:00", "12:30"), Span("13:30", "17:00"))
LONDON = Hours(time_zone="Europe/London", week=(OFFICE,) * 5 + ((), ()))


def at(text, zone="Europe/London"):
    """Return the instant of a local time, `fold=1` where the text ends with ` second`."""
    second = text.endswith(" second")
    moment = datetime.fromisoformat(text.removesuffix(" second"))
    return moment.replace(tzinfo=ZoneInfo(zone), fold=int(second)).timestamp()


def local(instant, zone="Europe/London"):
    return datetime.fromtimestamp(instant, ZoneInfo(zone)).isoformat()


def shut_by_hand(since, until):
    return Shut(since=at(since), until=at(until), by="lena")


def daily(*spans, zone="Europe/London"):
    return Hours(time_zone=zone, week=(tuple(Span(*span) for span in spans),) * 7)


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("2026-02-02 08:59", False),
        ("2026-02-02 09:00", True),
        ("2026-02-02 12:29", True),
        ("2026-02-02 12:30", False),
        ("2026-02-02 13:29", False),
        ("2026-02-02 13:30", True),
        ("2026-02-02 17:00", False),
        ("2026-02-07 10:00", False),
    ],
)
def test_team_is_open_in_its_spans_and_closed_in_its_break(when, expected):
    assert is_open(LONDON, at(when)) is expected


@pytest.mark.parametrize(
    ("shut", "when", "open_", "opens"),
    [
        (("10:00", "15:00"), "2026-02-02 09:59", True, "09:59"),
        (("10:00", "15:00"), "2026-02-02 10:00", False, "15:00"),
        (("10:00", "15:00"), "2026-02-02 15:00", True, "15:00"),
        (("10:00", "13:00"), "2026-02-02 12:00", False, "13:30"),
        (("08:00", "10:00"), "2026-02-02 07:00", False, "10:00"),
    ],
)
def test_team_shut_by_hand_is_closed_for_so_long_whatever_the_week_says(shut, when, open_, opens):
    hours = replace(LONDON, shut=shut_by_hand(*(f"2026-02-02 {each}" for each in shut)))
    assert is_open(hours, at(when)) is open_
    assert local(next_opening(hours, at(when))) == f"2026-02-02T{opens}:00+00:00"


def test_what_lasts_is_as_it_was_before_the_team_was_shut():
    assert lasting(replace(LONDON, shut=shut_by_hand("2026-02-02 10:00", "2026-02-02 11:00"))) == LONDON
    assert lasting(replace(LONDON, shut=Shut(since=0.0, until=1.0, anytime=True))) is None
    assert lasting(None) is None


def test_team_shut_over_days_opens_when_its_week_says_so_afterwards():
    hours = replace(LONDON, shut=shut_by_hand("2026-02-02 10:00", "2026-02-04 20:00"))
    assert local(next_opening(hours, at("2026-02-02 11:00"))) == "2026-02-05T09:00:00+00:00"
    assert find_faults(hours) == []
    assert find_faults(replace(hours, shut=Shut(since=5.0, until=5.0))) == ["shut ends before it begins"]


def test_no_hours_means_always_open():
    assert is_open(None, 0.0)
    assert next_opening(None, 5.0) == 5.0


@pytest.mark.parametrize(
    ("when", "opens"),
    [
        ("2026-02-02 08:00", "2026-02-02T09:00:00+00:00"),
        ("2026-02-02 12:45", "2026-02-02T13:30:00+00:00"),
        ("2026-02-02 10:15", "2026-02-02T10:15:00+00:00"),
        ("2026-02-06 17:00", "2026-02-09T09:00:00+00:00"),
    ],
)
def test_next_opening_is_the_first_open_instant(when, opens):
    assert local(next_opening(LONDON, at(when))) == opens


def test_holiday_is_closed():
    hours = Hours(time_zone="Europe/London", week=(OFFICE,) * 7, holidays=("2026-12-25",))
    assert not is_open(hours, at("2026-12-25 10:00"))
    assert local(next_opening(hours, at("2026-12-25 10:00"))) == "2026-12-26T09:00:00+00:00"


def test_public_holiday_is_closed_where_the_hours_keep_it():
    terms = {"time_zone": "Europe/London", "week": (OFFICE,) * 7, "calendar": ("2026-12-25",)}
    assert is_open(Hours(**terms), at("2026-12-25 10:00"))
    assert not is_open(Hours(**terms, public_holidays=True), at("2026-12-25 10:00"))


def test_special_day_goes_before_a_holiday_and_the_week():
    hours = Hours(
        time_zone="Europe/London",
        week=(OFFICE,) * 7,
        holidays=("2026-12-24",),
        special={"2026-12-24": (Span("10:00", "12:00"),), "2026-12-23": ()},
    )
    assert is_open(hours, at("2026-12-24 11:00"))
    assert not is_open(hours, at("2026-12-23 11:00"))


def test_same_hours_are_other_instants_in_another_zone():
    tokyo = Hours(time_zone="Asia/Tokyo", week=(OFFICE,) * 7)
    assert is_open(tokyo, at("2026-02-02 00:30"))
    assert not is_open(tokyo, at("2026-02-02 10:00"))


def test_day_may_end_at_midnight():
    late = daily(("22:00", "24:00"), ("00:00", "01:00"))
    assert is_open(late, at("2026-02-02 23:59"))
    assert is_open(late, at("2026-02-03 00:00"))


def test_never_open_has_no_next_opening():
    assert next_opening(Hours(time_zone="UTC", week=((),) * 7), 0.0) is None


def test_span_is_two_hours_shorter_by_one_on_the_short_night():
    hours = daily(("00:00", "04:00"))
    minutes = [at("2026-03-29 00:00") + 60 * minute for minute in range(24 * 60)]
    assert sum(is_open(hours, minute) for minute in minutes[: 23 * 60]) == 3 * 60


def test_span_is_an_hour_longer_on_the_long_night():
    hours = daily(("00:00", "04:00"))
    minutes = [at("2026-10-25 00:00") + 60 * minute for minute in range(25 * 60)]
    assert sum(is_open(hours, minute) for minute in minutes) == 5 * 60


def test_opening_in_the_hour_that_is_skipped_is_the_clock_change():
    hours = daily(("01:30", "04:00"))
    assert local(next_opening(hours, at("2026-03-29 00:30"))) == "2026-03-29T02:00:00+01:00"


def test_opening_in_the_hour_that_comes_twice_is_the_first():
    hours = daily(("01:30", "04:00"))
    assert local(next_opening(hours, at("2026-10-25 00:30"))) == "2026-10-25T01:30:00+01:00"


def test_break_that_ends_in_the_second_of_two_hours():
    hours = daily(("00:00", "01:10"), ("01:30", "04:00"))
    assert local(next_opening(hours, at("2026-10-25 01:15 second"))) == "2026-10-25T01:30:00+00:00"


def test_clock_that_goes_back_into_a_span_opens_again():
    hours = daily(("00:00", "01:30"))
    assert local(next_opening(hours, at("2026-10-25 01:45"))) == "2026-10-25T01:00:00+00:00"


def test_clock_changes_of_another_zone_are_its_own():
    hours = daily(("02:30", "05:00"), zone="America/New_York")
    opening = next_opening(hours, at("2026-03-08 01:00", "America/New_York"))
    assert local(opening, "America/New_York") == "2026-03-08T03:00:00-04:00"


@given(
    start=st.integers(0, 23 * 60),
    minutes=st.integers(10, 300),
    day=st.sampled_from(["2026-03-29", "2026-10-25", "2026-06-01"]),
    passed=st.integers(0, 25 * 60),
)
def test_next_opening_is_the_first_open_minute_whatever_the_clock_does(start, minutes, day, passed):
    end = min(start + minutes, 24 * 60)
    span = (f"{start // 60:02}:{start % 60:02}", f"{end // 60:02}:{end % 60:02}")
    hours = daily(span)
    now = at(f"{day} 00:00") + 60 * passed
    slow = next(now + 60 * minute for minute in range(50 * 60) if is_open(hours, now + 60 * minute))
    assert next_opening(hours, now) == slow


@pytest.mark.parametrize(
    ("hours", "fault"),
    [
        (Hours(time_zone="Europe/Lundon", week=((),) * 7), "no time zone"),
        (Hours(time_zone="UTC", week=((),) * 6), "seven days"),
        (daily(("9:00", "17:00")), "HH:MM"),
        (daily(("22:00", "02:00")), "two spans"),
        (daily(("09:00", "13:00"), ("12:00", "17:00")), "before the span in front"),
        (Hours(time_zone="UTC", week=((),) * 7, holidays=("25.12.2026",)), "not a date"),
    ],
)
def test_fault_in_hours_is_found(hours, fault):
    assert any(fault in each for each in find_faults(hours))


def test_right_hours_have_no_fault():
    assert find_faults(LONDON) == []
