"""A forecast run: each team's history to expected contacts per interval, with its band and its error."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np

from app.db import forecasts
from app.db.engine import Connection
from app.errors import NoHistoryError
from app.planning.desk import Desk, Outcome, Report
from app.planning.opening import open_intervals
from app.planning.params import ForecastParams
from app.planning.past import TeamPast, history_of, read_team_past, today
from app.planning.terms import Planning, TeamTerms, read_planning
from routing.hours import Hours
from staffing.backtest import Backtest
from staffing.busyness import busy_map
from staffing.chat_share import chat_share
from staffing.day_level import MONTH_REACH
from staffing.forecast import Forecast, forecast, quantiles
from staffing.history import History
from staffing.intervals import Grid, date_of_day, intervals_between, local_days, local_slots, utc_iso
from staffing.overrides import Override, is_overridden, overridden
from staffing.special_days import Event, holidays_between

BAND = (0.1, 0.9)
_NONE = Backtest((), (), (), 0)


@dataclass(frozen=True, slots=True)
class Calendar:
    """Public holidays' country, and what the planners know of single days."""

    country: str | None
    subdivision: str | None
    events: tuple[Event, ...]


async def forecast_teams(desk: Desk) -> Outcome:
    """Carry out a run of kind `forecast`."""
    params = ForecastParams.model_validate(desk.run.params)
    planning = await desk.database.read(read_planning)
    if params.team is not None:
        planning.check_team(params.team)
    teams = [params.team] if params.team is not None else list(planning.policy.teams)
    first_on = params.first_on or today(planning.grid, desk.now)
    made, skipped = await make_forecasts(
        desk, planning, teams, first_on=first_on, weeks=params.weeks, part=(0.0, 1.0)
    )

    def save(conn: Connection) -> dict[str, Any]:
        return {"forecasts": save_forecasts(conn, desk, made), "without_history": skipped}

    return Outcome(save=save)


