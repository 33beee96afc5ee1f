"""The path of a call through the public API, on both databases."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from routing.commands import Tick
from tests.app.conftest import Service

CALL = {"channel": "voice", "from": {"phone": "+44 20 7946 0018"}}


async def post(client: httpx.AsyncClient, path: str, body: Any = None, **headers: str) -> Any:
    answer = await client.post(path, json=body, headers=headers)
    assert answer.is_success, answer.text
    return answer.json()


async def be_available(client: httpx.AsyncClient, agent: str = "ann") -> None:
    answer = await client.put(f"/v1/agents/{agent}/presence", json={"presence": "available"})
    assert answer.status_code == 200, answer.text


async def test_call_is_offered_accepted_completed_and_wrapped_up(client: httpx.AsyncClient) -> None:
    await be_available(client)
    contact = await post(client, "/v1/contacts", CALL)
    assert contact["state"] == "offered"
    assert contact["owner"]["id"] == "lead"
    offer = contact["offers"][0]
    assert offer["agent"]["id"] == "ann"

    accepted = await post(client, f"/v1/offers/{offer['id']}/accept")
    assert accepted["contact"]["state"] == "connected"
    assert accepted["contact"]["owner"]["id"] == "ann"
    assert accepted["agent"]["state"] == "busy"

    done = await post(client, f"/v1/contacts/{contact['id']}/complete")
    assert done["state"] == "wrap_up"
    wrapped = await post(client, f"/v1/offers/{offer['id']}/finish-wrap-up")
    assert wrapped["contact"]["state"] == "completed"
    assert wrapped["agent"]["state"] == "idle"

    stored = (await client.get(f"/v1/contacts/{contact['id']}")).json()
    assert stored["state"] == "completed"
    assert [each["outcome"] for each in stored["segments"]] == ["answered"]
    ticket = (await client.get(f"/v1/tickets/{contact['ticket_id']}")).json()
    assert (ticket["state"], ticket["owner"]) == ("resolved", "ann")


async def test_call_waits_and_goes_to_the_agent_who_becomes_available(client: httpx.AsyncClient) -> None:
    first = await post(client, "/v1/contacts", CALL)
    second = await post(client, "/v1/contacts", CALL)
    assert (first["state"], first["position"], second["position"]) == ("queued", 1, 2)
    await be_available(client)
    state = (await client.get(f"/v1/contacts/{first['id']}")).json()["state"]
    assert state == "offered"


async def test_customer_who_hangs_up_in_the_queue_has_abandoned(client: httpx.AsyncClient) -> None:
    contact = await post(client, "/v1/contacts", CALL)
    gone = await post(client, f"/v1/contacts/{contact['id']}/abandon")
    assert (gone["state"], gone["short_abandon"]) == ("abandoned", True)
    ticket = (await client.get(f"/v1/tickets/{contact['ticket_id']}")).json()
    assert (ticket["state"], ticket["owner"]) == ("open", "lead")


async def test_declined_call_stays_first_and_is_not_offered_to_the_same_agent(
    client: httpx.AsyncClient,
) -> None:
    await be_available(client)
    contact = await post(client, "/v1/contacts", CALL)
    later = await post(client, "/v1/contacts", CALL)
    await post(client, f"/v1/offers/{contact['offers'][0]['id']}/decline", {"reason": "on the phone"})
    states = {
        each["id"]: (each["state"], each["position"])
        for each in [(await client.get(f"/v1/contacts/{i['id']}")).json() for i in (contact, later)]
    }
    assert states[contact["id"]] == ("queued", 1)
    assert states[later["id"]][0] == "offered"


async def test_offer_that_nobody_answers_expires_and_the_agent_is_not_responding(service: Service) -> None:
    async with service.client() as client:
        await be_available(client)
        contact = await post(client, "/v1/contacts", CALL)
        service.house.clock._start += 21.0  # the only way to let time pass without waiting for it
        await service.house.switchboard.submit(Tick(), lambda *_: None)
        now = (await client.get(f"/v1/contacts/{contact['id']}")).json()
        agent = (await client.get("/v1/agents/ann")).json()
    assert (now["state"], agent["state"]) == ("queued", "not_responding")


async def test_repeat_caller_joins_the_open_ticket(client: httpx.AsyncClient) -> None:
    first = await post(client, "/v1/contacts", CALL)
    again = await post(client, "/v1/contacts", {"channel": "voice", "from": {"phone": "020 7946 0018"}})
    assert (again["customer_id"], again["ticket_id"]) == (first["customer_id"], first["ticket_id"])


async def test_two_calls_of_an_unknown_customer_in_one_batch_make_one_customer(service: Service) -> None:
    import asyncio

    async with service.client() as client:
        answers = await asyncio.gather(*(client.post("/v1/contacts", json=CALL) for _ in range(8)))
    assert {each.status_code for each in answers} == {201}
    assert len({each.json()["customer_id"] for each in answers}) == 1


async def test_same_idempotency_key_gives_the_same_answer_once(client: httpx.AsyncClient) -> None:
    one = await client.post("/v1/contacts", json=CALL, headers={"Idempotency-Key": "k1"})
    two = await client.post("/v1/contacts", json=CALL, headers={"Idempotency-Key": "k1"})
    assert (one.status_code, one.content) == (two.status_code, two.content)
    listed = (await client.get("/v1/contacts")).json()["items"]
    assert len(listed) == 1


async def test_same_call_id_gives_the_same_answer_once(client: httpx.AsyncClient) -> None:
    one = await post(client, "/v1/contacts", CALL | {"call_id": "pbx-7"})
    two = await post(client, "/v1/contacts", CALL | {"call_id": "pbx-7"})
    assert one == two


async def test_idempotency_key_of_another_request_is_refused(client: httpx.AsyncClient) -> None:
    await client.post("/v1/contacts", json=CALL, headers={"Idempotency-Key": "k1"})
    other = await client.post("/v1/contacts", json={"channel": "chat"}, headers={"Idempotency-Key": "k1"})
    assert (other.status_code, other.json()["type"]) == (422, "/problems/idempotency-mismatch")


async def test_contacts_are_paged_without_gap_or_repeat(client: httpx.AsyncClient) -> None:
    posted = [(await post(client, "/v1/contacts", CALL))["id"] for _ in range(5)]
    seen: list[int] = []
    cursor: str | None = None
    while True:
        params: dict[str, Any] = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await client.get("/v1/contacts", params=params)).json()
        seen += [each["id"] for each in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == posted[::-1]


async def test_queue_counts_what_happened_today(client: httpx.AsyncClient) -> None:
    await be_available(client)
    contact = await post(client, "/v1/contacts", CALL)
    await post(client, f"/v1/offers/{contact['offers'][0]['id']}/accept")
    waiting = await post(client, "/v1/contacts", CALL)
    queue = (await client.get("/v1/queues/general")).json()
    assert (queue["waiting"], queue["today"]["offered"], queue["today"]["answered"]) == (1, 2, 1)
    assert queue["today"]["service_level"] == 1.0
    assert queue["today"]["wait_p90_s"] == queue["today"]["wait_max_s"] == 0
    await post(client, f"/v1/contacts/{waiting['id']}/abandon")
    today = (await client.get("/v1/queues/general")).json()["today"]
    assert (today["abandoned"], today["short_abandoned"], today["waiting"]) == (1, 1, 0)


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        ({"channel": "voice", "team": "nobody"}, 422, "/team"),
        ({"channel": "chat", "from": {"phone": "12"}}, 422, "/from/phone"),
        ({"channel": "callback", "from": {"phone": "abc"}}, 422, "/from/phone"),
        ({"channel": "fax"}, 422, "/channel"),
        ({"channel": "voice", "colour": "red"}, 422, "/colour"),
        ({"channel": "voice", "received_at": "2026-01-01T12:00:00"}, 422, "/received_at"),
        ({"channel": "voice", "received_at": "2199-01-01T12:00:00Z"}, 422, "/received_at"),
        ({"channel": "voice", "priority": 9}, 422, "/priority"),
        ({"channel": "voice", "ticket_id": 4711}, 422, "/ticket_id"),
        ({"channel": "voice", "preferred_agent": "nobody"}, 422, "/preferred_agent"),
        ({}, 422, "/channel"),
    ],
)
async def test_bad_contact_is_refused_naming_the_field_and_changes_nothing(
    client: httpx.AsyncClient, body: Any, status: int, pointer: str
) -> None:
    before = (await client.get("/readyz")).json()["seq"]
    answer = await client.post("/v1/contacts", json=body)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert [each["pointer"] for each in answer.json()["errors"]] == [pointer]
    assert (await client.get("/readyz")).json()["seq"] == before


@pytest.mark.parametrize(
    "number", ["anonymous", "Restricted <sip:anonymous@anonymous.invalid>", "101", "*43"]
)
async def test_call_whose_number_says_nothing_is_an_unknown_callers(
    client: httpx.AsyncClient, number: str
) -> None:
    one, other = [
        await post(client, "/v1/contacts", {"channel": "voice", "from": {"phone": number}}) for _ in range(2)
    ]
    assert one["customer_id"] != other["customer_id"]
    stored = (await client.get(f"/v1/contacts/{one['id']}")).json()
    assert stored["details"] == {"caller_id": number}


async def test_number_in_a_sip_address_is_the_callers(client: httpx.AsyncClient) -> None:
    plain = await post(client, "/v1/contacts", CALL)
    sip = {"channel": "voice", "from": {"phone": "Ada <sip:+442079460018@pbx.example.com;user=phone>"}}
    assert (await post(client, "/v1/contacts", sip))["customer_id"] == plain["customer_id"]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"channel": "voice", "language": "English"}, "Write it like en or de-AT."),
        ({"channel": "voice", "from": {"email": "ada"}}, "Write it like ada@example.com."),
    ],
)
async def test_what_is_written_wrong_is_told_how_to_write(
    client: httpx.AsyncClient, body: Any, told: str
) -> None:
    (error,) = (await client.post("/v1/contacts", json=body)).json()["errors"]
    assert error["detail"] == told


@pytest.mark.parametrize(
    ("verb", "body", "pointer"),
    [
        ("move", {"team": "nobody"}, "/team"),
        ("move", {"team": "general"}, "/team"),
        ("assign", {"agent": "nobody"}, "/agent"),
        ("assign", {"agent": "ann"}, "/agent"),
        ("priority", {"priority": 6}, "/priority"),
    ],
)
async def test_refusal_points_at_the_field_as_the_caller_wrote_it(
    client: httpx.AsyncClient, verb: str, body: Any, pointer: str
) -> None:
    contact = await post(client, "/v1/contacts", CALL)
    answer = await client.post(f"/v1/contacts/{contact['id']}/{verb}", json=body)
    assert [each["pointer"] for each in answer.json()["errors"]] == [pointer]


async def test_attempts_of_a_callback_are_told(client: httpx.AsyncClient) -> None:
    await be_available(client)
    contact = await post(client, "/v1/contacts", CALL | {"channel": "callback"})
    assert contact["attempts"] == 0
    await post(client, f"/v1/offers/{contact['offers'][0]['id']}/accept")
    missed = await post(client, f"/v1/contacts/{contact['id']}/callback-missed", {"reason": "no answer"})
    assert (missed["state"], missed["attempts"]) == ("scheduled", 1)


async def test_oversized_body_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/contacts", json={"channel": "voice", "text": "x" * 70_000})
    assert (answer.status_code, answer.json()["limit_bytes"]) == (413, 65536)


async def test_oversized_body_without_announced_length_is_refused(client: httpx.AsyncClient) -> None:
    async def pieces() -> Any:
        for _ in range(70):
            yield b"x" * 1024

    answer = await client.post("/v1/contacts", content=pieces())
    assert answer.status_code == 413


async def test_body_that_is_no_json_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/contacts", content=b"{oops")
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/malformed-request")


async def test_abandoned_contact_can_not_be_completed(client: httpx.AsyncClient) -> None:
    contact = await post(client, "/v1/contacts", CALL)
    await post(client, f"/v1/contacts/{contact['id']}/abandon")
    before = (await client.get("/readyz")).json()["seq"]
    answer = await client.post(f"/v1/contacts/{contact['id']}/complete")
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/wrong-state")
    assert answer.json()["state"] == "abandoned"
    assert (await client.get("/readyz")).json()["seq"] == before


async def test_contact_that_never_was_can_not_be_completed(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/contacts/4711/complete")
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/not-found")


async def test_waiting_contact_can_not_be_completed(client: httpx.AsyncClient) -> None:
    contact = await post(client, "/v1/contacts", CALL)
    answer = await client.post(f"/v1/contacts/{contact['id']}/complete")
    assert (answer.status_code, answer.json()["state"]) == (409, "queued")


async def test_offer_is_accepted_once(client: httpx.AsyncClient) -> None:
    await be_available(client)
    contact = await post(client, "/v1/contacts", CALL)
    await post(client, f"/v1/offers/{contact['offers'][0]['id']}/accept")
    again = await client.post(f"/v1/offers/{contact['offers'][0]['id']}/accept")
    assert (again.status_code, again.json()["type"]) == (409, "/problems/offer-gone")


async def test_unknown_path_and_method_are_problems(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/nothing")).json()["type"] == "/problems/not-found"
    assert (await client.delete("/v1/contacts")).json()["type"] == "/problems/method-not-allowed"


async def test_state_survives_a_restart(settings: Any) -> None:
    from tests.app.conftest import furnish, running

    async with running(settings) as first:
        await furnish(first.house)
        async with first.client() as client:
            await be_available(client)
            offered = await post(client, "/v1/contacts", CALL)
            queued = await post(client, "/v1/contacts", CALL)
        before = await first.house.switchboard.read(lambda floor: floor.snapshot())
    async with running(settings) as second:
        assert await second.house.switchboard.read(lambda floor: floor.snapshot()) == before
        async with second.client() as client:
            taken = await post(client, f"/v1/offers/{offered['offers'][0]['id']}/accept")
            assert taken["contact"]["state"] == "connected"
            assert (await client.get(f"/v1/contacts/{queued['id']}")).json()["position"] == 1


async def test_warm_transfer_taken_back_ends_with_the_first_agent(client: httpx.AsyncClient) -> None:
    await be_available(client)
    contact = await post(client, "/v1/contacts", CALL)
    offer = contact["offers"][0]["id"]
    await post(client, f"/v1/offers/{offer}/accept")
    passing = await post(
        client, f"/v1/contacts/{contact['id']}/transfer", {"team": "complaints", "warm": True}
    )
    assert (passing["state"], passing["team"]) == ("queued", "complaints")
    back = await post(client, f"/v1/contacts/{contact['id']}/take-back")
    assert (back["state"], back["agent"]) == ("connected", "ann")
    await post(client, f"/v1/contacts/{contact['id']}/complete")
    await post(client, f"/v1/offers/{offer}/finish-wrap-up")
    stored = (await client.get(f"/v1/contacts/{contact['id']}")).json()
    assert stored["state"] == "completed"


async def test_cold_transfer_opens_another_segment_of_the_same_contact(client: httpx.AsyncClient) -> None:
    await be_available(client)
    contact = await post(client, "/v1/contacts", CALL)
    offer = contact["offers"][0]["id"]
    await post(client, f"/v1/offers/{offer}/accept")
    moved = await post(client, f"/v1/contacts/{contact['id']}/transfer", {"team": "complaints"})
    assert (moved["state"], moved["segment"], moved["enqueued_at"]) == ("queued", 2, contact["enqueued_at"])
    await client.put("/v1/agents/bob", json={"name": "Bob", "teams": ["complaints"]})
    await be_available(client, "bob")
    offered = (await client.get(f"/v1/contacts/{contact['id']}")).json()["offers"][0]
    assert offered["agent"]["id"] == "bob"
    taken = offered["id"]
    await post(client, f"/v1/offers/{taken}/accept")
    await post(client, f"/v1/contacts/{contact['id']}/complete")
    await post(client, f"/v1/offers/{taken}/finish-wrap-up")
    stored = (await client.get(f"/v1/contacts/{contact['id']}")).json()
    assert [(each["team"], each["outcome"]) for each in stored["segments"]] == [
        ("general", "answered"),
        ("complaints", "answered"),
    ]


async def test_waiting_call_becomes_a_callback_at_its_place(client: httpx.AsyncClient) -> None:
    contact = await post(client, "/v1/contacts", CALL)
    await post(client, "/v1/contacts", CALL)
    callback = await post(client, f"/v1/contacts/{contact['id']}/callback")
    assert (callback["channel"], callback["position"]) == ("callback", 1)
    assert callback["enqueued_at"] == contact["enqueued_at"]
    old = (await client.get(f"/v1/contacts/{contact['id']}")).json()
    assert old["state"] == "converted"


async def test_lead_changes_the_order_of_what_waits(client: httpx.AsyncClient) -> None:
    await post(client, "/v1/contacts", CALL)
    late = await post(client, "/v1/contacts", CALL)
    urgent = await post(client, f"/v1/contacts/{late['id']}/priority", {"priority": 5})
    assert urgent["position"] == 1
    moved = await post(client, f"/v1/contacts/{late['id']}/move", {"team": "complaints"})
    assert (moved["team"], moved["position"]) == ("complaints", 1)
    await be_available(client)


async def test_lead_assigns_a_waiting_contact_to_a_free_agent_only(client: httpx.AsyncClient) -> None:
    contact = await post(client, "/v1/contacts", CALL)
    answer = await client.post(f"/v1/contacts/{contact['id']}/assign", json={"agent": "ann"})
    assert (answer.status_code, answer.json()["refusal"]) == (409, "not_present")
