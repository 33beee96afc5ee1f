"""Decides what a run counts for: contacts and working time of each team and interval, by product definition.

Cohort figures count in the interval in which the stay in the queue began, working time in that in which it
passes. A share without anything to be a share of is nan, never 0.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from routing.hours import next_opening
from staffing.intervals import interval_index
from staffing.simulation.floor_run import (
    ABANDONED,
    ANSWERED,
    FLOWED_OUT,
    LOST,
    REJECTED,
    SHORT,
    WAITING,
    FloorLog,
)
from staffing.simulation.scenario import Scenario, Shift, available
from staffing.simulation.spans import filled_s, union

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Bools = NDArray[np.bool_]
Counts = Mapping[str, Floats]
"""What was counted, by name; arrays of shape (teams, intervals), or with a row of them per replication."""

METRICS = {
    "service_level": ("answered_within", "counted"),
    "asa_s": ("answered_wait_s", "answered"),
    "abandonment": ("abandoned", "offered"),
    "abandonment_without_short": ("abandoned_late", "offered_late"),
    "excess_wait_s": ("answered_excess_s", "answered"),
    "deferred_in_time": ("deferred_within", "deferred"),
    "occupancy": ("busy_s", "staffed_s"),
    "occupancy_by_capacity": ("busy_capacity", "staffed_capacity"),
}
"""Each figure as what is counted over what it is counted of. `service_level` is answered within the team's
time over offered less short abandons, flowed out and waiting younger than that time. `occupancy` is handling
over handling and idle of the agents whose first team it is, as on the live floor: nobody counts twice.
`deferred_in_time` is work that can wait and was begun in its time; no other figure of contacts counts it."""

_APART = -1


def counts(scenario: Scenario, log: FloorLog, shifts: Sequence[tuple[Shift, ...]]) -> dict[str, Floats]:
    """Return what a run counts for, arrays of shape (teams, intervals).

    Args:
        scenario: What was simulated.
        log: What happened.
        shifts: The shifts that were worked, one entry per worker.
    """
    return {**_contacts(scenario, log), **_working_time(scenario, log, shifts)}


def answered_waits(scenario: Scenario, log: FloorLog) -> list[Floats]:
    """Return the waits of the answered contacts of each team, float32 as there are many."""
    answered = (log.stays.outcome == ANSWERED) & np.isnan(_within_s(scenario)[log.stays.kind])
    return [
        log.stays.wait_s[answered & (log.stays.team == team)].astype(np.float32)
        for team in range(len(scenario.policy.teams))
    ]


def _contacts(scenario: Scenario, log: FloorLog) -> dict[str, Floats]:
    stays = log.stays
    teams, intervals = len(scenario.policy.teams), len(scenario.starts)
    interval = interval_index(scenario.starts, stays.since, step_s=round(scenario.step_s))
    cell = np.where(interval >= 0, stays.team * intervals + interval, teams * intervals)
    limit_s = np.array([team.target_s for team in scenario.policy.teams.values()])[stays.team]
    outcome, wait_s = stays.outcome, stays.wait_s
    within_s = _within_s(scenario)[stays.kind]
    can_wait = ~np.isnan(within_s)
    open_s = wait_s - _closed_s(scenario, log, can_wait)
    in_time = (outcome == ANSWERED) & (open_s <= within_s)
    too_early_to_say = (outcome == WAITING) & (open_s < within_s)
    outcome = np.where(can_wait, _APART, outcome)
    answered, short = outcome == ANSWERED, outcome == SHORT
    flowed_out, waiting = outcome == FLOWED_OUT, outcome == WAITING
    abandoned = (outcome == ABANDONED) | short
    offered = answered | abandoned | flowed_out | waiting | (outcome == LOST)
    left_out = short | flowed_out | (waiting & (wait_s < limit_s))

    def add_up(values: Floats | Bools) -> Floats:
        found = np.bincount(cell, weights=values, minlength=teams * intervals + 1)
        return np.asarray(found[:-1].reshape(teams, intervals), dtype=np.float64)

    return {
        "offered": add_up(offered),
        "counted": add_up(offered & ~left_out),
        "answered": add_up(answered),
        "answered_within": add_up(answered & (wait_s <= limit_s)),
        "answered_wait_s": add_up(np.where(answered, wait_s, 0.0)),
        "answered_excess_s": add_up(np.where(answered, np.maximum(wait_s - limit_s, 0.0), 0.0)),
        "abandoned": add_up(abandoned),
        "abandoned_late": add_up(abandoned & ~short),
        "offered_late": add_up(offered & ~short),
        "flowed_out": add_up(flowed_out),
        "rejected": add_up(outcome == REJECTED),
        "deferred": add_up(can_wait & ~too_early_to_say),
        "deferred_within": add_up(in_time),
    }


def _closed_s(scenario: Scenario, log: FloorLog, chosen: Bools) -> Floats:
    """Return how long the chosen stays waited for their team to open: their time counts from then on."""
    hours = [team.hours for team in scenario.policy.teams.values()]
    found = np.zeros(len(chosen))
    for row in np.flatnonzero(chosen).tolist():
        since = float(log.stays.since[row])
        opening = next_opening(hours[log.stays.team[row]], since)
        found[row] = 0.0 if opening is None else opening - since
    return found


def _within_s(scenario: Scenario) -> Floats:
    """Return the time of each kind of traffic that can wait, nan for the others."""
    times = [kind.within_s for kind in scenario.traffic]
    return np.array([math.nan if each is None else each for each in times])


def _working_time(
    scenario: Scenario, log: FloorLog, shifts: Sequence[tuple[Shift, ...]]
) -> dict[str, Floats]:
    starts, step_s, work = scenario.starts, scenario.step_s, log.work
    agent, since, until = _planned(scenario, shifts)
    busy = union(work.agent, work.since, work.until)
    # Who finishes a contact after the shift is staffed until it is done.
    staffed = union(
        *(
            np.concatenate(pair)
            for pair in zip((agent, since, until), (work.agent, work.since, work.until), strict=True)
        )
    )
    capacity = np.array([float(each.capacity) for each in scenario.agents])
    found: dict[str, list[Floats]] = {
        name: [] for name in ("busy_s", "staffed_s", "busy_capacity", "staffed_capacity")
    }
    for team_id in scenario.policy.teams:
        member = np.array([each.teams[:1] == (team_id,) for each in scenario.agents], dtype=np.bool_)

        def spent(spans: tuple[Integers, Floats, Floats], weight: Floats | None = None) -> Floats:
            mine = member[spans[0]]  # noqa: B023
            chosen = None if weight is None else weight[mine]
            return filled_s(spans[1][mine], spans[2][mine], starts, step_s=step_s, weight=chosen)

        found["busy_s"].append(spent(busy))
        found["staffed_s"].append(spent(staffed))
        found["busy_capacity"].append(spent((work.agent, work.since, work.until), work.cost))
        found["staffed_capacity"].append(spent(staffed, capacity[staffed[0]]))
    return {name: np.stack(rows) for name, rows in found.items()}


def _planned(scenario: Scenario, shifts: Sequence[tuple[Shift, ...]]) -> tuple[Integers, Floats, Floats]:
    """Return when each agent was to be available: shifts without their breaks."""
    first = len(scenario.agents) - len(scenario.workers)
    rows = [
        (agent, since, until)
        for agent, worked in enumerate(shifts, start=first)
        for shift in worked
        for since, until in available(shift)
    ]
    table = np.array(rows, dtype=np.float64).reshape(-1, 3)
    return table[:, 0].astype(np.int64), table[:, 1], table[:, 2]
