"""Occupancy: how the agents' time was spent, by time and by capacity."""

from __future__ import annotations

from typing import Any

import pytest

from tests.app.conftest import Service
from tests.app.test_contacts import CALL, be_available, post


async def today(client: Any) -> dict[str, Any]:
    return dict((await client.get("/v1/queues/general")).json()["today"])


async def test_occupancy_is_the_busy_share_of_the_time_an_agent_was_there(service: Service) -> None:
    clock = service.house.clock
    # Hazard: a day may begin while the test moves the clock; start well inside one.
    clock._start += 43_200.0 - clock.now() % 86_400.0 + 86_400.0
    async with service.client() as client:
        assert (await today(client))["occupancy"] is None
        await be_available(client)
        clock._start += 100.0  # the only way to let time pass without waiting for it
        contact = await post(client, "/v1/contacts", CALL)
        await post(client, f"/v1/offers/{contact['offers'][0]['id']}/accept")
        clock._start += 200.0
        running = await today(client)
        await post(client, f"/v1/contacts/{contact['id']}/complete")
        await post(client, f"/v1/offers/{contact['offers'][0]['id']}/finish-wrap-up")
        clock._start += 100.0
        await client.put("/v1/agents/ann/presence", json={"presence": "offline"})
        clock._start += 1000.0
        done = await today(client)
    assert running["occupancy"] == pytest.approx(2 / 3, abs=0.01)
    assert done["occupancy"] == pytest.approx(0.5, abs=0.01)
    assert done["occupancy_by_capacity"] == pytest.approx(0.5, abs=0.01)


async def test_one_chat_of_three_fills_a_third_of_the_capacity_all_of_the_time(service: Service) -> None:
    clock = service.house.clock
    clock._start += 43_200.0 - clock.now() % 86_400.0 + 86_400.0
    async with service.client() as client:
        await be_available(client)
        chat = await post(client, "/v1/contacts", {"channel": "chat"})
        await post(client, f"/v1/offers/{chat['offers'][0]['id']}/accept")
        clock._start += 600.0
        found = await today(client)
    assert found["occupancy"] == pytest.approx(1.0, abs=0.01)
    assert found["occupancy_by_capacity"] == pytest.approx(0.3, abs=0.01)
