"""The text classifier in the service: trained on resolved tickets by a run, then used at intake."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from app.settings import Settings
from tests.app.conftest import Service, furnish, running
from tests.app.test_contacts import be_available, post
from tests.routing.test_classifier import made_up


async def resolve_written(client: httpx.AsyncClient, text: str, team: str) -> None:
    body = {"channel": "email", "from": {"email": "a@b.example"}, "text": text, "team": team}
    contact = await post(client, "/v1/contacts", body)
    await post(client, f"/v1/offers/{contact['offers'][0]['id']}/accept")
    await post(client, f"/v1/contacts/{contact['id']}/complete")


async def trained(client: httpx.AsyncClient) -> dict[str, Any]:
    run = await post(client, "/v1/runs", {"kind": "train"})
    async with asyncio.timeout(50):
        while run["state"] in ("queued", "running"):
            await asyncio.sleep(0.05)
            run = (await client.get(f"/v1/runs/{run['id']}")).json()
    return dict(run)


@pytest.fixture
def settings(database_url: str) -> Settings:
    return Settings(
        database_url=database_url, worker="embedded", worker_processes=1, scheduler=False, log_level="error"
    )


@pytest.mark.slow
async def test_classifier_learnt_from_resolved_tickets_routes_the_next_text(settings: Settings) -> None:
    async with running(settings) as service:
        from tests.builders import make_agent, make_team

        await furnish(
            service.house,
            make_agent("ann", teams=("general", "ordering", "technical")),
            teams=(make_team("general"), make_team("ordering"), make_team("technical")),
        )
        async with service.client() as client:
            await be_available(client)
            for text, team in zip(*made_up(60), strict=True):
                await resolve_written(client, text, team)
            done = await trained(client)
            assert done["state"] == "done", done
            await service.house.reader.look()
            contact = await post(client, "/v1/contacts", {"channel": "chat", "text": "router error crash"})
            assert contact["classification"]["by"] == "classifier"
            assert contact["team"] == "technical"
            unsure = await post(client, "/v1/contacts", {"channel": "chat", "text": "zzz"})
            assert (unsure["team"], unsure["classification"]["by"]) == ("general", "fallback")
            tried = await post(client, "/v1/classifier/try", {"text": "please buy order"})
            assert (tried["team"], tried["decides"]) == ("ordering", True)
            listed = (await client.get("/v1/classifier")).json()["items"]
            assert listed[0]["scores"]["examples"] == 60


async def test_training_without_resolved_tickets_says_that_there_was_nothing_to_learn_from(
    service: Service,
) -> None:
    async with service.client() as client:
        done = await trained(client)
        assert (await client.get("/v1/classifier")).json()["items"] == []
    assert (done["state"], done["error"], done["result"]["classifier_id"]) == ("done", None, None)
    assert "nothing to learn from" in done["result"]["reason"]


async def test_training_on_too_few_texts_says_how_many_are_needed(service: Service) -> None:
    async with service.client() as client:
        await be_available(client)
        await resolve_written(client, "please help", "general")
        done = await trained(client)
    assert (done["state"], done["result"]["classifier_id"]) == ("done", None)
    assert "1 texts of resolved tickets, and 50 of two teams are needed" in done["result"]["reason"]
