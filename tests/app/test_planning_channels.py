"""The requirement knows its channels: chats side by side, letters and callbacks when it is quiet."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import httpx
import pytest

from app.settings import Settings
from tests.app.planning_rig import (
    MONDAY,
    channel_csv,
    early_csv,
    history_csv,
    import_history,
    planning_service,
    run_to_end,
)

WEEK = MONDAY.isoformat()
HALF_HOUR_S = 1800


@pytest.fixture
async def planner(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    settings = settings.model_copy(update={"max_body_bytes": 4_000_000})
    async with planning_service(settings) as service, service.client("planner") as client:
        yield client


async def imported(client: httpx.AsyncClient, channel: str, text: str) -> None:
    answer = await client.post("/v1/history/import", params={"channel": channel}, content=text)
    assert answer.status_code == 200, answer.text


async def required(client: httpx.AsyncClient, team: str = "general") -> dict[str, Any]:
    run = await run_to_end(client, "require", week=WEEK, reforecast=True)
    assert run["state"] == "done", run["error"]
    found: dict[str, Any] = (await client.get("/v1/requirements", params={"week": WEEK})).json()
    return found["teams"][team] | {"intervals": found["intervals"]}


async def test_letters_are_placed_where_fewest_callers_come(planner: httpx.AsyncClient) -> None:
    await import_history(planner)
    await imported(planner, "email", channel_csv(4, 450))
    team = await required(planner)
    monday = range(18, 34)
    added = {slot: team["deferred"][slot] for slot in monday}
    assert sum(team["deferred"]) > 0
    quiet, busy = (sum(added[slot] for slot in slots) for slots in ((18, 19, 32, 33), (24, 25, 26, 27)))
    assert quiet > busy
    assert team["required"] == [a + b for a, b in zip(team["live"], team["deferred"], strict=True)]


async def test_letters_of_the_night_are_done_when_the_team_is_open(planner: httpx.AsyncClient) -> None:
    await import_history(planner)
    await imported(planner, "email", channel_csv(4, 450))
    team = await required(planner)
    mail = team["deferrable"]["email"]
    assert sum(mail["done"]) == pytest.approx(sum(mail["arrives"]), rel=1e-3)
    assert sum(mail["done"][:18]) == 0.0
    assert mail["within_hours"] == 24.0


async def test_callbacks_are_done_sooner_than_letters(planner: httpx.AsyncClient) -> None:
    await import_history(planner)
    for channel in ("callback", "email"):
        await imported(planner, channel, channel_csv(4, 450, hours=(12, 13)))
    team = await required(planner)

    def after_two_hours(channel: str) -> float:
        done = team["deferrable"][channel]["done"]
        return sum(work for slot, work in enumerate(done) if not 24 <= slot % 48 < 30)

    assert after_two_hours("callback") == 0 < after_two_hours("email")


async def test_idle_time_is_used_before_people_are_added(planner: httpx.AsyncClient) -> None:
    await import_history(planner)
    await imported(planner, "email", channel_csv(1, 60, hours=(10, 15)))
    team = await required(planner)
    assert sum(team["deferrable"]["email"]["done"]) > 0
    assert sum(team["deferred"]) == 0


async def test_chats_side_by_side_take_fewer_agents(planner: httpx.AsyncClient) -> None:
    await import_history(planner)
    await imported(planner, "chat", channel_csv(30, 600, hours=(9, 17)))
    needed = {}
    for many in (1, 3):
        await planner.put("/v1/planning/teams/general", json={"chat_concurrency": many})
        team = await required(planner)
        assert team["chat"]["concurrency"] == many
        needed[many] = sum(team["chat"]["required"])
    assert needed[3] < 0.5 * needed[1]


async def test_concurrency_is_what_the_policy_allows_unless_set(planner: httpx.AsyncClient) -> None:
    await import_history(planner)
    await imported(planner, "chat", channel_csv(10, 600, hours=(9, 17)))
    assert (await required(planner))["chat"]["concurrency"] == 3


async def test_chats_and_calls_are_one_volume_and_each_has_its_own_handle_time(
    planner: httpx.AsyncClient,
) -> None:
    await import_history(planner)
    await imported(planner, "chat", channel_csv(10, 600, hours=(9, 17)))
    team = await required(planner)
    noon = 24
    assert 0 < team["chat"]["volume"][noon] < team["volume"][noon]
    assert team["chat"]["handle_s"][noon] > team["handle_s"][noon] > 200
    assert team["live"][noon] > team["chat"]["required"][noon] > 0


async def test_team_that_has_letters_alone_is_planned_too(planner: httpx.AsyncClient) -> None:
    await imported(planner, "email", channel_csv(6, 600, team="complaints"))
    team = await required(planner, "complaints")
    assert sum(team["live"]) == 0
    assert sum(team["deferred"]) * HALF_HOUR_S >= 0.99 * 5 * 48 * 6 * 600


@pytest.mark.parametrize(
    ("terms", "binding"),
    [
        ({"service_level": 0.95, "answer_within_s": 10}, "service_level"),
        ({"asa_s": 1, "max_occupancy": None}, "asa"),
        ({"abandonment": 0.005, "patience_s": 30, "max_occupancy": None}, "abandonment"),
        ({"max_occupancy": 0.3}, "occupancy"),
        ({"min_agents": 40}, "min_agents"),
    ],
)
async def test_any_target_of_a_team_can_be_the_one_that_binds(
    planner: httpx.AsyncClient, terms: dict[str, Any], binding: str
) -> None:
    await import_history(planner)
    answer = await planner.put("/v1/planning/teams/general", json=terms)
    assert answer.status_code == 200
    team = await required(planner)
    assert binding in team["binding"]
    assert {name: team["targets"][name] for name in terms if name != "patience_s"} == {
        name: value for name, value in terms.items() if name != "patience_s"
    }


async def test_mix_of_targets_needs_as_many_as_the_strictest(planner: httpx.AsyncClient) -> None:
    await import_history(planner)
    single, mixed = [], {"service_level": 0.8, "answer_within_s": 20, "asa_s": 5, "max_occupancy": 0.7}
    for terms in (
        {"service_level": 0.8, "answer_within_s": 20, "max_occupancy": None},
        {"asa_s": 5, "max_occupancy": None},
        mixed,
    ):
        await planner.put("/v1/planning/teams/general", json=terms)
        single.append((await required(planner))["required"])
    assert all(both >= max(one, other) for one, other, both in zip(*single, strict=True))


def calls_csv(law: str) -> str:
    """Return calls of a team, of whom many hang up: most at once, or evenly over two minutes."""
    lines = ["type,arrival,vru_s,queue_start,wait_s,outcome,service_s"]
    for number in range(400):
        at = datetime(2026, 2, 2 + number % 20, 9 + number % 8, number % 60)  # noqa: DTZ001
        gone = number % 2 == 0
        wait_s = (5 if number % 8 else 100) if law == "early" else 1 + number * 7 % 120
        outcome = "HANG" if gone else "AGENT"
        lines.append(f"general,{at.isoformat()},0,{at.isoformat()},{wait_s},{outcome},{0 if gone else 180}")
    return "\n".join(lines) + "\n"


async def test_patience_by_kaplan_meier_is_a_choice_and_always_shown(planner: httpx.AsyncClient) -> None:
    answer = await planner.post("/v1/history/import", content=calls_csv("early"))
    assert answer.status_code == 200, answer.text
    first = await required(planner)
    assert first["patience"]["by"] == "exponential"
    assert first["patience_s"] == first["patience"]["exponential_s"]
    assert first["patience"]["misfit"] > 0.1
    assert "simulate" in first["patience_from"]
    await planner.put("/v1/planning/teams/general", json={"patience_by": "kaplan_meier"})
    second = await required(planner)
    assert second["patience_s"] == second["patience"]["kaplan_meier_s"] != first["patience_s"]


async def test_patience_follows_from_the_sums_of_intervals_where_no_single_waits_are_known(
    planner: httpx.AsyncClient,
) -> None:
    lines = history_csv().splitlines()
    rows = [line.split(",") for line in lines[1:]]
    told = [
        f"{team},{at},{many},{int(many) // 6},{took},{30 * int(many)}" for team, at, many, _, took, _ in rows
    ]
    await import_history(planner, "\n".join([lines[0], *told]))
    team = await required(planner)
    gone = sum(int(row[2]) // 6 for row in rows if row[0] == "general")
    waited_s = sum(30 * int(row[2]) for row in rows if row[0] == "general")
    assert team["patience_s"] == pytest.approx(waited_s / gone, abs=0.1)
    assert team["patience_from"] == f"{gone} contacts hung up, from the sums of intervals"


async def test_who_waits_at_the_door_is_staffed_for_at_opening(planner: httpx.AsyncClient) -> None:
    await import_history(planner, early_csv(at_dawn=0))
    nine = 18
    nobody = await required(planner)
    assert sum(nobody["door"]) == 0
    await import_history(planner, early_csv(at_dawn=12))
    told = await required(planner)
    assert told["door"][nine] == pytest.approx(12, rel=0.3)
    assert told["load"][nine] > nobody["load"][nine] + 8
    assert told["live"][nine] > nobody["live"][nine]
    assert told["live"][nine + 3] <= nobody["live"][nine + 3] + 1
    await planner.put("/v1/planning/teams/general", json={"waiting_at_opening": 3.0})
    set_by_hand = await required(planner)
    assert [set_by_hand["door"][nine + 48 * day] for day in range(5)] == [3.0] * 5
    assert sum(set_by_hand["door"]) == 15
