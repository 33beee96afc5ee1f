from datetime import date

from staffing.intervals import Grid
from staffing.roster import solve_roster
from staffing.rostering.check import broken_rules, costs
from staffing.rostering.model import Agent, Contract, RosterProblem, TeamRequirement
from staffing.shifts import Break, ShiftKind, shift_kinds

HOUR_S = 3600
PAUSES = (
    Break("break", 900, 2 * HOUR_S, 3 * HOUR_S),
    Break("meal", 1800, 4 * HOUR_S, 5 * HOUR_S, paid=False),
)
WEEK = Contract("full", week_s=(30 * HOUR_S, 40 * HOUR_S), week_rest_s=36 * HOUR_S)


def make_problem(**changes):
    template = ShiftKind("", 0, 86_400, breaks=PAUSES)
    kinds = shift_kinds([7 * HOUR_S, 9 * HOUR_S, 11 * HOUR_S], [8 * HOUR_S], template=template)
    teams = (frozenset({"sales", "care"}), frozenset({"sales"}), frozenset({"care"}))
    values = {
        "grid": Grid("Europe/Berlin", 15),
        "starts_on": date(2026, 3, 23),
        "days": 7,
        "kinds": kinds,
        "contracts": (WEEK,),
        "agents": tuple(Agent(f"agent{i}", "full", teams[i % 3]) for i in range(6)),
        "requirements": (require("sales", 2, 28, 76), require("care", 1, 36, 68)),
    }
    return RosterProblem(**(values | changes))


def require(team, agents, first, last):
    return TeamRequirement(team, tuple(agents if first <= slot % 96 < last else 0 for slot in range(96 * 7)))


def test_roster_keeps_all_rules_and_costs_what_it_says():
    problem = make_problem()
    roster = solve_roster(problem, time_limit_s=10)
    assert broken_rules(problem, roster.assignments) == []
    assert roster.objective == sum(costs(problem, roster.assignments).values())
    assert roster.bound <= roster.objective
    assert roster.status == "optimal"


def test_roster_is_the_same_with_the_same_seed():
    problem = make_problem()
    assert solve_roster(problem, seed=3).assignments == solve_roster(problem, seed=3).assignments
