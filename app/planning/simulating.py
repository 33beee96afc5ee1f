"""A simulation run: a plan's people meet its forecast through the routing of the policy in force."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from app.db import plans, policies, staff
from app.db.engine import Connection
from app.errors import CannotPlanError
from app.planning.desk import Desk, Outcome, Report
from app.planning.needs import HANDLE_SCV, shrinkage_of
from app.planning.params import SimulateParams
from app.planning.standing import Standing, assignments_of, plan_starts, problem_of, read_standing
from routing.model import Agent
from routing.policy import Policy
from staffing.intervals import local_days, utc_iso
from staffing.requirement import kept_share
from staffing.simulation.confidence import Estimate
from staffing.simulation.durations import ENDLESS, Exponential, Lognormal
from staffing.simulation.replications import Simulation, by_interval, overall, simulate
from staffing.simulation.scenario import Scenario, shifts_of, workers_of
from staffing.simulation.traffic import TeamTraffic, Volume
from staffing.simulation.what_if import WhatIf, changed, compare

Floats = NDArray[np.float64]

_METRICS: Final = ("service_level", "asa_s", "abandonment", "occupancy")
_BURST_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Staged:
    """A plan and the agents as routing knows them."""

    standing: Standing
    agents: list[Agent]
    other_policy: Policy | None = None


async def simulate_plan(desk: Desk) -> Outcome:
    """Carry out a run of kind `simulate`."""
    params = SimulateParams.model_validate(desk.run.params)
    staged = await desk.database.read(_read, params)
    found: dict[str, Any] = await desk.compute(simulate_staged, staged, params)
    return Outcome({"plan": params.plan, **found})


def simulate_staged(report: Report, staged: Staged, params: SimulateParams) -> dict[str, Any]:
    """Return figures by team with 95 % bounds, of the plan and, where something is asked, of the change."""
    scenario = scenario_of(staged, params.absence)
    change = WhatIf(
        volume=params.volume,
        handle_time=params.handle_time,
        patience=params.patience,
        absence=params.more_absence,
        policy=staged.other_policy,
    )
    asks = change != WhatIf()
    if asks:
        _check_change(scenario, change)
    sides = 2 if asks else 1
    base = simulate(
        scenario,
        replications=params.replications,
        seed=params.seed,
        on_progress=lambda done: report(done / params.replications / sides, f"{done} weeks simulated"),
    )
    found: dict[str, Any] = {
        "replications": params.replications,
        "absence": round(scenario.absence, 4),
        "teams": _overall(base),
        "deferred": _deferred(base),
        "intervals": [utc_iso(int(at)) for at in base.starts],
        "service_level": _levels(base),
        "by_interval": _by_interval(base),
    }
    if asks:
        compared = compare(
            scenario,
            change,
            replications=params.replications,
            seed=params.seed,
            base=base,
            on_progress=lambda done: report(0.5 + done / params.replications / 2, f"{done} changed weeks"),
        )
        found["changed"] = {
            "absence": round(changed(scenario, change).absence, 4),
            "teams": _overall(compared.variant),
            "deferred": _deferred(compared.variant),
            "difference": _by_team(compared.base, compared.overall, limited=False),
            "service_level": _levels(compared.variant),
            "by_interval": _by_interval(compared.variant),
        }
    return found


def scenario_of(staged: Staged, absence: float | None) -> Scenario:
    """Return a plan as a simulated period; the shrinkage it was made with falls out as absent shifts."""
    standing = staged.standing
    row, problem = standing.row, problem_of(standing)
    shifts = shifts_of(assignments_of(standing, problem))
    kept = [kept_share(shrinkage_of(each["shrinkage"]), planned=False) for each in row.data["teams"].values()]
    traffic = tuple(
        found
        for kinds in (_sides, _door, _letters)
        for team, each in row.data["teams"].items()
        for side in kinds(each)
        if (found := _traffic(standing, team, each, side)) is not None
    )
    if not traffic or not shifts:
        raise CannotPlanError("The plan expects no contacts or has no shifts; there is nothing to simulate.")
    return Scenario(
        policy=standing.planning.policy,
        workers=workers_of(staged.agents, shifts),
        traffic=traffic,
        starts=plan_starts(row),
        step_s=60 * row.data["minutes"],
        absence=1 - float(np.mean(kept)) if absence is None else absence,
    )


@dataclass(frozen=True, slots=True)
class _Side:
    """A team's contacts of one channel in each interval, and how long each takes.

    They come evenly over each interval, or all within `burst_s` of its beginning.
    """

    channel: str
    volume: Floats
    handle_s: Floats
    slowdown: float = 0.0
    within_s: float | None = None
    burst_s: float | None = None


def _sides(each: dict[str, Any]) -> list[_Side]:
    """Return a team's contacts that wait: all as calls, or calls and chats apart where chats are known."""
    volume, handle_s = (np.nan_to_num(np.array(each[name], dtype=float)) for name in ("volume", "handle_s"))
    if each.get("chat") is None:
        return [_Side("voice", volume, handle_s)]
    chat, chat_s = (
        np.nan_to_num(np.array(each["chat"][name], dtype=float)) for name in ("volume", "handle_s")
    )
    calls = np.maximum(volume - chat, 0.0)
    seconds = np.maximum(volume * handle_s - chat * chat_s, calls)
    calls_s = seconds / np.maximum(calls, 1e-9)
    return [_Side("voice", calls, calls_s), _Side("chat", chat, chat_s, each["chat"]["slowdown"])]


