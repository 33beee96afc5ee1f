"""Proposals of the day carried out: in the next version of the roster, or as an overflow for a while."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from app.db import forecasts
from app.db.engine import Connection
from app.db.plans import AssignmentRow
from app.errors import WrongStateError
from app.overflowing import keep_time, with_overflow, without_overflow
from app.planning.carrying_out import (
    with_break_moved,
    with_edge_moved,
    with_team,
    with_training,
)
from app.settings import Settings
from routing.policy import Step
from staffing.intervals import utc_iso
from tests.app.conftest import Service
from tests.app.planning_rig import import_history, make_plan, planning_service, run_to_end
from tests.builders import make_policy, make_team

ON = "2026-03-03"
NOON = datetime(2026, 3, 3, 12, 5, tzinfo=UTC)


def at(hour: float) -> float:
    return datetime(2026, 3, 3, tzinfo=UTC).timestamp() + 3600 * hour


def text(hour: float) -> str:
    return f"{ON}T{int(hour):02}:{round(60 * (hour % 1)):02}:00Z"


def shift(*breaks: tuple[float, float], team: str = "general") -> AssignmentRow:
    """Return a shift from 9 to 17 with breaks."""
    pauses = [(f"break {i}", at(since), at(until)) for i, (since, until) in enumerate(breaks)]
    edges = [9.0, *(edge for each in breaks for edge in each), 17.0]
    work = [(team, at(since), at(until)) for since, until in zip(edges[::2], edges[1::2], strict=True)]
    return AssignmentRow("ann", ON, "day", at(9), at(17), False, pauses, work)


def hours(work: list[tuple[str, float, float]]) -> list[tuple[str, float, float]]:
    return [(team, (since - at(0)) / 3600, (until - at(0)) / 3600) for team, since, until in work]


def test_work_closes_where_a_break_was_and_opens_where_it_is() -> None:
    after = with_break_moved(shift((12, 12.5)), at(12), at(14))
    assert hours(after.breaks) == [("break 0", 14, 14.5)]
    assert hours(after.work) == [("general", 9, 14), ("general", 14.5, 17)]


@pytest.mark.parametrize(("since", "to"), [(12, 13.25), (12, 16.75), (11, 14)])
def test_break_that_would_not_fit_or_is_not_there_stays(since: float, to: float) -> None:
    with pytest.raises(WrongStateError):
        with_break_moved(shift((12, 12.5), (13.5, 14)), at(since), at(to))


def test_lent_agent_works_for_the_other_team_for_a_while_but_not_in_the_break() -> None:
    after = with_team(shift((12, 12.5)), "complaints", at(11), at(13))
    assert hours(after.work) == [
        ("general", 9, 11),
        ("complaints", 11, 12),
        ("complaints", 12.5, 13),
        ("general", 13, 17),
    ]


def test_overtime_is_work_for_the_team_that_is_short() -> None:
    after = with_edge_moved(shift(), "complaints", at(17), at(18))
    assert after.ends_at == at(18)
    assert hours(after.work) == [("general", 9, 17), ("complaints", 17, 18)]
    early = with_edge_moved(shift(), "general", at(9), at(8))
    assert (early.starts_at, hours(early.work)) == (at(8), [("general", 8, 17)])


def test_training_takes_the_place_of_work_and_of_nothing_else() -> None:
    found = with_training(shift((12, 12.5)), at(13), at(14))
    assert [(name, since) for name, since, _ in found.breaks] == [("break 0", at(12)), ("training", at(13))]
    assert all(not (begin < at(14) and end > at(13)) for _, begin, end in found.work)
    with pytest.raises(WrongStateError):
        with_training(shift((12, 12.5)), at(12), at(13))


def test_who_goes_home_early_takes_no_later_break() -> None:
    after = with_edge_moved(shift((12, 12.5), (15, 15.25)), "general", at(17), at(14))
    assert (after.ends_at, len(after.breaks)) == (at(14), 1)
    assert hours(after.work) == [("general", 9, 12), ("general", 12.5, 14)]


def test_overflow_leaves_the_policy_as_it_was_when_it_ends() -> None:
    steps = (Step(after_s=20.0, skill_slack=1), Step(after_s=60.0, overflow_to="complaints"))
    before = make_policy(make_team("general", steps=steps), make_team("complaints"))
    during = with_overflow(before, "general", "complaints", 20.0)
    assert during.teams["general"].steps[0].teams == ("complaints",)
    assert without_overflow(during, "general", "complaints", 20.0).teams == before.teams
    assert without_overflow(before, "general", "complaints", 20.0) is before


@pytest.fixture
async def service(settings: Settings) -> AsyncIterator[Service]:
    """A service at noon of the Tuesday of a week whose roster is published, and looked at."""
    changes = {"max_body_bytes": 4_000_000, "clock_start_at": NOON}
    async with planning_service(settings.model_copy(update=changes)) as service:
        async with service.client("planner") as client:
            await import_history(client)
            plan = await make_plan(client)
            await client.post(f"/v1/plans/{plan['id']}/publish")
            assert (await run_to_end(client, "intraday"))["state"] == "done"
        yield service


@pytest.fixture
async def lead(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with service.client("lead") as client:
        yield client


async def published(client: httpx.AsyncClient) -> dict[str, Any]:
    plan = (await client.get("/v1/plans", params={"state": "published"})).json()["items"][0]
    found: dict[str, Any] = (await client.get(f"/v1/plans/{plan['id']}")).json()
    return found


async def afternoon_shift(client: httpx.AsyncClient) -> dict[str, Any]:
    """Return a shift of today that goes on until the evening."""
    today = [each for each in (await published(client))["assignments"] if each["on"] == ON]
    return max(today, key=lambda each: str(each["ends_at"]))


async def propose(service: Service, **values: Any) -> str:
    """Add a proposal to the day of the general team; return its path."""
    proposal = {
        "id": "p1",
        "kind": "overtime",
        "team": "general",
        "agent": None,
        "on": ON,
        "from": None,
        "to": None,
        "to_team": None,
        "starts_at": text(17),
        "ends_at": text(18),
        "text": "as proposed",
        "who": [],
        "service_level_before": 0.5,
        "service_level_after": 0.6,
        **values,
    }

    def add(conn: Connection) -> None:
        found = forecasts.find_intraday(conn, "general", ON)
        row = forecasts.find_forecast(conn, "general", first_on=ON, last_on=ON)
        assert found is not None
        assert row is not None
        data = found[1] | {"actions": [*found[1]["actions"], proposal]}
        forecasts.put_intraday(conn, "general", ON, data, made_at=found[0], forecast_id=row.id)

    await service.house.database.tx(add)
    return "/v1/intraday/general/actions/p1"


async def test_overtime_is_in_the_next_version_with_who_did_it_and_why(
    service: Service, lead: httpx.AsyncClient
) -> None:
    before, each = await published(lead), await afternoon_shift(lead)
    later = each["ends_at"][:11] + "20:00:00Z"
    path = await propose(service, agent=each["agent"], **{"from": each["ends_at"], "to": later})
    answer = await lead.post(path, json={"reason": "half the team is ill"})
    assert answer.status_code == 201, answer.text
    done, after = answer.json(), await published(lead)
    assert (after["version"], after["id"]) == (before["version"] + 1, done["plan"])
    assert after["note"] == "today: as proposed (half the team is ill)"
    assert after["published_by"] == done["made_by"] == "lead"
    changed = [a for a in after["assignments"] if a not in before["assignments"]]
    assert [(a["agent"], a["ends_at"]) for a in changed] == [(each["agent"], later)]
    listed = (await lead.get("/v1/intraday/general")).json()["carried_out"]
    assert [(a["kind"], a["reason"]) for a in listed] == [("overtime", "half the team is ill")]
    run = (await lead.get(f"/v1/runs/{done['run']}")).json()
    assert (run["kind"], run["actor"]) == ("intraday", "lead")


async def test_time_off_goes_to_the_one_who_is_chosen(service: Service, lead: httpx.AsyncClient) -> None:
    each = await afternoon_shift(lead)
    edge = {"from": each["ends_at"], "to": text(14.5)}
    who = {"agent": each["agent"], "name": "x", "on": ON, "text": "x goes home at 14:30", **edge}
    path = await propose(service, kind="time_off", who=[who])
    nobody = await lead.post(path, json={})
    assert (nobody.status_code, nobody.json()["known"]) == (422, [each["agent"]])
    done = (await lead.post(path, json={"agent": each["agent"]})).json()
    assert (done["agent"], done["text"]) == (each["agent"], "x goes home at 14:30")
    shifts = (await published(lead))["assignments"]
    assert [s["ends_at"] for s in shifts if (s["agent"], s["on"]) == (each["agent"], ON)] == [text(14.5)]


async def test_training_is_in_the_roster_and_breaks_no_rule(
    service: Service, lead: httpx.AsyncClient
) -> None:
    each = await afternoon_shift(lead)
    ends = datetime.fromisoformat(each["ends_at"]).timestamp()
    hour = {"from": utc_iso(ends - 3600), "to": utc_iso(ends)}
    who = {"agent": each["agent"], "name": "x", "on": ON, "text": "x is trained", **hour}
    path = await propose(service, kind="training", who=[who], **hour)
    answer = await lead.post(path, json={"agent": each["agent"], "reason": "new tariff"})
    assert answer.status_code == 201, answer.text
    assert (answer.json()["text"], answer.json()["broken_rules"]) == ("x is trained", [])
    (after,) = (
        s for s in (await published(lead))["assignments"] if (s["agent"], s["on"]) == (each["agent"], ON)
    )
    assert [b["name"] for b in after["breaks"]][-1] == "training"
    assert (after["starts_at"], after["ends_at"]) == (each["starts_at"], each["ends_at"])


async def test_proposal_is_refused_once_the_roster_has_changed(
    service: Service, lead: httpx.AsyncClient
) -> None:
    each = await afternoon_shift(lead)
    later = each["ends_at"][:11] + "20:00:00Z"
    path = await propose(service, agent=each["agent"], **{"from": each["ends_at"], "to": later})
    answers = await asyncio.gather(*(lead.post(path, json={}) for _ in range(3)))
    assert sorted(each.status_code for each in answers) in ([201, 404, 404], [201, 404, 409], [201, 409, 409])
    assert len((await lead.get("/v1/plans", params={"week": ON})).json()["items"]) == 2


async def test_what_has_begun_is_not_changed_any_more(service: Service, lead: httpx.AsyncClient) -> None:
    each = await afternoon_shift(lead)
    early = {"from": each["starts_at"], "to": text(8)}
    path = await propose(service, agent=each["agent"], **early)
    answer = await lead.post(path, json={})
    assert answer.status_code == 409
    assert "too late" in answer.json()["detail"]


async def test_agent_carries_nothing_out(service: Service, lead: httpx.AsyncClient) -> None:
    path = await propose(service)
    async with service.client("agent") as agent:
        assert (await agent.post(path, json={})).status_code == 403
        assert (await agent.post("/v1/intraday/overflows/1/end")).status_code == 403
    assert (await lead.post(path.replace("p1", "p2"), json={})).status_code == 404
    assert (await lead.post("/v1/intraday/overflows/1/end")).status_code == 404


async def test_overflow_lets_the_other_team_take_what_waits_until_it_is_ended(
    service: Service, lead: httpx.AsyncClient
) -> None:
    path = await propose(service, kind="overflow", to_team="complaints", starts_at=text(12))
    done = (await lead.post(path, json={"reason": "storm"})).json()
    assert (done["kind"], done["to_team"], done["ended_at"], done["plan"]) == (
        "overflow",
        "complaints",
        None,
        None,
    )
    during = (await lead.get("/v1/policies/current")).json()
    assert [step["teams"] for step in during["teams"]["general"]["steps"]] == [["complaints"]]
    assert (await lead.post(path, json={})).status_code in (404, 409)
    ended = await lead.post(f"/v1/intraday/overflows/{done['id']}/end")
    assert ended.json()["ended_by"] == "lead"
    after = (await lead.get("/v1/policies/current")).json()
    assert after["teams"]["general"]["steps"] == []
    assert after["version"] == during["version"] + 1
    assert (await lead.post(f"/v1/intraday/overflows/{done['id']}/end")).status_code == 409


async def test_overflow_begins_and_ends_by_itself_at_its_time(
    service: Service, lead: httpx.AsyncClient
) -> None:
    path = await propose(service, kind="overflow", to_team="complaints", starts_at=text(14), ends_at=text(15))

    async def opened() -> bool:
        await keep_time(service.house)
        return bool((await lead.get("/v1/policies/current")).json()["teams"]["general"]["steps"])

    planned = (await lead.post(path, json={})).json()
    assert (planned["begun"], await opened()) == (False, False)
    service.house.clock._start += 2 * 3600
    assert await opened()
    service.house.clock._start += 3600
    assert not await opened()
    (listed,) = (await lead.get("/v1/intraday/general")).json()["carried_out"]
    assert (listed["begun"], listed["ended_by"]) == (True, "scheduler")


async def test_overflow_is_called_off_before_it_begins(service: Service, lead: httpx.AsyncClient) -> None:
    path = await propose(service, kind="overflow", to_team="complaints", starts_at=text(14), ends_at=text(15))
    version = (await lead.get("/v1/policies/current")).json()["version"]
    done = (await lead.post(path, json={})).json()
    assert (await lead.post(f"/v1/intraday/overflows/{done['id']}/end")).status_code == 200
    service.house.clock._start += 2 * 3600
    await keep_time(service.house)
    assert (await lead.get("/v1/policies/current")).json()["version"] == version


async def test_proposals_of_a_look_have_ids_of_their_own(service: Service, lead: httpx.AsyncClient) -> None:
    actions = (await lead.get("/v1/intraday/general")).json()["actions"]
    assert len({each["id"] for each in actions}) == len(actions)
