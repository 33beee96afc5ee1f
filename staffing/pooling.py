"""Decides how many agents of each skill group several teams need together, never counting a person twice.

Each team on its own needs the most (upper bound), all as one pool the least (lower bound). Every set S of
teams gives a row: the agents who can serve any of S are at least what S needs as one pool (or, for the upper
bound, added up, which by Hall's theorem is exactly when a person can be given to each need). Between the
bounds the routing decides: `pool_search`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp

from staffing.erlang import required_agents
from staffing.performance import Number, Targets
from staffing.uncertain_rate import required_for_uncertain, uncertain_load

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Bools = NDArray[np.bool_]

MOST_TEAMS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamLoad:
    """What one team is asked and promises; arrays of one value per interval.

    Args:
        name: The team's name.
        load_erlangs: Offered load.
        handle_time_s: Mean handle time.
        patience_s: Mean patience; infinity when nobody hangs up.
        targets: What the team promises; plain numbers.
        rate_variation: Coefficient of variation of the rate; 0 where it is known.
    """

    name: str
    load_erlangs: Floats
    handle_time_s: Floats
    patience_s: Floats
    targets: Targets
    rate_variation: Number = 0.0


@dataclass(frozen=True, slots=True)
class SkillGroup:
    """Agents with the same skills.

    Args:
        name: Name, unique among the groups.
        teams: Names of the teams they can work for; not empty.
        cost: Price of one such agent beside the others'; above 0.
        most: How many there are, None for any number.
    """

    name: str
    teams: frozenset[str]
    cost: float = 1.0
    most: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PooledBounds:
    """Agents of each group (rows, in the order given) in each interval (columns).

    Attributes:
        lower: Cheapest that whole pools allow: fewer can't do.
        upper: Cheapest with which each team has the agents it needs on its own: enough.
        short: People missing in each interval for `upper`, because groups are too small.
        needs: What each set of teams needs as one pool, of shape (sets, intervals).
        touches: Whether a group serves some team of a set, of shape (sets, groups).
        serves: Whether a group serves a team, of shape (groups, teams).
    """

    lower: Integers
    upper: Integers
    short: Integers
    needs: Integers
    touches: Bools
    serves: Bools


def pooled_bounds(teams: Sequence[TeamLoad], groups: Sequence[SkillGroup]) -> PooledBounds:
    """Return between which agents of each group the answer lies.

    Args:
        teams: Teams that share agents, at most `MOST_TEAMS`, with loads for the same intervals.
        groups: Kinds of agents; each team needs at least one group.

    Raises:
        ValueError: When there are too many teams, a team has no group, or a group names an unknown team.
    """
    serves = _serves(teams, groups)
    subsets = _subsets(len(teams))
    touches = subsets @ serves.T > 0
    separate = separate_agents(teams)
    added = (subsets @ separate).astype(np.int64)
    pooled = np.minimum(np.stack([_as_one_pool(teams, subset) for subset in subsets]), added)
    intervals = separate.shape[1]
    lower, upper = (np.zeros((len(groups), intervals), dtype=np.int64) for _ in range(2))
    short = np.zeros(intervals, dtype=np.int64)
    limited = any(group.most is not None for group in groups)
    if not limited:
        np.add.at(upper, _cheapest_group(groups, serves), separate)
    plan = _CheapestStaff(groups, touches)
    for index in range(intervals):
        if limited:
            upper[:, index], short[index] = plan.solve(added[:, index])
        lower[:, index], _ = plan.solve(pooled[:, index])
    return PooledBounds(lower=lower, upper=upper, short=short, needs=pooled, touches=touches, serves=serves)


def separate_agents(teams: Sequence[TeamLoad]) -> Integers:
    """Return what each team (rows) needs in each interval (columns) on its own."""
    return np.stack(
        [
            required_for_uncertain(
                uncertain_load(
                    team.load_erlangs,
                    team.rate_variation,
                    handle_time_s=team.handle_time_s,
                    patience_s=team.patience_s,
                ),
                team.targets,
            )
            for team in teams
        ]
    )


def uncovered(needs: Integers, available: Integers, serves: Bools) -> Integers:
    """Return how many needs of each interval nobody is left for when every person serves one team.

    Args:
        needs: Agents needed, of shape (teams, intervals).
        available: Agents there, of shape (groups, intervals).
        serves: Whether a group can work for a team, of shape (groups, teams).

    Returns:
        The largest shortage over all sets of teams (the deficiency in Hall's theorem), of shape (intervals,).
    """
    subsets = _subsets(len(needs))
    touches = (subsets @ serves.T > 0).astype(np.int64)
    missing = subsets.astype(np.int64) @ needs - touches @ available
    return np.asarray(np.maximum(missing.max(axis=0), 0), dtype=np.int64)


def _serves(teams: Sequence[TeamLoad], groups: Sequence[SkillGroup]) -> Bools:
    names = [team.name for team in teams]
    if len(teams) > MOST_TEAMS:
        raise ValueError(f"at most {MOST_TEAMS} teams can share agents, not {len(teams)}")
    for group in groups:
        if not group.teams or not group.teams <= set(names):
            raise ValueError(f"group {group.name!r} serves no team or an unknown one")
    serves = np.array([[name in group.teams for name in names] for group in groups], dtype=np.bool_)
    if not len(groups) or not serves.any(axis=0).all():
        raise ValueError("each team needs a group that can serve it")
    return serves


def _cheapest_group(groups: Sequence[SkillGroup], serves: Bools) -> Integers:
    """Return for each team its cheapest group: with groups of any size, each need on its own goes there."""
    costs = np.where(serves, np.array([[group.cost] for group in groups]), np.inf)
    return np.asarray(costs.argmin(axis=0), dtype=np.int64)


def _subsets(count: int) -> Bools:
    rows = [set(chosen) for size in range(1, count + 1) for chosen in combinations(range(count), size)]
    return np.array([[member in chosen for member in range(count)] for chosen in rows], dtype=np.bool_)


def _as_one_pool(teams: Sequence[TeamLoad], subset: Bools) -> Integers:
    """Return what the teams of a subset need if all their agents could serve them all.

    The pool promises the average of what its teams promise, weighted by contacts, within the longest of their
    times, at the rates expected: no more than they promise together.
    """
    members = [team for team, chosen in zip(teams, subset, strict=True) if chosen]
    if len(members) == 1:
        return np.asarray(separate_agents(members)[0], dtype=np.int64)
    rates = np.stack([team.load_erlangs / team.handle_time_s for team in members])
    total = np.maximum(rates.sum(axis=0), 1e-300)
    weights = rates / total

    def average(values: Sequence[Number | None]) -> Floats | None:
        known = [value for value in values if value is not None]
        if len(known) < len(values):
            return None
        return np.asarray(sum(w * v for w, v in zip(weights, known, strict=True)), dtype=np.float64)

    load = np.sum([team.load_erlangs for team in members], axis=0)
    hang_ups = np.sum([w / team.patience_s for w, team in zip(weights, members, strict=True)], axis=0)
    with np.errstate(divide="ignore"):
        patience_s = np.where(hang_ups > 0, 1 / hang_ups, np.inf)
    level = average([team.targets.service_level for team in members])
    busiest = [team.targets.max_occupancy for team in members]
    targets = Targets(
        service_level=level,
        answer_within_s=np.max([team.targets.answer_within_s for team in members]),
        short_abandon_s=np.max([team.targets.short_abandon_s for team in members]),
        asa_s=_positive(average([team.targets.asa_s for team in members])),
        abandonment=_positive(average([team.targets.abandonment for team in members])),
        max_occupancy=None if None in busiest else np.max([b for b in busiest if b is not None]),
    )
    handle_s = np.where(load > 0, load / total, members[0].handle_time_s)
    return required_agents(load, targets, handle_time_s=handle_s, patience_s=patience_s)


def _positive(values: Floats | None) -> Floats | None:
    # An interval without contacts has no average; any limit does there.
    return None if values is None else np.where(values > 0, values, 1.0)


class _CheapestStaff:
    """Whole numbers of agents of each group that cover every set of teams at least cost."""

    def __init__(self, groups: Sequence[SkillGroup], touches: Bools) -> None:
        costs = np.array([group.cost for group in groups])
        most = np.array([np.inf if group.most is None else group.most for group in groups])
        rows = touches.astype(np.float64)
        # What stays open because groups are too small is priced far above any agent: there is an answer.
        self.rows = np.hstack([rows, np.maximum(rows.max(axis=1, keepdims=True), 0)])
        self.costs = np.append(costs, 1000 * costs.max())
        self.bounds = Bounds(0, np.append(most, np.inf))

    def solve(self, needs: Integers) -> tuple[Integers, int]:
        """Return the cheapest agents, and how many needs stay open because groups are too small."""
        answer = milp(
            self.costs,
            constraints=LinearConstraint(self.rows, lb=needs.astype(np.float64)),
            integrality=np.ones(len(self.costs)),
            bounds=self.bounds,
            options={"mip_rel_gap": 0},
        )
        if answer.x is None:
            raise ValueError(f"no staffing was found: {answer.message}")
        whole = np.round(answer.x).astype(np.int64)
        return whole[:-1], int(whole[-1])
