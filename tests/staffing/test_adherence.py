import pytest
from hypothesis import given
from hypothesis import strategies as st

from staffing.adherence import adherence, departure_at, schedule
from staffing.rostering.model import Assignment, Spell

DAY = [Spell("work", 0, 120), Spell("break", 120, 135), Spell("work", 135, 255), Spell("meal", 255, 285)]


def spells(*parts):
    """Return spells back to back from (activity, length) pairs."""
    at, found = 0, []
    for activity, length in parts:
        found.append(Spell(activity, at, at + length))
        at += length
    return found


def test_adherence_is_full_when_the_schedule_is_kept():
    actual = spells(("available", 120), ("break", 15), ("available", 120), ("meal", 30))
    result = adherence(DAY, actual, until=1000)
    assert (result.adherence, result.conformance, result.departures) == (1.0, 1.0, ())


def test_late_break_costs_adherence_and_no_conformance():
    actual = spells(("available", 130), ("break", 15), ("available", 110), ("meal", 30))
    result = adherence(DAY, actual, until=1000)
    assert result.adherence == pytest.approx((285 - 20) / 285)
    assert result.conformance == 1.0
    assert [(d.scheduled, d.actual) for d in result.departures] == [("break", "available"), ("work", "break")]


def test_work_outside_the_schedule_counts_for_conformance_alone():
    actual = spells(("available", 120), ("break", 15), ("available", 120), ("meal", 30), ("available", 60))
    result = adherence(DAY, actual, until=1000)
    assert result.adherence == 1.0
    assert result.conformance == pytest.approx(300 / 240)


def test_absence_counts_as_offline():
    (departure,) = adherence([Spell("work", 0, 60)], [Spell("available", 20, 60)], until=60).departures
    assert (departure.actual, departure.since, departure.until) == ("offline", 0, 20)


def test_short_departure_counts_as_adherent_within_the_grace():
    actual = [Spell("available", 20, 60)]
    assert adherence([Spell("work", 0, 60)], actual, until=60, grace_s=20).adherence == 1.0
    assert adherence([Spell("work", 0, 60)], actual, until=60, grace_s=19).adherence < 1.0


def test_what_has_not_happened_yet_is_not_looked_at():
    result = adherence(DAY, [Spell("available", 0, 60)], until=60)
    assert (result.scheduled_s, result.adherence) == (60, 1.0)


def test_nothing_is_known_when_nothing_was_scheduled():
    result = adherence([], [Spell("available", 0, 60)], until=60)
    assert (result.adherence, result.conformance) == (None, None)


def test_departures_of_one_kind_are_joined():
    actual = [Spell("training", 0, 20), Spell("training", 20, 60)]
    assert len(adherence([Spell("work", 0, 60)], actual, until=60).departures) == 1


def test_overlapping_presences_are_refused():
    with pytest.raises(ValueError, match="overlap"):
        adherence(DAY, [Spell("available", 0, 60), Spell("break", 50, 70)], until=100)


def test_departure_now_tells_since_when():
    departure = departure_at(DAY, [Spell("available", 0, 130)], 130)
    assert (departure.scheduled, departure.actual, departure.since) == ("break", "available", 120)


def test_nobody_departs_when_presence_goes_on_as_scheduled():
    assert departure_at(DAY, [Spell("available", 0, 1)], 100) is None


def test_schedule_has_work_around_the_breaks():
    shift = Assignment("ann", 0, "early", 0, 100, (Spell("break", 40, 50),))
    assert schedule(shift) == (Spell("work", 0, 40), Spell("break", 40, 50), Spell("work", 50, 100))


@given(
    st.lists(st.tuples(st.sampled_from(["work", "break", "meal"]), st.integers(1, 50)), max_size=8),
    st.lists(st.tuples(st.sampled_from(["available", "break", "offline"]), st.integers(1, 50)), max_size=8),
)
def test_adherent_time_and_departures_add_up_to_the_schedule(planned, real):
    result = adherence(spells(*planned), spells(*real), until=10_000)
    departed = sum(departure.until - departure.since for departure in result.departures)
    assert result.adherent_s + departed == result.scheduled_s
