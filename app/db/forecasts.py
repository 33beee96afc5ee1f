"""Queries about forecasts, their corrections, special days, requirements and planning settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from app.db.engine import Connection
from app.db.schema import (
    forecast,
    forecast_override,
    intraday_update,
    planning_setting,
    requirement,
    special_day,
)
from app.db.upsert import upsert

_KEPT: Final = 12
"""Forecasts kept per team, besides those that a requirement was made from."""


@dataclass(frozen=True, slots=True)
class ForecastRow:
    """A stored forecast; `data` as app.planning.forecasting writes it."""

    id: int
    team: str
    made_at: float
    first_on: str
    last_on: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class RequirementRow:
    """A stored requirement of a team and week; `data` as app.planning.requiring writes it."""

    id: int
    week_on: str
    team: str
    forecast_id: int | None
    made_at: float
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class OverrideRow:
    """A planner's correction of a forecast."""

    id: int
    team: str
    since_at: float
    until_at: float
    factor: float | None
    value: float | None
    handle_s: float | None
    reason: str
    made_at: float
    made_by: str


@dataclass(frozen=True, slots=True)
class SpecialDayRow:
    """A day or days that the planner knows of; dates are ISO."""

    id: int
    name: str
    first_on: str
    last_on: str
    effect: float | None
    team: str | None
    made_at: float
    made_by: str


_OVERRIDE: Final[tuple[Any, ...]] = (
    forecast_override.c.id,
    forecast_override.c.team_id,
    forecast_override.c.since_at,
    forecast_override.c.until_at,
    forecast_override.c.factor,
    forecast_override.c.value,
    forecast_override.c.handle_s,
    forecast_override.c.reason,
    forecast_override.c.made_at,
    forecast_override.c.made_by,
)
_SPECIAL: Final[tuple[Any, ...]] = (
    special_day.c.id,
    special_day.c.name,
    special_day.c.first_on,
    special_day.c.last_on,
    special_day.c.effect,
    special_day.c.team_id,
    special_day.c.made_at,
    special_day.c.made_by,
)


def add_forecast(
    conn: Connection,
    team: str,
    data: dict[str, Any],
    *,
    run_id: int | None,
    made_at: float,
    first_on: str,
    last_on: str,
) -> int:
    """Store a forecast, let go of old ones that nothing refers to, and return its id."""
    new_id: int = conn.execute(
        sa.insert(forecast)
        .values(
            team_id=team,
            run_id=run_id,
            made_at=made_at,
            first_on=first_on,
            last_on=last_on,
            data=_json(data),
        )
        .returning(forecast.c.id)
    ).scalar_one()
    recent = (
        sa.select(forecast.c.id).where(forecast.c.team_id == team).order_by(forecast.c.id.desc()).limit(_KEPT)
    )
    used = sa.union(
        sa.select(requirement.c.forecast_id).where(requirement.c.forecast_id.is_not(None)),
        sa.select(intraday_update.c.forecast_id),
    )
    conn.execute(
        sa.delete(forecast).where(
            forecast.c.team_id == team,
            forecast.c.id.not_in([*conn.scalars(recent)]),
            forecast.c.id.not_in(sa.select(used.subquery().c[0])),
        )
    )
    return new_id


def find_forecast(conn: Connection, team: str, *, first_on: str, last_on: str) -> ForecastRow | None:
    """Return the newest forecast of a team that holds every day from `first_on` to `last_on`, or None."""
    query = (
        _forecasts()
        .where(
            forecast.c.team_id == team,
            forecast.c.first_on <= first_on,
            forecast.c.last_on >= last_on,
        )
        .order_by(forecast.c.id.desc())
        .limit(1)
    )
    return _forecast(conn.execute(query).one_or_none())


def latest_forecast(conn: Connection, team: str) -> ForecastRow | None:
    """Return the newest forecast of a team, or None."""
    query = _forecasts().where(forecast.c.team_id == team).order_by(forecast.c.id.desc()).limit(1)
    return _forecast(conn.execute(query).one_or_none())


def get_forecast(conn: Connection, forecast_id: int) -> ForecastRow | None:
    """Return a forecast by id, or None."""
    return _forecast(conn.execute(_forecasts().where(forecast.c.id == forecast_id)).one_or_none())


def list_forecasts(conn: Connection, team: str) -> list[tuple[int, float, str, str]]:
    """Return (id, made at, first date, last date) of a team's forecasts, newest first."""
    query = (
        sa.select(forecast.c.id, forecast.c.made_at, forecast.c.first_on, forecast.c.last_on)
        .where(forecast.c.team_id == team)
        .order_by(forecast.c.id.desc())
    )
    return [(int(r[0]), float(r[1]), str(r[2]), str(r[3])) for r in conn.execute(query)]


