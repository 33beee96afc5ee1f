"""Decides what service level teams that share agents get at a level rate: fast to search, routed to verify.

`fast_levels` answers thousands of questions at once in lock-step; `routed_levels` takes one stretch at a time
through `routing.decide`, steps, hours and limits included. Both meet the same laws of times; contacts come
one at a time to an agent, who is there all the while.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import msgspec
import numpy as np
from numpy.typing import NDArray

from routing.model import Agent, Channel
from routing.policy import Policy, TeamPolicy, target_s
from staffing.performance import Number
from staffing.pool_search import Effort, Seen, Simulate
from staffing.pooled_week import Routed, Staff
from staffing.pooling import SkillGroup, TeamLoad
from staffing.simulation.confidence import Ratio, estimate
from staffing.simulation.durations import Duration, Exponential, with_mean
from staffing.simulation.lock_step import MOST_WIDE_BITS, Rates, Rules, Tally, tally
from staffing.simulation.replications import overall, simulate
from staffing.simulation.scenario import Scenario, Shift, Worker
from staffing.simulation.traffic import TeamTraffic, Volume
from staffing.simulation.unit_draws import UnitDraws

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

_BEGIN_AT = 1_000_000_000
_STEP_S = 900
_BUSY_FOR = 8
"""Steps for which the rate stays where it was drawn."""
_CONTACTS, _WARM_UP = 1000, 150
_REPLICATIONS = {Effort.GAIN: 8, Effort.CHECK: 32, Effort.JUDGE: 64}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """How long is simulated through the routing for one answer.

    Args:
        hours: Simulated hours that count, in each replication.
        contacts: Fewer hours where so many contacts come in them, but one at least.
        warm_up_hours: Hours before them that don't.
        replications: Independent runs, at least 2 for bounds.
        seed: Seed.
    """

    hours: float = 8.0
    contacts: float = math.inf
    warm_up_hours: float = 0.5
    replications: int = 5
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Laws:
    """Laws of times by team, stretched to the mean of each interval; exponential by default."""

    handle: Mapping[str, Duration] | None = None
    patience: Mapping[str, Duration] | None = None


def fast_levels(
    teams: Sequence[TeamLoad],
    groups: Sequence[SkillGroup],
    *,
    policy: Policy | None = None,
    laws: Laws | None = None,
    seed: int = 0,
    asked: Callable[[], None] = lambda: None,
) -> Simulate:
    """Return the simulation that `pool_search.PoolSearch` asks.

    Of the policy it follows weights, targets, the choice of the agent idle longest and the steps that let
    other teams' agents help. Other strategies choose among the same idle agents; what else a policy may say
    is left to `routed_levels` (see `not_followed`).

    Args:
        teams: Teams with their loads.
        groups: Kinds of agents.
        policy: How contacts are routed; longest idle agent and oldest contact first when None. What counts
            as in time is told by the teams' loads.
        laws: Laws of handle times and patience.
        seed: Seed.
        asked: Called many times in a second of simulation; may raise to end it.
    """
    rules, rates = rules_of(teams, groups, policy), _rates(teams)
    given = laws or Laws()
    handle = [(given.handle or {}).get(team.name, Exponential(1.0)) for team in teams]
    patience = [(given.patience or {}).get(team.name, Exponential(1.0)) for team in teams]
    most = max(_REPLICATIONS.values())

    @cache
    def draws(turn: int) -> UnitDraws:
        return UnitDraws(
            contacts=_CONTACTS,
            warm_up=_WARM_UP,
            rows=most,
            handle=handle,
            patience=patience,
            seed=2 * seed + turn,
        )

    def simulated(interval: Integers, agents: Integers, effort: Effort) -> Seen:
        chance = draws(1 if effort is Effort.JUDGE else 0)
        return _seen(teams, tally(rules, rates, chance, interval, agents, _REPLICATIONS[effort], asked))

    return simulated


def rules_of(teams: Sequence[TeamLoad], groups: Sequence[SkillGroup], policy: Policy | None) -> Rules:
    """Return how contacts find agents by a policy, as far as the lock-step simulation follows it."""
    routed = _policy(teams, policy)
    names = [team.name for team in teams]
    policies = [routed.teams[name] for name in names]
    stages = [_help(each) for each in policies]
    many = min(max(max(map(len, stages)), 1), MOST_WIDE_BITS // len(names))
    helped = [
        [each[row] if row < len(each) else (np.inf, frozenset()) for each in stages] for row in range(many)
    ]
    return Rules(
        serves=np.array([[name in group.teams for name in names] for group in groups], dtype=np.bool_),
        weight=np.array([team.weight for team in policies]),
        target_s=np.array([target_s(routed, team, Channel.VOICE) for team in policies]),
        within_s=np.array([team.target_s for team in policies]),
        short_s=np.array([team.short_abandon_s for team in policies]),
        widen_s=np.array([[after_s for after_s, _teams in stage] for stage in helped]),
        widened=np.array(
            [[[bool(group.teams & own) for _after_s, own in stage] for group in groups] for stage in helped],
            dtype=np.bool_,
        ),
    )


def not_followed(team: TeamPolicy, teams: int) -> list[str]:
    """Return in words what `fast_levels` does not follow of a team's policy, in a pool of so many teams."""
    helps = sum(bool(step.teams) for step in team.steps)
    overflows = [f"overflow after {step.after_s:g} s" for step in team.steps if step.overflow_to is not None]
    found = [
        ("the last of its steps of help", helps > MOST_WIDE_BITS // teams),
        (f"its limit of {team.max_waiting} waiting", team.max_waiting is not None),
        ("rejecting while nobody is there", team.reject_without_agents),
        ("offers to several at once", team.broadcast > 1),
    ]
    return overflows + [text for text, holds in found if holds]


def _help(team: TeamPolicy) -> list[tuple[float, frozenset[str]]]:
    """Return when other teams' agents may help a team, and whose, by time."""
    steps = sorted((step for step in team.steps if step.teams), key=lambda step: step.after_s)
    return [(step.after_s, frozenset(step.teams)) for step in steps]


def routed_levels(
    teams: Sequence[TeamLoad],
    groups: Sequence[SkillGroup],
    *,
    policy: Policy | None = None,
    laws: Laws | None = None,
    stretch: Stretch | None = None,
    asked: Callable[[], None] = lambda: None,
) -> Routed:
    """Return the simulation through `routing.decide`; arguments as for `fast_levels`.

    `asked` is called after each replication. Always with the same contacts, so that staffings can be
    compared. The stretch begins empty; its first
    part does not count. A rate that may vary is drawn anew every two hours.
    """
    chosen, given = stretch or Stretch(), laws or Laws()
    routed = _policy(teams, policy)

    @cache
    def answer(interval: int, staff: tuple[tuple[str, int], ...]) -> dict[str, tuple[float, float]]:
        per_hour = (
            float(sum(team.load_erlangs[interval] / team.handle_time_s[interval] for team in teams)) * 3600
        )
        hours = min(chosen.hours, max(np.ceil(chosen.contacts / max(per_hour, 1e-9)), 1.0))
        kinds = _traffic(teams, interval, given, replace(chosen, hours=hours))
        if not kinds:
            return {team.name: (np.nan, np.nan) for team in teams}
        workers = _workers(groups, dict(staff), replace(chosen, hours=hours))
        first = _BEGIN_AT + round(chosen.warm_up_hours * 3600)
        scenario = Scenario(
            policy=routed,
            workers=workers,
            traffic=kinds,
            starts=np.arange(first, first + round(hours * 3600), _STEP_S),
            step_s=_STEP_S,
        )
        found = simulate(
            scenario,
            replications=chosen.replications,
            seed=chosen.seed,
            on_progress=lambda done: asked(),
        )
        seen = overall(found, "service_level")
        rows = {team.name: found.teams.index(team.name) for team in teams}
        return {name: (float(seen.value[row]), float(seen.half_width[row])) for name, row in rows.items()}

    def levels(interval: int, staff: Staff) -> Mapping[str, tuple[float, float]]:
        return answer(interval, tuple(sorted(staff.items())))

    return levels


def _rates(teams: Sequence[TeamLoad]) -> Rates:
    handle_s = np.stack([team.handle_time_s for team in teams], axis=1)
    return Rates(
        per_s=np.stack([team.load_erlangs for team in teams], axis=1) / handle_s,
        handle_s=handle_s,
        patience_s=np.stack([team.patience_s for team in teams], axis=1),
        variation=np.stack(
            [np.broadcast_to(team.rate_variation, team.load_erlangs.shape) for team in teams], axis=1
        ).astype(np.float64),
    )


def _seen(teams: Sequence[TeamLoad], found: Tally) -> Seen:
    """Return service levels with bounds, and by how much the worst promise of each team is missed."""
    level = estimate(Ratio(found.within.swapaxes(0, 1), found.counted.swapaxes(0, 1)))
    offered, gone = found.offered.sum(axis=1), found.abandoned.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        abandonment = gone / offered
        asa_s = found.answered_wait_s.sum(axis=1) / (offered - gone)
    misses = np.full(level.value.shape, -1.0)
    for row, team in enumerate(teams):
        targets = team.targets
        for wanted, by in (
            (targets.service_level, _number(targets.service_level) - level.value[:, row]),
            (targets.abandonment, abandonment[:, row] - _number(targets.abandonment)),
            # A wait of 10 % too long weighs as much as a level of one point too low.
            (targets.asa_s, 0.1 * (asa_s[:, row] / _number(targets.asa_s) - 1)),
        ):
            if wanted is not None:
                misses[:, row] = np.maximum(misses[:, row], np.nan_to_num(by, nan=-1.0, posinf=1.0))
    return Seen(level=level.value, half_width=level.half_width, misses=misses)


def _number(target: Number | None) -> float:
    return 1.0 if target is None else float(np.max(target))


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
    laws: Laws,
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
                volume=Volume(
                    starts=starts,
                    expected=load / handle_s * _STEP_S,
                    step_s=_STEP_S,
                    days=np.arange(len(starts)) // _BUSY_FOR,
                    day_cv=float(np.broadcast_to(team.rate_variation, team.load_erlangs.shape)[interval]),
                ),
                handle=with_mean((laws.handle or {}).get(team.name), handle_s),
                patience=with_mean((laws.patience or {}).get(team.name), float(team.patience_s[interval])),
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
