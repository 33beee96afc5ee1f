"""Why a contact is where it is, how long it will wait, and how good that guess has been."""

from __future__ import annotations

from typing import Any

import httpx

from tests.app.test_contacts import CALL, be_available, post


async def keep_busy(client: httpx.AsyncClient) -> dict[str, Any]:
    """Have Ann talk to somebody; return that contact."""
    await be_available(client)
    contact = await post(client, "/v1/contacts", CALL)
    accepted = await post(client, f"/v1/offers/{contact['offers'][0]['id']}/accept")
    return dict(accepted["contact"])


async def test_waiting_contact_says_why_and_what_would_change_that(
    client: httpx.AsyncClient,
) -> None:
    contact = await post(client, "/v1/contacts", CALL)
    why = (await client.get(f"/v1/contacts/{contact['id']}/why")).json()
    assert (why["state"], why["position"]) == ("queued", 1)
    assert why["against"] == [{"reason": "not_present", "agent_ids": ["ann"]}]
    assert any("Ann" in sentence for sentence in why["sentences"])
    assert why["changes"]


async def test_connected_contact_says_who_was_chosen_and_by_what(client: httpx.AsyncClient) -> None:
    await be_available(client)
    contact = await post(client, "/v1/contacts", CALL)
    await post(client, f"/v1/offers/{contact['offers'][0]['id']}/accept")
    why = (await client.get(f"/v1/contacts/{contact['id']}/why")).json()
    assert [each["agent_ids"] for each in why["decisions"]] == [["ann"]]
    assert why["decisions"][0]["strategy"] == "longest_idle"
    assert why["classification"]["by"] == "fallback"


async def test_why_of_an_ended_contact_is_still_told(client: httpx.AsyncClient) -> None:
    contact = await post(client, "/v1/contacts", CALL)
    await post(client, f"/v1/contacts/{contact['id']}/abandon")
    why = (await client.get(f"/v1/contacts/{contact['id']}/why")).json()
    assert (why["state"], len(why["decisions"])) == ("abandoned", 1)


async def test_waiting_contact_is_told_its_wait_as_an_interval(client: httpx.AsyncClient) -> None:
    await keep_busy(client)
    contact = await post(client, "/v1/contacts", CALL | {"call_id": "waits"})
    wait = contact["estimated_wait"]
    assert 0 <= wait["low_s"] <= wait["wait_s"] <= wait["high_s"]


async def test_no_wait_is_foretold_while_nobody_is_there(client: httpx.AsyncClient) -> None:
    assert (await post(client, "/v1/contacts", CALL))["estimated_wait"] is None


async def test_guesses_are_scored_by_what_happened(client: httpx.AsyncClient) -> None:
    running = await keep_busy(client)
    contact = await post(client, "/v1/contacts", CALL | {"call_id": "waits"})
    await post(client, f"/v1/contacts/{running['id']}/complete")
    await post(client, f"/v1/offers/{running['offer_id']}/finish-wrap-up")
    offer = (await client.get(f"/v1/contacts/{contact['id']}")).json()["offers"][0]["id"]
    await post(client, f"/v1/offers/{offer}/accept")
    scores = (await client.get("/v1/queues/general/estimates")).json()["items"]
    assert [each["channel"] for each in scores] == ["voice"]
    assert {each["answered"] for each in scores[0]["predictors"].values()} == {1}
    assert scores[0]["intervals"]["judged"] == 1


async def test_events_of_a_contact_are_listed_in_order(client: httpx.AsyncClient) -> None:
    contact = await post(client, "/v1/contacts", CALL)
    items = (await client.get(f"/v1/contacts/{contact['id']}/events")).json()["items"]
    assert [each["kind"] for each in items] == ["contact_received", "contact_queued", "nobody_found"]
    assert [each["seq"] for each in items] == sorted(each["seq"] for each in items)
