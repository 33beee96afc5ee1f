"""Two records of one customer become one, keep everything, and can be parted again within a day."""

from __future__ import annotations

from typing import Any

import httpx

from tests.app.conftest import Service
from tests.app.test_contacts import post


def call(phone: str) -> dict[str, Any]:
    return {"channel": "voice", "from": {"phone": phone}}


async def ids(client: httpx.AsyncClient, path: str, customer_id: int) -> list[int]:
    items = (await client.get(path, params={"customer_id": customer_id})).json()["items"]
    return sorted(each["id"] for each in items)


async def test_merge_keeps_every_contact_and_ticket_open_or_ended(client: httpx.AsyncClient) -> None:
    ended = await post(client, "/v1/contacts", call("+442079460001"))
    await post(client, f"/v1/contacts/{ended['id']}/abandon")
    open_one = await post(client, "/v1/contacts", call("+442079460001"))
    other = await post(client, "/v1/contacts", call("+442079460002"))
    kept, gone = other["customer_id"], ended["customer_id"]
    await post(client, f"/v1/customers/{kept}/merge", {"customer_id": gone})
    assert await ids(client, "/v1/contacts", kept) == sorted([ended["id"], open_one["id"], other["id"]])
    assert len(await ids(client, "/v1/tickets", kept)) == 2
    assert (await client.get(f"/v1/customers/{gone}")).json()["merged_into"] == kept


async def test_caller_known_by_the_merged_record_reaches_the_survivor(client: httpx.AsyncClient) -> None:
    first = await post(client, "/v1/contacts", call("+442079460001"))
    second = await post(client, "/v1/contacts", call("+442079460002"))
    merge = {"customer_id": first["customer_id"]}
    await post(client, f"/v1/customers/{second['customer_id']}/merge", merge)
    again = await post(client, "/v1/contacts", call("+442079460001"))
    assert again["customer_id"] == second["customer_id"]


async def test_merge_is_undone_and_later_tickets_stay(client: httpx.AsyncClient) -> None:
    gone = await post(client, "/v1/contacts", call("+442079460001"))
    await post(client, f"/v1/contacts/{gone['id']}/abandon")
    kept = await post(client, "/v1/contacts", call("+442079460002"))
    await post(client, f"/v1/customers/{kept['customer_id']}/merge", {"customer_id": gone["customer_id"]})
    later = await post(client, "/v1/contacts", call("+442079460002") | {"menu": ["9"], "team": "complaints"})
    await post(client, f"/v1/customers/{gone['customer_id']}/split", {})
    assert await ids(client, "/v1/contacts", gone["customer_id"]) == [gone["id"]]
    assert await ids(client, "/v1/contacts", kept["customer_id"]) == sorted([kept["id"], later["id"]])
    again = await post(client, "/v1/contacts", call("+442079460001"))
    assert (again["customer_id"], again["ticket_id"]) == (gone["customer_id"], gone["ticket_id"])


async def test_merge_is_final_after_a_day(service: Service) -> None:
    async with service.client() as client:
        gone = await post(client, "/v1/contacts", call("+442079460001"))
        kept = await post(client, "/v1/contacts", call("+442079460002"))
        merge = {"customer_id": gone["customer_id"]}
        await post(client, f"/v1/customers/{kept['customer_id']}/merge", merge)
        service.house.clock._start += 90_000.0  # the only way to let a day pass without waiting for it
        answer = await client.post(f"/v1/customers/{gone['customer_id']}/split", json={})
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/wrong-state")


async def test_record_can_not_be_merged_with_itself(client: httpx.AsyncClient) -> None:
    one = await post(client, "/v1/contacts", call("+442079460001"))
    path = f"/v1/customers/{one['customer_id']}/merge"
    answer = await client.post(path, json={"customer_id": one["customer_id"]})
    assert answer.status_code == 422


async def test_merge_with_nobody_is_refused(client: httpx.AsyncClient) -> None:
    one = await post(client, "/v1/contacts", call("+442079460001"))
    answer = await client.post(f"/v1/customers/{one['customer_id']}/merge", json={"customer_id": 4711})
    assert answer.status_code == 404
