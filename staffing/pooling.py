"""Decides how many agents of each skill group several teams need together, never counting a person twice.

Each team on its own needs the most (upper bound), all as one pool the least (lower bound). Every set S of
teams gives a row: the agents who can serve any of S are at least what S needs as one pool (or, for the upper
bound, added up, which by Hall's theorem is exactly when a person can be given to each need). Between the
bounds the routing decides, so the caller's simulation of it is asked, and each team that misses its service
level adds a cut (Atlason, Epelman and Henderson 2008; Cezik and L'Ecuyer 2008).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp

from staffing.erlang import required_agents
from staffing.performance import Number, Targets

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Bools = NDArray[np.bool_]

MOST_TEAMS = 10

Staff = Mapping[str, int]
SimulatedLevels = Callable[[int, Staff], Mapping[str, float]]
"""Service level of each team in an interval (its position) with so many agents of each group."""

_SMALL_GAIN = 1e-4
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamLoad:
    """What one team is asked and promises; arrays of one value per interval.

    Args:
        name: The team's name.
        load_erlangs: Offered load.
        handle_time_s: Mean handle time.
        patience_s: Mean patience; infinity when nobody hangs up.
        targets: What the team promises; plain numbers.
    """

    name: str
    load_erlangs: Floats
    handle_time_s: Floats
    patience_s: Floats
    targets: Targets


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
class PooledRequirement:
    """Agents of each group (rows, in the order given) in each interval (columns).

    Attributes:
        agents: Cheapest found that keeps every team's service level in the simulation; `upper` without one.
        lower: Cheapest that whole pools allow: fewer can't do.
        upper: Cheapest with which each team has the agents it needs on its own: enough.
        short: People missing in each interval for `upper`, because groups are too small.
        cuts: Cuts that the simulation added in each interval.
    """

    agents: Integers
    lower: Integers
    upper: Integers
    short: Integers
    cuts: Integers


def pooled_requirement(
    teams: Sequence[TeamLoad],
    groups: Sequence[SkillGroup],
    *,
    simulate: SimulatedLevels | None = None,
    rounds: int = 12,
) -> PooledRequirement:
    """Return the agents of each group that the teams need together.

    Args:
        teams: Teams that share agents, at most `MOST_TEAMS`, with loads for the same intervals.
        groups: Kinds of agents; each team needs at least one group.
        simulate: Gives the service level of each team for a staffing (use the same random numbers each time);
            None to stay at the upper bound.
        rounds: Most rounds of cuts for an interval, after which it gets its upper bound.

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
    agents, lower, upper = (np.zeros((len(groups), intervals), dtype=np.int64) for _ in range(3))
    short, cuts = np.zeros(intervals, dtype=np.int64), np.zeros(intervals, dtype=np.int64)
    limited = any(group.most is not None for group in groups)
    if not limited:
        np.add.at(upper, _cheapest_group(groups, serves), separate)
    for index in range(intervals):
        plan = _CheapestStaff(groups, touches)
        if limited:
            upper[:, index], short[index] = plan.solve(added[:, index])
        lower[:, index], _ = plan.solve(pooled[:, index])
        agents[:, index] = upper[:, index]
        if simulate is not None:
            found = _Cuts(teams, groups, serves, index, simulate)
            agents[:, index], cuts[index] = found.between(
                lower[:, index], upper[:, index], plan, pooled[:, index], rounds
            )
    return PooledRequirement(agents=agents, lower=lower, upper=upper, short=short, cuts=cuts)


