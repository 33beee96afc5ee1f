"""The day as it goes: gaps and actions after what came, and who keeps the roster."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from app.db.engine import Connection
from app.db.forecasts import add_requirement, list_requirements
from app.db.schema import interval_stat, policy
from app.settings import Settings
from routing.commands import SetPresence
from routing.model import Presence
from tests.app.conftest import Service
from tests.app.planning_rig import import_history, make_plan, planning_service, run_to_end

TUESDAY_NOON = datetime(2026, 3, 3, 12, 5, tzinfo=UTC)


@pytest.fixture
async def service(settings: Settings) -> AsyncIterator[Service]:
    """A service at noon of the Tuesday of a week whose roster is published."""
    changes = {"max_body_bytes": 4_000_000, "clock_start_at": TUESDAY_NOON}
    async with planning_service(settings.model_copy(update=changes)) as service:
        async with service.client("planner") as client:
            await import_history(client)
            plan = await make_plan(client)
            await client.post(f"/v1/plans/{plan['id']}/publish")
        yield service


@pytest.fixture
async def planner(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with service.client("planner") as client:
        yield client


async def came(service: Service, factor: float) -> None:
    """Let contacts of the general team have come this morning, `factor` times what was forecast."""
    async with service.client("planner") as client:
        items = (await client.get("/v1/forecasts/general", params={"week": "2026-03-03"})).json()["items"]
    morning = [item for item in items if "2026-03-03T09:00" <= item["starts_at"] < "2026-03-03T12:00"]
    rows = [
        {
            "team_id": "general",
            "channel": "voice",
            "starts_at": int(datetime.fromisoformat(item["starts_at"]).timestamp()),
            "offered": round(factor * item["volume"]),
        }
        for item in morning
    ]
    await service.house.database.tx(lambda conn: conn.execute(sa.insert(interval_stat), rows) and None)


async def look(planner: httpx.AsyncClient) -> dict[str, Any]:
    run = await run_to_end(planner, "intraday")
    assert run["state"] == "done", run["error"]
    found: dict[str, Any] = (await planner.get("/v1/intraday/general")).json()
    return found


async def test_busy_morning_raises_the_rest_of_the_day_and_its_requirement(
    service: Service, planner: httpx.AsyncClient
) -> None:
    await came(service, 1.0)
    calm = await look(planner)
    await service.house.database.tx(lambda conn: conn.execute(sa.delete(interval_stat)) and None)
    await came(service, 2.0)
    busy = await look(planner)
    afternoon = slice(25, 34)
    assert busy["busyness"] > 1.1 > calm["busyness"]
    assert sum(busy["updated"][afternoon]) > sum(calm["updated"][afternoon])
    assert sum(busy["required"][afternoon]) > sum(calm["required"][afternoon])


async def test_finished_intervals_show_what_came_and_later_ones_nothing(
    service: Service, planner: httpx.AsyncClient
) -> None:
    await came(service, 1.0)
    day = await look(planner)
    actual = dict(zip(day["intervals"], day["actual"], strict=True))
    assert actual["2026-03-03T11:30:00Z"] > 0
    assert actual["2026-03-03T12:00:00Z"] is None


async def test_time_before_the_first_contact_is_unknown_and_not_quiet(
    service: Service, planner: httpx.AsyncClient
) -> None:
    nothing = await look(planner)
    assert set(nothing["actual"]) == {None}
    assert nothing["updated"] == nothing["forecast"]
    glance = (await planner.get("/v1/intraday")).json()["items"][0]
    names = ("busyness", "expected_so_far", "actual_so_far")
    assert [glance[name] for name in names] == [None, None, None]
    await came(service, 1.0)
    day = await look(planner)
    actual = dict(zip(day["intervals"], day["actual"], strict=True))
    assert actual["2026-03-03T08:30:00Z"] is None
    assert actual["2026-03-03T09:00:00Z"] > 0


async def test_day_is_looked_at_when_its_roster_is_published(planner: httpx.AsyncClient) -> None:
    before = (await planner.get("/v1/runs", params={"kind": "intraday"})).json()["items"]
    for week, looks in (("2026-03-09", 0), ("2026-03-02", 1)):
        run = await run_to_end(planner, "roster", week=week, time_limit_s=1)
        await planner.post(f"/v1/plans/{run['result']['plans'][0]['id']}/publish")
        after = (await planner.get("/v1/runs", params={"kind": "intraday"})).json()["items"]
        assert len(after) - len(before) == looks


async def test_gap_is_people_on_the_roster_less_people_wanted(
    service: Service, planner: httpx.AsyncClient
) -> None:
    await came(service, 1.0)
    day = await look(planner)
    columns = zip(day["gap"], day["staffed"], day["rostered"], strict=True)
    assert all(gap == staffed - wanted for gap, staffed, wanted in columns)
    assert sum(day["staffed"]) > 0


async def test_day_without_a_look_is_not_found(planner: httpx.AsyncClient) -> None:
    assert (await planner.get("/v1/intraday/general")).status_code == 404
    items = (await planner.get("/v1/intraday")).json()["items"]
    assert [item["made_at"] for item in items] == [None, None]


async def set_up_at(service: Service, at: datetime) -> None:
    """Let the organisation have been there since an instant."""
    change = sa.update(policy).values(published_at=at.timestamp())
    await service.house.database.tx(lambda conn: conn.execute(change) and None)


async def test_time_before_the_organisation_was_set_up_counts_neither_way(
    service: Service, planner: httpx.AsyncClient
) -> None:
    await set_up_at(service, datetime(2026, 3, 3, 11, 35, tzinfo=UTC))
    items = (await planner.get("/v1/adherence")).json()["items"]
    working = [each for each in items if each["scheduled"] == "work"]
    assert {each["departs_since"] for each in working} == {"2026-03-03T11:35:00Z"}
    assert max(each["scheduled_s"] for each in working) in range(1795, 1860)


async def test_nobody_who_is_absent_is_asked_for_anything(
    service: Service, planner: httpx.AsyncClient
) -> None:
    def asked(day: dict[str, Any]) -> set[str]:
        named = {each["agent"] for each in day["actions"]}
        return (named | {who["agent"] for each in day["actions"] for who in each["who"]}) - {None}

    await came(service, 3.0)
    present = asked(await look(planner))
    items = (await planner.get("/v1/adherence")).json()["items"]
    on_shift = {each["agent"] for each in items if each["scheduled"] is not None}
    assert present & on_shift
    await set_up_at(service, datetime(2026, 3, 3, 9, tzinfo=UTC))
    assert not asked(await look(planner)) & on_shift


async def test_agent_who_is_not_there_departs_from_the_roster(
    service: Service, planner: httpx.AsyncClient
) -> None:
    await set_up_at(service, datetime(2026, 3, 1, tzinfo=UTC))
    items = (await planner.get("/v1/adherence")).json()["items"]
    working = [each for each in items if each["scheduled"] == "work"]
    assert working
    assert {each["adherence"] for each in working} == {0.0}
    someone = working[0]["agent"]
    await service.house.switchboard.submit(
        SetPresence(actor=someone, agent_id=someone, presence=Presence.AVAILABLE), lambda *_: None
    )
    after = {each["agent"]: each for each in (await planner.get("/v1/adherence")).json()["items"]}
    assert after[someone]["presence"] == "available"
    assert after[someone]["departs_since"] is None
    assert after[working[-1]["agent"]]["departs_since"] is not None or len(working) == 1


async def test_day_without_a_roster_has_nobody_to_keep_it(planner: httpx.AsyncClient) -> None:
    answer = await planner.get("/v1/adherence", params={"on": "2026-04-01"})
    assert answer.json()["items"] == []


async def test_day_keeps_what_its_requirement_deferred_and_shares(
    service: Service, planner: httpx.AsyncClient
) -> None:
    await came(service, 1.0)
    before = await look(planner)
    await run_to_end(planner, "require", week="2026-03-02")
    noon = 48 + 27

    def set_aside(conn: Connection) -> None:
        (row,) = (each for each in list_requirements(conn, "2026-03-02") if each.team == "general")
        columns = {"deferred": [0] * 336, "shared": [0] * 336}
        columns["deferred"][noon], columns["shared"][noon + 1] = 3, 1
        add_requirement(
            conn,
            "2026-03-02",
            "general",
            row.data | columns,
            run_id=None,
            forecast_id=row.forecast_id,
            made_at=row.made_at + 1,
        )

    await service.house.database.tx(set_aside)
    after = await look(planner)
    changes = [new - old for old, new in zip(before["required"], after["required"], strict=True)]
    assert changes == [0] * 27 + [3, -1] + [0] * 19
