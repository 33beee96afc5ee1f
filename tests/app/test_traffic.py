"""Made-up calls are seeded, come in the shape of the week, and go where they are meant to go."""

from __future__ import annotations

import math
from collections import Counter
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.bodies import NewContact
from app.demonstration.past import midnight, past_csv
from app.demonstration.people import Turn
from app.demonstration.shifts import roster_turns, turns_from, usual_turns
from app.identify import find_e164
from app.preset import preset_policy
from app.traffic import (
    INTERVAL_S,
    PRESET,
    Call,
    Profile,
    calls_between,
    calls_from,
    expected,
    opening_hours,
    phone,
    serve,
    staff,
)
from routing.classify import classify
from routing.commands import Identity, Receive
from routing.hours import is_open
from routing.model import Channel, Presence
from staffing.history_import import read_interval_csv
from staffing.intervals import Grid

LONDON = ZoneInfo("Europe/London")
MONDAY = date(2026, 3, 2)
START = midnight(MONDAY, LONDON)
DAY_S = 86_400.0


def week_of_calls(seed: int = 7, weeks: int = 1) -> list[Call]:
    return calls_between(START, START + 7 * weeks * DAY_S, LONDON, seed=seed)


# The stream


def test_same_seed_gives_the_same_calls() -> None:
    assert week_of_calls(3) == week_of_calls(3)


def test_other_seed_gives_other_calls() -> None:
    assert week_of_calls(3) != week_of_calls(4)


@given(st.floats(0, DAY_S), st.floats(0, DAY_S), st.floats(0, DAY_S))
def test_windows_side_by_side_give_what_one_window_gives(a: float, b: float, c: float) -> None:
    first, cut, last = sorted([a, b, c])
    whole = calls_between(START + first, START + last, LONDON, seed=1)
    left = calls_between(START + first, START + cut, LONDON, seed=1)
    right = calls_between(START + cut, START + last, LONDON, seed=1)
    assert left + right == whole


def test_endless_stream_is_that_of_the_windows() -> None:
    begin = START + 9.6 * 3600
    endless = calls_from(begin, LONDON, seed=1)
    window = calls_between(begin, begin + 5 * 3600, LONDON, seed=1)
    assert [next(endless) for _ in window] == window


def test_ids_are_unique() -> None:
    ids = [call.id for call in week_of_calls(weeks=2)]
    assert len(set(ids)) == len(ids)


# The shape


@pytest.mark.parametrize("profile", PRESET, ids=lambda profile: profile.team)
def test_expected_contacts_of_a_wednesday_are_those_of_the_profile(profile: Profile) -> None:
    wednesday = int(START + 2 * DAY_S)
    day = sum(expected(profile, wednesday + i * INTERVAL_S, LONDON) for i in range(96))
    assert day == pytest.approx(profile.weekday)


def test_nobody_calls_outside_the_opening_hours() -> None:
    hours = {0: (8, 20), 1: (8, 20), 2: (8, 20), 3: (8, 20), 4: (8, 20), 5: (9, 17), 6: (10, 16)}
    for call in week_of_calls(weeks=2):
        local = datetime.fromtimestamp(call.at, LONDON)
        opens, closes = hours[local.weekday()]
        assert opens <= local.hour < closes


def test_hours_stay_on_the_clock_of_the_site_when_it_changes() -> None:
    sunday = date(2026, 3, 29)
    calls = calls_between(
        midnight(sunday, LONDON), midnight(sunday + timedelta(days=1), LONDON), LONDON, seed=1
    )
    hours = [datetime.fromtimestamp(call.at, LONDON).hour for call in calls]
    assert (min(hours), max(hours)) == (10, 15)


def test_totals_are_those_expected_within_chance() -> None:
    calls = Counter(call.team for call in week_of_calls(weeks=6))
    for profile in PRESET:
        mean = 6 * profile.weekday * sum(profile.week)
        # Chance of single calls, and of days that differ by 8 % among themselves.
        spread = math.sqrt(mean + (0.08 * mean) ** 2 / 30)
        assert abs(calls[profile.team] - mean) < 4 * spread


def test_mondays_are_busier_than_sundays_by_several_times() -> None:
    days = Counter(datetime.fromtimestamp(call.at, LONDON).weekday() for call in week_of_calls(weeks=6))
    assert days[0] > 3 * days[6]


def test_day_has_busy_and_quiet_periods() -> None:
    general = next(profile for profile in PRESET if profile.team == "general")
    busy = expected(general, int(START + 9.5 * 3600), LONDON)
    quiet = expected(general, int(START + 19 * 3600), LONDON)
    assert busy > 3 * quiet > 0


def test_volume_follows_its_scale() -> None:
    single = len(week_of_calls())
    double = len(calls_between(START, START + 7 * DAY_S, LONDON, seed=7, scale=2.0))
    assert double == pytest.approx(2 * single, rel=0.05)


def test_talk_is_lognormal_with_the_mean_of_the_profile() -> None:
    general = next(profile for profile in PRESET if profile.team == "general")
    talks = np.array([call.talk_s for call in week_of_calls(weeks=4) if call.team == "general"])
    assert talks.mean() == pytest.approx(general.handle_s, rel=0.05)
    assert np.log(talks).std() == pytest.approx(general.handle_spread, rel=0.05)


def test_patience_on_the_phone_is_exponential_and_without_end_in_writing() -> None:
    calls = [call for call in week_of_calls(weeks=4) if call.team == "general"]
    phoned = np.array([call.patience_s for call in calls if call.channel is Channel.VOICE])
    assert phoned.mean() == pytest.approx(180.0, rel=0.06)
    assert phoned.std() == pytest.approx(180.0, rel=0.08)
    assert {call.patience_s for call in calls if call.channel in (Channel.EMAIL, Channel.WEB)} == {math.inf}


