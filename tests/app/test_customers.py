"""Customers are told apart and learnt about; two records of one become one and can be parted again."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from app.settings import Settings
from routing.events import CustomerChanged
from routing.policy import Rule
from tests.app.conftest import Service, furnish, running
from tests.app.test_contacts import post
from tests.faults.truth import check, read_truth


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


async def test_ended_concern_that_came_with_a_merge_stays_when_it_is_changed(
    client: httpx.AsyncClient,
) -> None:
    gone = await post(client, "/v1/contacts", call("+442079460001"))
    await post(client, f"/v1/contacts/{gone['id']}/abandon")
    kept = (await post(client, "/v1/contacts", call("+442079460002")))["customer_id"]
    await post(client, f"/v1/customers/{kept}/merge", {"customer_id": gone["customer_id"]})
    await client.patch(f"/v1/tickets/{gone['ticket_id']}", json={"state": "waiting_customer"})
    assert gone["ticket_id"] in await ids(client, "/v1/tickets", kept)


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


@pytest.mark.parametrize("ends", [True, False])
async def test_merge_that_another_one_covers_is_undone_after_that_one(
    client: httpx.AsyncClient, ends: bool
) -> None:
    posted = [await post(client, "/v1/contacts", call(f"+4420794600{n:02d}")) for n in range(3)]
    for each in posted if ends else ():
        await post(client, f"/v1/contacts/{each['id']}/abandon")
    first, second, third = (each["customer_id"] for each in posted)
    await post(client, f"/v1/customers/{second}/merge", {"customer_id": first})
    await post(client, f"/v1/customers/{third}/merge", {"customer_id": second})
    refused = await client.post(f"/v1/customers/{first}/split", json={})
    assert (refused.status_code, f"undo the merge of {second} first" in refused.text) == (409, True)
    for each in (second, first):
        await post(client, f"/v1/customers/{each}/split", {})
    for each in posted:
        assert await ids(client, "/v1/tickets", each["customer_id"]) == [each["ticket_id"]]


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


def told(phone: str | None, **facts: str) -> dict[str, Any]:
    return {"channel": "voice", "from": {"phone": phone, **facts} if phone else facts}


async def known(client: httpx.AsyncClient, customer_id: int) -> dict[str, Any]:
    answer = await client.get(f"/v1/customers/{customer_id}")
    return dict(answer.json())


async def test_later_contacts_fill_the_name_and_a_numbered_one_corrects_it(client: httpx.AsyncClient) -> None:
    phone = "+442079460001"
    customer = (await post(client, "/v1/contacts", told(phone)))["customer_id"]
    names = []
    for facts in ({"name": "Ada"}, {"name": "Bea"}, {"name": "Ada King", "external_id": "C-7"}):
        contact = await post(client, "/v1/contacts", told(phone, **facts))
        assert contact["customer_id"] == customer
        names.append((await known(client, customer))["name"])
    assert names == ["Ada", "Ada", "Ada King"]


async def learnt(service: Service) -> list[CustomerChanged]:
    """Return what the log says was learnt, oldest first."""
    truth = await service.house.database.tx(read_truth)
    check(truth)
    return [each for each in truth.events if isinstance(each, CustomerChanged)]


async def test_what_was_learnt_is_in_the_log_with_the_contact_that_told_it(
    service: Service, client: httpx.AsyncClient
) -> None:
    await post(client, "/v1/contacts", told("+442079460001"))
    contact = await post(client, "/v1/contacts", told("+442079460001", name="Ada", segment="gold"))
    (news,) = await learnt(service)
    assert (news.name, news.segment, news.contact_id) == ("Ada", "gold", contact["id"])


async def test_name_learnt_in_a_batch_counts_in_the_same_batch(
    service: Service, client: httpx.AsyncClient
) -> None:
    phone = "+442079460001"
    customer = (await post(client, "/v1/contacts", told(phone)))["customer_id"]
    await asyncio.gather(
        *(client.post("/v1/contacts", json=told(phone, name=name)) for name in ("Ada", "Bea", "Cid"))
    )
    assert [news.name for news in await learnt(service)] == [(await known(client, customer))["name"]]


async def test_name_given_with_the_first_of_two_contacts_at_once_is_kept(client: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(
        client.post("/v1/contacts", json=told("+442079460001")),
        client.post("/v1/contacts", json=told("+442079460001", name="Ada")),
    )
    (customer,) = {answer.json()["customer_id"] for answer in answers}
    assert (await known(client, customer))["name"] == "Ada"


async def test_other_number_on_the_same_phone_is_somebody_else(
    client: httpx.AsyncClient,
) -> None:
    phone = "+442079460001"
    father = (await post(client, "/v1/contacts", told(phone, external_id="C-1", name="Abe")))["customer_id"]
    daughter = (await post(client, "/v1/contacts", told(phone, external_id="C-2", name="Bea")))["customer_id"]
    assert daughter != father
    assert (await post(client, "/v1/contacts", told(None, external_id="C-2")))["customer_id"] == daughter
    assert (await post(client, "/v1/contacts", told(phone)))["customer_id"] == father
    assert (await known(client, father))["name"] == "Abe"


async def test_two_of_one_house_at_the_same_moment_are_two(client: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(
        *(client.post("/v1/contacts", json=told("+442079460001", external_id=n)) for n in ("C-1", "C-2"))
    )
    assert len({answer.json()["customer_id"] for answer in answers}) == 2


async def test_person_corrects_and_forgets_what_is_known(client: httpx.AsyncClient) -> None:
    facts = {"name": "Ade", "segment": "gold"}
    customer = (await post(client, "/v1/contacts", told("+442079460001", **facts)))["customer_id"]
    path = f"/v1/customers/{customer}"
    changed = (await client.patch(path, json={"name": "Ada", "reason": "misheard"})).json()
    assert (changed["name"], changed["segment"]) == ("Ada", "gold")
    changed = (await client.patch(path, json={"segment": None})).json()
    assert (changed["name"], changed["segment"]) == ("Ada", None)


async def test_correction_of_nothing_or_of_nobody_is_refused(client: httpx.AsyncClient) -> None:
    customer = (await post(client, "/v1/contacts", told("+442079460001")))["customer_id"]
    empty = await client.patch(f"/v1/customers/{customer}", json={"reason": "none"})
    assert (empty.status_code, empty.json()["errors"][0]["pointer"]) == (422, "/name")
    assert (await client.patch("/v1/customers/4711", json={"name": "Ada"})).status_code == 404


async def test_correction_reaches_the_survivor_of_a_merge(client: httpx.AsyncClient) -> None:
    gone = (await post(client, "/v1/contacts", told("+442079460001")))["customer_id"]
    kept = (await post(client, "/v1/contacts", told("+442079460002")))["customer_id"]
    await post(client, f"/v1/customers/{kept}/merge", {"customer_id": gone})
    changed = (await client.patch(f"/v1/customers/{gone}", json={"name": "Ada"})).json()
    assert (changed["id"], changed["name"]) == (kept, "Ada")


async def test_only_who_may_write_customers_corrects_them(service: Service) -> None:
    async with service.client() as client:
        customer = (await post(client, "/v1/contacts", told("+442079460001")))["customer_id"]
    async with service.client("") as client:
        assert (await client.patch(f"/v1/customers/{customer}", json={"name": "Eve"})).status_code == 401


async def test_segment_of_a_known_customer_counts_where_the_contact_gives_none(settings: Settings) -> None:
    rules = (Rule(id="gold", team="complaints", segments=("gold",)),)
    async with running(settings) as service, service.client() as client:
        await furnish(service.house, rules=rules)
        first = await post(client, "/v1/contacts", told("+442079460001", segment="gold"))
        await post(client, f"/v1/contacts/{first['id']}/abandon")
        again = await post(client, "/v1/contacts", told("+442079460001"))
        other = await post(client, "/v1/contacts", told("+442079460002"))
    assert (again["team"], other["team"]) == ("complaints", "general")


async def callers(client: httpx.AsyncClient, count: int) -> list[int]:
    """Have so many customers call; return who they are."""
    calls = [call(f"+44207946000{number}") for number in range(count)]
    return [(await post(client, "/v1/contacts", each))["customer_id"] for each in calls]


async def test_two_merges_the_other_way_round_at_once_leave_one_customer(client: httpx.AsyncClient) -> None:
    one, other = [
        (await post(client, "/v1/contacts", call(f"+44207946000{n}")))["customer_id"] for n in (1, 2)
    ]
    answers = await asyncio.gather(
        client.post(f"/v1/customers/{one}/merge", json={"customer_id": other}),
        client.post(f"/v1/customers/{other}/merge", json={"customer_id": one}),
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    records = [await known(client, each) for each in (one, other)]
    assert sorted(each["merged_into"] is None for each in records) == [False, True]
    kept = next(each["id"] for each in records if each["merged_into"] is None)
    assert len(await ids(client, "/v1/tickets", kept)) == 2


async def test_circle_of_merges_at_once_leaves_one_customer(client: httpx.AsyncClient) -> None:
    who = await callers(client, 3)
    await asyncio.gather(
        *(
            client.post(f"/v1/customers/{kept}/merge", json={"customer_id": gone})
            for kept, gone in zip(who, [*who[1:], who[0]], strict=True)
        )
    )
    records = [await known(client, each) for each in who]
    (kept,) = (each["id"] for each in records if each["merged_into"] is None)
    assert len(await ids(client, "/v1/contacts", kept)) == 3
    reached = [
        (await post(client, "/v1/contacts", call(f"+44207946000{n}")))["customer_id"] for n in range(3)
    ]
    assert reached == [kept] * 3


async def test_merge_undone_twice_at_once_is_undone_once(service: Service, client: httpx.AsyncClient) -> None:
    one, other = [
        (await post(client, "/v1/contacts", call(f"+44207946000{n}")))["customer_id"] for n in (1, 2)
    ]
    for contact in (await client.get("/v1/contacts")).json()["items"]:
        await post(client, f"/v1/contacts/{contact['id']}/abandon")
    await post(client, f"/v1/customers/{one}/merge", {"customer_id": other})
    answers = await asyncio.gather(
        *(client.post(f"/v1/customers/{other}/split", json={}) for _ in range(3)),
        post(client, "/v1/contacts", call("+442079460009")),
    )
    assert sorted(answer.status_code for answer in answers[:3]) == [200, 409, 409]
    check(await service.house.database.tx(read_truth))
