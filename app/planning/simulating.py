"""A simulation run: a plan's people meet its forecast through the routing of the policy in force."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from app.db import plans, staff
from app.db.engine import Connection
from app.errors import CannotPlanError
from app.planning.desk import Desk, Outcome, Report
from app.planning.params import SimulateParams
from app.planning.requiring import shrinkage_of
from app.planning.standing import Standing, assignments_of, plan_starts, problem_of, read_standing
from routing.model import Agent
from staffing.intervals import local_days, utc_iso
from staffing.requirement import kept_share
from staffing.simulation.confidence import Estimate
from staffing.simulation.durations import ENDLESS, Exponential, Lognormal
from staffing.simulation.replications import Simulation, by_interval, overall, simulate
from staffing.simulation.scenario import Scenario, shifts_of, workers_of
from staffing.simulation.traffic import TeamTraffic, Volume
from staffing.simulation.what_if import WhatIf, compare

_METRICS: Final = ("service_level", "asa_s", "abandonment", "occupancy")
_SPREAD: Final = 1.2
"""Squared coefficient of variation of handle times: lognormal, as measured in call centres."""


@dataclass(frozen=True, slots=True)
class Staged:
    """A plan and the agents as routing knows them."""

    standing: Standing
    agents: list[Agent]


async def simulate_plan(desk: Desk) -> Outcome:
    """Carry out a run of kind `simulate`."""
    params = SimulateParams.model_validate(desk.run.params)
    staged = await desk.database.read(_read, params.plan)
    if staged is None:
        raise CannotPlanError(f"There is no plan {params.plan} to simulate.")
    found: dict[str, Any] = await desk.compute(simulate_staged, staged, params)
    return Outcome({"plan": params.plan, **found})


def simulate_staged(report: Report, staged: Staged, params: SimulateParams) -> dict[str, Any]:
    """Return figures by team with 95 % bounds, of the plan and, where something is asked, of the change."""
    scenario = scenario_of(staged, params.absence)
    change = WhatIf(volume=params.volume, handle_time=params.handle_time)
    asks = (params.volume, params.handle_time) != (1.0, 1.0)
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
        "intervals": [utc_iso(int(at)) for at in base.starts],
        "service_level": _levels(base),
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
        found["changed"] = {"teams": _overall(compared.variant), "service_level": _levels(compared.variant)}
    return found


def scenario_of(staged: Staged, absence: float | None) -> Scenario:
    """Return a plan as a simulated period; the shrinkage it was made with falls out as absent shifts."""
    standing = staged.standing
    row, problem = standing.row, problem_of(standing)
    shifts = shifts_of(assignments_of(standing, problem))
    kept = [kept_share(shrinkage_of(each["shrinkage"]), planned=False) for each in row.data["teams"].values()]
    traffic = tuple(
        found
        for team, each in row.data["teams"].items()
        if (found := _traffic(standing, team, each)) is not None
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


def _traffic(standing: Standing, team: str, each: dict[str, Any]) -> TeamTraffic | None:
    volume = np.array(each["volume"], dtype=np.float64)
    open_now = np.nan_to_num(volume) > 0
    if not open_now.any():
        return None
    starts, step_s = plan_starts(standing.row)[open_now], 60 * standing.row.data["minutes"]
    handle_s = np.array(each["handle_s"], dtype=np.float64)[open_now]
    mean_s = float(np.average(handle_s, weights=volume[open_now]))
    patience_s = each["patience_s"]
    return TeamTraffic(
        team_id=team,
        volume=Volume(
            starts=starts,
            expected=volume[open_now],
            step_s=step_s,
            days=local_days(standing.planning.grid, starts),
            day_cv=each.get("day_cv", 0.0),
            slot_cv=each.get("slot_cv", 0.0),
        ),
        handle=Lognormal(mean_s, _SPREAD),
        patience=Exponential(patience_s) if patience_s is not None else ENDLESS,
        handle_factors=handle_s / mean_s,
    )


def _overall(run: Simulation) -> dict[str, dict[str, dict[str, float | None]]]:
    estimates = {name: overall(run, name) for name in _METRICS}
    return {
        team: {name: _bounds(each, row) for name, each in estimates.items()}
        for row, team in enumerate(run.teams)
    }


def _bounds(each: Estimate, row: int) -> dict[str, float | None]:
    return {
        "value": _number(each.value.ravel()[row]),
        "low": _number(each.low.ravel()[row]),
        "high": _number(each.high.ravel()[row]),
    }


def _levels(run: Simulation) -> dict[str, list[float | None]]:
    level = by_interval(run, "service_level")
    return {team: [_number(value) for value in level.value[row]] for row, team in enumerate(run.teams)}


def _number(value: float) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None


def _read(conn: Connection, plan_id: int) -> Staged | None:
    row = plans.find_plan(conn, plan_id)
    return Staged(read_standing(conn, row), staff.list_agents(conn)) if row is not None else None
