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


async def test_old_mail_hides_no_caller_and_each_channel_tells_its_longest_wait(
    service: Service, client: httpx.AsyncClient
) -> None:
    nobody = (await client.get("/v1/queues/general")).json()
    assert (nobody["longest_wait_s"], nobody["channels"]) == (None, {})
    await post(client, "/v1/contacts", CALL | {"channel": "email", "call_id": "mail"})
    await let_pass(service, 1000.0)
    mails = (await client.get("/v1/queues/general")).json()
    assert mails["longest_wait_s"] == pytest.approx(1000.0, abs=2.0)
    assert mails["longest_wait_target_s"] == mails["channels"]["email"]["target_s"] > mails["target_s"]
    await post(client, "/v1/contacts", CALL)
    await let_pass(service, 50.0)
    queue = (await client.get("/v1/queues/general")).json()
    assert (queue["waiting"], queue["longest_wait_target_s"]) == (2, queue["target_s"])
    assert queue["longest_wait_s"] == pytest.approx(50.0, abs=2.0)
    assert {name: each["waiting"] for name, each in queue["channels"].items()} == {"email": 1, "voice": 1}
    assert queue["channels"]["email"]["longest_wait_s"] == pytest.approx(1050.0, abs=4.0)
    text = (await client.get("/metrics")).text
    told = dict(line.rsplit(" ", 1) for line in text.splitlines() if line.startswith("rondo_queue_"))
    name = "rondo_queue_channel_longest_wait_seconds"
    assert float(told['rondo_queue_longest_wait_seconds{team="general"}']) == pytest.approx(50.0, abs=4.0)
    assert float(told[f'{name}{{channel="email",team="general"}}']) == pytest.approx(1050.0, abs=6.0)
    assert float(told[f'{name}{{channel="chat",team="general"}}']) == 0.0


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
