"""Decides what service level teams that share agents get, for `staffing.pooling.pooled_requirement`.

Each question is a stretch at a level rate through `routing.decide`, always with the same contacts, so that
staffings can be compared. The stretch begins empty; its first part does not count.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import msgspec
import numpy as np

from routing.model import Agent
from routing.policy import Policy, TeamPolicy
from staffing.pooling import SimulatedLevels, SkillGroup, Staff, TeamLoad
from staffing.simulation.durations import Duration, with_mean
from staffing.simulation.replications import overall, simulate
from staffing.simulation.scenario import Scenario, Shift, Worker
from staffing.simulation.traffic import TeamTraffic, Volume

_BEGIN_AT = 1_000_000_000
_STEP_S = 900


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """How long is simulated for one answer.

    Args:
        hours: Simulated hours that count, in each replication.
        warm_up_hours: Hours before them that don't.
        replications: Independent runs.
        seed: Seed.
    """

    hours: float = 8.0
    warm_up_hours: float = 0.5
    replications: int = 5
    seed: int = 0


def shared_levels(
    teams: Sequence[TeamLoad],
    groups: Sequence[SkillGroup],
    *,
    policy: Policy | None = None,
    handle: Mapping[str, Duration] | None = None,
    patience: Mapping[str, Duration] | None = None,
    stretch: Stretch | None = None,
) -> SimulatedLevels:
    """Return the simulation that `pooled_requirement(simulate=...)` asks.

    Args:
        teams: Teams with their loads, as given to `pooled_requirement`.
        groups: Kinds of agents, as given to it.
        policy: How contacts are routed; longest idle agent and oldest contact first when None. What counts
            as in time is told by the teams' loads.
        handle: Law of handle times of a team, stretched to the mean of each interval; exponential by default.
        patience: The same for patience.
        stretch: How long is simulated.
    """
    chosen = stretch or Stretch()
    routed = _policy(teams, policy)

    @cache
    def answer(interval: int, staff: tuple[tuple[str, int], ...]) -> dict[str, float]:
        kinds = _traffic(teams, interval, handle or {}, patience or {}, chosen)
        if not kinds:
            return {team.name: 1.0 for team in teams}
        workers = _workers(groups, dict(staff), chosen)
        first = _BEGIN_AT + round(chosen.warm_up_hours * 3600)
        scenario = Scenario(
            policy=routed,
            workers=workers,
            traffic=kinds,
            starts=np.arange(first, first + round(chosen.hours * 3600), _STEP_S),
            step_s=_STEP_S,
        )
        found = simulate(scenario, replications=chosen.replications, seed=chosen.seed)
        levels = np.nan_to_num(overall(found, "service_level").value, nan=1.0)
        return {team.name: float(levels[found.teams.index(team.name)]) for team in teams}

    def levels(interval: int, staff: Staff) -> Mapping[str, float]:
        return answer(interval, tuple(sorted(staff.items())))

    return levels


def _policy(teams: Sequence[TeamLoad], policy: Policy | None) -> Policy:
    base = policy or Policy(
        version=1,
        teams={team.name: TeamPolicy(id=team.name, name=team.name, lead_id="lead") for team in teams},
        fallback_team=teams[0].name,
    )
    targets = {team.name: team.targets for team in teams}
    return msgspec.structs.replace(
        base,
        teams={
            team_id: msgspec.structs.replace(
                team,
                target_s=float(np.max(targets[team_id].answer_within_s)),
                short_abandon_s=float(np.max(targets[team_id].short_abandon_s)),
                hours=None,
            )
            if team_id in targets
            else team
            for team_id, team in base.teams.items()
        },
    )


def _traffic(
    teams: Sequence[TeamLoad],
    interval: int,
    handle: Mapping[str, Duration],
    patience: Mapping[str, Duration],
    stretch: Stretch,
) -> tuple[TeamTraffic, ...]:
    seconds = round((stretch.warm_up_hours + stretch.hours) * 3600)
    starts = np.arange(_BEGIN_AT, _BEGIN_AT + seconds, _STEP_S)
    kinds = []
    for team in teams:
        load, handle_s = float(team.load_erlangs[interval]), float(team.handle_time_s[interval])
        if load <= 0:
            continue
        kinds.append(
            TeamTraffic(
                team_id=team.name,
                volume=Volume(starts=starts, expected=load / handle_s * _STEP_S, step_s=_STEP_S),
                handle=with_mean(handle.get(team.name), handle_s),
                patience=with_mean(patience.get(team.name), float(team.patience_s[interval])),
            )
        )
    return tuple(kinds)


def _workers(groups: Sequence[SkillGroup], staff: Staff, stretch: Stretch) -> tuple[Worker, ...]:
    shift = Shift(_BEGIN_AT, _BEGIN_AT + (stretch.warm_up_hours + stretch.hours) * 3600)
    return tuple(
        Worker(
            Agent(id=f"{group.name} {number:04d}", name=group.name, teams=tuple(sorted(group.teams))),
            (shift,),
        )
        for group in groups
        for number in range(staff[group.name])
    )
