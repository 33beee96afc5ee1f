"""Decides what teams that share agents need together over a week; intervals alike are worked out once.

Loads are rounded up (by at most 0.5 erlangs or 10 %), so that an answer is enough for every interval it
stands for. What most hours hang on is simulated first, as long as the caller lets it go on; the rest keeps
the agents with which each team has what it needs on its own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from staffing.pooling import SimulatedLevels, SkillGroup, TeamLoad, pooled_requirement

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Bools = NDArray[np.bool_]

_STEP = 0.5
_GROWTH = 1.1
_FINE = _STEP / (_GROWTH - 1)
"""Erlangs up to which the step is the finer rounding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PooledWeek:
    """Agents of each group (rows) in each interval (columns).

    Attributes:
        agents: The cheapest found that keeps every team's service level in the simulation; `upper` where
            nothing was simulated.
        lower: Fewer can't do.
        upper: Enough: each team has the agents it needs on its own.
        short: People missing in each interval for `upper`, because groups are too small.
        cuts: Cuts that the simulation added, by interval.
        checked: Whether the interval's agents were simulated.
    """

    agents: Integers
    lower: Integers
    upper: Integers
    short: Integers
    cuts: Integers
    checked: Bools


def pooled_week(
    teams: Sequence[TeamLoad],
    groups: Sequence[SkillGroup],
    *,
    simulate: Callable[[Sequence[TeamLoad]], SimulatedLevels] | None = None,
    go_on: Callable[[float], bool] = lambda share: True,
) -> PooledWeek:
    """Return what the teams need together in each interval.

    Args:
        teams: As for `pooled_requirement`.
        groups: As there.
        simulate: Returns the simulation of some loads (`shared_agents.shared_levels`), None to stay at the
            upper bound.
        go_on: Asked before each simulation, with the share of intervals done; False ends them.

    Raises:
        ValueError: As `pooled_requirement`.
    """
    loads = np.stack([_rounded_up(team.load_erlangs) for team in teams])
    columns, which = np.unique(loads, axis=1, return_inverse=True)
    which = which.ravel()
    alike = [_alike(team, columns[row], which) for row, team in enumerate(teams)]
    bounds = pooled_requirement(alike, groups)
    agents, cuts = bounds.agents.copy(), bounds.cuts.copy()
    checked = np.zeros(columns.shape[1], dtype=np.bool_)
    sharing = (columns > 0).sum(axis=0) > 1
    counts = np.bincount(which, minlength=len(checked))
    order = np.argsort(-counts * columns.sum(axis=0), kind="stable")
    busy = order[sharing[order]] if simulate is not None else order[:0]
    for number, column in enumerate(busy):
        if simulate is None or not go_on(number / len(busy)):
            break
        one = [_only(team, column) for team in alike]
        found = pooled_requirement(one, groups, simulate=simulate(one))
        agents[:, column], cuts[column], checked[column] = found.agents[:, 0], found.cuts[0], True
    return PooledWeek(
        agents=agents[:, which],
        lower=bounds.lower[:, which],
        upper=bounds.upper[:, which],
        short=bounds.short[which],
        cuts=cuts[which],
        checked=checked[which],
    )


def _rounded_up(load: Floats) -> Floats:
    fine = np.ceil(np.round(load / _STEP, 9)) * _STEP
    coarse = _FINE * _GROWTH ** np.ceil(
        np.round(np.log(np.maximum(load, _FINE) / _FINE) / np.log(_GROWTH), 9)
    )
    return np.asarray(np.where(load <= _FINE, fine, coarse))


def _alike(team: TeamLoad, loads: Floats, which: Integers) -> TeamLoad:
    """Return a team's loads without repetition, with handle times and patience averaged by load."""
    weights = np.maximum(team.load_erlangs, 1e-9)
    total = np.bincount(which, weights=weights, minlength=len(loads))

    def mean(values: Floats) -> Floats:
        return np.asarray(np.bincount(which, weights=weights * values, minlength=len(loads)) / total)

    return replace(
        team, load_erlangs=loads, handle_time_s=mean(team.handle_time_s), patience_s=mean(team.patience_s)
    )


def _only(team: TeamLoad, column: int) -> TeamLoad:
    part = slice(column, column + 1)
    return replace(
        team,
        load_erlangs=team.load_erlangs[part],
        handle_time_s=team.handle_time_s[part],
        patience_s=team.patience_s[part],
    )
