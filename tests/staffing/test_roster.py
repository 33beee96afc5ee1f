import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from staffing.intervals import Grid, day_intervals, intervals_between
from staffing.roster import solve_roster
from staffing.rostering import counted
from staffing.rostering.check import broken_rules, costs, staffed, unpopular_points
from staffing.rostering.model import (
    Absence,
    Lock,
    ShiftRequirement,
    TeamRequirement,
    TimeOff,
    Wish,
)
from tests.staffing.rosters import (
    EARLY,
    HOUR_S,
    LATE,
    MONDAY,
    NIGHT,
    hours,
    make_agent,
    make_contract,
    make_kind,
    make_pause,
    make_problem,
)


def solve(problem, **changes):
    """Solve and let the independent check confirm rules, price and bound."""
    roster = solve_roster(problem, **({"time_limit_s": 5.0, "clock": time.monotonic} | changes))
    if not roster.conflicts:
        assert broken_rules(problem, roster.assignments) == []
    assert roster.objective == sum(costs(problem, roster.assignments).values())
    assert roster.bound <= roster.objective
    return roster


def days_of(roster, agent_id="agent0"):
    return [shift.day for shift in roster.assignments if shift.agent_id == agent_id]


def kinds_of(roster, agent_id="agent0"):
    return {shift.day: shift.kind_id for shift in roster.assignments if shift.agent_id == agent_id}


def test_requirement_is_met_exactly_when_agents_suffice():
    roster = solve(make_problem(2, need=hours(6, 14)))
    assert roster.objective == 0
    assert roster.status == "optimal"
    assert sorted(shift.day for shift in roster.assignments) == list(range(7))


def test_shortage_is_priced_when_agents_do_not_suffice():
    problem = make_problem(1, need=hours(6, 14, 3), days=1)
    assert solve(problem).costs["under"] == 2 * 8 * 100


def test_surplus_is_priced_when_contract_gives_more_hours_than_needed():
    contract = make_contract(week_s=(40 * HOUR_S, 40 * HOUR_S))
    problem = make_problem(1, need={6: 1}, contract=contract)
    roster = solve(problem)
    assert len(roster.assignments) == 5
    assert roster.costs["over"] == 5 * 7 * 10


