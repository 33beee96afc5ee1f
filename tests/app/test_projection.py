"""Which interval a figure counts in, and what does not count, on both databases."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from app.projection import INTERVAL_S, interval_of
from app.settings import Settings
from routing.commands import Tick
from tests.app.conftest import Service, furnish, running
from tests.app.test_contacts import CALL, be_available, post
from tests.faults.truth import check, read_truth


async def at_quarter(service: Service, second: float) -> int:
    """Move the clock to `second` of the next quarter of an hour; return when that began."""
    clock = service.house.clock
    start = interval_of(clock.now()) + INTERVAL_S
    clock._start += start + second - clock.now()
    return start


async def let_pass(service: Service, seconds: float) -> None:
    service.house.clock._start += seconds
    await service.house.switchboard.submit(Tick(), lambda *_: None)


async def figures(service: Service, team: str, start: int) -> dict[str, float]:
    truth = await service.house.database.tx(read_truth)
    check(truth)
    return truth.figures[team, "voice", start]


async def test_answer_counts_in_the_interval_in_which_the_customer_came(
    service: Service, client: httpx.AsyncClient
) -> None:
    start = await at_quarter(service, 890.0)
    await post(client, "/v1/contacts", CALL)
    await let_pass(service, 30.0)
    await be_available(client)
    offer = (await client.get("/v1/offers")).json()["items"][0]
    await post(client, f"/v1/offers/{offer['id']}/accept")
    await let_pass(service, 1000.0)
    await post(client, f"/v1/contacts/{offer['contact_id']}/complete")
    await post(client, f"/v1/offers/{offer['id']}/finish-wrap-up")
    seen = await figures(service, "general", start)
    assert (seen["offered"], seen["answered"], seen["answered_in_target"], seen["handled"]) == (1, 1, 0, 1)
    assert seen["wait_s"] == pytest.approx(30.0, abs=1.0)
    assert seen["excess_s"] == pytest.approx(10.0, abs=1.0)
    assert seen["handle_s"] == pytest.approx(1000.0, abs=1.0)


async def test_hang_up_counts_in_the_interval_in_which_the_customer_came(
    service: Service, client: httpx.AsyncClient
) -> None:
    start = await at_quarter(service, 899.0)
    contact = await post(client, "/v1/contacts", CALL)
    await let_pass(service, 4.0)
    await post(client, f"/v1/contacts/{contact['id']}/abandon")
    seen = await figures(service, "general", start)
    assert (seen["abandoned"], seen["short_abandoned"], seen["abandoned_in_target"]) == (1, 1, 1)
    assert seen["abandon_wait_s"] == pytest.approx(4.0, abs=1.0)


async def test_transfer_taken_back_is_offered_once_more_and_flowed_out_once(
    service: Service, client: httpx.AsyncClient
) -> None:
    start = await at_quarter(service, 1.0)
    await be_available(client)
    contact = await post(client, "/v1/contacts", CALL)
    path = f"/v1/contacts/{contact['id']}"
    await post(client, f"/v1/offers/{contact['offers'][0]['id']}/accept")
    await post(client, f"{path}/transfer", {"team": "complaints", "warm": True})
    await post(client, f"{path}/take-back")
    await post(client, f"{path}/complete")
    left, passed = await figures(service, "general", start), await figures(service, "complaints", start)
    assert (left["offered"], left["answered"], left["flowed_out"]) == (1, 1, 0)
    assert (passed["offered"], passed["answered"], passed["flowed_out"]) == (1, 0, 1)


@pytest.mark.parametrize("verb", ["move", "cancel", "callback"])
async def test_what_leaves_the_queue_otherwise_flowed_out(
    service: Service, client: httpx.AsyncClient, verb: str
) -> None:
    start = await at_quarter(service, 1.0)
    contact = await post(client, "/v1/contacts", CALL)
    body: Any = {"team": "complaints"} if verb == "move" else None
    await post(client, f"/v1/contacts/{contact['id']}/{verb}", body)
    seen = await figures(service, "general", start)
    assert (seen["offered"], seen["flowed_out"], seen["abandoned"]) == (1, 1, 0)


@pytest.mark.parametrize(("waited_s", "share"), [(19.0, 1.0), (21.0, 0.0)])
async def test_callback_asked_for_within_the_target_counts_as_amazon_counts_it(
    service: Service, client: httpx.AsyncClient, waited_s: float, share: float
) -> None:
    start = await at_quarter(service, 1.0)
    contact = await post(client, "/v1/contacts", CALL)
    await let_pass(service, waited_s)
    await post(client, f"/v1/contacts/{contact['id']}/callback")
    assert (await figures(service, "general", start))["converted_in_target"] == share
    today = (await client.get("/v1/queues/general?channel=voice")).json()["today"]
    assert (today["converted_in_target"], today["service_level_amazon"]) == (share, share)
    assert today["service_level"] is None


async def test_queue_of_one_channel_tells_who_waits_and_the_target_of_that_channel(
    client: httpx.AsyncClient,
) -> None:
    await post(client, "/v1/contacts", CALL)
    await post(client, "/v1/contacts", CALL | {"channel": "email", "call_id": "mail"})
    found = {}
    for channel in ("voice", "email", "chat"):
        queue = (await client.get(f"/v1/queues/general?channel={channel}")).json()
        assert list(queue["channels"]) == ([channel] if queue["waiting"] else [])
        assert queue["longest_wait_target_s"] == queue["target_s"]
        found[channel] = (queue["waiting"], queue["target_s"], queue["today"]["offered"])
    assert found == {"voice": (1, 20.0, 1), "email": (1, 14_400.0, 1), "chat": (0, 20.0, 0)}
    whole = (await client.get("/v1/queues/general")).json()
    assert (whole["waiting"], whole["target_s"], len(whole["channels"])) == (2, 20.0, 2)


async def test_what_was_converted_is_the_same_after_a_restart(settings: Settings) -> None:
    async with running(settings) as service, service.client() as client:
        await furnish(service.house)
        contact = await post(client, "/v1/contacts", CALL)
        await post(client, f"/v1/contacts/{contact['id']}/callback")
        before = (await client.get("/v1/queues/general?channel=voice")).json()["today"]
    async with running(settings) as service, service.client() as client:
        after = (await client.get("/v1/queues/general?channel=voice")).json()["today"]
        check(await service.house.database.tx(read_truth))
    assert (after["service_level_amazon"], after["version"]) == (1.0, 2)
    assert after == before


async def test_calls_that_were_abandoned_are_listed_with_who_it_was_after_a_restart(
    settings: Settings,
) -> None:
    async with running(settings) as service, service.client() as client:
        await furnish(service.house)
        lost, waiting = [await post(client, "/v1/contacts", CALL) for _ in range(2)]
        await post(client, f"/v1/contacts/{lost['id']}/abandon")
    async with running(settings) as service, service.client() as client:
        listed = (await client.get("/v1/contacts", params={"state": "abandoned"})).json()["items"]
        assert [each["id"] for each in listed] == [lost["id"]]
        customer = (await client.get(f"/v1/customers/{listed[0]['customer_id']}")).json()
        assert customer["keys"][0]["kind"] == "phone"
        events = (await client.get("/v1/events/page", params={"limit": 500})).json()["items"]
        assert [each["kind"] for each in events if each.get("contact_id") == lost["id"]][
            -1
        ] == "contact_ended"
        assert (await client.get(f"/v1/contacts/{waiting['id']}")).json()["state"] == "queued"


async def test_declined_offer_leaves_the_figures_as_they_were(
    service: Service, client: httpx.AsyncClient
) -> None:
    start = await at_quarter(service, 1.0)
    await be_available(client)
    contact = await post(client, "/v1/contacts", CALL)
    await post(client, f"/v1/offers/{contact['offers'][0]['id']}/decline")
    seen = await figures(service, "general", start)
    assert {name: value for name, value in seen.items() if value} == {"offered": 1}


@pytest.mark.parametrize(("at", "start"), [(0.0, 0), (899.999, 0), (900.0, 900), (-0.5, -900)])
def test_interval_begins_on_the_quarter(at: float, start: int) -> None:
    assert interval_of(at) == start
