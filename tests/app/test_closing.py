"""A lead closes a team by hand for a while: who comes is turned away, who waits is served."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from app.clock import isoformat
from tests.app.conftest import Service
from tests.app.test_contacts import CALL, be_available, post
from tests.app.test_projection import let_pass

GENERAL = "/v1/queues/general"


async def close(client: httpx.AsyncClient, **terms: Any) -> dict[str, Any]:
    return await post(client, f"{GENERAL}/close", terms)


async def test_closed_team_turns_callers_away_and_lets_mails_wait(client: httpx.AsyncClient) -> None:
    waits = await post(client, "/v1/contacts", CALL)
    queue = await close(client, reason="fire drill")
    assert (queue["open"], queue["closed_by_hand"]["by"]) == (False, "admin")
    assert queue["closed_by_hand"]["reason"] == "fire drill"
    assert queue["opens_at"] == queue["closed_by_hand"]["until"]
    call = await post(client, "/v1/contacts", CALL | {"call_id": "late"})
    assert (call["state"], call["end_reason"]) == ("rejected", "closed")
    mail = await post(client, "/v1/contacts", CALL | {"channel": "email", "call_id": "mail"})
    assert mail["state"] == "queued"
    assert (await client.get(f"/v1/contacts/{waits['id']}")).json()["state"] == "queued"


async def test_callback_is_put_off_until_the_team_opens(service: Service, client: httpx.AsyncClient) -> None:
    until = service.house.clock.now() + 1800.0
    await close(client, until=isoformat(until))
    found = await post(client, "/v1/contacts", CALL | {"channel": "callback"})
    opens_at = datetime.fromisoformat(found["scheduled_at"]).timestamp()
    assert (found["state"], opens_at) == ("scheduled", pytest.approx(until, abs=0.01))


async def test_team_opens_by_itself_when_its_time_is_over(
    service: Service, client: httpx.AsyncClient
) -> None:
    await close(client, until=isoformat(service.house.clock.now() + 600.0))
    await let_pass(service, 601.0)
    queue = (await client.get(GENERAL)).json()
    assert (queue["open"], queue["opens_at"], queue["closed_by_hand"]) == (True, None, None)
    assert (await post(client, "/v1/contacts", CALL))["state"] == "queued"


async def test_team_without_a_time_is_closed_until_the_end_of_its_day(client: httpx.AsyncClient) -> None:
    queue = await close(client)
    ends_at = datetime.fromisoformat(queue["closed_by_hand"]["until"]).astimezone(UTC)
    assert (ends_at.hour in (22, 23, 0), ends_at.minute, ends_at.second) == (True, 0, 0)


async def test_team_is_opened_again_and_only_if_it_was_closed_by_hand(client: httpx.AsyncClient) -> None:
    await close(client)
    first = await close(client, reason="longer")
    assert first["closed_by_hand"]["reason"] == "longer"
    before = (await client.get("/v1/policies/1")).json()["teams"]
    assert (await post(client, f"{GENERAL}/open"))["open"] is True
    assert (await client.get("/v1/policies/current")).json()["teams"] == before
    assert (await post(client, "/v1/contacts", CALL))["state"] == "queued"
    again = await client.post(f"{GENERAL}/open")
    assert (again.status_code, again.json()["type"]) == (409, "/problems/wrong-state")
    assert "not closed by hand" in again.json()["detail"]
    notes = [each["note"] for each in (await client.get("/v1/policies")).json()["items"]]
    assert notes[:3] == ["general opened", "general closed: longer", "general closed"]


@pytest.mark.parametrize("away_s", [-1.0, 32 * 86_400.0])
async def test_team_is_closed_until_an_instant_that_comes_within_a_month(
    service: Service, client: httpx.AsyncClient, away_s: float
) -> None:
    answer = await client.post(
        f"{GENERAL}/close", json={"until": isoformat(service.house.clock.now() + away_s)}
    )
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/until")


@pytest.mark.parametrize("verb", ["close", "open"])
async def test_team_that_is_not_there_is_neither_closed_nor_opened(
    client: httpx.AsyncClient, verb: str
) -> None:
    answer = await client.post(f"/v1/queues/nobody/{verb}", json={})
    assert (answer.status_code, "general" in answer.json()["known"]) == (404, True)


async def test_agents_of_a_closed_team_serve_who_waits(client: httpx.AsyncClient) -> None:
    waits = await post(client, "/v1/contacts", CALL)
    await close(client)
    await be_available(client)
    assert (await client.get(f"/v1/contacts/{waits['id']}")).json()["state"] == "offered"
