"""Forecasts and requirements: what each team will meet, how sure that is, and how many agents it takes."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request

from app.api.bodies_plan import NewOverride, NewSpecialDay
from app.auth import Principal, requires
from app.clock import isoformat
from app.db import forecasts
from app.db.engine import Connection
from app.errors import MalformedRequestError, NotFoundError, WrongStateError
from app.house import house_of
from app.planning.forecasting import between, forecast_from, intervals_json
from app.planning.params import FIRST_YEAR, LAST_YEAR, Week
from app.planning.past import coming_week, week_span
from app.planning.terms import Planning, SiteTerms, TeamTerms, read_planning, week_of
from routing.hours import lasting
from staffing.backtest import REFERENCE
from staffing.intervals import Grid, interval_starts, intervals_between, utc_iso

router = APIRouter(prefix="/v1", tags=["forecasts"])

Reader = Annotated[Principal, Depends(requires("plans:read"))]
Writer = Annotated[Principal, Depends(requires("plans:write"))]
WeekQuery = Annotated[Week | None, Query(description="None: the coming week.")]

_NAMES: Final = ("volume", "handle_s", "load", "required", "rostered", "service_level", "asa_s", "occupancy")


_MADE: Final = ("made_at", "made_by")
_PARTS: Final = ("live", "unstaffed", "door", "deferred", "deferrable", "chat", "patience", "simulated")
"""What newer requirements tell besides."""


@router.get("/forecasts", summary="The newest forecast of each team.")
async def list_forecasts(request: Request, _: Reader) -> dict[str, Any]:
    """Return per team {team, id, made_at, first_on, last_on}; null values where there is none."""
    house = house_of(request)
    planning = await house.database.read(read_planning)
    items = []
    for team in planning.policy.teams:
        row = await house.database.read(forecasts.latest_forecast, team)
        items.append(
            {
                "team": team,
                "id": row.id if row else None,
                "made_at": isoformat(row.made_at) if row else None,
                "first_on": row.first_on if row else None,
                "last_on": row.last_on if row else None,
            }
        )
    return {"items": items, "next": None}


@router.get(
    "/forecasts/{team}",
    summary="A team's forecast of a week, with its band, its backtest and how busy it will be.",
    description="`items`: per interval `starts_at`, `on`, `clock`, `volume` (with the planners' "
    "corrections), `forecast` (without), `overridden`, `low` and `high` (10 % and 90 % quantile), "
    "`handle_s`, `load` (erlangs), `busyness` (closed, quiet, normal, busy, peak) and its `reason`. "
    "`backtest.scores`: WAPE of every model by distance in open days; `backtest.choices`: the one taken, "
    "with `wape`, `naive_wape` and `of_naive` (below 1: better than the same interval a week before); "
    "`outliers` that were set aside, `effects` of special days (`assumed`: no such day was seen), `notes`; "
    "`channels`: work that can wait, forecast on its own.",
)
async def get_forecast(
    request: Request,
    team: str,
    _: Reader,
    week: WeekQuery = None,
    forecast_id: Annotated[int | None, Query(alias="id", ge=1, description="An older version.")] = None,
) -> dict[str, Any]:
    """Return a forecast; NotFoundError while the team has none for the week."""
    house = house_of(request)
    planning = await house.database.read(read_planning)
    known_team(planning, team)
    week_on = chosen_week(planning, week, house.clock.now())
    since = week_span(planning.grid, week_on, 7)[0]
    row, overrides = await house.database.read(stored_forecast, team, week_on, forecast_id, since)
    if row is None:
        raise NotFoundError(f"There is no forecast of {team} for the week of {week_on}; start a run of it.")
    return await asyncio.to_thread(forecast_json, planning, row, overrides, week_on)


@router.get(
    "/requirements",
    summary="The agents that each team and interval of a week need.",
    description="`intervals`: interval starts. `teams.{team}`: columns of the same length: `volume`, "
    "`handle_s`, `load`, `required` (agents taking work), `rostered` (people to put on the roster, shrinkage "
    "added), `service_level`, `asa_s`, `occupancy` that `required` agents give, `binding` (the target one "
    "agent fewer would break, deferred, or closed); with `targets`, `shrinkage`, `patience_s`, "
    "`patience_from` and `patience` {by, exponential_s, kaplan_meier_s, median_s, misfit, abandoned, "
    "waited}. `unstaffed` {closed, few} are contacts of the forecast that `volume` does not hold: outside "
    "opening hours (who waits for the opening is in `door`), and in intervals that expect fewer than the "
    "team's `least_volume`. `required` is `live` (agents for calls and chats) and `deferred` (agents for "
    "work that can wait) together; `deferrable.{channel}` {within_hours, arrives, done} shows that work in "
    "agents (erlangs) as it comes and where it is placed, `chat` {concurrency, slowdown, volume, handle_s, "
    "required} the chats, or null. `simulated` {weeks, wanted, value, half_width, added, missing, promises, "
    "untold, left_out} is what simulated weeks gave with these agents, with those who were `added` because "
    "of it, or null where nothing is promised: `promises` [{channel, promise, wanted, value, half_width, "
    "missing}] for the service level, ASA (s), abandonment and occupancy of calls and of chats, the first "
    "service level also as `value`; `untold` [{channel, together, unjudged}] counts intervals judged "
    "together with their neighbours and those too small for it; `left_out` are channels not simulated. "
    "`pools`: sets of teams that share agents, each person counted once: "
    "`teams`, `groups` [{teams, people, agents}], columns `separate` (agents added up), `together` (less "
    "what the simulation saves), `least` (if all were one pool), `short` (people missing whoever works "
    "where), `simulated` (whether), `corrected` (agents that the simulation added to the least), `missing` "
    "(whether a promise is missed with everybody at work); `levels.{team}` {wanted, value, half_width}: the "
    "simulated service level of each interval and half its 95 % interval; `verified` [{interval, alike, "
    "added, kept, levels}]: the intervals closest to a miss as the routing itself gave them; "
    "`simulated_share`, `cuts` (agents added), `saved_hours`; `unreached` and `unverified` intervals, for "
    "which there was no time, `not_followed.{team}` what of its policy the search leaves to the routing.",
)
async def list_requirements(request: Request, _: Reader, week: WeekQuery = None) -> dict[str, Any]:
    """Return the requirement of a week; `teams` is empty while there is none."""
    house = house_of(request)
    planning = await house.database.read(read_planning)
    week_on = chosen_week(planning, week, house.clock.now())
    rows = await house.database.read(forecasts.list_requirements, week_on.isoformat())
    return requirements_json(planning, week_on, rows)


@router.get("/overrides", summary="The planners' corrections of forecasts.")
async def list_overrides(request: Request, _: Reader, team: str | None = None) -> dict[str, Any]:
    """Return the corrections of one team or all, in the order in which they are applied."""
    found = await house_of(request).database.read(forecasts.list_overrides, team)
    return {"items": [override_json(each) for each in found], "next": None}


@router.post("/overrides", status_code=201, summary="Correct a forecast; it holds for later ones too.")
async def add_override(request: Request, given: NewOverride, who: Writer) -> dict[str, Any]:
    """Store a correction: a factor on, or a value in place of, the contacts per interval; or handle time."""
    house = house_of(request)
    planning = await house.database.read(read_planning)
    planning.check_team(given.team)
    _check_meets(planning.grid, given)
    values = {
        "team_id": given.team,
        "since_at": given.since.timestamp(),
        "until_at": given.until.timestamp(),
        "factor": given.factor,
        "value": given.value,
        "handle_s": given.handle_s,
        "reason": given.reason,
        "made_at": house.clock.now(),
        "made_by": who.actor,
    }
    new_id = await house.database.tx(_add_override_once, values)
    rows = await house.database.read(forecasts.list_overrides, given.team)
    return override_json(next(row for row in rows if row.id == new_id))


@router.delete("/overrides/{override_id}", status_code=204, summary="Take a correction back.")
async def delete_override(request: Request, override_id: int, _: Writer) -> None:
    """Forget a correction."""
    if not await house_of(request).database.tx(forecasts.delete_override, override_id):
        raise NotFoundError(f"There is no correction {override_id}.")


@router.get("/special-days", summary="Days that the planners know something about.")
async def list_special_days(request: Request, _: Reader) -> dict[str, Any]:
    """Return every special day, past and to come; public holidays are known without."""
    rows = await house_of(request).database.read(forecasts.list_special_days)
    return {"items": [_special_json(row) for row in rows], "next": None}


@router.post("/special-days", status_code=201, summary="Tell of a special day.")
async def add_special_day(request: Request, given: NewSpecialDay, who: Writer) -> dict[str, Any]:
    """Store a special day."""
    house = house_of(request)
    if given.team is not None:
        (await house.database.read(read_planning)).check_team(given.team)
    values: dict[str, Any] = {
        "name": given.name,
        "first_on": given.first_on.isoformat(),
        "last_on": given.last_on.isoformat(),
        "effect": given.effect,
        "team_id": given.team,
        "made_at": house.clock.now(),
        "made_by": who.actor,
    }
    new_id = await house.database.tx(_add_special_day_once, values)
    return _special_json(forecasts.SpecialDayRow(new_id, *values.values()))


@router.delete("/special-days/{day_id}", status_code=204, summary="Forget a special day.")
async def delete_special_day(request: Request, day_id: int, _: Writer) -> None:
    """Forget a special day."""
    if not await house_of(request).database.tx(forecasts.delete_special_day, day_id):
        raise NotFoundError(f"There is no special day {day_id}.")


@router.get("/planning", summary="How the site and its teams are planned.")
async def get_planning(request: Request, _: Reader) -> dict[str, Any]:
    """Return the site's and each team's terms, with the policy's promise where planners set none."""
    planning = await house_of(request).database.read(read_planning)
    return {
        "zone": planning.grid.zone,
        "site": planning.site.model_dump(mode="json"),
        "teams": {team: planning.team(team).model_dump(mode="json") for team in planning.policy.teams},
    }