def separate_agents(teams: Sequence[TeamLoad]) -> Integers:
    """Return what each team (rows) needs in each interval (columns) on its own."""
    return np.stack(
        [
            required_agents(
                team.load_erlangs, team.targets, handle_time_s=team.handle_time_s, patience_s=team.patience_s
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
    times: no more than they promise together.
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
    """Whole numbers of agents of each group that cover every set of teams at least cost, and the cuts."""

    def __init__(self, groups: Sequence[SkillGroup], touches: Bools) -> None:
        self.costs = np.array([group.cost for group in groups])
        self.most = np.array([np.inf if group.most is None else group.most for group in groups])
        self.touches = touches.astype(np.float64)
        self.cut_rows: list[Floats] = []
        self.cut_limits: list[float] = []

    def cut(self, row: Floats, limit: float) -> None:
        """Demand from now on that row x agents is at least `limit`."""
        self.cut_rows.append(row)
        self.cut_limits.append(limit)

    def solve(self, needs: Integers) -> tuple[Integers, int]:
        """Return the cheapest agents, and how many needs stay open because groups are too small.

        The open needs are priced far above any agent, so there is always an answer.
        """
        rows = np.array([*self.touches, *self.cut_rows])
        limits = np.array([*needs.astype(np.float64), *self.cut_limits])
        groups = len(self.costs)
        open_need = np.ones((len(rows), 1)) * np.maximum(rows.max(axis=1, keepdims=True), 0)
        price = 1000 * self.costs.max()
        answer = milp(
            np.append(self.costs, price),
            constraints=LinearConstraint(np.hstack([rows, open_need]), lb=limits),
            integrality=np.append(np.ones(groups), 1),
            bounds=Bounds(0, np.append(self.most, np.inf)),
            options={"mip_rel_gap": 0},
        )
        if answer.x is None:
            raise ValueError(f"no staffing was found: {answer.message}")
        whole = np.round(answer.x).astype(np.int64)
        return whole[:groups], int(whole[groups])


@dataclass(frozen=True, slots=True)
class _Cuts:
    """Searches one interval between its bounds by simulation."""

    teams: Sequence[TeamLoad]
    groups: Sequence[SkillGroup]
    serves: Bools
    index: int
    simulate: SimulatedLevels

    def between(
        self, lower: Integers, upper: Integers, plan: _CheapestStaff, needs: Integers, rounds: int
    ) -> tuple[Integers, int]:
        """Return the staff found and the number of cuts it took."""
        staff, before = lower, len(plan.cut_rows)
        for _ in range(rounds):
            misses = self.misses(staff)
            if not (misses > 0).any():
                return self.trimmed(staff, plan.costs), len(plan.cut_rows) - before
            self.add_cuts(staff, misses, plan)
            staff, open_needs = plan.solve(needs)
            if open_needs or plan.costs @ staff > plan.costs @ upper:
                break
        if not (self.misses(upper) > 0).any():
            return self.trimmed(upper, plan.costs), len(plan.cut_rows) - before
        return upper, len(plan.cut_rows) - before

    def misses(self, staff: Integers) -> Floats:
        """Return for each team its promised service level less the simulated one."""
        counts = {group.name: int(count) for group, count in zip(self.groups, staff, strict=True)}
        levels = self.simulate(self.index, counts)
        wanted = [team.targets.service_level for team in self.teams]
        return np.array(
            [
                -1.0 if level is None else float(np.max(level)) - levels[team.name] - _ROUNDING
                for team, level in zip(self.teams, wanted, strict=True)
            ]
        )

    def add_cuts(self, staff: Integers, misses: Floats, plan: _CheapestStaff) -> None:
        """Add for each team that misses: the gain of one more of each group has to make up the miss.

        A gain too small to see (an overloaded team, where the level is not concave) asks for one more agent.
        """
        one_more = np.eye(len(staff), dtype=np.int64)
        gains = np.stack([misses - self.misses(staff + extra) for extra in one_more])
        for team in np.flatnonzero(misses > 0):
            row = np.maximum(gains[:, team], 0.0)
            if row.max() < _SMALL_GAIN:
                row = self.serves[:, team].astype(np.float64)
                plan.cut(row, float(row @ staff + 1))
            else:
                # No more than the agents that serve the team are asked for at once.
                step = min(float(misses[team]), 4 * float(row.max()))
                plan.cut(row, float(row @ staff + step))

    def trimmed(self, staff: Integers, costs: Floats) -> Integers:
        """Return the staff without agents that no team's service level needs, the most costly first."""
        kept = staff.copy()
        for group in np.argsort(-costs, kind="stable"):
            while kept[group] > 0:
                kept[group] -= 1
                if (self.misses(kept) > 0).any():
                    kept[group] += 1
                    break
        return kept
