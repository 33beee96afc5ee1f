"""What the API answers about the floor is what its description says, no less and no more."""

from __future__ import annotations

from typing import Any

import httpx
from jsonschema import Draft202012Validator

from app.clock import isoformat
from app.main import create_api
from app.settings import Settings
from tests.app.conftest import Service
from tests.app.test_contacts import CALL, be_available, post

DOCUMENT = create_api(Settings(database_url="sqlite:///none")).openapi()


def check(method: str, path: str, answer: Any) -> None:
    """Assert that `answer` is one that the description of a route allows, with no member left undescribed."""
    responses = DOCUMENT["paths"][path][method]["responses"]
    done = next(each for status, each in responses.items() if status.startswith("2"))
    schema = done["content"]["application/json"]["schema"]
    Draft202012Validator(schema | {"components": DOCUMENT["components"]}).validate(answer)
    _no_more(schema, answer)


def _no_more(schema: dict[str, Any], value: Any) -> None:
    schema = schema if "$ref" not in schema else DOCUMENT["components"]["schemas"][schema["$ref"][21:]]
    if isinstance(value, dict) and "properties" in schema:
        assert set(value) <= set(schema["properties"])
        for name, each in value.items():
            _no_more(schema["properties"][name], each)
    elif isinstance(value, list) and isinstance(schema.get("items"), dict):
        for each in value:
            _no_more(schema["items"], each)


async def test_answers_about_a_call_are_as_described(service: Service, client: httpx.AsyncClient) -> None:
    started = service.house.clock.now()
    await be_available(client)
    call = await post(client, "/v1/contacts", CALL)
    check("post", "/v1/contacts", call)
    waits = await post(client, "/v1/contacts", CALL | {"call_id": "waits", "skills": {}})
    assert waits["estimated_wait"] is not None
    check("post", "/v1/contacts", waits)
    offer = call["offers"][0]["id"]
    for verb in ("accept", "finish-wrap-up"):
        answer = await post(client, f"/v1/offers/{offer}/{verb}")
        check("post", f"/v1/offers/{{offer_id}}/{verb}", answer)
        if verb == "accept":
            ended = await post(client, f"/v1/contacts/{call['id']}/complete")
            check("post", "/v1/contacts/{contact_id}/complete", ended)
    paths = {
        "/v1/contacts": {},
        "/v1/contacts/{contact_id}": {"contact_id": call["id"]},
        "/v1/contacts/{contact_id}/why": {"contact_id": waits["id"]},
        "/v1/offers": {},
        "/v1/agents": {},
        "/v1/agents/{agent_id}": {"agent_id": "ann"},
        "/v1/queues": {},
        "/v1/queues/{team}": {"team": "general"},
        "/v1/queues/{team}/estimates": {"team": "general"},
        "/v1/tickets": {},
        "/v1/tickets/{ticket_id}": {"ticket_id": call["ticket_id"]},
        "/v1/customers/{customer_id}": {"customer_id": call["customer_id"]},
        "/v1/policies/current": {},
    }
    for path, values in paths.items():
        check("get", path, (await client.get(path.format(**values))).json())
    query = {"start": isoformat(started - 900.0) or ""}
    intervals = await client.get("/v1/queues/general/intervals", params=query)
    assert intervals.json()["items"]
    check("get", "/v1/queues/{team}/intervals", intervals.json())


async def test_policy_that_is_read_may_be_sent_as_described(client: httpx.AsyncClient) -> None:
    policy = (await client.get("/v1/policies/current")).json()
    body = DOCUMENT["paths"]["/v1/policies"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    Draft202012Validator(body | {"components": DOCUMENT["components"]}).validate(policy)