@router.put("/planning/site", summary="Set how the site is planned.")
async def put_site(request: Request, given: SiteTerms, who: Writer) -> dict[str, Any]:
    """Store the site's terms in place of those before."""
    house = house_of(request)
    await house.database.tx(
        forecasts.put_setting, "site", given.model_dump_json(), now=house.clock.now(), actor=who.actor
    )
    return given.model_dump(mode="json")


@router.put("/planning/teams/{team}", summary="Set what a team promises and how it is planned.")
async def put_team(request: Request, team: str, given: TeamTerms, who: Writer) -> dict[str, Any]:
    """Store a team's terms in place of those before."""
    house = house_of(request)
    known_team(await house.database.read(read_planning), team)
    await house.database.tx(
        forecasts.put_setting,
        f"team:{team}",
        given.model_dump_json(),
        now=house.clock.now(),
        actor=who.actor,
    )
    planning = await house.database.read(read_planning)
    return planning.team(team).model_dump(mode="json")


def forecast_json(
    planning: Planning,
    row: forecasts.ForecastRow,
    overrides: Sequence[forecasts.OverrideRow],
    week_on: date,
) -> dict[str, Any]:
    """Return a week of a stored forecast interval by interval, with what it was learnt from."""
    since, until = week_span(planning.grid, week_on, 7)
    expected = between(forecast_from(row.team, row.data), since, until)
    return {
        "team": row.team,
        "id": row.id,
        "week": week_on.isoformat(),
        "made_at": isoformat(row.made_at),
        **{name: row.data[name] for name in ("first_on", "last_on", "minutes", "zone")},
        "items": intervals_json(
            expected,
            overrides,
            terms=planning.team(row.team),
            hours=lasting(planning.policy.teams[row.team].hours),
        ),
        "overrides": [override_json(each) for each in overrides],
        "backtest": _backtest_json(row.data["backtest"]),
        **{name: row.data[name] for name in ("effects", "outliers", "notes")},
        "channels": _channels_json(row.data),
    }


