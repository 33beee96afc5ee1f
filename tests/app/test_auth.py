"""Who may ask: every route of the description wants a key with its scope; keys and sessions end when told."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
import structlog

from app.auth import COOKIE
from app.db import schema
from app.main import create_api
from app.openapi import OPEN
from app.settings import Settings
from routing.commands import PutAgent
from tests.app.conftest import Service
from tests.app.test_contacts import CALL, be_available, post
from tests.builders import make_agent

ROUTES = [
    (method.upper(), path)
    for path, operations in create_api(Settings(database_url="sqlite:///none")).openapi()["paths"].items()
    for method in operations
    if path not in OPEN
]


def filled(path: str) -> str:
    """Return `path` with something in the place of its parameters."""
    return re.sub(r"\{[^}]*\}", "1", path)


async def key(service: Service, scopes: str, **terms: Any) -> str:
    return (await service.house.keyring.create_key("some key", scopes, **terms))[1]


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def test_description_has_every_route_of_the_service() -> None:
    assert len(ROUTES) > 100
    assert {("POST", "/v1/contacts"), ("POST", "/v1/offers/{offer_id}/accept")} <= set(ROUTES)


@pytest.mark.parametrize(
    ("header", "slug"),
    [
        ({}, "not-signed-in"),
        (bearer("rondo_wrong"), "not-signed-in"),
        ({"Authorization": "Basic cm9uZG86cm9uZG8="}, "not-signed-in"),
        ({"Authorization": "Bearer "}, "not-signed-in"),
        ({"Cookie": f"{COOKIE}=wrong"}, "not-signed-in"),
    ],
    ids=["no key", "unknown key", "basic", "empty", "unknown session"],
)
async def test_every_route_refuses_who_is_not_signed_in(
    service: Service, header: dict[str, str], slug: str
) -> None:
    async with service.client("") as client:
        client.headers["Origin"] = "http://rondo"
        for method, path in ROUTES:
            answer = await client.request(method, filled(path), headers=header)
            assert answer.status_code == 401, (method, path, answer.text)
            assert answer.json()["type"] == f"/problems/{slug}"
            assert answer.headers["www-authenticate"] == "Bearer"


async def test_every_route_refuses_a_key_without_its_scope(service: Service) -> None:
    powerless = await key(service, "")
    async with service.client("") as client:
        for method, path in ROUTES:
            answer = await client.request(method, filled(path), headers=bearer(powerless))
            assert answer.status_code == 403, (method, path, answer.text)
            assert answer.json()["type"] == "/problems/missing-scope"


async def test_refused_requests_change_nothing(service: Service) -> None:
    powerless = await key(service, "contacts:read")
    before = await service.house.switchboard.read(lambda floor: floor.snapshot())
    async with service.client("") as client:
        await client.post("/v1/contacts", json=CALL, headers=bearer(powerless))
        await client.put("/v1/agents/ann/presence", json={"presence": "available"})
    assert await service.house.switchboard.read(lambda floor: floor.snapshot()) == before


async def test_key_of_an_agent_does_not_act_for_another(service: Service) -> None:
    bob = make_agent("bob", teams=("complaints",))
    await service.house.switchboard.submit(PutAgent(actor="test", agent=bob), lambda *_: None)
    scopes = "offers:write presence:write contacts:read"
    own = {name: bearer(await key(service, scopes, agent_id=name)) for name in ("ann", "bob")}
    async with service.client() as client:
        await be_available(client, "ann")
        contact = await post(client, "/v1/contacts", CALL)
        offer = contact["offers"][0]["id"]
        refused = [
            ("PUT", "/v1/agents/ann/presence", {"presence": "offline"}),
            ("POST", "/v1/agents/ann/drain", None),
            ("POST", "/v1/agents/ann/heartbeat", None),
            ("POST", f"/v1/offers/{offer}/accept", None),
            ("POST", f"/v1/offers/{offer}/accept", {"agent": "ann"}),
            ("POST", f"/v1/offers/{offer}/decline", {"agent": "ann"}),
        ]
        await expect_forbidden(client, own["bob"], refused)
        await post(client, f"/v1/offers/{offer}/accept", None, **own["ann"])
        refused = [
            ("POST", f"/v1/contacts/{contact['id']}/complete", None),
            ("POST", f"/v1/contacts/{contact['id']}/transfer", {"team": "complaints"}),
        ]
        await expect_forbidden(client, own["bob"], refused)
        await post(client, f"/v1/contacts/{contact['id']}/complete", None, **own["ann"])
        refused = [
            ("POST", f"/v1/offers/{offer}/finish-wrap-up", None),
            ("POST", f"/v1/offers/{offer}/extend-wrap-up", None),
        ]
        await expect_forbidden(client, own["bob"], refused)
        await post(client, f"/v1/offers/{offer}/finish-wrap-up", None, **own["ann"])


async def test_key_of_an_agent_who_leads_takes_back_an_offer_to_another(service: Service) -> None:
    bob = make_agent("bob", teams=("complaints",))
    await service.house.switchboard.submit(PutAgent(actor="test", agent=bob), lambda *_: None)
    agent = bearer(await key(service, "offers:write", agent_id="bob"))
    lead = bearer(await key(service, "floor:lead", agent_id="bob"))
    async with service.client() as client:
        await be_available(client, "ann")
        path = f"/v1/offers/{(await post(client, '/v1/contacts', CALL))['offers'][0]['id']}/revoke"
        await expect_missing(client, agent, path)
        assert (await post(client, path, None, **lead))["offer"]["state"] == "revoked"


async def test_key_of_an_agent_who_leads_acts_for_others_under_its_own_name(service: Service) -> None:
    bob = make_agent("bob", teams=("complaints",))
    await service.house.switchboard.submit(PutAgent(actor="test", agent=bob), lambda *_: None)
    scopes = "offers:write presence:write queues:read plans:read floor:lead"
    lead = bearer(await key(service, scopes, agent_id="bob"))
    async with service.client() as client:
        answer = await client.put("/v1/agents/ann/presence", json={"presence": "available"}, headers=lead)
        assert answer.json()["presence"] == "available", answer.text
        contact = await post(client, "/v1/contacts", CALL)
        offer = f"/v1/offers/{contact['offers'][0]['id']}"
        listed = (await client.get("/v1/offers", headers=lead)).json()["items"]
        assert [each["agent"]["id"] for each in listed] == ["ann"]
        assert (await client.get("/v1/offers?agent=bob", headers=lead)).json()["items"] == []
        refused = await client.post(f"{offer}/accept", json={"agent": "bob"}, headers=lead)
        assert (refused.status_code, "made to another agent" in refused.text) == (403, True)
        await post(client, f"{offer}/accept", None, **lead)
        path = f"/v1/contacts/{contact['id']}"
        await post(client, f"{path}/transfer", {"team": "complaints", "warm": True}, **lead)
        assert (await post(client, f"{path}/take-back", None, **lead))["agent"] == "ann"
        await post(client, f"{path}/complete", None, **lead)
        for verb in ("extend-wrap-up", "finish-wrap-up"):
            await post(client, f"{offer}/{verb}", None, **lead)
        assert (await post(client, "/v1/agents/ann/drain", None, **lead))["presence"] == "offline"
        events = (await client.get(f"{path}/events")).json()["items"]
        assert (await client.get("/v1/agents/ann/roster.ics", headers=lead)).status_code == 200
    done = {each["kind"]: each["actor"] for each in events}
    assert {done["contact_connected"], done["transfer_taken_back"]} == {"bob"}


async def expect_missing(client: httpx.AsyncClient, who: dict[str, str], path: str) -> None:
    answer = await client.post(path, headers=who)
    assert (answer.status_code, answer.json()["type"]) == (403, "/problems/missing-scope")


async def test_agent_changes_no_ticket_that_another_answers_for(service: Service) -> None:
    bob = make_agent("bob", teams=("complaints",))
    await service.house.switchboard.submit(PutAgent(actor="test", agent=bob), lambda *_: None)
    own = {name: bearer(await key(service, "tickets:write", agent_id=name)) for name in ("ann", "bob")}
    lead = bearer(await key(service, "tickets:write floor:lead", agent_id="bob"))
    async with service.client() as client:
        await be_available(client, "ann")
        contact = await post(client, "/v1/contacts", CALL)
        ticket = f"/v1/tickets/{contact['ticket_id']}"
        await expect_forbidden(client, own["ann"], [("PATCH", ticket, {"owner": "ann"})])
        await post(client, f"/v1/offers/{contact['offers'][0]['id']}/accept")
        refused = [("PATCH", ticket, body) for body in ({"owner": "bob"}, {"state": "closed"})]
        await expect_forbidden(client, own["bob"], refused)
        for who, body in (
            (own["ann"], {"state": "waiting_customer"}),
            (own["ann"], {"owner": "lead"}),
            (own["ann"], {"state": "resolved"}),  # no longer the owner, but in conversation
            (lead, {"owner": "bob"}),
        ):
            answer = await client.patch(ticket, json=body, headers=who)
            assert answer.status_code == 200, answer.text
        await expect_forbidden(client, own["ann"], [("PATCH", ticket, {"owner": "ann"})])
        assert (await client.get(ticket)).json()["owner"] == "bob"


async def expect_forbidden(client: httpx.AsyncClient, header: dict[str, str], wanted: list[Any]) -> None:
    for method, path, body in wanted:
        answer = await client.request(method, path, json=body, headers=header)
        assert answer.status_code == 403, (method, path, answer.text)


async def test_warm_transfer_is_taken_back_by_its_own_agent_only(service: Service) -> None:
    bob = make_agent("bob", teams=())
    await service.house.switchboard.submit(PutAgent(actor="test", agent=bob), lambda *_: None)
    own = {name: bearer(await key(service, "offers:write", agent_id=name)) for name in ("ann", "bob")}
    async with service.client() as client:
        await be_available(client, "ann")
        contact = await post(client, "/v1/contacts", CALL)
        await post(client, f"/v1/offers/{contact['offers'][0]['id']}/accept")
        path = f"/v1/contacts/{contact['id']}"
        await post(client, f"{path}/transfer", {"team": "complaints", "warm": True}, **own["ann"])
        await expect_forbidden(client, own["bob"], [("POST", f"{path}/take-back", None)])
        assert (await post(client, f"{path}/take-back", None, **own["ann"]))["agent"] == "ann"


async def test_giver_finishes_the_wrap_up_of_a_contact_that_ended_meanwhile(
    client: httpx.AsyncClient,
) -> None:
    await be_available(client)
    contact = await post(client, "/v1/contacts", CALL)
    offer = contact["offers"][0]["id"]
    await post(client, f"/v1/offers/{offer}/accept")
    await post(client, f"/v1/contacts/{contact['id']}/transfer", {"team": "complaints"})
    await post(client, f"/v1/contacts/{contact['id']}/abandon")
    done = await post(client, f"/v1/offers/{offer}/finish-wrap-up")
    assert (done["contact"], done["agent"]["state"]) == (None, "idle")


async def test_revoked_key_stops_at_once_here(client: httpx.AsyncClient, service: Service) -> None:
    created = await post(client, "/v1/keys", {"name": "short", "scopes": ["agents:read"]})
    secret = created["secret"]
    assert (await client.get("/v1/agents", headers=bearer(secret))).status_code == 200
    assert (await client.delete(f"/v1/keys/{created['id']}")).status_code == 204
    assert (await client.get("/v1/agents", headers=bearer(secret))).status_code == 401


async def test_key_revoked_by_another_replica_stops_within_the_cache_time(service: Service) -> None:
    row, secret = await service.house.keyring.create_key("short", "agents:read contacts:write")
    async with service.client("") as client:
        assert (await client.get("/v1/agents", headers=bearer(secret))).status_code == 200
        await service.house.database.tx(
            lambda conn: conn.execute(
                sa.update(schema.api_key).where(schema.api_key.c.id == row.id).values(revoked_at=1.0)
            )
        )
        service.house.clock._start += 5.1
        assert (await client.get("/v1/agents", headers=bearer(secret))).status_code == 401
        assert (await client.post("/v1/contacts", json=CALL, headers=bearer(secret))).status_code == 401


async def test_expired_key_stops_within_the_cache_time(service: Service) -> None:
    now = service.house.clock.now()
    secret = await key(service, "agents:read contacts:write", expires_at=now + 60)
    async with service.client("") as client:
        assert (await client.post("/v1/contacts", json=CALL, headers=bearer(secret))).status_code == 201
        service.house.clock._start += 66
        assert (await client.post("/v1/contacts", json=CALL, headers=bearer(secret))).status_code == 401
        assert (await client.get("/v1/agents", headers=bearer(secret))).status_code == 401


async def session(service: Service, client: httpx.AsyncClient, role: str = "admin") -> str:
    """Sign a browser in with a one-time link; return the session's secret."""
    keys = (await client.get("/v1/keys", headers=bearer(service.keys["admin"]))).json()["items"]
    link = await service.house.keyring.sign_in_link(next(each["id"] for each in keys if each["name"] == role))
    answer = await client.get("/sign-in", params={"link": link})
    assert answer.status_code == 200
    return str(answer.cookies[COOKIE])


