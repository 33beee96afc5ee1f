import subprocess
import sys

import pytest

from staffing.coverage import check_swap, check_time_off, coverage, swapped
from staffing.rostering.model import Assignment, Spell, TeamRequirement, TimeOff
from staffing.rostering.timeline import Timeline
from tests.staffing.rosters import EARLY, HOUR_S, LATE, hours, make_agent, make_contract, make_problem


def shift(problem, agent_id, day, kind=EARLY, *, team="care"):
    start, end = Timeline(problem).shift_at(kind, day)
    return Assignment(agent_id, day, kind.id, start, end, (), (Spell(team, start, end),))


def test_gap_is_staffed_less_required():
    problem = make_problem(1, need=hours(6, 16), days=1)
    (care,) = coverage(problem, [shift(problem, "agent0", 0)])
    assert care.gaps == (*(0,) * 14, -1, -1, *(0,) * 8)
    assert (care.under_s, care.over_s) == (2 * HOUR_S, 0)
    assert care.covered_share == pytest.approx(0.8)


def test_covered_share_is_unknown_when_nothing_is_required():
    problem = make_problem(1, requirements=(TeamRequirement("care", (0,) * 24),), days=1)
    assert coverage(problem, [])[0].covered_share is None


def test_time_off_fits_when_enough_others_work():
    problem = make_problem(2, need=hours(6, 14), days=1)
    roster = [shift(problem, "agent0", 0), shift(problem, "agent1", 0)]
    check = check_time_off(problem, roster, TimeOff("agent0", 0, 0))
    assert check.fits
    assert check.cost_change == -8 * 10


def test_time_off_does_not_fit_when_it_leaves_slots_short():
    problem = make_problem(2, need=hours(6, 14), days=1)
    check = check_time_off(problem, [shift(problem, "agent0", 0)], TimeOff("agent0", 0, 0))
    assert not check.fits
    assert [(slot.missing_before, slot.missing_after) for slot in check.short_slots] == [(0, 1)] * 8
    assert check.cost_change == 8 * 100
    assert check.stand_ins == {0: ("agent1",)}


def test_time_off_fits_when_the_shortage_is_tolerated():
    problem = make_problem(1, need=hours(6, 14), days=1)
    roster = [shift(problem, "agent0", 0)]
    assert check_time_off(problem, roster, TimeOff("agent0", 0, 0), tolerated=1).fits


def test_time_off_needs_credit_when_the_contract_demands_the_hours():
    contract = make_contract(week_s=(40 * HOUR_S, 40 * HOUR_S))
    problem = make_problem(1, contract=contract)
    roster = [shift(problem, "agent0", day) for day in range(5)]
    unpaid = check_time_off(problem, roster, TimeOff("agent0", 0, 0))
    assert unpaid.broken_rules == ("agent0: 32 h in week 1, at least 40 agreed",)
    assert check_time_off(problem, roster, TimeOff("agent0", 0, 0, credit_s=8 * HOUR_S)).fits


def test_time_off_fits_when_a_shared_agent_can_move_over():
    agents = (make_agent("ann"), make_agent("bob", teams=("care", "sales")))
    slots = tuple(int(6 <= slot < 14) for slot in range(24))
    needs = (TeamRequirement("care", slots), TeamRequirement("sales", (0,) * 24))
    problem = make_problem(agents, days=1, requirements=needs)
    roster = [shift(problem, "ann", 0), shift(problem, "bob", 0, team="sales")]
    assert check_time_off(problem, roster, TimeOff("ann", 0, 0)).fits


def test_stand_in_keeps_the_rest():
    problem = make_problem(2, kinds=[EARLY, LATE], need=hours(6, 14), days=2)
    roster = [shift(problem, "agent0", 1), shift(problem, "agent1", 0, LATE)]
    assert check_time_off(problem, roster, TimeOff("agent0", 1, 1)).stand_ins == {1: ()}


def test_swap_fits_when_both_may_work_what_they_get():
    problem = make_problem(2, kinds=[EARLY, LATE], need=hours(6, 22), days=1)
    roster = [shift(problem, "agent0", 0), shift(problem, "agent1", 0, LATE)]
    check = check_swap(problem, roster, giver=("agent0", 0), taker=("agent1", 0))
    assert check.fits
    after = swapped(roster, giver=("agent0", 0), taker=("agent1", 0))
    assert {(s.agent_id, s.kind_id) for s in after} == {("agent1", "early"), ("agent0", "late")}


def test_swap_does_not_fit_when_the_rest_gets_too_short():
    problem = make_problem(2, kinds=[EARLY, LATE], days=2)
    roster = [shift(problem, "agent0", 1), shift(problem, "agent1", 0, LATE)]
    check = check_swap(problem, roster, giver=("agent0", 1), taker=("agent1", 1))
    assert check.broken_rules == ("agent1: rest of 8 h before day 2",)
    assert not check.fits


def test_swap_does_not_fit_when_the_taker_cannot_do_the_work():
    agents = (make_agent("ann"), make_agent("bob", teams=("sales",)))
    problem = make_problem(agents, need=hours(6, 14), days=1)
    check = check_swap(problem, [shift(problem, "ann", 0)], giver=("ann", 0), taker=("bob", 0))
    assert not check.fits
    assert len(check.short_slots) == 8


def test_swap_of_a_shift_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="no shift"):
        swapped([], giver=("ann", 0), taker=("bob", 0))


def test_no_solver_is_loaded_when_coverage_is_checked():
    loaded = "import staffing.coverage, sys; print(*sorted({'ortools', 'highspy'} & set(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == ""