def _backtest_json(stored: dict[str, Any]) -> dict[str, Any]:
    """Return a backtest with the error of each choice beside that of "as a week before"."""
    wape = {(each["model"], each["first_day"]): each["wape"] for each in stored["scores"]}
    choices = []
    for each in stored["choices"]:
        own, naive = (wape.get((model, each["first_day"])) for model in (each["model"], REFERENCE))
        ratio = round(own / naive, 4) if own is not None and naive else None
        choices.append(each | {"wape": own, "naive_wape": naive, "of_naive": ratio})
    return stored | {"choices": choices}


def _channels_json(data: dict[str, Any]) -> dict[str, Any]:
    """Return by channel what is forecast on its own: contacts in all and how long each takes."""
    return {
        channel: {
            "contacts": round(sum(value or 0.0 for value in each["volume"]), 1),
            "handle_s": each["handle_s"],
            "backtest": _backtest_json(each["backtest"]),
        }
        for channel, each in data.get("deferrable", {}).items()
    }


def requirements_json(
    planning: Planning, week_on: date, rows: Sequence[forecasts.RequirementRow]
) -> dict[str, Any]:
    """Return the stored requirements of a week, column by column.

    Those of other intervals than the site plans in now are left out; they are worked out anew.
    """
    now = (planning.grid.minutes, planning.grid.zone)
    rows = [row for row in rows if (row.data["minutes"], row.data["zone"]) == now]
    many = max((len(row.data["required"]) for row in rows), default=0)
    days = max((row.data["days"] for row in rows), default=7)
    starts = intervals_between(planning.grid, week_on, week_on + timedelta(days=days - 1))[:many]
    return {
        "week": week_on.isoformat(),
        "minutes": planning.grid.minutes,
        "intervals": [utc_iso(int(at)) for at in starts],
        "teams": {
            row.team: {
                "id": row.id,
                "forecast_id": row.forecast_id,
                "made_at": isoformat(row.made_at),
                **{name: row.data[name] for name in (*_NAMES, "binding")},
                **{name: row.data.get(name) for name in _PARTS},
                **{name: row.data[name] for name in ("targets", "shrinkage", "patience_s", "patience_from")},
            }
            for row in rows
        },
        "pools": [row.data["pool"] for row in rows if "pool" in row.data],
    }


