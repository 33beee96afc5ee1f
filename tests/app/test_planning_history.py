"""What is told of the past: finished intervals alone, imported and live as one."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from app.db.schema import interval_stat
from app.settings import Settings
from tests.app.conftest import Service
from tests.app.planning_rig import import_history, planning_service, run_to_end

NOON = datetime(2026, 3, 3, 12, 5, tzinfo=UTC)
"""A Tuesday."""


@pytest.fixture
async def service(settings: Settings) -> AsyncIterator[Service]:
    changes = {"max_body_bytes": 4_000_000, "clock_start_at": NOON}
    async with planning_service(settings.model_copy(update=changes)) as service:
        yield service


@pytest.fixture
async def planner(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with service.client("planner") as client:
        yield client


async def came(service: Service, *clocks: str, channel: str = "voice") -> None:
    rows = [
        {
            "team_id": "general",
            "channel": channel,
            "starts_at": int(datetime.fromisoformat(f"2026-03-03T{clock}:00+00:00").timestamp()),
            "offered": 9,
        }
        for clock in clocks
    ]
    await service.house.database.tx(lambda conn: conn.execute(sa.insert(interval_stat), rows) and None)


async def test_interval_that_still_runs_is_not_told(service: Service, planner: httpx.AsyncClient) -> None:
    await came(service, "11:00", "11:30", "12:00")
    found = await planner.get("/v1/history/general", params={"start": "2026-03-03T00:00:00Z"})
    items: list[dict[str, Any]] = found.json()["items"]
    assert [item["starts_at"][11:16] for item in items] == ["11:00", "11:30"]
    assert [item["offered"] for item in items] == [9, 9]


async def test_day_that_is_not_over_is_nothing_to_learn_from(
    service: Service, planner: httpx.AsyncClient
) -> None:
    await import_history(planner)
    forecasts = []
    for clocks in ((), ("09:00",)):
        if clocks:
            await came(service, *clocks)
        run = await run_to_end(planner, "forecast", team="general", first_on="2026-03-09", weeks=1)
        assert run["state"] == "done", run["error"]
        answer = await planner.get("/v1/forecasts/general", params={"week": "2026-03-09"})
        forecasts.append([item["volume"] for item in answer.json()["items"]])
    assert forecasts[0] == forecasts[1]


async def test_queue_log_becomes_history_and_patience(planner: httpx.AsyncClient) -> None:
    lines = []
    for number in range(200):
        at = 1_771_833_600 + 300 * number
        lines.append(f"{at}|c{number}|general|NONE|ENTERQUEUE||+44")
        if number % 3:
            lines += [
                f"{at + 20}|c{number}|general|SIP/1|CONNECT|20|c{number}|3",
                f"{at + 200}|c{number}|general|SIP/1|COMPLETECALLER|20|180|1",
            ]
        else:
            lines.append(f"{at + 40}|c{number}|general|NONE|ABANDON|1|1|40")
    answer = await planner.post("/v1/history/import", content="\n".join(lines))
    assert answer.status_code == 200, answer.text
    told = answer.json()["result"]
    assert (told["format"], told["teams"]["general"]["offered"]) == ("queue_log", 200)
    found = await planner.get("/v1/history/general", params={"start": "2026-02-23T00:00:00Z"})
    items = [item for item in found.json()["items"] if item["offered"]]
    assert sum(item["abandoned"] for item in items) == 67
    assert {item["aht_s"] for item in items} == {180.0}
    await run_to_end(planner, "require", week="2026-03-02", reforecast=True)
    team = (await planner.get("/v1/requirements", params={"week": "2026-03-02"})).json()["teams"]["general"]
    # All time waited over those who hung up: (133 x 20 + 67 x 40) / 67.
    assert team["patience_s"] == pytest.approx((133 * 20 + 67 * 40) / 67, rel=0.01)


async def test_day_on_which_clocks_go_forward_has_an_hour_less(planner: httpx.AsyncClient) -> None:
    lines = ["team,start,offered"]
    for day, hours in ((27, 24), (28, 24), (29, 23)):
        utc = datetime(2025, 3, day, tzinfo=UTC) + timedelta(days=1)
        lines += [
            f"general,{(utc + timedelta(minutes=30 * slot)).isoformat()},{1 + slot}"
            for slot in range(2 * hours)
        ]
    answer = await planner.post("/v1/history/import", content="\n".join(lines))
    assert answer.status_code == 200, answer.text
    found = await planner.get(
        "/v1/history/general", params={"start": "2025-03-30T00:00:00Z", "end": "2025-03-30T23:00:00Z"}
    )
    assert len(found.json()["items"]) == 46


ROWS = b"team,start,offered\ngeneral,2026-03-02T08:00,4\n"


async def test_gzip_in_several_parts_is_read_whole(planner: httpx.AsyncClient) -> None:
    parts = gzip.compress(ROWS) + gzip.compress(b"general,2026-03-02T08:30,5\n")
    answer = await planner.post("/v1/history/import", content=parts)
    assert answer.json()["result"]["teams"]["general"]["offered"] == 9


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (gzip.compress(ROWS, mtime=0)[:-12], "end is missing"),
        (ROWS.replace(b"general", "Küche".encode("latin-1")), "save the file as UTF-8"),
        (ROWS.decode().encode("utf-16"), "save the file as UTF-8"),
        (ROWS.replace(b"2026", b"2031"), "still to come"),
        (ROWS.replace(b"general", b"kitchen"), "team=NAME:ours"),
    ],
)
async def test_file_that_is_not_what_it_should_be_changes_nothing(
    planner: httpx.AsyncClient, content: bytes, said: str
) -> None:
    answer = await planner.post("/v1/history/import", content=content)
    assert answer.status_code == 422
    assert said in answer.json()["detail"]
    assert (await planner.get("/v1/history")).json()["items"] == []


async def test_wrong_parameters_of_an_import_are_pointed_at(planner: httpx.AsyncClient) -> None:
    for query, pointer in (("minutes=7", "/minutes"), ("team=kitchen", "/team"), ("format=xml", "/format")):
        answer = await planner.post(f"/v1/history/import?{query}", content=ROWS)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == pointer


def rows(*clocks: str) -> str:
    return "team,start,offered\n" + "".join(f"general,2026-02-02T{clock},3\n" for clock in clocks)


@pytest.mark.parametrize(
    ("clocks", "minutes"),
    [
        (("08:00", "08:15", "08:30"), 15),
        (("08:00", "08:30", "09:00"), 30),
        (("08:30", "09:30"), 30),
        (("08:00",), 30),
    ],
)
async def test_length_of_intervals_is_found_out(
    planner: httpx.AsyncClient, clocks: tuple[str, ...], minutes: int
) -> None:
    run = (await planner.post("/v1/history/import", content=rows(*clocks))).json()
    assert run["state"] == "done", run["error"]
    assert run["result"]["teams"]["general"]["minutes"] == minutes


async def test_hours_are_not_taken_for_half_hours(planner: httpx.AsyncClient) -> None:
    hourly = rows("08:00", "09:00", "10:00")
    answer = await planner.post("/v1/history/import", content=hourly)
    assert answer.status_code == 422
    assert "60 minutes can't be planned in intervals of 30" in answer.json()["detail"]
    assert "--minutes" in answer.json()["detail"]
    run = (await planner.post("/v1/history/import?minutes=30", content=hourly)).json()
    assert run["state"] == "done", run["error"]