async def test_session_writes_from_our_own_pages_only(service: Service) -> None:
    async with service.client("") as client:
        client.cookies.set(COOKIE, await session(service, client))
        assert (await client.get("/v1/agents")).status_code == 200
        for origin in ({}, {"Origin": "http://evil.example"}, {"Origin": "null"}):
            answer = await client.post("/v1/contacts", json=CALL, headers=origin)
            assert answer.status_code == 403, origin
            answer = await client.put("/v1/agents/zed", json={"name": "Zed"}, headers=origin)
            assert answer.status_code == 403, origin
        answer = await client.post("/v1/contacts", json=CALL, headers={"Origin": "http://rondo"})
        assert answer.status_code == 201


async def test_session_is_no_key_and_a_key_no_session(service: Service) -> None:
    async with service.client("") as client:
        secret = await session(service, client)
        client.cookies.clear()
        assert (await client.get("/v1/agents", headers={"Cookie": f"{COOKIE}={secret}"})).status_code == 200
        assert (await client.get("/v1/agents", headers=bearer(secret))).status_code == 401
        own = service.keys["admin"]
        assert (await client.get("/v1/agents", headers=bearer(own))).status_code == 200
        assert (await client.get("/v1/agents", headers={"Cookie": f"{COOKIE}={own}"})).status_code == 401


