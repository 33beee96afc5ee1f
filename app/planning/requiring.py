"""A requirement run: a week's forecast, corrected by the planners, to the agents each interval needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

import numpy as np

from app.db import forecasts, history
from app.db.engine import Connection
from app.db.runs import last_done_at
from app.errors import NoHistoryError
from app.planning.correcting import CheckTask, with_checks
from app.planning.desk import Desk, Outcome, Report
from app.planning.forecasting import between, corrected, forecast_from, make_forecasts, save_forecasts
from app.planning.needs import Need, TeamNeed, Waits, patience_of, team_need
from app.planning.params import RequireParams
from app.planning.past import coming_week, today, week_span
from app.planning.pooling import PoolTask, pools_of, read_people, with_pools
from app.planning.terms import Planning, read_planning, week_of
from routing.hours import lasting
from staffing.forecast import Forecast
from staffing.intervals import intervals_between

FRESH_S: Final = 26 * 3600.0
"""A forecast as old as this is made anew before a requirement rests on it."""

_PATIENCE_DAYS: Final = 90
_TOLD: Final = (
    "teams",
    "simulated_share",
    "cuts",
    "saved_hours",
    "unreached",
    "unverified",
    "not_followed",
)
_MOST_WEEKS_AHEAD: Final = 18


async def require_week(desk: Desk) -> Outcome:
    """Carry out a run of kind `require`."""
    params = RequireParams.model_validate(desk.run.params)
    planning = await desk.database.read(read_planning)
    if params.team is not None:
        planning.check_team(params.team)
    teams = [params.team] if params.team is not None else list(planning.policy.teams)
    week_on = week_of(planning.grid, params.week) if params.week else coming_week(planning.grid, desk.now)
    needed = await require_teams(
        desk,
        planning,
        teams,
        week_on=week_on,
        weeks=1,
        reforecast=params.reforecast,
        part=(0.0, 1.0),
        show_pools=True,
        pooling_s=params.pooling_s,
    )
    pools = [_pool_summary(data["pool"]) for data in needed.requirements.values() if "pool" in data]

    def save(conn: Connection) -> dict[str, Any]:
        ids = save_requirements(conn, desk, needed, week_on)
        return {
            "week": week_on.isoformat(),
            "requirements": ids,
            "without_history": needed.skipped,
            "pools": pools,
        }

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
    show_pools: bool = False,
    pooling_s: float | None = None,
) -> Needed:
    """Return what each team needs for `weeks` weeks; NoHistoryError when none can be forecast.

    Teams that share agents are counted together where the site staffs for them so, or with `show_pools`
    shows them so, after `pooling_s` of simulation (by default the site's).
    """
    middle, late = (part[0] + each * (part[1] - part[0]) for each in (0.6, 0.75))
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
    requirements = await desk.compute(require_all, needs, part=(middle, late))
    people = await desk.database.read(read_people)
    checked = part[0] + 0.8 * (part[1] - part[0])
    starts = intervals_between(planning.grid, week_on, last_on)
    alone = _staffed_alone(planning, list(requirements), people)
    check = CheckTask(requirements, starts, planning, alone)
    requirements = await desk.compute(with_checks, check, part=(late, checked))
    if planning.site.pooling == "staffed" or (show_pools and planning.site.pooling == "shown"):
        seconds = planning.site.pooling_s if pooling_s is None else pooling_s
        if pools_of(list(requirements), people):
            staffed = planning.site.pooling == "staffed"
            task = PoolTask(requirements, people, planning.policy, seconds, staffed)
            requirements = await desk.compute(with_pools, task, part=(checked, part[1]))
    return Needed(requirements, made, {team: row.id for team, row in stored.items()}, skipped)


def _staffed_alone(
    planning: Planning, teams: Sequence[str], people: Sequence[tuple[str, ...]]
) -> tuple[str, ...]:
    """Return the teams whose own requirement is staffed for, not one together with others."""
    if planning.site.pooling != "staffed":
        return tuple(teams)
    together = {team for pool in pools_of(teams, people) for team in pool}
    return tuple(team for team in teams if team not in together)


def _pool_summary(pool: dict[str, Any]) -> dict[str, Any]:
    verified = pool["verified"]
    return {name: pool[name] for name in _TOLD} | {
        "corrected_intervals": sum(each != 0 for each in pool["corrected"]),
        "missing_intervals": sum(pool["missing"]),
        "verified": len(verified),
        "verified_kept": sum(each["kept"] for each in verified),
        "verified_added": sum(each["added"] for each in verified),
    }


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
    patience = patience_of(need.terms, need.waits)
    found = team_need(need, expected, starts, patience.mean_s)
    working = found.working
    return {
        "minutes": need.grid.minutes,
        "zone": need.grid.zone,
        "days": need.days,
        "patience_s": _finite(patience.mean_s, 1),
        "patience_from": patience.source,
        "patience": {
            "by": need.terms.patience_by if need.terms.patience_s is None else "planner",
            "exponential_s": _finite(patience.exponential_s, 1),
            "kaplan_meier_s": _finite(patience.kaplan_meier_s, 1),
            "median_s": patience.median_s,
            "misfit": round(patience.misfit, 4),
            "abandoned": patience.abandoned,
            "waited": patience.waited,
        },
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
        "volume": spread(working, found.volume[working], 2),
        "handle_s": spread(working, found.handle_s[working], 1),
        "load": spread(working, found.load[working], 3),
        "rate_cv": np.round(expected.rate_cv * need.terms.allow_for_uncertainty, 4).tolist(),
        "unstaffed": _unstaffed(expected, found),
        "door": np.round(found.door, 2).tolist(),
        "required": found.required.tolist(),
        "rostered": found.rostered.tolist(),
        "live": found.live.tolist(),
        "deferred": found.deferred.agents.tolist(),
        "deferrable": _deferrable_json(need, found),
        "chat": _chat_json(need, found),
        **_experience(found),
    }


def _unstaffed(expected: Forecast, found: TeamNeed) -> dict[str, float]:
    """Return the expected contacts for which nobody is needed: while closed, and in intervals of too few."""
    closed = float(expected.volume[~found.opened].sum())
    few = float((expected.volume - found.volume)[found.opened].sum())
    return {"closed": round(closed, 2), "few": round(few, 2)}


def _deferrable_json(need: Need, found: TeamNeed) -> dict[str, Any]:
    """Return by channel how much work arrives and is done, in agents (erlangs), and in what time."""
    step_s = need.grid.step_s
    return {
        channel: {
            "within_hours": need.terms.within(channel),
            "volume": np.round(found.deferred.volume[channel], 3).tolist(),
            "handle_s": found.deferred.handle_s[channel],
            "arrives": np.round(found.deferred.arrives[channel] / step_s, 3).tolist(),
            "done": np.round(found.deferred.work[channel] / step_s, 3).tolist(),
        }
        for channel in found.deferred.arrives
    }


def _chat_json(need: Need, found: TeamNeed) -> dict[str, Any] | None:
    if found.chat is None:
        return None
    working, chat = found.chat.working, found.chat.found
    return {
        "concurrency": need.concurrency,
        "slowdown": need.terms.chat_slowdown,
        "volume": spread(working, chat.offered, 2),
        "handle_s": spread(working, chat.handle_time_s, 1),
        "required": whole(working, chat.agents),
    }


def _experience(found: TeamNeed) -> dict[str, Any]:
    """Return what callers and chatters experience together with the agents there are for them."""
    sides = [side for side in (found.other, found.chat) if side is not None]
    many = np.sum([_full(side.working, side.found.offered) for side in sides], axis=0)
    weights = np.maximum(many, 1e-12)

    def mixed(name: str) -> np.ndarray:
        parts = [
            _full(side.working, side.found.offered * getattr(side.found.expected, name)) for side in sides
        ]
        return np.asarray(np.sum(parts, axis=0) / weights)

    busy = np.sum(
        [_full(each.working, each.found.agents * each.found.expected.occupancy) for each in sides], axis=0
    )
    met = found.working & (many > 0)
    return {
        "service_level": spread(met, mixed("service_level")[met], 4),
        "asa_s": spread(met, mixed("asa_s")[met], 1),
        "occupancy": spread(met, (busy / np.maximum(found.live, 1))[met], 4),
        "binding": _binding(found),
    }


def _binding(found: TeamNeed) -> list[str]:
    """Return the target that one agent fewer would break: calls, else chats; `deferred` for other work."""
    names = np.full(found.working.shape, "closed", dtype="<U16")
    names[found.deferred.agents > 0] = "deferred"
    for side in (found.chat, found.other):
        if side is not None:
            own = np.array(side.found.binding, dtype="<U16")
            kept = names[side.working]
            names[side.working] = np.where((own == "none") & (kept != "closed"), kept, own)
    return [str(name) for name in names]


def _full(working: np.ndarray, values: np.ndarray) -> np.ndarray:
    full = np.zeros(working.shape)
    full[working] = np.nan_to_num(values)
    return full


def _finite(value: float, digits: int) -> float | None:
    return round(value, digits) if np.isfinite(value) else None


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

    def waits(team: str) -> Waits:
        days = history.list_waits(conn, team, first_on=before_on)
        summed = (0.0, 0) if days else history.waits_in_sum(conn, team, start=before_at)
        return Waits(days, history.live_waits(conn, team, before_at), summed)

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
            lasting(planning.policy.teams[team].hours),
            waits(team),
            planning.concurrency(team),
        )
        for team, data in found.items()
    ]
