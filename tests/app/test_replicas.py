"""Two replicas of the service on one PostgreSQL: one floor, one log."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from app.settings import Settings
from tests.app.conftest import furnish, running
from tests.app.test_contacts import CALL, be_available, post
from tests.builders import make_agent, make_team
from tests.faults.truth import check, read_truth

pytestmark = pytest.mark.parametrize("one_decider", ["off", "machine"])


def _settings(url: str, **more: Any) -> Settings:
    return Settings(database_url=url, worker="off", scheduler=False, log_level="error", **more)


@pytest.mark.postgres
async def test_replicas_share_the_floor(postgres_url: str, one_decider: str) -> None:
    settings = _settings(postgres_url, one_decider=one_decider)
    async with running(settings) as one, running(settings) as two:
        await furnish(one.house)
        async with one.client() as first, two.client() as second:
            await be_available(first)
            contact = await post(second, "/v1/contacts", CALL)
            taken = await post(first, f"/v1/offers/{contact['offers'][0]['id']}/accept")
            assert taken["contact"]["state"] == "connected"
            again = await second.post(f"/v1/offers/{contact['offers'][0]['id']}/accept")
            assert again.status_code == 409


@pytest.mark.postgres
async def test_replicas_tell_the_same_figures(postgres_url: str, one_decider: str) -> None:
    settings = _settings(postgres_url, one_decider=one_decider)
    async with running(settings) as one, running(settings) as two:
        await furnish(one.house)
        async with one.client() as first, two.client() as second:
            for client, other in ((first, second), (second, first)):
                contact = await post(client, "/v1/contacts", CALL)
                await post(other, f"/v1/contacts/{contact['id']}/callback")
            told = [
                (await client.get("/v1/queues/general?channel=voice")).json()["today"]
                for client in (first, second)
            ]
    assert told[0] == told[1]
    assert (told[0]["converted_in_target"], told[0]["service_level_amazon"]) == (2, 1.0)


@pytest.mark.postgres
async def test_follower_of_one_replica_hears_what_the_other_committed(
    postgres_url: str, one_decider: str
) -> None:
    settings = _settings(postgres_url, one_decider=one_decider)
    async with running(settings) as one, running(settings) as two:
        await furnish(one.house)
        start = await one.house.switchboard.read(lambda floor: floor.seq)
        heard: list[int] = []

        async def follow() -> None:
            async for seq, _ in two.house.feed.follow(start):
                heard.append(seq)
                if len(heard) == 20:
                    return

        follower = asyncio.create_task(follow())
        async with one.client() as first, two.client() as second:
            for client in (first, second, first, second, first):
                await post(client, "/v1/contacts", CALL)
        await asyncio.wait_for(follower, 10)
    assert heard == list(range(start + 1, start + 21))


@pytest.mark.postgres
async def test_timer_of_a_replica_that_ended_runs_on_in_the_other(
    postgres_url: str, one_decider: str
) -> None:
    settings = _settings(postgres_url, one_decider=one_decider, clock_speed=20)
    async with running(settings) as two:
        async with running(settings) as one:
            await furnish(one.house)
            async with one.client() as first:
                await be_available(first)
                contact = await post(first, "/v1/contacts", CALL)
                assert contact["state"] == "offered"
            await asyncio.sleep(0)
        feed = two.house.feed
        async with asyncio.timeout(20):
            async for _, data in feed.follow(0):
                if data.startswith(b'{"kind":"offer_ended"'):
                    break
        state = await two.house.switchboard.read(lambda floor: floor.agents["ann"].state)
    assert state == "not_responding"


@pytest.mark.postgres
async def test_of_two_agents_who_accept_at_once_at_two_replicas_one_gets_the_call(
    postgres_url: str, one_decider: str
) -> None:
    settings = _settings(postgres_url, one_decider=one_decider)
    async with running(settings) as one, running(settings) as two:
        agents = (make_agent(name, teams=("general",)) for name in ("ann", "bob"))
        await furnish(one.house, *agents, teams=(make_team("general", broadcast=2, wrap_up_s=0.0),))
        async with one.client() as first, two.client() as second:
            for name in ("ann", "bob"):
                await first.put(f"/v1/agents/{name}/presence", json={"presence": "available"})
            for number in range(20):
                caller = {"phone": f"+44207946{number:04}"}
                contact = await post(first, "/v1/contacts", {"channel": "voice", "from": caller})
                ringing = [each["id"] for each in contact["offers"]]
                assert len(ringing) == 2
                answers = await asyncio.gather(
                    *(
                        client.post(f"/v1/offers/{offer}/accept")
                        for client, offer in zip((first, second), ringing, strict=True)
                    )
                )
                assert sorted(answer.status_code for answer in answers) == [200, 409]
                await post(second, f"/v1/contacts/{contact['id']}/complete")
            check(await two.house.database.tx(read_truth))


@pytest.mark.postgres
async def test_what_crosses_at_two_replicas_neither_deadlocks_nor_fails(
    postgres_url: str, one_decider: str
) -> None:
    settings = _settings(postgres_url, one_decider=one_decider)
    async with running(settings) as one, running(settings) as two:
        await furnish(one.house)
        async with one.client() as first, two.client() as second, asyncio.timeout(45):
            await be_available(first)
            for _ in range(6):
                numbers = [f"+44207946{number:04}" for number in range(4)]
                contacts = await asyncio.gather(
                    *(
                        post(client, "/v1/contacts", {"channel": "voice", "from": {"phone": number}})
                        for number in numbers
                        for client in (first, second)
                    )
                )
                ids = [each["id"] for each in contacts]
                who = sorted({each["customer_id"] for each in contacts})
                # Each pair is asked of the two replicas in opposite order, as what deadlocks is.
                pairs = [(who[0], who[-1]), (who[-1], who[0])]
                wanted = [
                    *((f"/v1/customers/{kept}/merge", {"customer_id": gone}) for kept, gone in pairs),
                    *((f"/v1/contacts/{each}/move", {"team": "complaints"}) for each in ids),
                    *((f"/v1/contacts/{each}/priority", {"priority": 3}) for each in reversed(ids)),
                    *((f"/v1/contacts/{each}/abandon", None) for each in ids),
                ]
                answers = await asyncio.gather(
                    *(first.post(path, json=body) for path, body in wanted),
                    *(second.post(path, json=body) for path, body in reversed(wanted)),
                )
                assert {answer.status_code for answer in answers} <= {200, 404, 409, 422}
            truth = await one.house.database.tx(read_truth)
    check(truth)
    assert set(truth.contacts.values()) == {"abandoned"}