async def test_link_signs_in_once(service: Service) -> None:
    link = await service.house.keyring.sign_in_link(
        (await service.house.keyring.create_key("some key", "agents:read"))[0].id
    )
    async with service.client("") as client:
        assert (await client.get("/sign-in", params={"link": link})).status_code == 200
        client.cookies.clear()
        assert (await client.get("/sign-in", params={"link": link})).status_code == 401


async def test_session_ends_with_its_key(service: Service) -> None:
    async with service.client("") as client:
        secret = await session(service, client, "lead")
        client.cookies.set(COOKIE, secret)
        assert (await client.get("/v1/agents")).status_code == 200
        admin = bearer(service.keys["admin"])
        listed = (await client.get("/v1/keys", headers=admin)).json()["items"]
        key_id = next(each["id"] for each in listed if each["name"] == "lead")
        await client.delete(f"/v1/keys/{key_id}", headers=admin)
        assert (await client.get("/v1/agents")).status_code == 401


async def test_secrets_are_stored_nowhere(service: Service) -> None:
    async with service.client("") as client:
        secrets = [*filter(None, service.keys.values()), await session(service, client)]
        await client.post(
            "/v1/contacts", json=CALL, headers=bearer(service.keys["admin"]) | {"Idempotency-Key": "k"}
        )

    def everything(conn: Any) -> str:
        return repr([conn.execute(sa.select(table)).all() for table in schema.metadata.sorted_tables])

    stored = await service.house.database.read(everything)
    assert [each for each in secrets if each in stored] == []


async def test_secrets_and_numbers_are_in_no_log(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    with written_log() as log:
        async with service.client("") as client:
            monkeypatch.setattr(service.house.switchboard, "enqueue", broken)
            for header in (bearer(service.keys["admin"]), bearer("rondo_wrong")):
                await client.post("/v1/contacts", json=CALL, headers=header)
                await client.put("/v1/agents/zed", json={"name": "Zed Zeppelin"}, headers=header)
    # The clock's microseconds may be any number.
    lines = re.sub(r'"timestamp": "[^"]*"', "", log.getvalue())
    assert lines.count("request_failed") == 2
    for hidden in (service.keys["admin"], "rondo_", "7946", "Zeppelin"):
        assert hidden not in lines


@contextmanager
def written_log() -> Iterator[io.StringIO]:
    """Collect the log exactly as the service writes it, tracebacks included."""
    from app import logs

    before = structlog.get_config()
    log = io.StringIO()
    logs.set_up("debug")
    structlog.configure(
        logger_factory=structlog.WriteLoggerFactory(file=log), cache_logger_on_first_use=False
    )
    try:
        yield log
    finally:
        structlog.configure(**before)
    assert [json.loads(line) for line in log.getvalue().splitlines()]
