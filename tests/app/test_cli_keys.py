"""API keys on the command line, against a service that listens."""

from __future__ import annotations

from tests.app.cli_rig import as_json, listening, rondo
from tests.web.service import Service

__all__ = ["listening"]


async def test_key_of_an_agent_who_leads_is_created_used_and_revoked(listening: Service) -> None:
    arguments = ("keys", "create", "vera", "--role", "lead", "--agent", "vera.lind", "--scope", "events:read")
    code, secret, err = await rondo(listening, *arguments, role="admin")
    assert (code, err) == (0, "")
    listening.keys["vera"] = secret.strip()
    assert (await rondo(listening, "presence", "ada.abel", "available", role="vera"))[0] == 0
    _, out, _ = await rondo(listening, "keys", "list", role="admin")
    assert "vera.lind" in out
    assert secret.strip() not in out
    keys = (await listening.get("admin", "/v1/keys"))["items"]
    mine = next(each["id"] for each in keys if each["agent"] == "vera.lind")
    code, out, _ = await rondo(listening, "keys", "revoke", mine, role="admin")
    assert (code, out) == (0, f"Key {mine} is revoked\n")
    code, _, err = await rondo(listening, "presence", "ada.abel", "break", role="vera")
    assert (code, "not valid" in err) == (1, True)


async def test_key_for_an_agent_who_is_not_there_is_refused(listening: Service) -> None:
    code, _, err = await rondo(
        listening, "keys", "create", "typo", "--role", "agent", "--agent", "ada.able", role="admin"
    )
    assert (code, "There is no agent 'ada.able'." in err) == (1, True)


async def test_keys_are_for_administrators(listening: Service) -> None:
    code, _, err = await rondo(listening, "keys", "list")
    assert (code, "lacks the scope 'admin'" in err) == (1, True)


async def test_keys_are_listed_as_json_without_secrets(listening: Service) -> None:
    listening.keys["lead"] = listening.keys["admin"]
    found = await as_json(listening, "keys", "list")
    assert {"telephony", "agent", "lead", "planner", "admin"} <= {each["name"] for each in found}
    assert all("secret" not in each for each in found)