def add_requirement(
    conn: Connection,
    week_on: str,
    team: str,
    data: dict[str, Any],
    *,
    run_id: int | None,
    forecast_id: int | None,
    made_at: float,
) -> int:
    """Store the requirement of a team and week and return its id; older ones of it go."""
    conn.execute(
        sa.delete(requirement).where(requirement.c.week_on == week_on, requirement.c.team_id == team)
    )
    new_id: int = conn.execute(
        sa.insert(requirement)
        .values(
            week_on=week_on,
            team_id=team,
            run_id=run_id,
            forecast_id=forecast_id,
            made_at=made_at,
            data=_json(data),
        )
        .returning(requirement.c.id)
    ).scalar_one()
    return new_id


def list_requirements(conn: Connection, week_on: str) -> list[RequirementRow]:
    """Return the requirements of a week, by team."""
    t = requirement.c
    query = (
        sa.select(t.id, t.week_on, t.team_id, t.forecast_id, t.made_at, t.data)
        .where(t.week_on == week_on)
        .order_by(t.team_id)
    )
    return [RequirementRow(*row[:5], msgspec.json.decode(row[5])) for row in conn.execute(query)]


def add_override(conn: Connection, values: dict[str, Any]) -> int:
    """Store a correction and return its id."""
    return _added(conn, forecast_override, values)


def list_overrides(conn: Connection, team: str | None = None, *, since: float = 0) -> list[OverrideRow]:
    """Return the corrections that reach beyond `since`, of one team or all, in the order they were made."""
    t = forecast_override.c
    query = sa.select(*_OVERRIDE).where(t.until_at > since).order_by(t.id)
    if team is not None:
        query = query.where(t.team_id == team)
    return [OverrideRow(*row) for row in conn.execute(query)]


def delete_override(conn: Connection, override_id: int) -> bool:
    """Take a correction back; return whether there was one."""
    return _deleted(conn, forecast_override, override_id)


def add_special_day(conn: Connection, values: dict[str, Any]) -> int:
    """Store a special day and return its id."""
    return _added(conn, special_day, values)


def list_special_days(conn: Connection) -> list[SpecialDayRow]:
    """Return every special day, by first date."""
    query = sa.select(*_SPECIAL).order_by(special_day.c.first_on, special_day.c.id)
    return [SpecialDayRow(*row) for row in conn.execute(query)]


def delete_special_day(conn: Connection, day_id: int) -> bool:
    """Forget a special day; return whether there was one."""
    return _deleted(conn, special_day, day_id)


def read_settings(conn: Connection) -> dict[str, str]:
    """Return the planner's settings as stored JSON by key (`site`, `team:<id>`)."""
    return {
        str(k): str(v) for k, v in conn.execute(sa.select(planning_setting.c.key, planning_setting.c.data))
    }


def put_setting(conn: Connection, key: str, data: str, *, now: float, actor: str) -> None:
    """Store one of the planner's settings."""
    upsert(conn, planning_setting, [{"key": key, "data": data, "changed_at": now, "changed_by": actor}])


def put_intraday(
    conn: Connection, team: str, on: str, data: dict[str, Any], *, made_at: float, forecast_id: int
) -> None:
    """Store what the day so far says about its rest."""
    row = {"team_id": team, "on": on, "made_at": made_at, "forecast_id": forecast_id, "data": _json(data)}
    upsert(conn, intraday_update, [row])


def find_intraday(conn: Connection, team: str, on: str) -> tuple[float, dict[str, Any]] | None:
    """Return (made at, data) of a team's update of a local date, or None."""
    t = intraday_update.c
    row = conn.execute(sa.select(t.made_at, t.data).where(t.team_id == team, t.on == on)).one_or_none()
    return (float(row[0]), msgspec.json.decode(row[1])) if row is not None else None


def _forecasts() -> sa.Select[Any]:
    t = forecast.c
    return sa.select(t.id, t.team_id, t.made_at, t.first_on, t.last_on, t.data)


def _forecast(row: Any) -> ForecastRow | None:
    if row is None:
        return None
    values: tuple[Any, ...] = (*row[:5], msgspec.json.decode(row[5]))
    return ForecastRow(*values)


def _added(conn: Connection, table: sa.Table, values: dict[str, Any]) -> int:
    new_id: int = conn.execute(sa.insert(table).values(**values).returning(table.c.id)).scalar_one()
    return new_id


def _deleted(conn: Connection, table: sa.Table, row_id: int) -> bool:
    return conn.execute(sa.delete(table).where(table.c.id == row_id)).rowcount == 1


def _json(data: dict[str, Any]) -> str:
    return msgspec.json.encode(data).decode()
