"""A requirement run: a week's forecast, corrected by the planners, to the agents each interval needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from app.db import forecasts, history
from app.db.engine import Connection
from app.db.runs import last_done_at
from app.errors import NoHistoryError
from app.planning.desk import Desk, Outcome, Report
from app.planning.forecasting import between, corrected, forecast_from, make_forecasts, save_forecasts
from app.planning.params import RequireParams
from app.planning.past import coming_week, today, week_span
from app.planning.terms import Planning, TeamTerms, read_planning, targets_of, week_of
from routing.hours import Hours, is_open
from staffing.forecast import Forecast
from staffing.intervals import Grid, Starts, intervals_between
from staffing.patience import exponential_patience
from staffing.requirement import Demand, Requirement, Rules, Shrinkage, requirement

Bools = NDArray[np.bool_]

FRESH_S: Final = 26 * 3600.0
"""A forecast as old as this is made anew before a requirement rests on it."""

_PATIENCE_DAYS: Final = 90
_LEAST_ABANDONED: Final = 30
_MOST_WEEKS_AHEAD: Final = 18


@dataclass(frozen=True, slots=True)
class Waits:
    """How long a team's contacts waited, from which patience is estimated."""

    days: list[history.DayWaits]
    live: list[tuple[float, bool]]


@dataclass(frozen=True, slots=True)
class Need:
    """What the requirement of one team and week is made from."""

    team: str
    week_on: date
    days: int
    grid: Grid
    forecast: dict[str, Any]
    overrides: list[forecasts.OverrideRow]
    terms: TeamTerms
    short_abandon_s: float
    hours: Hours | None
    waits: Waits


async def require_week(desk: Desk) -> Outcome:
    """Carry out a run of kind `require`."""
    params = RequireParams.model_validate(desk.run.params)
    planning = await desk.database.read(read_planning)
    if params.team is not None:
        planning.check_team(params.team)
    teams = [params.team] if params.team is not None else list(planning.policy.teams)
    week_on = week_of(planning.grid, params.week) if params.week else coming_week(planning.grid, desk.now)
    needed = await require_teams(
        desk, planning, teams, week_on=week_on, weeks=1, reforecast=params.reforecast, part=(0.0, 1.0)
    )

    def save(conn: Connection) -> dict[str, Any]:
        ids = save_requirements(conn, desk, needed, week_on)
        return {"week": week_on.isoformat(), "requirements": ids, "without_history": needed.skipped}

    return Outcome(save=save)


@dataclass(frozen=True, slots=True)
class Needed:
    """Requirements by team with the forecasts they rest on: new ones (not stored yet) or stored ids."""

    requirements: dict[str, dict[str, Any]]
    new_forecasts: dict[str, dict[str, Any]]
    forecast_ids: dict[str, int]
    skipped: list[str]