def test_every_channel_comes() -> None:
    channels = Counter(call.channel for call in week_of_calls(weeks=2))
    assert channels[Channel.VOICE] > 5 * channels[Channel.CHAT] > 0
    assert channels[Channel.EMAIL] > channels[Channel.WEB] > 0


@given(st.integers(1_790_000_000, 1_810_000_000))
def test_somebody_calls_when_it_is_open_and_nobody_when_it_is_closed(at: int) -> None:
    begin = at // INTERVAL_S * INTERVAL_S
    is_busy = [expected(profile, begin, LONDON) > 0 for profile in PRESET]
    assert is_busy == [is_open(opening_hours("Europe/London"), begin)] * len(PRESET)


# What is posted


def test_rules_send_every_contact_to_its_team() -> None:
    policy = preset_policy()
    for call in week_of_calls():
        body = NewContact.model_validate(call.body)
        command = Receive(
            actor="demo",
            channel=body.channel,
            identity=Identity(),
            dialled=body.to,
            menu=body.menu,
            subject=body.subject,
            text=body.text,
        )
        assert classify(policy, command, now=call.at).classification.team_id == call.team


@given(st.integers(0, 11_999))
def test_every_customer_has_a_phone_number_of_his_own(customer: int) -> None:
    assert find_e164(phone(customer), "GB") == phone(customer)
    assert phone(customer) != phone((customer + 1) % 12_000)


# The past


@pytest.mark.parametrize("profile", PRESET, ids=lambda profile: profile.team)
def test_served_in_turn_by_no_more_than_there_are(profile: Profile) -> None:
    calls = [call for call in week_of_calls() if call.team == profile.team and call.patience_s < math.inf]
    served = serve(calls, profile, LONDON)
    assert [call for call, _, _ in served] == calls
    starts = [call.at + wait_s for call, wait_s, answered in served if answered]
    assert starts == sorted(starts)
    assert all(wait_s <= call.patience_s for call, wait_s, _ in served)
    assert all(wait_s == call.patience_s for call, wait_s, answered in served if not answered)
    ends = [
        begin + call.talk_s + call.wrap_up_s
        for begin, (call, _, _) in zip(starts, answered_of(served), strict=True)
    ]
    for begin in starts[::10]:
        busy = sum(since <= begin < until for since, until in zip(starts, ends, strict=True))
        assert busy <= staff(profile, int(begin // INTERVAL_S) * INTERVAL_S, LONDON)


def answered_of(served: list[tuple[Call, float, bool]]) -> list[tuple[Call, float, bool]]:
    return [each for each in served if each[2]]


def test_past_is_a_history_of_every_interval_that_the_import_takes() -> None:
    text = past_csv(MONDAY, MONDAY + timedelta(days=6), LONDON, seed=7)
    histories = read_interval_csv(text.splitlines(), Grid("Europe/London", 15))
    assert isinstance(histories, dict)
    assert set(histories) == {profile.team for profile in PRESET}
    called = Counter(call.team for call in week_of_calls() if call.patience_s < math.inf)
    for team, history in histories.items():
        assert len(history.starts) == 7 * 96
        assert history.offered.sum() == called[team]
        assert history.answered.sum() + history.abandoned.sum() == called[team]


# Who is there


def make_plan() -> dict[str, object]:
    shift = {
        "agent": "ann",
        "on": "2026-03-02",
        "starts_at": "2026-03-02T08:00:00Z",
        "ends_at": "2026-03-02T16:30:00Z",
        "breaks": [
            {"name": "meal", "starts_at": "2026-03-02T12:00:00Z", "ends_at": "2026-03-02T12:30:00Z"},
        ],
    }
    return {"week": "2026-03-02", "days": 7, "assignments": [shift]}


def test_agent_follows_the_roster_within_two_minutes() -> None:
    turns = roster_turns(make_plan(), seed=2)["2026-03-02"]
    planned = [8.0, 12.0, 12.5, 16.5]
    assert [turn.presence for turn in turns] == [
        Presence.AVAILABLE,
        Presence.MEAL,
        Presence.AVAILABLE,
        Presence.OFFLINE,
    ]
    assert all(abs(turn.at - START - 3600 * hour) <= 120 for turn, hour in zip(turns, planned, strict=True))


def test_rostered_week_has_every_day_also_the_free_ones() -> None:
    assert len(roster_turns(make_plan(), seed=2)) == 7


def test_agents_begin_as_they_are_in_the_middle_of_the_day() -> None:
    rostered = roster_turns(make_plan(), seed=2)
    noon = START + 12.25 * 3600
    turns = turns_from(noon, ["ann", "bob"], rostered, LONDON, seed=2)
    begun = [next(turns), next(turns)]
    assert [(turn.agent_id, turn.presence) for turn in begun] == [
        ("ann", Presence.MEAL),
        ("bob", Presence.OFFLINE),
    ]
    assert next(turns).at > noon


def test_day_without_roster_goes_by_rule_of_thumb() -> None:
    turns = turns_from(START, ["ann", "bob"], {}, LONDON, seed=2)
    seen: list[Turn] = [next(turns) for _ in range(40)]
    assert {turn.agent_id for turn in seen[2:]} == {"ann", "bob"}


@given(st.integers(0, 400))
def test_somebody_is_there_every_day_and_all_go_home(days: int) -> None:
    day = MONDAY + timedelta(days=days)
    turns = usual_turns(day, [f"agent{number}" for number in range(9)], LONDON, seed=1)
    last = {turn.agent_id: turn.presence for turn in sorted(turns, key=lambda turn: turn.at)}
    assert last
    assert set(last.values()) == {Presence.OFFLINE}
