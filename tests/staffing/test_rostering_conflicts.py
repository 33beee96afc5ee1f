import time
from dataclasses import replace

from staffing.roster import solve_roster
from staffing.rostering.check import broken_rules
from staffing.rostering.conflicts import find_conflicts
from staffing.rostering.findings import Severity, find_findings
from staffing.rostering.model import Lock, TeamRequirement, TimeOff, Wish
from tests.staffing.rosters import (
    EARLY,
    HOUR_S,
    LATE,
    hours,
    make_agent,
    make_contract,
    make_kind,
    make_pause,
    make_problem,
)

FORTY = make_contract(week_s=(40 * HOUR_S, 40 * HOUR_S))


def names(problem):
    return [finding.name for finding in find_findings(problem)]


def test_no_conflict_is_found_when_all_rules_can_hold():
    assert find_conflicts(make_problem(2, contract=FORTY)) == ()


def test_conflict_names_the_rules_that_cannot_all_hold_and_no_other():
    off = TimeOff("agent0", 0, 2)
    problem = make_problem(2, contract=replace(FORTY, max_weekends=1, min_days_in_row=2), time_off=(off,))
    (conflict,) = find_conflicts(problem)
    assert conflict.agent_id == "agent0"
    assert set(conflict.rules) == {
        "exactly 40 h in week 1",
        *(f"time off on day {day}" for day in (1, 2, 3)),
    }


def test_every_rule_of_a_conflict_is_needed_for_it():
    off = TimeOff("agent0", 0, 2)
    problem = make_problem(1, contract=FORTY, time_off=(off,))
    assert find_conflicts(problem)
    assert not find_conflicts(replace(problem, time_off=(TimeOff("agent0", 1, 2),)))
    assert not find_conflicts(replace(problem, contracts=(replace(FORTY, week_s=(0, 40 * HOUR_S)),)))


def test_agents_whose_rules_clash_alike_are_each_named():
    contracts = (FORTY, replace(FORTY, id="other"))
    agents = (make_agent("ann"), replace(make_agent("bob"), contract_id="other"), make_agent("cem"))
    off = tuple(TimeOff(agent_id, 0, 2) for agent_id in ("ann", "bob"))
    conflicts = find_conflicts(make_problem(agents, contracts=contracts, time_off=off))
    assert [conflict.agent_id for conflict in conflicts] == ["ann", "bob"]
    assert len({conflict.rules for conflict in conflicts}) == 1


def test_rules_that_clash_in_whole_numbers_only_are_named():
    shifts = [replace(EARLY, id="eight"), make_kind("six", 6, 6)]
    (conflict,) = find_conflicts(
        make_problem(1, kinds=shifts, contract=make_contract(week_s=(33 * HOUR_S, 33 * HOUR_S)))
    )
    assert conflict.rules == ("exactly 33 h in week 1",)


def test_roster_gives_up_the_least_grave_rule_by_as_little_as_possible():
    problem = make_problem(1, contract=FORTY, time_off=(TimeOff("agent0", 0, 2),))
    roster = solve_roster(problem, clock=time.monotonic, time_limit_s=5)
    assert [c.given_up for c in roster.conflicts] == [("exactly 40 h in week 1",)]
    assert broken_rules(problem, roster.assignments) == ["agent0: 32 h in week 1, at least 40 agreed"]


def test_locks_that_contradict_the_rest_are_named():
    locks = (Lock("agent0", 0, "late"), Lock("agent0", 1, "early"))
    (conflict,) = find_conflicts(make_problem(1, kinds=[EARLY, LATE], locks=locks))
    assert set(conflict.rules) == {
        "locked late on day 1",
        "locked early on day 2",
        "11 h rest between shifts",
    }


def test_lock_on_a_shift_that_is_not_open_to_the_agent_is_named():
    agent = make_agent("agent0", kind_ids=frozenset({"early"}))
    problem = make_problem((agent,), kinds=[EARLY, LATE], locks=(Lock("agent0", 0, "late"),))
    (conflict,) = find_conflicts(problem)
    assert conflict.rules == ("locked late on day 1",)
    assert solve_roster(problem, clock=time.monotonic, time_limit_s=5).conflicts == (conflict,)


def test_two_contradictions_are_two_conflicts():
    locks = (Lock("agent0", 5, "late"), Lock("agent0", 6, "early"))
    problem = make_problem(
        1, kinds=[EARLY, LATE], contract=FORTY, time_off=(TimeOff("agent0", 0, 2),), locks=locks
    )
    assert len(find_conflicts(problem)) == 2


def test_nothing_is_found_in_a_sound_problem():
    assert find_findings(make_problem(2, need=hours(6, 14), contract=FORTY)) == ()


def test_requirement_of_a_wrong_length_is_an_error():
    problem = make_problem(1, requirements=(TeamRequirement("care", (1, 1)),))
    (finding,) = find_findings(problem)
    assert (finding.name, finding.severity) == ("requirement_length", Severity.ERROR)


def test_unknown_references_are_errors():
    problem = make_problem(
        (replace(make_agent("ann"), contract_id="none"),),
        wishes=(Wish("bob", 9, 1, on=True, kind_id="odd"),),
    )
    assert set(names(problem)) == {
        "unknown_contract",
        "unknown_agent",
        "day_outside_period",
        "unknown_shift",
    }


def test_weekly_hours_that_no_shifts_add_up_to_are_an_error():
    contract = make_contract(week_s=(38 * HOUR_S, 39 * HOUR_S))
    assert names(make_problem(1, contract=contract)) == ["week_hours_out_of_reach"]


def test_breaks_that_leave_too_little_work_between_them_are_an_error():
    pauses = (make_pause("one", 60, 2, 3), make_pause("two", 60, 3, 4))
    kind = make_kind("day", 6, breaks=pauses, min_work_s=2 * HOUR_S)
    assert names(make_problem(1, kinds=[kind])) == ["breaks_too_close"]


def test_shift_off_the_raster_is_an_error():
    assert "shift_off_raster" in names(make_problem(1, kinds=[make_kind("odd", 6.25)], need=hours(6, 14)))


def test_team_without_agents_and_agent_without_team_are_warnings():
    problem = make_problem((make_agent(teams=("sales",)),), need=hours(6, 14))
    assert names(problem) == ["team_without_agents", "agent_without_team"]


def test_agent_without_any_shift_is_a_warning():
    assert names(make_problem((make_agent(kind_ids=frozenset({"odd"})),))) == ["agent_without_shifts"]


def test_requirement_beyond_all_contracts_is_news():
    problem = make_problem(1, need=hours(6, 14), contract=FORTY)
    assert [f.severity for f in find_findings(problem)] == [Severity.INFORMATION]


def test_wish_to_work_on_a_day_off_is_a_warning():
    problem = make_problem(1, wishes=(Wish("agent0", 0, 1, on=True),), time_off=(TimeOff("agent0", 0, 0),))
    assert names(problem) == ["wish_on_time_off"]