async def require_teams(
    desk: Desk,
    planning: Planning,
    teams: Sequence[str],
    *,
    week_on: date,
    weeks: int,
    reforecast: bool,
    part: tuple[float, float],
) -> Needed:
    """Return what each team needs for `weeks` weeks; NoHistoryError when none can be forecast."""
    middle = part[0] + 0.8 * (part[1] - part[0])
    last_on = week_on + timedelta(days=7 * weeks - 1)
    stored: dict[str, forecasts.ForecastRow] = {}
    if not reforecast:
        stored = await desk.database.read(_fresh, teams, planning, week_on, last_on, desk.now)
    missing = [team for team in teams if team not in stored]
    made: dict[str, dict[str, Any]] = {}
    skipped: list[str] = []
    if missing:
        first_on = min(week_on, today(planning.grid, desk.now))
        ahead = -(-((last_on - first_on).days + 1) // 7)
        if ahead > _MOST_WEEKS_AHEAD:
            first_on, ahead = week_on, weeks
        try:
            made, skipped = await make_forecasts(
                desk, planning, missing, first_on=first_on, weeks=ahead, part=(part[0], middle)
            )
        except NoHistoryError:
            if not stored:
                raise
            skipped = missing
    found = {team: row.data for team, row in stored.items()} | made
    needs = await desk.database.read(read_needs, planning, found, week_on, 7 * weeks)
    requirements = await desk.compute(require_all, needs, part=(middle, part[1]))
    return Needed(requirements, made, {team: row.id for team, row in stored.items()}, skipped)


def save_requirements(conn: Connection, desk: Desk, needed: Needed, week_on: date) -> dict[str, int]:
    """Store requirements (of the first week) and the forecasts made for them; return ids by team."""
    ids = needed.forecast_ids | save_forecasts(conn, desk, needed.new_forecasts)
    return {
        team: forecasts.add_requirement(
            conn,
            week_on.isoformat(),
            team,
            data,
            run_id=desk.run.id,
            forecast_id=ids.get(team),
            made_at=desk.now,
        )
        for team, data in needed.requirements.items()
    }


def require_all(report: Report, needs: Sequence[Need]) -> dict[str, dict[str, Any]]:
    """Return the requirement of each team as it is stored."""
    found = {}
    for number, need in enumerate(needs):
        report(number / len(needs), f"{need.team}: agents needed")
        found[need.team] = requirement_json(need)
    return found


def requirement_json(need: Need) -> dict[str, Any]:
    """Return what a team needs in every interval of the week, 0 where it is closed."""
    starts = intervals_between(need.grid, need.week_on, need.week_on + timedelta(days=need.days - 1))
    since, until = week_span(need.grid, need.week_on, need.days)
    expected = between(corrected(forecast_from(need.team, need.forecast), need.overrides), since, until)
    patience_s, patience_from = patience_of(need.terms, need.waits)
    working, found = requirement_of(need, expected, starts, patience_s)
    return {
        "minutes": need.grid.minutes,
        "zone": need.grid.zone,
        "days": need.days,
        "patience_s": None if np.isinf(patience_s) else round(patience_s, 1),
        "patience_from": patience_from,
        "targets": need.terms.model_dump(
            include={
                "service_level",
                "answer_within_s",
                "asa_s",
                "abandonment",
                "max_occupancy",
                "min_agents",
            }
        ),
        "shrinkage": need.terms.shrinkage,
        "day_cv": round(float(expected.day_cv.mean()), 5) if len(expected.day_cv) else 0.0,
        "slot_cv": round(float(expected.slot_cv.mean()), 5) if len(expected.slot_cv) else 0.0,
        "volume": spread(working, found.offered, 2),
        "handle_s": spread(working, found.handle_time_s, 1),
        "load": spread(working, found.load, 3),
        "required": whole(working, found.agents),
        "rostered": whole(working, found.rostered),
        **_experience(working, found),
    }


def requirement_of(
    need: Need, expected: Forecast, starts: Starts, patience_s: float
) -> tuple[Bools, Requirement]:
    """Return which intervals have work, and what a forecast needs in those, by the team's terms."""
    opened = np.array([is_open(need.hours, float(at)) for at in starts], dtype=np.bool_)
    handle_s = np.where(np.isfinite(expected.handle_s), expected.handle_s, need.terms.handle_s or 300.0)
    handle_s = np.maximum(handle_s, 1.0)
    offered = np.where(opened & (expected.volume >= need.terms.least_volume), expected.volume, 0.0)
    working = opened & ((offered > 0) | (need.terms.min_agents > 0))
    rules = Rules(
        targets=targets_of(need.terms, need.short_abandon_s), shrinkage=shrinkage_of(need.terms.shrinkage)
    )
    demand = Demand(
        starts=starts[working],
        offered=offered[working],
        handle_time_s=handle_s[working],
        step_s=need.grid.step_s,
        patience_s=patience_s,
        rate_variation=expected.rate_cv[working] if need.terms.allow_for_uncertainty else 0.0,
    )
    return working, requirement(demand, rules)


def patience_of(terms: TeamTerms, waits: Waits) -> tuple[float, str]:
    """Return mean patience in s (infinite when too few hang up to tell) and where it comes from."""
    if terms.patience_s is not None:
        return terms.patience_s, "set by the planner"
    values, gone = [], []
    for day in waits.days:
        for flag, counts in ((False, day.answered), (True, day.abandoned)):
            for wait_s, many in counts.items():
                values += [float(wait_s)] * many
                gone += [flag] * many
    values += [wait_s for wait_s, _ in waits.live]
    gone += [flag for _, flag in waits.live]
    fit = exponential_patience(np.array(values), np.array(gone, dtype=bool))
    if fit.abandoned < _LEAST_ABANDONED:
        return float("inf"), f"only {fit.abandoned} contacts hung up: taken as endless"
    return fit.mean_s, f"{fit.abandoned} of {fit.waited} waiting contacts hung up"


def shrinkage_of(shares: dict[str, float]) -> tuple[Shrinkage, ...]:
    """Return shares of paid time by kind as staffing takes them."""
    return tuple(Shrinkage(kind, share) for kind, share in shares.items())


def _experience(working: np.ndarray, found: Requirement) -> dict[str, Any]:
    binding = iter(found.binding)
    return {
        "service_level": spread(working, found.expected.service_level, 4),
        "asa_s": spread(working, found.expected.asa_s, 1),
        "occupancy": spread(working, found.expected.occupancy, 4),
        "binding": [next(binding) if each else "closed" for each in working.tolist()],
    }


def spread(working: np.ndarray, values: np.ndarray, digits: int) -> list[float | None]:
    """Return values of the working intervals as a full column, rounded, None elsewhere."""
    full = np.full(working.shape, np.nan)
    full[working] = np.round(values, digits)
    return [value if np.isfinite(value) else None for value in full.tolist()]


def whole(working: np.ndarray, values: np.ndarray) -> list[int]:
    """Return counts of the working intervals as a full column, 0 elsewhere."""
    full = np.zeros(working.shape, dtype=np.int64)
    full[working] = values
    return [int(value) for value in full]


def _fresh(
    conn: Connection, teams: Sequence[str], planning: Planning, first_on: date, last_on: date, now: float
) -> dict[str, forecasts.ForecastRow]:
    """Return the forecasts that hold all the days and are new enough, in the site's intervals."""
    found = {}
    imported_at = last_done_at(conn, "import") or 0.0
    for team in teams:
        row = forecasts.find_forecast(conn, team, first_on=first_on.isoformat(), last_on=last_on.isoformat())
        grid = (planning.grid.zone, planning.grid.minutes, planning.grid.week_starts_on)
        if row is None or not max(now - FRESH_S, imported_at) <= row.made_at <= now:
            continue
        if (row.data["zone"], row.data["minutes"], row.data["week_starts_on"]) == grid:
            found[team] = row
    return found


def read_needs(
    conn: Connection, planning: Planning, found: dict[str, dict[str, Any]], week_on: date, days: int
) -> list[Need]:
    """Return what the requirement of each forecast's team is made from."""
    since, _ = week_span(planning.grid, week_on, days)
    before_at = since - _PATIENCE_DAYS * 86_400
    before_on = (week_on - timedelta(days=_PATIENCE_DAYS)).isoformat()
    return [
        Need(
            team,
            week_on,
            days,
            planning.grid,
            data,
            forecasts.list_overrides(conn, team, since=since),
            planning.team(team),
            planning.policy.teams[team].short_abandon_s,
            planning.policy.teams[team].hours,
            Waits(
                history.list_waits(conn, team, first_on=before_on),
                history.live_waits(conn, team, before_at),
            ),
        )
        for team, data in found.items()
    ]
