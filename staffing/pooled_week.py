"""Decides what teams that share agents need together over a week; intervals alike are worked out once.

Loads are rounded up, no more than makes the intervals few enough (0.05 erlangs or 1 % in most weeks), so
that an answer is enough for every interval it stands for. What most hours hang on is searched first, as
long as the caller lets it go on; the rest keeps the agents with which each team has what it needs on its
own. Where the search came closest to a miss, a second simulation (the live routing) has the last word.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from staffing.pool_search import SLACK, OutOfTimeError, PoolSearch, Seen, Simulate
from staffing.pooling import PooledBounds, SkillGroup, TeamLoad, pooled_bounds

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Bools = NDArray[np.bool_]

_STEPS = ((0.05, 1.01), (0.1, 1.02), (0.25, 1.05), (0.5, 1.1))
"""Rounding of loads, from fine to coarse: in erlangs, and where that is less as a factor."""
_MOST_COLUMNS = 300
SEARCH_SHARE = 0.75
"""Part of the work that is the search, where the live routing judges afterwards."""
_AT_ONCE, _FEW_AT_ONCE = 96, 12
_AGENTS_AT_ONCE = 2000
"""Agents of all intervals that are searched at once: larger pools have fewer, so that little is lost when the
time is over."""
_TRIES = 3

Staff = Mapping[str, int]
Routed = Callable[[int, Staff], Mapping[str, tuple[float, float]]]
"""Service level of each team, and half its confidence interval, in an interval with so many of each group."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What the live routing gave in one of the intervals that came closest to a miss.

    Attributes:
        interval: The interval, the busiest of those alike.
        alike: For how many intervals it stands.
        level: Service level of each team, in their order; nan for one without load.
        half_width: Half of its confidence interval.
        added: Agents added because it clearly missed.
        kept: Whether no team clearly misses at last.
    """

    interval: int
    alike: int
    level: tuple[float, ...]
    half_width: tuple[float, ...]
    added: int
    kept: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PooledWeek:
    """Agents of each group (rows) in each interval (columns).

    Attributes:
        agents: The fewest found that keep every team's promise in the simulation; `upper` where nothing was
            simulated.
        lower: Fewer can't do.
        upper: Each team has the agents it needs on its own.
        short: People missing in each interval for `upper`, because groups are too small.
        added: Agents that cuts added to `lower`, by interval.
        spared: Agents that were taken away again.
        checked: Whether the interval's agents were simulated.
        level: Simulated service level of each team (rows); nan where there is none.
        half_width: Half of its confidence interval.
        missing: Whether a promise is missed although no group has anybody left.
        verified: Intervals that the live routing judged.
    """

    agents: Integers
    lower: Integers
    upper: Integers
    short: Integers
    added: Integers
    spared: Integers
    checked: Bools
    level: Floats
    half_width: Floats
    missing: Bools
    verified: tuple[Verified, ...]


def pooled_week(
    teams: Sequence[TeamLoad],
    groups: Sequence[SkillGroup],
    *,
    simulate: Callable[[Sequence[TeamLoad]], Simulate] | None = None,
    routed: Callable[[Sequence[TeamLoad]], Routed] | None = None,
    verify: int = 0,
    go_on: Callable[[float], bool] = lambda share: True,
) -> PooledWeek:
    """Return what the teams need together in each interval.

    Args:
        teams: As for `pooled_bounds`.
        groups: As there.
        simulate: Returns the fast simulation of some loads, None to stay at the upper bound.
        routed: Returns the simulation through the live routing of some loads.
        verify: How many intervals the live routing judges.
        go_on: Asked before each simulation, with the share of the work done; False ends them. A simulation
            may end itself by raising OutOfTimeError.

    Raises:
        ValueError: As `pooled_bounds`.
    """
    columns, which = _columns(teams)
    week = _Week(teams, groups, columns, which)
    if simulate is not None:
        week.search(simulate(week.alike), lambda share: go_on(SEARCH_SHARE * share))
        if routed is not None:
            rest = 1 - SEARCH_SHARE
            week.verify(routed(week.alike), verify, lambda share: go_on(SEARCH_SHARE + rest * share))
    return week.found()


class _Week:
    """Intervals alike, and what has been found for them."""

    def __init__(
        self, teams: Sequence[TeamLoad], groups: Sequence[SkillGroup], columns: Floats, which: Integers
    ) -> None:
        self.groups, self.which = groups, which
        self.alike = [_alike(team, columns[row], which) for row, team in enumerate(teams)]
        self.bounds: PooledBounds = pooled_bounds(self.alike, groups)
        many = columns.shape[1]
        self.counts = np.bincount(which, minlength=many)
        order = np.argsort(-self.counts * columns.sum(axis=0), kind="stable")
        sharing = (columns > 0).sum(axis=0) > 1
        self.order = order[sharing[order]]
        self.agents = self.bounds.upper.copy()
        self.added, self.spared = np.zeros(many, dtype=np.int64), np.zeros(many, dtype=np.int64)
        self.checked = np.zeros(many, dtype=np.bool_)
        self.level, self.half_width, self.misses = (np.full((len(teams), many), np.nan) for _ in range(3))
        self.verified: list[Verified] = []
        self.searching: PoolSearch | None = None

    def search(self, simulate: Simulate, go_on: Callable[[float], bool]) -> None:
        """Search as many intervals as there is time for."""
        done = 0

        def asked() -> None:
            if not go_on(done / max(len(self.order), 1)):
                raise OutOfTimeError

        self.searching = PoolSearch(self.bounds, self.groups, simulate, asked)
        largest = max(int(self.bounds.upper.sum(axis=0).max(initial=1)), 1)
        at_once = min(max(_AGENTS_AT_ONCE // largest, _FEW_AT_ONCE), _AT_ONCE)
        try:
            for done in range(0, len(self.order), at_once):
                part = self.order[done : done + at_once]
                found = self.searching.find(part)
                self.agents[:, part], self.checked[part] = found.agents, True
                self.added[part], self.spared[part] = found.added, found.spared
                self._note(part, found.seen)
        except OutOfTimeError:
            return

    def verify(self, routed: Routed, many: int, go_on: Callable[[float], bool]) -> None:
        """Have the live routing judge the intervals that come closest to a miss, and correct them."""
        searched = self.order[self.checked[self.order]]
        margin = np.nanmax(self.misses[:, searched], axis=0, initial=-1.0)
        worst = searched[np.argsort(-margin, kind="stable")][:many]
        for number, column in enumerate(worst.tolist()):
            if not go_on(number / len(worst)):
                return
            try:
                self.verified.append(self._judge(routed, column))
            except OutOfTimeError:
                return

    def _judge(self, routed: Routed, column: int) -> Verified:
        added, missed = 0, np.ones(len(self.alike), dtype=np.bool_)
        for _ in range(_TRIES):
            names = [group.name for group in self.groups]
            seen = routed(column, dict(zip(names, self.agents[:, column].tolist(), strict=True)))
            level, half = np.array([seen[team.name] for team in self.alike]).T
            wanted = np.array([_promised(team) for team in self.alike])
            missed = np.nan_to_num(wanted - level - half, nan=-1.0) > SLACK
            more = self._one_more(column, wanted, level, missed)
            if more is None:
                break
            grown = int(more.sum() - self.agents[:, column].sum())
            added += grown
            self.added[column] += grown
            self.agents[:, column] = more
        interval = int(np.flatnonzero(self.which == column)[0])
        return Verified(
            interval=interval,
            alike=int(self.counts[column]),
            level=tuple(level.tolist()),
            half_width=tuple(half.tolist()),
            added=added,
            kept=not missed.any(),
        )

    def _one_more(self, column: int, wanted: Floats, level: Floats, missed: Bools) -> Integers | None:
        """Return the agents with one more where a team clearly misses; None where none does or is left."""
        if self.searching is None or not missed.any():
            return None
        one = np.array([column])
        misses = np.where(missed, np.nan_to_num(wanted - level, nan=-1.0), -1.0)[None]
        before = self.agents[:, one].T
        more = self.searching.stronger(one, before, misses, eager=False)
        return None if np.array_equal(more, before) else more[0]

    def _note(self, columns: Integers, seen: Seen) -> None:
        self.level[:, columns], self.half_width[:, columns] = seen.level.T, seen.half_width.T
        self.misses[:, columns] = seen.misses.T

    def found(self) -> PooledWeek:
        """Return what was found, spread over the intervals."""
        which = self.which
        missing = (np.nan_to_num(self.misses, nan=-1.0) > SLACK).any(axis=0)
        return PooledWeek(
            agents=self.agents[:, which],
            lower=self.bounds.lower[:, which],
            upper=self.bounds.upper[:, which],
            short=self.bounds.short[which],
            added=self.added[which],
            spared=self.spared[which],
            checked=self.checked[which],
            level=self.level[:, which],
            half_width=self.half_width[:, which],
            missing=missing[which],
            verified=tuple(self.verified),
        )


def _promised(team: TeamLoad) -> float:
    level = team.targets.service_level
    return -1.0 if level is None else float(np.max(level))


def _columns(teams: Sequence[TeamLoad]) -> tuple[Floats, Integers]:
    """Return the loads without repetition, rounded as finely as may be, and which each interval has."""
    for step, growth in _STEPS:
        loads = np.stack([_rounded_up(team.load_erlangs, step, growth) for team in teams])
        columns, which = np.unique(loads, axis=1, return_inverse=True)
        if columns.shape[1] <= _MOST_COLUMNS:
            break
    return columns, which.ravel()


def _rounded_up(load: Floats, step: float, growth: float) -> Floats:
    small = step / (growth - 1)
    fine = np.ceil(np.round(load / step, 9)) * step
    power = np.ceil(np.round(np.log(np.maximum(load, small) / small) / np.log(growth), 9))
    return np.asarray(np.where(load <= small, fine, small * growth**power))


def _alike(team: TeamLoad, loads: Floats, which: Integers) -> TeamLoad:
    """Return a team's loads without repetition, with what else it has averaged by load."""
    weights = np.maximum(team.load_erlangs, 1e-9)
    total = np.bincount(which, weights=weights, minlength=len(loads))

    def mean(values: Floats) -> Floats:
        return np.asarray(np.bincount(which, weights=weights * values, minlength=len(loads)) / total)

    variation = np.broadcast_to(np.asarray(team.rate_variation, dtype=np.float64), which.shape)
    return replace(
        team,
        load_erlangs=loads,
        handle_time_s=mean(team.handle_time_s),
        patience_s=mean(team.patience_s),
        rate_variation=mean(variation),
    )
