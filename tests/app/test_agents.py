"""Agents over HTTP: who they are and their presence."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.app.test_contacts import CALL, be_available, post


async def test_agent_is_created_and_changed(client: httpx.AsyncClient) -> None:
    body = {"name": "Bob", "teams": ["general"], "skills": {"billing": 3}, "channel_caps": {"chat": 2}}
    created = (await client.put("/v1/agents/bob", json=body)).json()
    assert (created["presence"], created["skills"], created["capacity"]) == ("offline", {"billing": 3}, 100)
    changed = await client.put("/v1/agents/bob", json={"name": "Bobby", "teams": ["complaints"]})
    assert changed.json()["name"] == "Bobby"
    assert (await client.get("/v1/agents/bob")).json() == changed.json()


async def test_agents_are_listed_by_id_and_filtered(client: httpx.AsyncClient) -> None:
    await client.put("/v1/agents/bob", json={"name": "Bob", "teams": ["complaints"]})
    await be_available(client)

    async def listed(**query: str) -> list[str]:
        return [each["id"] for each in (await client.get("/v1/agents", params=query)).json()["items"]]

    assert await listed() == ["ann", "bob", "lead"]
    assert await listed(after="ann") == ["bob", "lead"]
    assert await listed(team="general") == ["ann"]
    assert await listed(presence="available") == ["ann"]
    assert await listed(state="busy") == []


async def test_change_of_an_agent_keeps_presence_and_work(client: httpx.AsyncClient) -> None:
    await be_available(client)
    contact = await post(client, "/v1/contacts", CALL)
    await post(client, f"/v1/offers/{contact['offers'][0]['id']}/accept")
    await client.put("/v1/agents/ann", json={"name": "Ann", "teams": ["complaints"]})
    ann = (await client.get("/v1/agents/ann")).json()
    assert (ann["presence"], ann["state"], ann["offers"]) == (
        "available",
        "busy",
        [contact["offers"][0]["id"]],
    )


async def test_agent_shows_what_became_of_offers_and_when_it_was_seen(client: httpx.AsyncClient) -> None:
    await be_available(client)
    contact = await post(client, "/v1/contacts", CALL)
    await post(client, f"/v1/contacts/{contact['id']}/abandon")
    seen = (await client.post("/v1/agents/ann/heartbeat")).json()
    assert seen["asked"] == {"made": 1, "accepted": 0, "declined": 0, "unanswered": 0, "customer_gone": 1}
    assert seen["seen_at"] >= seen["presence_since"]
    missed = await post(client, "/v1/contacts", CALL | {"call_id": "missed"})
    await post(client, f"/v1/offers/{missed['offers'][0]['id']}/no-answer")
    silent = (await client.get("/v1/agents/ann")).json()
    assert (silent["state"], silent["asked"]["unanswered"], silent["missed_in_a_row"]) == (
        "not_responding",
        1,
        1,
    )
    assert silent["not_responding_until"] > silent["state_since"]


async def test_presence_while_busy_follows_the_work(client: httpx.AsyncClient) -> None:
    await be_available(client)
    contact = await post(client, "/v1/contacts", CALL)
    offer = contact["offers"][0]["id"]
    await post(client, f"/v1/offers/{offer}/accept")
    await client.put("/v1/agents/ann/presence", json={"presence": "meal"})
    assert (await client.get("/v1/agents/ann")).json()["next_presence"] == "meal"
    await post(client, f"/v1/contacts/{contact['id']}/complete")
    await post(client, f"/v1/offers/{offer}/finish-wrap-up")
    assert (await client.get("/v1/agents/ann")).json()["presence"] == "meal"


async def test_draining_agent_gets_nothing_new_and_goes_offline(client: httpx.AsyncClient) -> None:
    await be_available(client)
    contact = await post(client, "/v1/contacts", CALL)
    offer = contact["offers"][0]["id"]
    await post(client, f"/v1/offers/{offer}/accept")
    await post(client, "/v1/agents/ann/drain")
    assert (await post(client, "/v1/contacts", CALL))["state"] == "queued"
    await post(client, f"/v1/contacts/{contact['id']}/complete")
    await post(client, f"/v1/offers/{offer}/finish-wrap-up")
    assert (await client.get("/v1/agents/ann")).json()["presence"] == "offline"


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "slug"),
    [
        ("GET", "/v1/agents/nobody", None, 404, "not-found"),
        ("PUT", "/v1/agents/nobody/presence", {"presence": "available"}, 422, "unknown-reference"),
        ("PUT", "/v1/agents/ann/presence", {"presence": "asleep"}, 422, "malformed-request"),
        ("PUT", "/v1/agents/ann/presence", {}, 422, "malformed-request"),
        ("PUT", "/v1/agents/bob", {"name": ""}, 422, "malformed-request"),
        ("PUT", "/v1/agents/bob", {"name": "Bob", "skills": {"billing": 6}}, 422, "malformed-request"),
        ("PUT", "/v1/agents/bob", {"name": "Bob", "colour": "red"}, 422, "malformed-request"),
        ("PUT", "/v1/agents/.bob", {"name": "Bob"}, 422, "malformed-request"),
    ],
)
async def test_bad_request_about_agents_is_refused_and_changes_nothing(
    client: httpx.AsyncClient, method: str, path: str, body: Any, status: int, slug: str
) -> None:
    before = (await client.get("/readyz")).json()["seq"]
    answer = await client.request(method, path, json=body)
    assert (answer.status_code, answer.json()["type"]) == (status, f"/problems/{slug}"), answer.text
    assert (await client.get("/readyz")).json()["seq"] == before