def test_weekly_hours_stay_between_their_limits():
    contract = make_contract(week_s=(24 * HOUR_S, 32 * HOUR_S))
    roster = solve(make_problem(1, need=hours(6, 14), contract=contract, days=14))
    assert [len([d for d in days_of(roster) if d // 7 == week]) for week in (0, 1)] == [4, 4]


def test_unpaid_meal_does_not_count_as_hours():
    kind = make_kind("day", 8, 9, breaks=(make_pause("meal", 60, 3, 5, paid=False),))
    contract = make_contract(week_s=(40 * HOUR_S, 40 * HOUR_S))
    assert len(solve(make_problem(1, kinds=[kind], contract=contract)).assignments) == 5


def test_time_off_counts_its_credit_towards_weekly_hours():
    contract = make_contract(week_s=(40 * HOUR_S, 40 * HOUR_S))
    off = TimeOff("agent0", 0, 1, credit_s=8 * HOUR_S)
    roster = solve(make_problem(1, contract=contract, time_off=(off,)))
    assert len(days_of(roster)) == 3
    assert not {0, 1} & set(days_of(roster))


def test_early_shift_never_follows_late_shift_when_rest_is_eleven_hours():
    need = {6: 1, 14: 1}
    roster = solve(make_problem(1, kinds=[EARLY, LATE], need=need, days=2))
    assert sorted(kinds_of(roster).values()) != ["early", "late"] or kinds_of(roster)[0] == "early"
    assert roster.objective == 7 * 10 * 2 + 2 * 100


@pytest.mark.parametrize(("starts_on", "shifts"), [(date(2026, 3, 21), 2), (date(2026, 3, 28), 1)])
def test_rest_is_an_hour_shorter_in_the_night_the_clocks_go_forward(starts_on, shifts):
    kinds = [make_kind("late", 13, 8), make_kind("early", 8, 8)]
    grid = Grid("Europe/Berlin", 60)
    second = len(day_intervals(grid, starts_on)) + len(day_intervals(grid, starts_on + timedelta(1))) - 16
    slots = len(intervals_between(grid, starts_on, starts_on + timedelta(1)))
    need = TeamRequirement("care", tuple(int(s in (20, second)) for s in range(slots)), over_cost=0)
    problem = make_problem(1, kinds=kinds, days=2, grid=grid, starts_on=starts_on, requirements=(need,))
    # 21:00 to 08:00 is eleven hours on the wall.
    assert len(solve(problem).assignments) == shifts


def test_shift_before_the_period_keeps_its_rest():
    agent = make_agent(worked_before=("night",))
    problem = make_problem((agent,), kinds=[EARLY, NIGHT], need=hours(6, 14), days=1)
    assert solve(problem).assignments == ()


def test_shift_that_may_not_follow_is_not_given_on_the_next_day():
    first = make_kind("first", 6, not_followed_by=frozenset({"second"}))
    second = make_kind("second", 7)
    problem = make_problem(
        1,
        kinds=[first, second],
        days=2,
        wishes=(
            Wish("agent0", 0, 5, on=True, kind_id="first"),
            Wish("agent0", 1, 5, on=True, kind_id="second"),
        ),
    )
    assert solve(problem).costs["wishes"] == 5


def test_run_of_days_ends_at_its_limit_also_across_the_start_of_the_period():
    agent = make_agent("agent0", worked_before=("early", "early"))
    problem = make_problem((agent,), need=hours(6, 14), contract=make_contract(max_days_in_row=3))
    days = days_of(solve(problem))
    assert len(days) == 5
    assert not {0, 1} <= set(days)


WEEKEND_WORKED = (None,) * 5 + ("early", None)


@pytest.mark.parametrize(("weeks", "days"), [(0, 14), (1, 12), (2, 12)])
def test_weekends_in_a_row_are_counted_on_from_those_before_the_period(weeks, days):
    agent = make_agent("agent0", worked_before=WEEKEND_WORKED * weeks)
    contract = make_contract(max_weekends_in_row=2)
    problem = make_problem((agent,), need=hours(6, 14), days=14, contract=contract)
    roster = solve(problem)
    assert (len(roster.assignments), roster.conflicts) == (days, ())
    assert broken_rules(problem, roster.assignments) == []
    assert bool({5, 6} & set(days_of(roster))) or weeks > 0
    assert not {5, 6} & set(days_of(roster)) or weeks < 2


@pytest.mark.parametrize(("weeks", "told"), [(0, []), (1, ["agent0: 3 weekends in a row"])])
def test_checker_counts_weekends_on_from_those_before_the_period(weeks, told):
    free = make_problem(1, need=hours(6, 14), days=14)
    shifts = solve(free).assignments
    agent = make_agent("agent0", worked_before=WEEKEND_WORKED * weeks)
    problem = replace(free, agents=(agent,), contracts=(make_contract(max_weekends_in_row=2),))
    assert broken_rules(problem, shifts) == told


def test_weekend_that_the_start_of_the_period_cuts_is_one_weekend():
    sunday = MONDAY - timedelta(days=1)
    contract = make_contract(max_weekends_in_row=1, whole_weekends=True)
    worked = make_agent("agent0", worked_before=(None,) * 6 + ("early",))
    problem = make_problem((worked,), need=hours(6, 14), contract=contract, starts_on=sunday)
    roster = solve(problem)
    assert days_of(roster) == [0, 1, 2, 3, 4, 5]
    assert broken_rules(problem, roster.assignments) == []
    free = replace(problem, agents=(replace(worked, worked_before=(None,) * 7),))
    assert 0 not in days_of(solve(free))
    assert broken_rules(free, roster.assignments) == ["agent0: half a weekend"]


def test_shift_of_before_keeps_its_rest_though_the_period_has_no_such_kind():
    agent = make_agent("agent0", worked_before=("old night",))
    old = make_kind("old night", 23, 9)
    problem = make_problem((agent,), need=hours(6, 14), days=2, past_kinds=(old,))
    roster = solve(problem)
    assert days_of(roster) == [1]
    with pytest.raises(ValueError, match="unknown shift old night"):
        solve(replace(problem, past_kinds=()))


def test_days_off_come_in_pairs_when_the_contract_says_so():
    contract = make_contract(max_days_in_row=2, min_days_off_in_row=2)
    off = set(range(7)) - set(days_of(solve(make_problem(1, need=hours(6, 14), contract=contract))))
    inner = [day for day in off if 0 < day < 6]
    assert all({day - 1, day + 1} & off for day in inner)
    assert len(off) >= 3


def test_worked_days_come_in_runs_when_the_contract_says_so():
    contract = make_contract(min_days_in_row=3)
    wishes = (Wish("agent0", 3, 10, on=True), *(Wish("agent0", d, 1, on=False) for d in (1, 2, 4, 5)))
    roster = solve(make_problem(1, contract=contract, wishes=wishes))
    assert roster.costs["wishes"] == 2
    assert len(days_of(roster)) == 3


@pytest.mark.parametrize(
    ("changes", "most"),
    [
        ({"max_weekends": 1}, 22),
        ({"max_weekends_in_row": 1}, 24),
        ({"period_days_off": (10, 10)}, 18),
        ({"week_days": (3, 4)}, 16),
        ({"shift_limits": {"early": (0, 9)}}, 9),
        ({"period_s": (0, 40 * HOUR_S)}, 5),
    ],
)
def test_worked_days_stop_at_the_limit_of_the_contract(changes, most):
    problem = make_problem(1, need=hours(6, 14), days=28, contract=make_contract(**changes))
    assert len(solve(problem).assignments) == most


@pytest.mark.parametrize("changes", [{"week_days": (5, 5)}, {"period_days_off": (2, 2)}])
def test_granted_time_off_is_no_breach_of_the_fewest_days(changes):
    problem = make_problem(1, contract=make_contract(**changes), time_off=(TimeOff("agent0", 0, 2),))
    roster = solve(problem)
    assert roster.conflicts == ()
    assert len(roster.assignments) >= 2
    assert broken_rules(problem, roster.assignments) == []
    assert broken_rules(problem, ()) != []


def test_weekend_is_worked_whole_or_not_at_all():
    contract = make_contract(whole_weekends=True)
    wishes = (Wish("agent0", 5, 10, on=True), Wish("agent0", 6, 3, on=False))
    roster = solve(make_problem(1, contract=contract, wishes=wishes))
    assert roster.costs["wishes"] == 3
    assert {5, 6} <= set(days_of(roster))


def test_week_has_a_long_rest_when_the_contract_says_so():
    contract = make_contract(week_rest_s=40 * HOUR_S)
    problem = make_problem(1, kinds=[EARLY, LATE], need={6: 1, 14: 1}, contract=contract)
    assert len(solve(problem).assignments) <= 6
    assert len(solve(replace(problem, contracts=(make_contract(),))).assignments) == 7


def test_starts_of_a_week_stay_close_together():
    contract = make_contract(start_variance_s=2 * HOUR_S)
    problem = make_problem(
        1,
        kinds=[EARLY, LATE],
        contract=contract,
        wishes=(
            Wish("agent0", 0, 5, on=True, kind_id="early"),
            Wish("agent0", 3, 5, on=True, kind_id="late"),
        ),
    )
    assert solve(problem).costs["wishes"] == 5
    assert solve(replace(problem, contracts=(make_contract(),))).costs["wishes"] == 0


def test_agent_is_not_on_shift_outside_availability():
    windows = (None, (7 * HOUR_S, 20 * HOUR_S), *((0, 24 * HOUR_S),) * 5)
    agent = make_agent("agent0", windows=windows)
    assert days_of(solve(make_problem((agent,), need=hours(6, 14)))) == [2, 3, 4, 5, 6]


def test_agent_is_not_on_shift_during_an_absence():
    start = make_problem(1).starts_on
    noon = (start.toordinal() - date(1970, 1, 1).toordinal()) * 86_400 + 12 * HOUR_S
    problem = make_problem(1, need=hours(6, 14), absences=(Absence("agent0", noon, noon + 600),))
    assert days_of(solve(problem)) == [1, 2, 3, 4, 5, 6]


def test_locked_assignments_stay():
    locks = (Lock("agent0", 0, None), Lock("agent0", 1, "late"))
    roster = solve(make_problem(1, kinds=[EARLY, LATE], need=hours(6, 14), locks=locks))
    assert kinds_of(roster).get(1) == "late"
    assert 0 not in kinds_of(roster)


def test_published_roster_stays_when_a_change_costs_more_than_it_gains():
    published = {("agent0", 0): "early"}
    problem = make_problem(2, need=hours(6, 14), days=1, published=published, change_cost=1)
    assert kinds_of(solve(problem)) == {0: "early"}
    moved = replace(problem, time_off=(TimeOff("agent0", 0, 0),))
    assert solve(moved).costs["changes"] == 2


@pytest.mark.parametrize("repeatable", [False, True])
def test_search_begins_with_the_published_roster_and_the_days_that_must_change(repeatable):
    kinds = [make_kind(f"k{hour}", hour, 6) for hour in range(6, 15)]
    agents = tuple(make_agent(f"agent{n}") for n in range(14))
    problem = make_problem(
        agents, kinds=kinds, need=hours(6, 20, 6), contract=make_contract(week_days=(0, 5)), minutes=30
    )
    before = solve(problem, time_limit_s=2.0)
    published = {(each.agent_id, each.day): each.kind_id for each in before.assignments}
    away = next(iter(published))
    told = []
    again = solve(
        replace(problem, published=published, change_cost=50, locks=(Lock(*away, None),)),
        time_limit_s=2.0,
        repeatable=repeatable,
        on_progress=told.append,
    )
    kept = {(each.agent_id, each.day): each.kind_id for each in again.assignments}
    assert away not in kept
    assert "published roster kept" in {each.phase for each in told}
    # One day less costs its cover at most, and its change.
    assert again.objective <= before.objective + 50 + 12 * 100


def test_wish_is_refused_when_cover_is_worth_more():
    wish = Wish("agent0", 0, 50, on=False)
    roster = solve(make_problem(1, need=hours(6, 14), days=1, wishes=(wish,)))
    assert (roster.costs["wishes"], roster.costs["under"]) == (50, 0)


def test_unpopular_shifts_are_shared_evenly_with_what_came_before():
    late = make_kind("late", 14, unpopularity=1)
    agents = tuple(make_agent(f"agent{n}", points_before=2 * (n == 0)) for n in range(3))
    problem = make_problem(agents, kinds=[late], need=hours(14, 22), days=7, fairness_cost=5)
    roster = solve(problem)
    assert sorted(unpopular_points(problem, roster.assignments).values()) == [3, 3, 3]


def test_hours_are_paid_when_they_have_a_price():
    problem = make_problem(1, need=hours(6, 14), days=1, contract=make_contract(hour_cost=50))
    assert solve(problem).costs["hours"] == 400


def test_breaks_lie_where_the_cover_is_best():
    kind = make_kind("day", 8, 8, breaks=(make_pause("meal", 60, 3, 5),))
    need = {**hours(8, 16, 2), 11: 1, 13: 1}
    roster = solve(make_problem(2, kinds=[kind], need=need, days=1))
    assert roster.objective == 0
    starts = sorted(shift.breaks[0].since - shift.starts_at for shift in roster.assignments)
    assert starts == [3 * HOUR_S, 5 * HOUR_S]


def test_work_between_breaks_stays_between_its_limits():
    pauses = (make_pause("first", 30, 1, 4), make_pause("second", 30, 2, 6.5))
    kind = make_kind("day", 8, 8, breaks=pauses, min_work_s=2 * HOUR_S, max_work_s=3 * HOUR_S)
    need = {**hours(8, 16, 3), 9: 1, 14: 1}
    roster = solve(make_problem(4, kinds=[kind], need=need, days=1, minutes=30))
    works = [shift.breaks[1].since - shift.breaks[0].until for shift in roster.assignments]
    assert works
    assert all(2 * HOUR_S <= work <= 3 * HOUR_S for work in works)


def test_shared_agent_counts_for_one_team_at_a_time():
    agents = (make_agent("both", teams=("care", "sales")),)
    slots = tuple(1 if 6 <= slot % 24 < 14 else 0 for slot in range(24))
    needs = (TeamRequirement("care", slots), TeamRequirement("sales", slots))
    problem = make_problem(agents, days=1, requirements=needs)
    roster = solve(problem)
    assert roster.costs["under"] == 8 * 100
    assert sum(map(sum, staffed(problem, roster.assignments).values())) == 8


def test_shared_agent_moves_where_the_others_cannot_help():
    agents = tuple(
        make_agent(name, teams=teams)
        for name, teams in (("a", ("care",)), ("b", ("care", "sales")), ("c", ("sales", "tech")))
    )
    slots = tuple(1 if 6 <= slot < 14 else 0 for slot in range(24))
    needs = tuple(TeamRequirement(team, slots) for team in ("care", "sales", "tech"))
    assert solve(make_problem(agents, days=1, requirements=needs)).objective == 0


def test_shift_over_midnight_covers_the_next_morning():
    roster = solve(make_problem(1, kinds=[NIGHT], need={0: 1, 23: 1}, days=2))
    assert roster.costs["under"] == 100


def test_agents_wanted_by_kind_of_shift_are_counted():
    wants = (ShiftRequirement(0, "early", 1, under_cost=9), ShiftRequirement(0, "late", 2, under_cost=7))
    roster = solve(make_problem(2, kinds=[EARLY, LATE], days=1, shift_requirements=wants))
    assert roster.costs["shifts"] == 7


def test_roster_is_the_same_with_the_same_seed():
    problem = make_problem(4, kinds=[EARLY, LATE], need={**hours(6, 14, 2), **hours(14, 22, 1)})
    first, second = (solve(problem, seed=3) for _ in range(2))
    assert first.repeatable
    assert first.assignments == second.assignments


@pytest.fixture
def short_work(monkeypatch):
    """Let a counted search work for a small share of its limit, so that no load makes it late."""
    monkeypatch.setattr(counted, "_WORK_SHARE", 0.01)


def busy_day(**changes):
    """Return a problem in which branch and bound proves nothing soon."""
    meal = make_pause("meal", 30, 3, 5)
    kinds = [make_kind(f"from {hour}", hour, breaks=(meal,)) for hour in (6, 9, 12, 14)]
    contract = make_contract(week_s=(24 * HOUR_S, 36 * HOUR_S), week_days=(3, 5))
    need = {**hours(6, 10, 2), **hours(10, 17, 3), **hours(17, 22, 1)}
    return make_problem(6, kinds=kinds, need=need, minutes=30, contract=contract, **changes)


@contextmanager
def load():
    """Keep another thread of the process busy meanwhile."""
    ended = threading.Event()

    def work():
        while not ended.is_set():
            sum(range(1000))

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@pytest.mark.usefixtures("short_work")
def test_repeatable_roster_is_the_same_with_any_threads_and_under_load():
    problem = busy_day()
    first, other = (
        solve(problem, seed=seed, workers=2, repeatable=True, time_limit_s=100) for seed in (3, 4)
    )
    with load():
        second = solve(problem, seed=3, workers=3, repeatable=True, time_limit_s=100)
    assert first.repeatable
    assert second.repeatable
    assert first.assignments == second.assignments != other.assignments


def test_roster_that_the_clock_cut_short_says_so_and_is_not_repeatable():
    ticks = iter(range(10**6))
    roster = solve(busy_day(), clock=lambda: float(next(ticks)), repeatable=True, time_limit_s=40)
    assert roster.assignments
    assert roster.cut_short
    assert not roster.repeatable


def test_roster_of_two_threads_promises_no_repetition_unless_asked():
    problem = make_problem(4, kinds=[EARLY, LATE], need={**hours(6, 14, 2), **hours(14, 22, 1)})
    assert not solve(problem, workers=2).repeatable
    assert solve(problem, workers=2, repeatable=True).repeatable


def test_two_workers_find_the_same_price():
    problem = make_problem(4, kinds=[EARLY, LATE], need={**hours(6, 14, 2), **hours(14, 22, 1)})
    assert solve(problem, workers=2).objective == solve(problem).objective


def test_progress_falls_in_price_and_rises_in_bound():
    seen = []
    contract = make_contract(week_s=(24 * HOUR_S, 32 * HOUR_S))
    solve(
        make_problem(5, kinds=[EARLY, LATE], need=hours(6, 22, 3), contract=contract), on_progress=seen.append
    )
    prices = [progress.objective for progress in seen if progress.objective is not None]
    bounds = [progress.bound for progress in seen if progress.bound is not None]
    assert prices == sorted(prices, reverse=True)
    assert bounds == sorted(bounds)
    assert seen[-1].gap is not None


def test_cancelled_search_returns_the_roster_it_has():
    problem = make_problem(3, need=hours(6, 14, 2))
    roster = solve(problem, should_stop=lambda: True)
    assert roster.status in ("stopped", "optimal")


def test_unknown_contract_is_refused():
    problem = make_problem((replace(make_agent(), contract_id="none"),))
    with pytest.raises(ValueError, match="unknown contract"):
        solve_roster(problem, clock=time.monotonic)


@settings(max_examples=12, deadline=None)
@given(st.data())
def test_any_small_problem_gets_a_roster_that_keeps_its_rules(data):
    number = st.integers
    kinds = [EARLY, make_kind("mid", 9, 6, breaks=(make_pause(),)), NIGHT]
    contract = make_contract(
        week_s=(0, data.draw(number(8, 40)) * HOUR_S),
        max_days_in_row=data.draw(number(1, 6)),
        min_days_in_row=data.draw(number(1, 2)),
        min_days_off_in_row=data.draw(number(1, 2)),
        week_rest_s=data.draw(st.sampled_from([None, 36 * HOUR_S])),
        start_variance_s=data.draw(st.sampled_from([None, 4 * HOUR_S])),
    )
    agents = tuple(
        make_agent(f"agent{n}", teams=data.draw(st.sampled_from([("care",), ("sales",), ("care", "sales")])))
        for n in range(3)
    )
    needs = tuple(
        TeamRequirement(team, tuple(data.draw(st.lists(number(0, 2), min_size=24, max_size=24)) * 7))
        for team in ("care", "sales")
    )
    off = TimeOff("agent0", data.draw(number(0, 6)), 6)
    solve(
        make_problem(agents, kinds=kinds, contract=contract, requirements=needs, time_off=(off,)),
        time_limit_s=0.5,
    )