def _door(each: dict[str, Any]) -> list[_Side]:
    """Return who waits at the door when a team opens, as calls that come at that moment."""
    volume, handle_s = (np.nan_to_num(np.array(each[name], dtype=float)) for name in ("volume", "handle_s"))
    door = np.array(each.get("door", np.zeros(len(volume))), dtype=float)
    mean_s = float(np.average(handle_s, weights=volume)) if volume.any() else 300.0
    return [_Side("voice", door, np.where(handle_s > 0, handle_s, mean_s), burst_s=_BURST_S)]


def _letters(each: dict[str, Any]) -> list[_Side]:
    """Return a team's work that can wait, of each channel; two at a time take twice as long."""
    return [
        _Side(
            channel,
            np.array(kind["volume"], dtype=float),
            np.full(len(kind["volume"]), float(kind["handle_s"])),
            slowdown=1.0,
            within_s=3600.0 * kind["within_hours"],
        )
        for channel, kind in each.get("deferrable", {}).items()
    ]


def _traffic(standing: Standing, team: str, each: dict[str, Any], side: _Side) -> TeamTraffic | None:
    volume = side.volume
    open_now = volume > 1e-6
    if not open_now.any():
        return None
    starts, step_s = plan_starts(standing.row)[open_now], 60 * standing.row.data["minutes"]
    handle_s = side.handle_s[open_now]
    mean_s = float(np.average(handle_s, weights=volume[open_now]))
    patience_s = each["patience_s"] if side.within_s is None else None
    return TeamTraffic(
        team_id=team,
        volume=Volume(
            starts=starts,
            expected=volume[open_now],
            step_s=side.burst_s or step_s,
            days=local_days(standing.planning.grid, starts),
            day_cv=each.get("day_cv", 0.0),
            slot_cv=each.get("slot_cv", 0.0),
        ),
        handle=Lognormal(mean_s, HANDLE_SCV),
        patience=Exponential(patience_s) if patience_s is not None else ENDLESS,
        handle_factors=handle_s / mean_s,
        channel=side.channel,
        slowdown=side.slowdown,
        within_s=side.within_s,
    )


def _check_change(scenario: Scenario, change: WhatIf) -> None:
    try:
        changed(scenario, change)
    except ValueError as error:
        raise CannotPlanError(f"The plan can't be simulated under that policy: {error}.") from None


def _overall(run: Simulation) -> dict[str, dict[str, dict[str, float | None]]]:
    return _by_team(run, {name: overall(run, name) for name in _METRICS}, limited=True)


def _deferred(run: Simulation) -> dict[str, dict[str, Any]]:
    """Return by team how much work that can wait there is a week, and what share is begun in time."""
    many = run.counts["deferred"].sum(axis=2).mean(axis=0)
    shares = _columns("deferred_in_time", overall(run, "deferred_in_time"), limited=True)
    return {
        team: {
            "contacts": _number(many[row]),
            "in_time": {bound: _number(values[row]) for bound, values in shares.items()},
        }
        for row, team in enumerate(run.teams)
        if many[row] > 0
    }


def _by_team(
    run: Simulation, estimates: Mapping[str, Estimate], *, limited: bool
) -> dict[str, dict[str, dict[str, float | None]]]:
    found = {name: _columns(name, estimates[name], limited=limited) for name in _METRICS}
    return {
        team: {
            name: {bound: _number(values.ravel()[row]) for bound, values in columns.items()}
            for name, columns in found.items()
        }
        for row, team in enumerate(run.teams)
    }


def _by_interval(run: Simulation) -> dict[str, dict[str, dict[str, list[float | None]]]]:
    """Return by team and figure the columns value, low and high; null where nothing was offered."""
    found = {name: _columns(name, by_interval(run, name), limited=True) for name in _METRICS}
    return {
        team: {
            name: {bound: [_number(each) for each in values[row]] for bound, values in columns.items()}
            for name, columns in found.items()
        }
        for row, team in enumerate(run.teams)
    }


def _columns(name: str, each: Estimate, *, limited: bool) -> dict[str, np.ndarray]:
    """Return a figure and its bounds; `limited` to what a share, or a wait, can be."""
    low, high = each.low, each.high
    if limited:
        low, high = np.maximum(low, 0.0), high if name == "asa_s" else np.minimum(high, 1.0)
    return {"value": each.value, "low": low, "high": high}


def _levels(run: Simulation) -> dict[str, list[float | None]]:
    level = by_interval(run, "service_level")
    return {team: [_number(value) for value in level.value[row]] for row, team in enumerate(run.teams)}


def _number(value: float) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None


def _read(conn: Connection, params: SimulateParams) -> Staged:
    row = plans.find_plan(conn, params.plan)
    if row is None:
        raise CannotPlanError(f"There is no plan {params.plan} to simulate.")
    other = None
    if params.policy is not None:
        text = policies.find_policy(conn, params.policy)
        if text is None:
            raise CannotPlanError(f"There is no policy version {params.policy} to simulate.")
        other = msgspec.json.decode(text, type=Policy)
    return Staged(read_standing(conn, row), staff.list_agents(conn), other)
