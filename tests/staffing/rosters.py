"""Builders of small roster problems: only the values that matter."""

from datetime import date

from staffing.intervals import Grid
from staffing.rostering.model import Agent, Contract, RosterProblem, TeamRequirement
from staffing.shifts import Break, ShiftKind

HOUR_S = 3600
MONDAY = date(2026, 3, 2)


def make_kind(kind_id, start_h, length_h=8, **changes):
    return ShiftKind(kind_id, int(start_h * HOUR_S), int(length_h * HOUR_S), **changes)


def make_pause(name="break", minutes=60, earliest_h=2, latest_h=4, **changes):
    return Break(name, minutes * 60, int(earliest_h * HOUR_S), int(latest_h * HOUR_S), **changes)


EARLY, LATE, NIGHT = make_kind("early", 6), make_kind("late", 14), make_kind("night", 22)


def make_problem(agents=2, *, kinds=(EARLY,), need=(), days=7, minutes=60, contract=None, **changes):
    """Return a problem in UTC from a Monday; `need` maps an hour of the day to agents for team "care"."""
    if isinstance(agents, int):
        agents = tuple(make_agent(f"agent{number}") for number in range(agents))
    slots = [dict(need).get(slot * minutes // 60 % 24, 0) for slot in range(days * 24 * 60 // minutes)]
    values = {
        "grid": Grid("UTC", minutes),
        "starts_on": MONDAY,
        "days": days,
        "kinds": tuple(kinds),
        "contracts": (contract or make_contract(),),
        "agents": agents,
        "requirements": (TeamRequirement("care", tuple(slots)),) if need else (),
    }
    return RosterProblem(**(values | changes))


def make_agent(agent_id="ann", *, teams=("care",), **changes):
    return Agent(agent_id, "full", frozenset(teams), **changes)


def make_contract(**changes):
    return Contract("full", **({"max_days_in_row": None} | changes))


def hours(first, last, agents=1):
    """Return a need for agents from one hour of the day to another."""
    return dict.fromkeys(range(first, last), agents)