def known_team(planning: Planning, team: str) -> None:
    """Raise NotFoundError for a path that names a team which does not exist."""
    if team not in planning.policy.teams:
        raise NotFoundError(f"There is no team {team!r}.", known=sorted(planning.policy.teams))


def chosen_week(planning: Planning, week: str | None, now: float) -> date:
    """Return the first date of the week that a query names, by default the coming one."""
    try:
        return week_of(planning.grid, week) if week else coming_week(planning.grid, now)
    except ValueError:
        detail = f"{week!r} is no date and no week of the years {FIRST_YEAR} to {LAST_YEAR}."
        raise MalformedRequestError(detail, errors=[{"pointer": "/week", "detail": detail}]) from None


def _check_meets(grid: Grid, given: NewOverride) -> None:
    """Refuse a correction in whose time no interval begins: it would change nothing."""
    if interval_starts(grid, given.until.timestamp() - 1) < given.since.timestamp():
        detail = f"No interval of {grid.minutes} minutes begins from since until before until."
        raise MalformedRequestError(detail, errors=[{"pointer": "/until", "detail": detail}])


def _add_override_once(conn: Connection, values: dict[str, Any]) -> int:
    for row in forecasts.list_overrides(conn, values["team_id"]):
        if _alike(row, values, values.keys() - set(_MADE)):
            raise WrongStateError("The same correction holds already.", override=row.id)
    return forecasts.add_override(conn, values)


def _add_special_day_once(conn: Connection, values: dict[str, Any]) -> int:
    for row in forecasts.list_special_days(conn):
        if _alike(row, values, ("name", "first_on", "last_on", "team_id")):
            raise WrongStateError("This special day is known already; forget it first.", special_day=row.id)
    return forecasts.add_special_day(conn, values)


def _alike(
    row: forecasts.OverrideRow | forecasts.SpecialDayRow, values: dict[str, Any], names: Iterable[str]
) -> bool:
    told = {**dataclasses.asdict(row), "team_id": row.team}
    return all(told[name] == values[name] for name in names)


def override_json(row: forecasts.OverrideRow) -> dict[str, Any]:
    """Return a correction as callers see it."""
    return {
        "id": row.id,
        "team": row.team,
        "since": isoformat(row.since_at),
        "until": isoformat(row.until_at),
        "factor": row.factor,
        "value": row.value,
        "handle_s": row.handle_s,
        "reason": row.reason,
        "made_at": isoformat(row.made_at),
        "made_by": row.made_by,
    }


def stored_forecast(
    conn: Connection, team: str, week_on: date, forecast_id: int | None, since: float
) -> tuple[forecasts.ForecastRow | None, Sequence[forecasts.OverrideRow]]:
    """Return the forecast of a week (or the one with that id) and the corrections since `since`."""
    first, last = week_on.isoformat(), (week_on + timedelta(days=6)).isoformat()
    if forecast_id is None:
        row = forecasts.find_forecast(conn, team, first_on=first, last_on=last)
        if row is None:
            # A week that is under way: what is left of it was forecast this morning.
            row = forecasts.find_forecast(conn, team, first_on=last, last_on=last)
    else:
        row = forecasts.get_forecast(conn, forecast_id)
        row = row if row is not None and row.team == team else None
    return row, forecasts.list_overrides(conn, team, since=since)


def _special_json(row: forecasts.SpecialDayRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "first_on": row.first_on,
        "last_on": row.last_on,
        "effect": row.effect,
        "team": row.team,
        "made_at": isoformat(row.made_at),
        "made_by": row.made_by,
    }
