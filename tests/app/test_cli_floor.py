"""The lead's floor on the command line, against a service that listens."""

from __future__ import annotations

import pytest

from tests.app.cli_rig import as_json, listening, rondo
from tests.web.service import Service

__all__ = ["listening"]


async def test_floor_shows_who_waits_in_which_queue(listening: Service) -> None:
    await listening.contact(team="ordering")
    queues = {queue["team"]: queue["waiting"] for queue in await as_json(listening, "floor")}
    assert queues == {"complaints": 0, "technical": 0, "ordering": 1, "general": 0}
    code, out, _ = await rondo(listening, "floor")
    assert code == 0
    assert "Ordering" in out


async def test_waiting_contacts_are_listed_in_the_order_they_came(listening: Service) -> None:
    ids = [await listening.contact(team="ordering") for _ in range(3)]
    await listening.contact(team="complaints")
    found = await as_json(listening, "waiting", "--team", "ordering")
    assert [(each["id"], each["position"]) for each in found] == [(ids[0], 1), (ids[1], 2), (ids[2], 3)]
    code, out, _ = await rondo(listening, "waiting")
    assert code == 0
    assert str(ids[0]) in out


async def test_longest_waits_are_listed_first_and_the_rest_counted(
    listening: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.cli_floor._PAGE", 2)
    ids = [await listening.contact(team="ordering") for _ in range(5)]
    code, out, _ = await rondo(listening, "waiting", "--limit", "3")
    assert code == 0
    assert "and 2 more" in out
    assert [each["id"] for each in await as_json(listening, "waiting", "--limit", "3")] == ids[:3]


async def test_one_channel_alone_is_shown(listening: Service) -> None:
    mail = await listening.contact(team="ordering", channel="email")
    await listening.contact(team="ordering")
    queue = next(each for each in await as_json(listening, "floor", "--channel", "email") if each["waiting"])
    assert (queue["waiting"], queue["target_s"], list(queue["channels"])) == (1, 14_400.0, ["email"])
    assert [each["id"] for each in await as_json(listening, "waiting", "--channel", "email")] == [mail]


async def test_team_is_closed_and_opened(listening: Service) -> None:
    code, out, err = await rondo(listening, "close", "ordering", "--because", "fire drill")
    assert (code, err, out[:31]) == (0, "", "Ordering: closed by hand until ")
    assert "closed by hand" in (await rondo(listening, "floor"))[1]
    assert (await rondo(listening, "open", "ordering"))[1] == "Ordering: open\n"
    code, _, err = await rondo(listening, "open", "ordering")
    assert (code, "not closed by hand" in err) == (1, True)


async def test_why_says_what_keeps_a_contact(listening: Service) -> None:
    contact = await listening.contact(team="ordering")
    code, out, _ = await rondo(listening, "why", str(contact))
    assert code == 0
    assert "not there" in out
    assert (await as_json(listening, "why", str(contact)))["contact_id"] == contact


async def test_contact_is_moved_and_made_urgent(listening: Service) -> None:
    contact = await listening.contact(team="ordering")
    code, out, err = await rondo(listening, "act", "move", str(contact), "complaints")
    assert (code, err) == (0, "")
    assert "place 1 for complaints" in out
    assert (await rondo(listening, "act", "priority", str(contact), "5"))[0] == 0
    now = await listening.get("lead", f"/v1/contacts/{contact}")
    assert (now["team"], now["priority"]) == ("complaints", 5)
    assert (await rondo(listening, "act", "cancel", str(contact)))[0] == 0
    assert (await listening.get("lead", f"/v1/contacts/{contact}"))["state"] == "cancelled"


async def test_contact_is_offered_to_one_agent(listening: Service) -> None:
    contact = await listening.contact(team="ordering")
    agents = (await listening.get("admin", "/v1/agents?team=complaints"))["items"]
    agent = next(each["id"] for each in agents if "ordering" not in each["teams"])
    await listening.presence(agent)
    code, out, err = await rondo(listening, "act", "assign", str(contact), agent)
    assert (code, err) == (0, "")
    assert "is asked" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["why", "999999"], "no contact 999999"),
        (["act", "move", "999999", "ordering"], "999999 is not open"),
        (["act", "move", "1"], "wants the id of a team"),
        (["act", "priority", "1", "high"], "wants a number"),
    ],
)
async def test_what_cannot_be_is_refused_in_words(
    listening: Service, arguments: list[str], words: str
) -> None:
    code, out, err = await rondo(listening, *arguments)
    assert code != 0
    assert words in (out + err).replace("\n", " ")


async def test_service_that_is_away_is_named(listening: Service) -> None:
    await listening.stop()
    code, _, err = await rondo(listening, "floor")
    assert code == 1
    assert listening.url in err.replace("\n", "")


async def test_figures_of_a_queue_are_shown_with_variants_and_estimates(listening: Service) -> None:
    await listening.presence("ada.abel")
    first, second = [await listening.contact(menu=["1"]) for _ in range(2)]
    for contact in (first, second):
        offer = (await listening.get("lead", f"/v1/contacts/{contact}"))["offers"][0]["id"]
        await listening.post("telephony", f"/v1/offers/{offer}/accept")
        await listening.post("telephony", f"/v1/contacts/{contact}/complete")
        await listening.post("telephony", f"/v1/offers/{offer}/finish-wrap-up")
    code, out, err = await rondo(listening, "figures", "complaints")
    assert code == 0, err
    assert all(said in out for said in ("service_level_genesys", "no data", "pace (served)"))
    assert all(said in out for said in ("of 1, 80.0 % meant", "wide"))
    told = await as_json(listening, "figures", "complaints", "--channel", "voice")
    assert (told["queue"]["today"]["offered"], told["estimates"][0]["channel"]) == (2, "voice")


async def test_figures_of_a_queue_are_shown_by_interval(listening: Service) -> None:
    await listening.contact(menu=["1"])
    code, out, err = await rondo(listening, "figures", "complaints", "--by-interval")
    assert code == 0, err
    assert "no data" in out
    (interval,) = await as_json(listening, "figures", "complaints", "--by-interval")
    assert (interval["offered"], interval["answered"]) == (1, 0)


async def test_agents_are_listed_with_presence_and_offers(listening: Service) -> None:
    await listening.presence("ada.abel")
    code, out, err = await rondo(listening, "agents", "--team", "complaints")
    assert code == 0, err
    assert "Ada Abel" in out
    assert "Amir Brandt" not in out
    everybody = await as_json(listening, "agents", "--team", "complaints", "--all")
    assert "amir.brandt" in {each["id"] for each in everybody}


async def test_presence_of_an_agent_is_set_and_drained(listening: Service) -> None:
    code, out, err = await rondo(listening, "presence", "ada.abel", "available")
    assert (code, out.strip()) == (0, "Ada Abel: available"), err
    contact = await listening.contact(menu=["1"])
    offer = (await listening.get("lead", f"/v1/contacts/{contact}"))["offers"][0]["id"]
    await listening.post("telephony", f"/v1/offers/{offer}/accept")
    code, out, err = await rondo(listening, "drain", "ada.abel")
    assert (code, out.strip()) == (0, "Ada Abel: available, then offline"), err
