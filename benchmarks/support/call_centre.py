"""A made-up call centre of any size as a roster problem with every kind of rule, for measurements."""

import random
from dataclasses import replace
from datetime import date
from math import exp

from staffing.intervals import Grid
from staffing.rostering.conflicts import find_conflicts
from staffing.rostering.model import (
    Absence,
    Agent,
    Contract,
    Lock,
    RosterProblem,
    TeamRequirement,
    TimeOff,
    Wish,
)
from staffing.rostering.timeline import Timeline
from staffing.shifts import DAY_S, Break, ShiftKind, shift_kinds

HOUR_S = 3600
SLOTS = 96
TEAMS = {"sales": 0.4, "care": 0.4, "billing": 0.2}
SKILLS = (("sales",), ("care",), ("billing",), ("sales", "care"), ("care", "billing"), tuple(TEAMS))
SKILL_WEIGHTS = (4, 4, 2, 3, 2, 1)
DAY_LOAD = (1.15, 1.05, 1.0, 1.0, 1.0, 0.55, 0.35)
MEAN_HOURS = {"full": 40, "part": 28, "short": 22}
HOUR_COST, UNDER_COST, OVER_COST = 40, 60, 2
"""An hour's wage is 40. A missing agent costs 240 an hour; one too many costs 8 on top of the wage."""


def call_centre(agents: int, weeks: int, *, seed: int = 1) -> RosterProblem:
    """Return a roster problem: three teams, shared agents, three contracts, 23 kinds of shift, all rules.

    Requirement per half hour in quarter-hour slots, sized to 94 % of the contracts' hours; breaks in windows;
    availability, time off, absences, wishes, locks, fair sharing of late shifts, and a start after a known
    weekend.
    """
    chance = random.Random(seed)
    kinds = _kinds()
    people = tuple(_agent(chance, number, kinds) for number in range(agents))
    problem = RosterProblem(
        grid=Grid("Europe/Berlin", 15),
        starts_on=date(2026, 5, 4),
        days=7 * weeks,
        kinds=kinds,
        contracts=_contracts(weeks),
        agents=people,
        requirements=_requirements(people, weeks),
        time_off=tuple(_time_off(chance, people, weeks)),
        wishes=tuple(_wishes(chance, people, weeks)),
        fairness_cost=20,
    )
    absences, locks = _exceptions(chance, problem)
    return _without_conflicts(replace(problem, absences=absences, locks=locks))


def _without_conflicts(problem: RosterProblem) -> RosterProblem:
    """Return the problem without the exceptions of agents whose rules can't all hold."""
    torn = {conflict.agent_id for conflict in find_conflicts(problem)}
    return replace(
        problem,
        time_off=tuple(off for off in problem.time_off if off.agent_id not in torn),
        absences=tuple(absence for absence in problem.absences if absence.agent_id not in torn),
        locks=tuple(lock for lock in problem.locks if lock.agent_id not in torn),
    )


