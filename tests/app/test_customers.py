"""Two records of one customer become one, keep everything, and can be parted again within a day."""

from __future__ import annotations

import asyncio
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


async def test_customer_is_found_by_phone_as_it_is_written_at_the_site(client: httpx.AsyncClient) -> None:
    one = await post(client, "/v1/contacts", call("+442079460001"))
    for query in ({"phone": "020 7946 0001"}, {"phone": "+44 20 7946 0001", "email": "nobody@example.com"}):
        items = (await client.get("/v1/customers", params=query)).json()["items"]
        assert [each["id"] for each in items] == [one["customer_id"]]
    assert (await client.get("/v1/customers", params={"email": "nobody@example.com"})).json()["items"] == []


async def test_search_for_nothing_is_refused(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/customers")).status_code == 422


async def test_merged_customer_is_known_by_the_keys_of_both(client: httpx.AsyncClient) -> None:
    first, second, third = [await post(client, "/v1/contacts", call(f"+44207946000{n}")) for n in (1, 2, 3)]
    a, b, c = (each["customer_id"] for each in (first, second, third))
    await post(client, f"/v1/customers/{b}/merge", {"customer_id": a})
    await post(client, f"/v1/customers/{c}/merge", {"customer_id": b})
    kept = (await client.get("/v1/customers", params={"phone": "+442079460001"})).json()["items"][0]
    assert kept["id"] == c
    assert [each["value"][-1] for each in kept["keys"]] == ["1", "2", "3"]
    assert [(each["id"], each["into"]) for each in kept["merged"]] == [(b, c), (a, b)]
    assert kept["merged"][0]["split_until"] > kept["merged"][0]["merged_at"]
    await post(client, f"/v1/customers/{b}/split", {})
    assert [each["value"][-1] for each in (await client.get(f"/v1/customers/{c}")).json()["keys"]] == ["3"]


async def test_caller_who_gives_a_new_address_is_known_by_it_from_then_on(client: httpx.AsyncClient) -> None:
    known = await post(client, "/v1/contacts", call("+442079460001"))
    sender = {"phone": "+442079460001", "email": "Jo@Example.com"}
    await post(client, "/v1/contacts", {"channel": "voice", "from": sender})
    mail = await post(client, "/v1/contacts", {"channel": "email", "from": {"email": "jo@example.com"}})
    assert mail["customer_id"] == known["customer_id"]
    keys = (await client.get(f"/v1/customers/{known['customer_id']}")).json()["keys"]
    assert [each["value"] for each in keys] == ["jo@example.com", "+442079460001"]


async def test_address_of_somebody_else_stays_with_that_customer(client: httpx.AsyncClient) -> None:
    other = await post(client, "/v1/contacts", {"channel": "email", "from": {"email": "jo@example.com"}})
    await post(client, "/v1/contacts", call("+442079460001"))
    sender = {"phone": "+442079460001", "email": "jo@example.com"}
    await post(client, "/v1/contacts", {"channel": "voice", "from": sender})
    found = (await client.get("/v1/customers", params={"email": "jo@example.com"})).json()["items"]
    assert [each["id"] for each in found] == [other["customer_id"]]


async def test_address_given_at_the_same_moment_as_it_is_used_makes_no_second_customer(
    client: httpx.AsyncClient,
) -> None:
    sender = {"phone": "+442079460001", "email": "jo@example.com"}
    bodies = [call("+442079460001"), {"channel": "voice", "from": sender}]
    bodies += [{"channel": "email", "from": {"email": "jo@example.com"}}] * 3
    await client.get("/v1/agents")  # the key is known from here on, and requests keep their order
    answers = await asyncio.gather(*(post(client, "/v1/contacts", body) for body in bodies))
    assert len({each["customer_id"] for each in answers}) == 1
