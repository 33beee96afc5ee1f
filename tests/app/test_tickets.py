"""Tickets over HTTP: one owner always, states changed by people and by repeat contacts."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from app.settings import Settings
from tests.app.conftest import Service, furnish, running
from tests.app.test_contacts import CALL, be_available, post


async def ticket_of(client: httpx.AsyncClient, contact: dict[str, Any]) -> dict[str, Any]:
    return dict((await client.get(f"/v1/tickets/{contact['ticket_id']}")).json())


async def test_lead_owns_a_ticket_until_an_agent_accepts(client: httpx.AsyncClient) -> None:
    await be_available(client)
    contact = await post(client, "/v1/contacts", CALL)
    assert (await ticket_of(client, contact))["owner"] == "lead"
    await post(client, f"/v1/offers/{contact['offers'][0]['id']}/accept")
    assert (await ticket_of(client, contact))["owner"] == "ann"


async def test_ticket_without_an_open_contact_is_changed(client: httpx.AsyncClient) -> None:
    contact = await post(client, "/v1/contacts", CALL)
    await post(client, f"/v1/contacts/{contact['id']}/abandon")
    path = f"/v1/tickets/{contact['ticket_id']}"
    changed = await client.patch(path, json={"state": "waiting_internal", "owner": "ann"})
    assert (changed.json()["state"], changed.json()["owner"]) == ("waiting_internal", "ann")
    assert (await client.get(path)).json() == changed.json()


async def test_resolved_ticket_is_opened_by_a_repeat_contact(client: httpx.AsyncClient) -> None:
    contact = await post(client, "/v1/contacts", CALL)
    await post(client, f"/v1/contacts/{contact['id']}/abandon")
    await client.patch(f"/v1/tickets/{contact['ticket_id']}", json={"state": "resolved"})
    again = await post(client, "/v1/contacts", CALL)
    ticket = await ticket_of(client, again)
    assert (ticket["id"], ticket["state"], ticket["reopened"]) == (contact["ticket_id"], "open", 1)


async def test_ticket_changed_twice_at_once_keeps_both_changes(service: Service) -> None:
    import asyncio

    async with service.client() as client:
        contact = await post(client, "/v1/contacts", CALL)
        await post(client, f"/v1/contacts/{contact['id']}/abandon")
        path = f"/v1/tickets/{contact['ticket_id']}"
        await asyncio.gather(
            client.patch(path, json={"state": "waiting_customer"}), client.patch(path, json={"owner": "ann"})
        )
        ticket = (await client.get(path)).json()
    assert (ticket["state"], ticket["owner"]) == ("waiting_customer", "ann")


async def test_contact_joins_the_ticket_it_names_however_many_are_newer(settings: Settings) -> None:
    async with running(settings) as service:
        await furnish(service.house, join="never")
        async with service.client() as client:
            posted = [await post(client, "/v1/contacts", CALL) for _ in range(7)]
            for each in posted:
                await post(client, f"/v1/contacts/{each['id']}/abandon")
            named = await post(client, "/v1/contacts", CALL | {"ticket_id": posted[0]["ticket_id"]})
    assert named["ticket_id"] == posted[0]["ticket_id"]


async def test_tickets_are_filtered_and_paged(client: httpx.AsyncClient) -> None:
    for number in range(5):
        sender = {"phone": f"+44 20 7946 00{number}0"}
        await post(client, "/v1/contacts", {"channel": "voice", "from": sender})
    seen: list[int] = []
    query: dict[str, Any] = {"limit": 2, "state": "open", "owner": "lead"}
    while True:
        page = (await client.get("/v1/tickets", params=query)).json()
        seen += [each["id"] for each in page["items"]]
        if page["next"] is None:
            break
        query["cursor"] = page["next"]
    assert len(seen) == len(set(seen)) == 5
    assert seen == sorted(seen, reverse=True)
    assert (await client.get("/v1/tickets", params={"state": "closed"})).json()["items"] == []


@pytest.mark.parametrize(
    ("ticket", "body", "status", "slug"),
    [
        (4711, {"state": "resolved"}, 404, "not-found"),
        (2**70, {"state": "resolved"}, 404, "not-found"),
        (None, {"owner": "nobody"}, 422, "unknown-reference"),
        (None, {"owner": ""}, 422, "malformed-request"),
        (None, {"state": "lost"}, 422, "malformed-request"),
    ],
)
async def test_bad_change_of_a_ticket_is_refused_and_changes_nothing(
    client: httpx.AsyncClient, ticket: int | None, body: Any, status: int, slug: str
) -> None:
    contact = await post(client, "/v1/contacts", CALL)
    before = (await client.get("/readyz")).json()["seq"]
    answer = await client.patch(f"/v1/tickets/{ticket or contact['ticket_id']}", json=body)
    assert (answer.status_code, answer.json()["type"]) == (status, f"/problems/{slug}"), answer.text
    assert (await client.get("/readyz")).json()["seq"] == before


async def test_tickets_of_an_agent_who_left_fall_to_the_lead_until_somebody_accepts(
    client: httpx.AsyncClient,
) -> None:
    await be_available(client)
    contact = await post(client, "/v1/contacts", CALL)
    await post(client, f"/v1/offers/{contact['offers'][0]['id']}/accept")
    await post(client, f"/v1/contacts/{contact['id']}/complete", {"ticket": "waiting_customer"})
    assert (await ticket_of(client, contact))["owner"] == "ann"
    await client.put("/v1/agents/ann", json={"name": "Ann", "teams": ["general"], "active": False})
    ticket = await ticket_of(client, contact)
    assert (ticket["owner"], ticket["accepted"], ticket["state"]) == ("lead", False, "waiting_customer")


async def test_ticket_nobody_accepted_passes_to_a_new_lead(client: httpx.AsyncClient) -> None:
    contact = await post(client, "/v1/contacts", CALL)
    await client.put("/v1/agents/boss", json={"name": "Boss"})
    policy = (await client.get("/v1/policies/current")).json()
    for team in policy["teams"].values():
        team["lead_id"] = "boss"
    answer = await client.post("/v1/policies", json={**policy, "version": policy["version"] + 1})
    assert answer.status_code == 201, answer.text
    ticket = await ticket_of(client, contact)
    assert (ticket["owner"], ticket["accepted"]) == ("boss", False)
