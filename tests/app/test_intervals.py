"""Figures of a queue per interval and day, as the API tells them, on both databases."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from app.clock import isoformat
from tests.app.conftest import Service
from tests.app.test_contacts import CALL, be_available, post
from tests.app.test_projection import at_quarter, let_pass


async def intervals(client: httpx.AsyncClient, start: float, **query: str) -> list[dict[str, Any]]:
    answer = await client.get(
        "/v1/queues/general/intervals", params={"start": isoformat(start) or "", **query}
    )
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


async def test_what_still_waits_counts_in_the_interval_in_which_it_came(
    service: Service, client: httpx.AsyncClient
) -> None:
    start = await at_quarter(service, 890.0)
    await post(client, "/v1/contacts", CALL)
    await let_pass(service, 15.0)
    await post(client, "/v1/contacts", CALL | {"call_id": "second"})
    before, after = await intervals(client, start)
    assert [(each["offered"], each["waiting"]) for each in (before, after)] == [(1, 1), (1, 1)]
    assert (before["service_level"], after["service_level"]) == (None, None)
    await let_pass(service, 10.0)
    before, after = await intervals(client, start)
    assert (before["service_level"], after["service_level"]) == (0.0, None)


async def test_segment_that_began_by_overflow_is_as_young_as_its_stay(
    service: Service, client: httpx.AsyncClient
) -> None:
    contact = await post(client, "/v1/contacts", CALL)
    await let_pass(service, 300.0)
    await post(client, f"/v1/contacts/{contact['id']}/move", {"team": "complaints"})
    queue = (await client.get("/v1/queues/complaints")).json()
    assert queue["longest_wait_s"] == pytest.approx(300.0, abs=2.0)
    assert (queue["today"]["waiting"], queue["today"]["service_level"]) == (1, None)


async def test_agents_time_counts_in_the_running_interval_before_anything_closes_it(
    service: Service, client: httpx.AsyncClient
) -> None:
    start = await at_quarter(service, 100.0)
    await be_available(client)
    service.house.clock._start += 50.0
    contact = await post(client, "/v1/contacts", CALL)
    await post(client, f"/v1/offers/{contact['offers'][0]['id']}/accept")
    service.house.clock._start += 150.0
    (running,) = await intervals(client, start)
    assert running["occupancy"] == pytest.approx(0.75, abs=0.01)
    today = (await client.get("/v1/queues/general")).json()["today"]
    assert today["occupancy"] == pytest.approx(running["occupancy"], abs=0.01)


async def test_figures_of_one_channel_leave_the_others_out(
    service: Service, client: httpx.AsyncClient
) -> None:
    start = await at_quarter(service, 100.0)
    await post(client, "/v1/contacts", CALL)
    await post(client, "/v1/contacts", {"channel": "chat"})
    for query, offered in (({}, 2), ({"channel": "chat"}, 1), ({"channel": "email"}, None)):
        found = await intervals(client, start, **query)
        assert [each["offered"] for each in found] == ([] if offered is None else [offered])
    today = (await client.get("/v1/queues/general", params={"channel": "voice"})).json()["today"]
    assert (today["offered"], today["waiting"]) == (1, 1)
