"""What teams that share agents need together: each person counted once, checked by simulation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from app.clock import stopwatch
from app.db import staff
from app.db.engine import Connection
from app.planning.desk import CancelledRunError, Report
from app.planning.needs import HANDLE_SCV, shares, with_live
from app.planning.terms import ContractTerms
from routing.policy import Policy
from staffing.performance import Targets
from staffing.pool_search import OutOfTimeError
from staffing.pooled_week import SEARCH_SHARE, PooledWeek, Verified, pooled_week
from staffing.pooling import MOST_TEAMS, SkillGroup, TeamLoad, separate_agents

Ints = NDArray[np.int64]

VERIFIED: Final = 10
"""Intervals that the live routing judges, those that come closest to a miss."""

_ENDLESS_S: Final = float("inf")
_ROUTED: Final[dict[str, Any]] = {
    "hours": 200.0,
    "contacts": 2000,
    "warm_up_hours": 0.5,
    "replications": 6,
}


@dataclass(frozen=True, slots=True)
class PoolTask:
    """Requirements by team as they are stored, and the teams that each person can work for.

    `seconds` bounds the simulations of all pools; with `staffed` the savings lower the requirements.
    """

    requirements: dict[str, dict[str, Any]]
    people: list[tuple[str, ...]]
    policy: Policy
    seconds: float
    staffed: bool


def with_pools(report: Report, task: PoolTask) -> dict[str, dict[str, Any]]:
    """Return the requirements with `pool` in the first team of each set of teams that share agents."""
    found = dict(task.requirements)
    pools = pools_of(list(found), task.people)
    clock = stopwatch()
    for number, names in enumerate(pools):
        budget = _Budget(report, clock, task.seconds / len(pools), place=number, of=len(pools))
        data = {team: found[team] for team in names}
        groups = groups_of(names, task.people)
        loads = [_load(task.policy, team, each) for team, each in data.items()]
        week = _week(loads, groups, task, budget)
        saved = _saved(loads, week)
        if task.staffed:
            found |= _lowered(data, saved)
        found[names[0]] = found[names[0]] | {
            "pool": _pool_json(data, groups, week, saved) | {"not_followed": _not_followed(task, names)}
        }
    return found


def read_people(conn: Connection) -> list[tuple[str, ...]]:
    """Return the teams that each person who can be rostered works for."""
    contracts = staff.list_contracts(conn)
    return [
        agent.teams
        for agent in staff.list_agents(conn)
        if ContractTerms.model_validate_json(contracts.get(agent.id, "{}")).rostered
    ]


def pools_of(teams: Sequence[str], people: Sequence[tuple[str, ...]]) -> list[list[str]]:
    """Return the sets of teams that share agents, directly or through others, in the order of `teams`.

    A set of more teams than can be counted together is left out.
    """
    sets = [{team} for team in teams]
    for own in people:
        touched = [each for each in sets if each & set(own)]
        if len(touched) > 1:
            sets = [each for each in sets if each not in touched] + [set().union(*touched)]
    order = {team: place for place, team in enumerate(teams)}
    pools = [sorted(each, key=order.__getitem__) for each in sets if 1 < len(each) <= MOST_TEAMS]
    return sorted(pools, key=lambda each: order[each[0]])


def groups_of(names: Sequence[str], people: Sequence[tuple[str, ...]]) -> list[SkillGroup]:
    """Return the kinds of people who can work for some of the teams, with how many there are of each."""
    kinds = Counter(frozenset(own) & frozenset(names) for own in people)
    return [
        SkillGroup(" + ".join(team for team in names if team in own), own, most=many)
        for own, many in sorted(kinds.items(), key=lambda each: (len(each[0]), sorted(each[0])))
        if own
    ]


class _Budget:
    """How long one pool may be simulated; what is left when the search is over goes to the routing."""

    def __init__(
        self, report: Report, clock: Callable[[], float], seconds: float, *, place: int, of: int
    ) -> None:
        self._report, self._clock, self._seconds = report, clock, seconds
        self._place, self._of = place, of
        self._until_s = clock()
        self._began_s = clock()

    def go_on(self, share: float) -> bool:
        """Tell that a share of the work is done, and return whether there is time for more."""
        searching = share < SEARCH_SHARE
        self._report(
            (self._place + share) / self._of,
            "searching agents that teams share" if searching else "checking them through the routing",
        )
        self._until_s = self._began_s + self._seconds * (SEARCH_SHARE if searching else 1.0)
        return self._clock() < self._until_s

    def asked(self) -> None:
        """End a simulation by raising when the time is over or the run was cancelled."""
        if self._report.cancelled():
            raise CancelledRunError
        if self._clock() >= self._until_s:
            raise OutOfTimeError


def _not_followed(task: PoolTask, names: Sequence[str]) -> dict[str, list[str]]:
    """Return in words, by team, what of the policy only the check through the routing follows."""
    from staffing.simulation.shared_agents import not_followed  # noqa: PLC0415  loaded when used

    found = {team: not_followed(task.policy.teams[team], len(names)) for team in names}
    return {team: words for team, words in found.items() if words}


def _week(
    loads: Sequence[TeamLoad],
    groups: Sequence[SkillGroup],
    task: PoolTask,
    budget: _Budget,
) -> PooledWeek:
    if task.seconds <= 0:
        return pooled_week(loads, groups)
    from staffing.simulation.durations import Lognormal  # noqa: PLC0415  loaded when used
    from staffing.simulation.shared_agents import (  # noqa: PLC0415
        Laws,
        Stretch,
        fast_levels,
        routed_levels,
    )

    laws = Laws(handle={each.name: Lognormal(1.0, HANDLE_SCV) for each in loads})
    policy = task.policy
    return pooled_week(
        loads,
        groups,
        simulate=lambda teams: fast_levels(teams, groups, policy=policy, laws=laws, asked=budget.asked),
        routed=lambda teams: routed_levels(
            teams, groups, policy=policy, laws=laws, stretch=Stretch(**_ROUTED), asked=budget.asked
        ),
        verify=VERIFIED,
        go_on=budget.go_on,
    )


def _load(policy: Policy, team: str, data: Mapping[str, Any]) -> TeamLoad:
    load = np.nan_to_num(np.array(data["load"], dtype=np.float64))
    handle_s = np.nan_to_num(np.array(data["handle_s"], dtype=np.float64), nan=300.0)
    patience_s = data["patience_s"] if data["patience_s"] is not None else _ENDLESS_S
    targets = data["targets"]
    return TeamLoad(
        name=team,
        load_erlangs=load,
        handle_time_s=handle_s,
        patience_s=np.full(len(load), patience_s),
        targets=Targets(
            **{name: targets[name] for name in ("service_level", "asa_s", "abandonment", "max_occupancy")},
            answer_within_s=targets["answer_within_s"] or 20.0,
            short_abandon_s=policy.teams[team].short_abandon_s,
        ),
        rate_variation=np.array(data["rate_cv"], dtype=np.float64),
    )


def _saved(loads: Sequence[TeamLoad], week: PooledWeek) -> Ints:
    """Return how many agents sharing saves in each interval; below 0 where the simulation asks more."""
    apart = separate_agents(loads).sum(axis=0)
    return np.asarray(np.where(week.checked, apart - week.agents.sum(axis=0), 0))


def _live(data: Mapping[str, dict[str, Any]]) -> Ints:
    found: Ints = np.array([each["live"] for each in data.values()], dtype=np.int64)
    return found


def _lowered(data: Mapping[str, dict[str, Any]], saved: Ints) -> dict[str, dict[str, Any]]:
    """Return the requirements less what sharing saves, in proportion to what each team needs."""
    live = _live(data)
    kept = _shared_out(live, np.maximum(live.sum(axis=0) - saved, 0))
    return {team: with_live(each, agents) for (team, each), agents in zip(data.items(), kept, strict=True)}


def _shared_out(live: Ints, totals: Ints) -> Ints:
    """Return parts of `live` (rows) that add up to `totals` (columns), as much in proportion as can be."""
    wanted = live * (totals / np.maximum(live.sum(axis=0), 1))
    parts: Ints = np.floor(wanted + 1e-9).astype(np.int64)
    for column in np.flatnonzero(parts.sum(axis=0) < totals):
        order = np.argsort(-(wanted - parts)[:, column], kind="stable")
        parts[order[: int(totals[column] - parts[:, column].sum())], column] += 1
    return parts


def _pool_json(
    data: Mapping[str, dict[str, Any]], groups: Sequence[SkillGroup], week: PooledWeek, saved: Ints
) -> dict[str, Any]:
    busy = (np.array([each["load"] for each in data.values()], dtype=np.float64) > 0).sum(axis=0) > 1
    separate = _live(data).sum(axis=0)
    hours = next(iter(data.values()))["minutes"] / 60
    return {
        "teams": list(data),
        "groups": [
            {"teams": sorted(group.teams), "people": group.most, "agents": row.tolist()}
            for group, row in zip(groups, week.agents, strict=True)
        ],
        "separate": separate.tolist(),
        "together": (separate - saved).tolist(),
        "least": np.minimum(week.lower.sum(axis=0), separate - saved).tolist(),
        "short": week.short.tolist(),
        "simulated": week.checked.tolist(),
        "simulated_share": round(float(week.checked[busy].mean()), 4) if busy.any() else 0.0,
        "unreached": int((busy & ~week.checked).sum()),
        "unverified": min(VERIFIED, int(week.checked.sum())) - len(week.verified),
        "corrected": (week.added - week.spared).tolist(),
        "cuts": int(week.added.sum()),
        "missing": week.missing.tolist(),
        "levels": {
            team: {
                "wanted": each["targets"]["service_level"],
                "value": shares(week.level[row]),
                "half_width": shares(week.half_width[row]),
            }
            for row, (team, each) in enumerate(data.items())
        },
        "verified": [_verified_json(list(data), each) for each in week.verified],
        "saved_hours": round(float(saved.sum()) * hours, 2),
    }


def _verified_json(teams: Sequence[str], each: Verified) -> dict[str, Any]:
    return {
        "interval": each.interval,
        "alike": each.alike,
        "added": each.added,
        "kept": each.kept,
        "levels": {
            team: {"value": value, "half_width": half}
            for team, value, half in zip(
                teams, shares(np.array(each.level)), shares(np.array(each.half_width)), strict=True
            )
        },
    }