def _kinds() -> tuple[ShiftKind, ...]:
    pauses = (
        Break("break", 900, 3 * HOUR_S // 2, 3 * HOUR_S),
        Break("meal", 1800, 7 * HOUR_S // 2, 5 * HOUR_S, paid=False),
        Break("break", 900, 6 * HOUR_S, 7 * HOUR_S),
    )
    long = ShiftKind("", 0, DAY_S, breaks=pauses, min_work_s=HOUR_S, max_work_s=4 * HOUR_S)
    short = ShiftKind("", 0, DAY_S, breaks=(Break("break", 900, 2 * HOUR_S, 4 * HOUR_S),))
    starts = range(13 * HOUR_S // 2, 13 * HOUR_S + 1, HOUR_S // 2)
    kinds = shift_kinds(starts, [17 * HOUR_S // 2], template=long)
    kinds += shift_kinds(range(8 * HOUR_S, 16 * HOUR_S + 1, HOUR_S), [5 * HOUR_S], template=short)
    return tuple(replace(kind, unpopularity=int(kind.end_s > 20 * HOUR_S)) for kind in kinds)


def _contracts(weeks: int) -> tuple[Contract, ...]:
    common = Contract("", hour_cost=HOUR_COST, max_days_in_row=5, week_rest_s=36 * HOUR_S)
    return (
        replace(
            common,
            id="full",
            week_s=(40 * HOUR_S, 40 * HOUR_S),
            min_days_off_in_row=2,
            max_weekends=max(1, weeks // 2),
            start_variance_s=4 * HOUR_S,
        ),
        replace(common, id="part", week_s=(24 * HOUR_S, 32 * HOUR_S), week_days=(3, 4)),
        replace(common, id="short", week_s=(20 * HOUR_S, 25 * HOUR_S), min_days_in_row=2),
    )


def _agent(chance: random.Random, number: int, kinds: tuple[ShiftKind, ...]) -> Agent:
    contract = chance.choices(list(MEAN_HOURS), [6, 2, 2])[0]
    ids = frozenset(kind.id for kind in kinds if (kind.length_s < 6 * HOUR_S) == (contract == "short"))
    weekdays = chance.random() < 0.15
    windows = tuple((7 * HOUR_S, 18 * HOUR_S) if day < 5 else None for day in range(7))
    return Agent(
        f"agent{number:03d}",
        contract,
        frozenset(chance.choices(SKILLS, SKILL_WEIGHTS)[0]),
        kind_ids=ids,
        windows=windows if weekdays else (),
        worked_before=(None, None),
        points_before=chance.randint(0, 2),
    )


def _requirements(people: tuple[Agent, ...], weeks: int) -> tuple[TeamRequirement, ...]:
    hours = 0.94 * sum(MEAN_HOURS[agent.contract_id] for agent in people)
    shape = [_shape(slot // 2 * 2) for slot in range(SLOTS)]
    unit = hours / (sum(shape) * sum(DAY_LOAD) / 4)
    return tuple(
        TeamRequirement(
            team,
            tuple(
                round(load * DAY_LOAD[day % 7] * unit * share) for day in range(7 * weeks) for load in shape
            ),
            under_cost=UNDER_COST,
            over_cost=OVER_COST,
        )
        for team, share in TEAMS.items()
    )


def _shape(slot: int) -> float:
    """Return the load of a quarter hour of the day: open 07:00-21:00, peaks at 10:30 and 15:30."""
    if not 28 <= slot < 84:
        return 0.0
    return exp(-(((slot - 42) / 9) ** 2)) + 0.8 * exp(-(((slot - 62) / 9) ** 2)) + 0.25


def _time_off(chance: random.Random, people: tuple[Agent, ...], weeks: int) -> list[TimeOff]:
    credit = {"full": 8 * HOUR_S, "part": 6 * HOUR_S, "short": 5 * HOUR_S}
    days, found = 7 * weeks, []
    for agent in people:
        if chance.random() < 0.08 * weeks:
            first = chance.randrange(days)
            last = min(first + chance.randrange(3), days - 1)
            found.append(TimeOff(agent.id, first, last, credit_s=credit[agent.contract_id]))
    return found


def _wishes(chance: random.Random, people: tuple[Agent, ...], weeks: int) -> list[Wish]:
    return [
        Wish(agent.id, day, chance.choice([50, 100, 200]), on=chance.random() < 0.3)
        for agent in people
        for day in range(7 * weeks)
        if chance.random() < 0.08
    ]


def _exceptions(
    chance: random.Random, problem: RosterProblem
) -> tuple[tuple[Absence, ...], tuple[Lock, ...]]:
    """Return a few absences and locks, none against another rule."""
    timeline = Timeline(problem)
    free = [a for a in problem.agents if a.id not in {off.agent_id for off in problem.time_off}]
    some = chance.sample(free, max(2, len(free) // 10))
    half = len(some) // 2
    # Over several weeks a full-timer who is once free in midweek has to work too many weekends.
    days = range(5) if problem.days == 7 else range(5, 7)
    absences = []
    for agent in some[:half]:
        noon = timeline.starts_at + chance.choice(days) * DAY_S + 12 * HOUR_S
        absences.append(Absence(agent.id, noon, noon + 2 * HOUR_S))
    locks = [Lock(agent.id, chance.choice(days), None) for agent in some[half:]]
    return tuple(absences), tuple(locks)
