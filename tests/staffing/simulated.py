"""Builders of scenarios to simulate: one team of agents who are always there, and variations of it."""

from typing import Any

import numpy as np

from routing.model import Agent
from routing.policy import Policy, TeamPolicy
from staffing.simulation.durations import ENDLESS, Duration, Exponential, Fixed
from staffing.simulation.scenario import Scenario, Shift, Worker
from staffing.simulation.traffic import Recorded, TeamTraffic, Volume

BEGINS_AT = 1_770_000_300 // 900 * 900
STEP_S = 900


def team(team_id: str = "care", **terms: Any) -> TeamPolicy:
    return TeamPolicy(**{"id": team_id, "name": team_id, "lead_id": "lead", "wrap_up_s": 0.0, **terms})


def policy(*teams: TeamPolicy) -> Policy:
    chosen = teams or (team(),)
    return Policy(version=1, teams={each.id: each for each in chosen}, fallback_team=chosen[0].id)


def starts(intervals: int) -> Any:
    return BEGINS_AT + STEP_S * np.arange(intervals)


def level_volume(per_interval: float, intervals: int = 4) -> Volume:
    return Volume(starts=starts(intervals), expected=per_interval, step_s=STEP_S)


def traffic(
    volume: Volume | Recorded,
    *,
    handle: Duration | None = None,
    patience: Duration = ENDLESS,
    team_id: str = "care",
    **terms: Any,
) -> TeamTraffic:
    law = handle or Exponential(180)
    return TeamTraffic(team_id=team_id, volume=volume, handle=law, patience=patience, **terms)


def calls(*after_s: float, handle_s: float = 60.0, **terms: Any) -> TeamTraffic:
    """Return calls that come so many seconds after the beginning and all take as long."""
    return traffic(Recorded(BEGINS_AT + np.array(after_s)), handle=Fixed(handle_s), **terms)


def worker(agent_id: str, *shifts: Shift, teams: tuple[str, ...] = ("care",), **terms: Any) -> Worker:
    whole = Shift(BEGINS_AT, BEGINS_AT + 24 * 3600)
    return Worker(Agent(id=agent_id, name=agent_id, teams=teams, **terms), shifts or (whole,))


def people(count: int, *shifts: Shift) -> tuple[Worker, ...]:
    return tuple(worker(f"a{number:03d}", *shifts) for number in range(count))


def scenario(*kinds: TeamTraffic, workers: tuple[Worker, ...], intervals: int = 4, **terms: Any) -> Scenario:
    given = {"policy": policy(), "starts": starts(intervals), "step_s": STEP_S, **terms}
    return Scenario(traffic=kinds, workers=workers, **given)


def after(seconds: float) -> float:
    return BEGINS_AT + seconds
