"""What a forecast tells of itself: its error against seasonal naive, what it set aside, how far it goes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any

import httpx
import pytest

from app.planning.forecasting import Calendar, _forecast
from app.settings import Settings
from tests.app.planning_rig import (
    MONDAY,
    early_csv,
    history_csv,
    import_history,
    planning_service,
    run_to_end,
)
from tests.staffing.traffic import history_of, poisson

WEEK = MONDAY.isoformat()


@pytest.fixture
async def planner(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    settings = settings.model_copy(update={"max_body_bytes": 4_000_000})
    async with planning_service(settings) as service, service.client("planner") as client:
        yield client


async def forecast(client: httpx.AsyncClient, week: str = WEEK, **params: Any) -> dict[str, Any]:
    run = await run_to_end(client, "forecast", **{"team": "general", "first_on": WEEK, "weeks": 1, **params})
    assert run["state"] == "done", run["error"]
    found: dict[str, Any] = (await client.get("/v1/forecasts/general", params={"week": week})).json()
    return found


async def test_every_model_is_scored_beside_seasonal_naive(planner: httpx.AsyncClient) -> None:
    await import_history(planner, history_csv(weeks=10))
    backtest = (await forecast(planner))["backtest"]
    assert backtest["origins"] > 10
    models = {score["model"] for score in backtest["scores"]}
    assert {"naive", "weekday_mean"} < models or {"naive", "recent_mean"} < models, models
    near = backtest["choices"][0]
    best = min(score["wape"] for score in backtest["scores"] if score["first_day"] == near["first_day"])
    assert best <= near["wape"] <= near["naive_wape"]
    assert near["of_naive"] == pytest.approx(near["wape"] / near["naive_wape"], abs=1e-3)


async def test_intervals_outside_opening_hours_are_closed_whatever_came(planner: httpx.AsyncClient) -> None:
    await import_history(planner, early_csv(at_night=2))
    items = (await forecast(planner))["items"]
    classes = {item["clock"]: (item["busyness"], item["reason"]) for item in items if item["on"] == WEEK}
    assert classes["02:00"] == classes["08:30"] == ("closed", "outside opening hours: closed")
    assert classes["09:00"][0] != "closed"
    assert next(item["volume"] for item in items if item["clock"] == "08:30") > 3


async def test_day_beyond_reason_is_set_aside_and_listed(planner: httpx.AsyncClient) -> None:
    quiet = (MONDAY - timedelta(days=20)).isoformat()
    text = history_csv(weeks=8)
    lines = [
        line
        if not line.startswith(f"general,{quiet}T1")
        else f"{','.join(line.split(',')[:2])},900,0,180000,0"
        for line in text.splitlines()
    ]
    await import_history(planner, "\n".join(lines))
    found = await forecast(planner)
    assert quiet in {outlier["on"] for outlier in found["outliers"]}
    assert all(outlier["reason"] for outlier in found["outliers"])
    assert max(item["volume"] for item in found["items"]) < 50


async def test_forecast_goes_eighteen_weeks_far_and_no_further(planner: httpx.AsyncClient) -> None:
    await import_history(planner, history_csv(weeks=8))
    last = MONDAY + timedelta(weeks=17)
    found = await forecast(planner, week=last.isoformat(), weeks=18)
    assert date.fromisoformat(found["last_on"]) == MONDAY + timedelta(days=18 * 7 - 1)
    assert sum(item["volume"] for item in found["items"]) > 100
    answer = await planner.post("/v1/runs", json={"kind": "forecast", "params": {"weeks": 19}})
    assert answer.status_code == 422


async def test_band_holds_the_expected_contacts(planner: httpx.AsyncClient) -> None:
    await import_history(planner)
    items = (await forecast(planner))["items"]
    busy = [item for item in items if item["volume"] > 3]
    assert busy
    assert all(item["low"] <= item["volume"] <= item["high"] for item in busy)
    assert all(item["low"] < item["high"] for item in busy)


async def test_event_of_the_planners_moves_its_day_alone(planner: httpx.AsyncClient) -> None:
    await import_history(planner)
    tuesday = (MONDAY + timedelta(days=1)).isoformat()

    def total(items: list[dict[str, Any]], on: str) -> float:
        return sum(item["volume"] for item in items if item["on"] == on)

    before = (await forecast(planner))["items"]
    await planner.post(
        "/v1/special-days", json={"name": "mailing", "first_on": tuesday, "last_on": tuesday, "effect": 1.5}
    )
    after = await forecast(planner)
    assert total(after["items"], tuesday) == pytest.approx(1.5 * total(before, tuesday), rel=0.02)
    assert total(after["items"], WEEK) == pytest.approx(total(before, WEEK), rel=0.02)
    assert after["effects"][tuesday]["name"] == "mailing"


async def test_special_day_of_which_nothing_is_known_is_assumed_ordinary(planner: httpx.AsyncClient) -> None:
    await import_history(planner)
    tuesday = (MONDAY + timedelta(days=1)).isoformat()
    await planner.post("/v1/special-days", json={"name": "audit", "first_on": tuesday, "last_on": tuesday})
    effect = (await forecast(planner))["effects"][tuesday]
    assert (effect["factor"], effect["assumed"]) == (1.0, True)
    assert effect["reason"] == "no such day in the history; an ordinary day is assumed"


async def test_requirement_tells_what_it_leaves_out_of_the_forecast(planner: httpx.AsyncClient) -> None:
    await import_history(planner, early_csv(at_night=2))
    expected = sum(item["volume"] for item in (await forecast(planner))["items"])
    await run_to_end(planner, "require", week=WEEK, team="general")
    needed = (await planner.get("/v1/requirements", params={"week": WEEK})).json()["teams"]["general"]
    staffed = sum(value or 0 for value in needed["volume"])
    assert needed["unstaffed"]["closed"] > 10
    assert staffed + sum(needed["unstaffed"].values()) == pytest.approx(expected, abs=2)


def test_a_day_is_forecast_alike_however_far_the_forecast_goes() -> None:
    table = poisson(7 * 40, busyness_cv=0.1)
    recorded, ireland = history_of(table, first_on=MONDAY - timedelta(weeks=40)), Calendar("IE", None, ())
    # Saint Patrick's day is in the month of the first week, but after it.
    week, quarter = (_forecast(recorded, recorded.grid, MONDAY, days, ireland) for days in (7, 91))
    many = len(week.starts)
    assert quarter.model[:many] == week.model
    assert quarter.volume[:many].tolist() == week.volume.tolist()
    assert quarter.rate_cv[:many].tolist() == week.rate_cv.tolist()


async def test_correction_of_handle_time_survives_and_reaches_the_requirement(
    planner: httpx.AsyncClient,
) -> None:
    await import_history(planner)
    span = {"since": f"{WEEK}T00:00:00Z", "until": f"{WEEK}T23:59:00Z"}
    needed = []
    for handle_s in (None, 800):
        if handle_s:
            await planner.post("/v1/overrides", json={"team": "general", "handle_s": handle_s, **span})
        await run_to_end(planner, "require", week=WEEK, reforecast=True)
        found = (await planner.get("/v1/requirements", params={"week": WEEK})).json()
        needed.append(found["teams"]["general"]["required"])
    monday, rest = slice(0, 48), slice(48, None)
    assert sum(needed[1][monday]) > 1.5 * sum(needed[0][monday])
    assert needed[1][rest] == needed[0][rest]


@pytest.mark.parametrize("week", ["9999-12-31", "0001-01-01", "9999-W52", "2026-02-30", "2026-W60"])
async def test_week_that_cannot_be_planned_is_refused_everywhere(
    planner: httpx.AsyncClient, week: str
) -> None:
    for path in ("/v1/forecasts/general", "/v1/requirements", "/v1/plans", "/planner"):
        assert (await planner.get(path, params={"week": week})).status_code == 422
    for kind in ("require", "design", "roster"):
        body = {"kind": kind, "params": {"week": week}}
        assert (await planner.post("/v1/runs", json=body)).status_code == 422
    body = {"kind": "forecast", "params": {"first_on": week}}
    assert (await planner.post("/v1/runs", json=body)).status_code == 422


async def test_correction_without_an_interval_and_the_same_one_again_are_refused(
    planner: httpx.AsyncClient,
) -> None:
    body = {"team": "general", "since": "2026-03-02T09:07:00Z", "until": "2026-03-02T09:20:00Z", "factor": 2}
    answer = await planner.post("/v1/overrides", json=body)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/until")
    body["until"] = "2026-03-02T09:31:00Z"
    first = (await planner.post("/v1/overrides", json=body)).json()["id"]
    again = await planner.post("/v1/overrides", json=body)
    assert (again.status_code, again.json()["override"]) == (409, first)
    assert (await planner.post("/v1/overrides", json=body | {"factor": 3})).status_code == 201


async def test_special_day_is_told_once_and_in_years_that_can_be_planned(planner: httpx.AsyncClient) -> None:
    body = {"name": "Sale", "first_on": "2026-03-04", "last_on": "2026-03-05", "effect": 1.5}
    first = (await planner.post("/v1/special-days", json=body)).json()["id"]
    again = await planner.post("/v1/special-days", json=body)
    assert (again.status_code, again.json()["special_day"]) == (409, first)
    assert (await planner.post("/v1/special-days", json=body | {"team": "general"})).status_code == 201
    far = body | {"first_on": "9999-12-30", "last_on": "9999-12-31"}
    assert (await planner.post("/v1/special-days", json=far)).status_code == 422


async def test_requirement_of_other_intervals_is_not_taken_for_one_of_these(
    planner: httpx.AsyncClient,
) -> None:
    await import_history(planner)
    run = await run_to_end(planner, "require", week=WEEK, pooling_s=0)
    assert run["state"] == "done", run["error"]
    assert (await planner.get("/v1/requirements", params={"week": WEEK})).json()["teams"]
    site = (await planner.get("/v1/planning")).json()["site"]
    await planner.put("/v1/planning/site", json=site | {"interval_minutes": 60})
    found = (await planner.get("/v1/requirements", params={"week": WEEK})).json()
    assert (found["minutes"], found["teams"], found["intervals"]) == (60, {}, [])