async def make_forecasts(
    desk: Desk,
    planning: Planning,
    teams: Sequence[str],
    *,
    first_on: date,
    weeks: int | None,
    part: tuple[float, float],
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Return a forecast per team, and the teams without any history; NoHistoryError when all are."""
    calendar = await desk.database.read(read_calendar, planning)
    # Today is not over: its quiet hours to come are no zeros to learn from.
    known_on = min(first_on, today(planning.grid, desk.now)) - timedelta(days=1)
    made: dict[str, dict[str, Any]] = {}
    skipped = []
    for number, team in enumerate(teams):
        begin, end = (part[0] + (part[1] - part[0]) * (number + i) / len(teams) for i in (0, 1))
        past = await desk.database.read(read_team_past, team)
        days = 7 * (weeks or planning.team(team).forecast_weeks)
        found = await desk.compute(
            forecast_team,
            past,
            planning.grid,
            first_on,
            days,
            calendar,
            known_on,
            part=(begin, end),
        )
        if found is None:
            skipped.append(team)
        else:
            made[team] = found
    if not made:
        names = ", ".join(teams)
        raise NoHistoryError(
            f"Nothing is recorded before {first_on} for {names}; import history or let traffic come."
        )
    return made, skipped


def save_forecasts(conn: Connection, desk: Desk, made: dict[str, dict[str, Any]]) -> dict[str, int]:
    """Store forecasts and return their ids by team."""
    return {
        team: forecasts.add_forecast(
            conn,
            team,
            data,
            run_id=desk.run.id,
            made_at=desk.now,
            first_on=data["first_on"],
            last_on=data["last_on"],
        )
        for team, data in made.items()
    }


def read_calendar(conn: Connection, planning: Planning) -> Calendar:
    """Return what is known of days that are not ordinary."""
    site = planning.policy.site
    events = tuple(
        Event(
            row.name, date.fromisoformat(row.first_on), date.fromisoformat(row.last_on), row.effect, row.team
        )
        for row in forecasts.list_special_days(conn)
    )
    return Calendar(site.country, site.subdivision, events)


def forecast_team(
    report: Report,
    past: TeamPast,
    grid: Grid,
    first_on: date,
    days: int,
    calendar: Calendar,
    known_on: date,
) -> dict[str, Any] | None:
    """Return the forecast of a team as it is stored, or None when nothing is recorded up to `known_on`."""
    team = past.waiting.team
    report(0.0, f"{team}: reading history")
    recorded = history_of(past.waiting, grid, known_on)
    letters = {
        channel: found
        for channel, each in past.deferrable.items()
        if len((found := history_of(each, grid, known_on)).starts)
    }
    forecasts_of: dict[str, Forecast] = {}
    for number, (channel, each) in enumerate(letters.items()):
        report(0.1 + 0.4 * number / len(letters), f"{team}: {channel}")
        forecasts_of[channel] = _forecast(each, grid, first_on, days, calendar)
    if len(recorded.starts):
        report(0.5, f"{team}: {len(recorded.starts)} intervals, choosing the model")
        expected = _forecast(recorded, grid, first_on, days, calendar)
    elif forecasts_of:
        expected = _nothing_waits(next(iter(forecasts_of.values())))
    else:
        return None
    report(1.0, f"{team}: forecast made")
    return forecast_json(expected) | {
        "chat": _chat_json(recorded, history_of(past.chats, grid, known_on), expected),
        "deferrable": {channel: _letters_json(each) for channel, each in forecasts_of.items()},
    }


def _forecast(recorded: History, grid: Grid, first_on: date, days: int, calendar: Calendar) -> Forecast:
    begin = date_of_day(int(local_days(grid, recorded.starts[:1])[0])) - timedelta(days=MONTH_REACH)
    end = first_on + timedelta(days=days + MONTH_REACH)
    public = {}
    if calendar.country:
        public = holidays_between(calendar.country, begin, end, subdivision=calendar.subdivision)
    return forecast(recorded, first_on=first_on, days=days, public_holidays=public, events=calendar.events)


def _nothing_waits(expected: Forecast) -> Forecast:
    """Return a forecast of no contacts that wait, for the days of another one."""
    nothing = np.zeros(len(expected.starts))
    return dataclasses.replace(
        expected, volume=nothing, backtest=_NONE, outliers=(), notes=("only work that can wait is recorded",)
    )


def _chat_json(recorded: History, chats: History, expected: Forecast) -> dict[str, Any] | None:
    """Return the share of chats in each interval and the handle times of both; None where none came."""
    found = chat_share(recorded, chats)
    if found is None:
        return None
    share = found.share[local_slots(expected.grid, expected.starts)]
    chat_s, other_s = _rounded(np.array([found.chat_s, found.other_s]), 1)
    return {"share": _rounded(share, 4), "chat_s": chat_s, "other_s": other_s}


def _letters_json(expected: Forecast) -> dict[str, Any]:
    """Return contacts of a channel that can wait, as they come, and their mean handle time."""
    weights = np.where(np.isfinite(expected.handle_s), expected.volume, 0.0)
    handled = float(weights.sum())
    mean_s = float(np.nansum(expected.handle_s * weights)) / handled if handled > 0 else float("nan")
    return {
        "volume": _rounded(expected.volume, 3),
        "handle_s": _rounded(np.array([mean_s]), 1)[0],
        "model": sorted(set(expected.model)),
        "backtest": _backtest_json(expected.backtest),
    }


def forecast_json(expected: Forecast) -> dict[str, Any]:
    """Return a forecast as it is stored: values per interval, spreads and models per day."""
    grid = expected.grid
    days = local_days(grid, expected.starts)
    firsts = np.unique(days, return_index=True)[1]
    low, high = quantiles(expected, BAND)
    first = date.fromordinal(int(days[0]) + date(1970, 1, 1).toordinal())
    return {
        "zone": grid.zone,
        "minutes": grid.minutes,
        "week_starts_on": grid.week_starts_on,
        "first_on": first.isoformat(),
        "last_on": (first + timedelta(days=len(firsts) - 1)).isoformat(),
        "volume": _rounded(expected.volume, 3),
        "handle_s": _rounded(expected.handle_s, 1),
        "low": _rounded(low, 0),
        "high": _rounded(high, 0),
        "day_cv": _rounded(expected.day_cv[firsts], 5),
        "slot_cv": _rounded(expected.slot_cv[firsts], 5),
        "slot_memory": _rounded(expected.slot_memory[firsts], 4),
        "model": [expected.model[int(row)] for row in firsts],
        "backtest": _backtest_json(expected.backtest),
        "effects": {
            on.isoformat(): {
                "name": each.name,
                "factor": round(each.factor, 4),
                "reason": each.reason,
                "assumed": each.assumed,
            }
            for on, each in expected.effects.items()
        },
        "outliers": [
            {
                "on": each.on.isoformat(),
                "slot": each.slot,
                "actual": round(each.actual, 1),
                "expected": round(each.expected, 1),
                "reason": each.reason,
            }
            for each in expected.outliers
        ],
        "notes": list(expected.notes),
    }


def forecast_from(team: str, data: dict[str, Any]) -> Forecast:
    """Return a stored forecast as staffing needs it; nan where no handle time is known."""
    grid = Grid(data["zone"], data["minutes"], data["week_starts_on"])
    first_on, last_on = (date.fromisoformat(data[name]) for name in ("first_on", "last_on"))
    starts = intervals_between(grid, first_on, last_on)
    days = local_days(grid, starts)
    day = days - days[0]
    return Forecast(
        team,
        grid,
        starts,
        np.array(data["volume"], dtype=np.float64),
        np.array(data["handle_s"], dtype=np.float64),
        day_cv=np.array(data["day_cv"], dtype=np.float64)[day],
        slot_cv=np.array(data["slot_cv"], dtype=np.float64)[day],
        slot_memory=np.array(data["slot_memory"], dtype=np.float64)[day],
        model=tuple(data["model"][each] for each in day),
        backtest=_NONE,
        effects={},
        outliers=(),
        notes=tuple(data["notes"]),
    )


def corrected(expected: Forecast, rows: Sequence[forecasts.OverrideRow]) -> Forecast:
    """Return a forecast with the planners' corrections applied in the order in which they were made."""
    return overridden(expected, _overrides(rows))


def between(expected: Forecast, since: float, until: float) -> Forecast:
    """Return the part of a forecast whose intervals begin in [since, until)."""
    keep = (expected.starts >= since) & (expected.starts < until)
    names = ("starts", "volume", "handle_s", "day_cv", "slot_cv", "slot_memory")
    parts: dict[str, Any] = {name: getattr(expected, name)[keep] for name in names}
    model = tuple(name for name, wanted in zip(expected.model, keep, strict=True) if wanted)
    return dataclasses.replace(expected, **parts, model=model)


def intervals_json(
    raw: Forecast, rows: Sequence[forecasts.OverrideRow], *, terms: TeamTerms, hours: Hours | None
) -> list[dict[str, Any]]:
    """Return a forecast interval by interval, corrected, with band, load and how busy it is.

    Closed is what lies outside the team's hours, and what needs nobody as too few contacts come.
    """
    expected = corrected(raw, rows)
    touched = is_overridden(raw, _overrides(rows))
    handle = np.where(np.isfinite(expected.handle_s), expected.handle_s, terms.handle_s or 300.0)
    load = expected.volume * handle / expected.grid.step_s
    low, high = quantiles(expected, BAND)
    needed = (expected.volume >= terms.least_volume) | (terms.min_agents > 0)
    opened = open_intervals(hours, expected.starts, step_s=expected.grid.step_s)
    busy = busy_map(expected.grid, expected.starts, np.where(needed, load, 0.0), opened=opened)
    return [
        {
            "starts_at": utc_iso(int(expected.starts[i])),
            "on": busy[i].on.isoformat(),
            "clock": busy[i].clock,
            "volume": round(float(expected.volume[i]), 2),
            "forecast": round(float(raw.volume[i]), 2),
            "overridden": bool(touched[i]),
            "low": round(float(low[i]), 1),
            "high": round(float(high[i]), 1),
            "handle_s": round(float(handle[i]), 1),
            "load": round(float(load[i]), 2),
            "busyness": busy[i].busyness.value,
            "reason": busy[i].reason,
        }
        for i in range(len(expected.starts))
    ]


def _overrides(rows: Sequence[forecasts.OverrideRow]) -> list[Override]:
    return [
        Override(row.team, row.since_at, row.until_at, row.factor, row.value, row.handle_s, row.reason)
        for row in rows
    ]


def _backtest_json(result: Backtest) -> dict[str, Any]:
    return {
        "origins": len(result.origins),
        "left_out": result.left_out,
        "scores": [
            {
                "model": score.model,
                "first_day": score.first_day,
                "last_day": score.last_day,
                "wape": round(score.wape, 5),
                "rmse": round(score.rmse, 3),
                "mase": round(score.mase, 4) if score.mase is not None else None,
                "days": score.days,
            }
            for score in result.scores
        ],
        "choices": [
            {
                "first_day": choice.first_day,
                "last_day": choice.last_day,
                "model": choice.model,
                "floor_wape": round(choice.floor_wape, 5) if choice.floor_wape is not None else None,
                "coverage": choice.spread.coverage,
                "reason": choice.reason,
            }
            for choice in result.choices
        ],
    }


def _rounded(values: np.ndarray, digits: int) -> list[float | None]:
    return [None if value != value else value for value in np.round(values, digits).tolist()]
