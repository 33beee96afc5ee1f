"""Contacts and offers by hand on the command line, against a service that listens."""

from __future__ import annotations

import asyncio
import json

import pytest

from app.api.hot import ROUTES
from app.cli_act import Act, Answer
from app.cli_client import following
from tests.app.cli_rig import as_json, listening, rondo
from tests.web.service import Service

__all__ = ["listening"]

ADA = "ada.abel"  # of the team complaints


async def done(service: Service, *arguments: str, role: str = "lead") -> str:
    """Carry out a command that must succeed; return what it printed."""
    code, out, err = await rondo(service, *arguments, role=role)
    assert (code, err) == (0, "")
    return " ".join(out.split())


async def rings(service: Service, channel: str = "voice") -> tuple[str, str]:
    """Take a contact in that rings at Ada Abel; return its id and that of the offer."""
    await service.presence(ADA)
    found = await as_json(service, "receive", channel, "--menu", "1", "--phone", "+442079460001")
    return str(found["id"]), str(found["offers"][0]["id"])


def test_every_command_of_calls_and_agents_is_on_the_command_line() -> None:
    agents = {"presence", "drain", "heartbeat"}
    known = {"contacts": {"", *Act}, "offers": {*Answer}, "agents": agents}
    for route in ROUTES:
        _, _, subject, *rest = route.path.split("/")
        assert (rest[-1] if rest else "") in known[subject], route.path


async def test_contact_is_taken_in_with_what_the_menu_said(listening: Service) -> None:
    out = await done(listening, "receive", "voice", "--menu", "1", "--call-id", "pbx-1", role="telephony")
    assert "place 1 for complaints" in out
    again = await done(listening, "receive", "voice", "--menu", "1", "--call-id", "pbx-1", role="telephony")
    assert again == out


async def test_offers_of_a_contact_are_taken_back(listening: Service) -> None:
    contact, offer = await rings(listening)
    assert "place 1 for complaints" in await done(
        listening, "act", "revoke", contact, "--reason", "line down"
    )
    asked = (await as_json(listening, "agents"))[0]["asked"]
    assert (asked["made"], asked["declined"], asked["unanswered"]) == (1, 0, 0)
    code, _, err = await rondo(listening, "act", "revoke", contact)
    assert (code, "rings at nobody now: it is queued" in err) == (1, True)
    code, _, err = await rondo(listening, "offer", "revoke", offer)
    assert (code, "not pending any more" in err) == (1, True)


async def test_conversation_is_passed_on_warm_taken_back_and_completed(listening: Service) -> None:
    contact, offer = await rings(listening)
    out = await done(listening, "offer", "accept", offer, role="telephony")
    assert f"Offer {offer}: in conversation, Ada Abel is busy Contact {contact}: connected" in out
    out = await done(listening, "act", "transfer", contact, "ordering", "--warm", "--reason", "wants to buy")
    assert "place 1 for ordering" in out
    assert "connected" in await done(listening, "act", "take-back", contact)
    assert "wrap_up" in await done(listening, "act", "complete", contact, "waiting_customer")
    assert "wrap-up" in await done(listening, "offers", "--agent", ADA)
    until = (await as_json(listening, "offers"))[0]["wrap_up_until"]
    extended = await as_json(listening, "offer", "extend-wrap-up", offer)
    assert extended["offer"]["wrap_up_until"] > until
    assert "Ada Abel is idle" in await done(listening, "offer", "finish-wrap-up", offer)
    ticket = (await listening.get("lead", f"/v1/contacts/{contact}"))["ticket_id"]
    assert "waiting customer, ada.abel answers for it" in await done(listening, "ticket", str(ticket))


async def test_offer_is_declined_or_not_answered(listening: Service) -> None:
    _, offer = await rings(listening)
    out = await done(listening, "offer", "decline", offer, "--agent", ADA, "--reason", "wrong skill")
    assert f"Offer {offer}: declined" in out
    other, offer = await rings(listening, "email")
    assert "not responding" in await done(listening, "offer", "no-answer", offer)
    assert "abandoned" in await done(listening, "act", "abandon", other)


async def test_waiting_call_becomes_a_callback_that_is_missed(listening: Service) -> None:
    call = await as_json(listening, "receive", "voice", "--menu", "1", "--phone", "+442079460001")
    callback = await as_json(listening, "act", "callback", str(call["id"]))
    assert (callback["channel"], callback["position"]) == ("callback", 1)
    await listening.presence(ADA)
    assert "scheduled" in await done(listening, "act", "callback-missed", str(callback["id"]))


async def test_ticket_is_given_to_somebody_and_listed(listening: Service) -> None:
    found = await as_json(listening, "receive", "email", "--menu", "1", "--subject", "A [bold] claim")
    ticket = str(found["ticket_id"])
    out = await done(listening, "ticket", ticket, "--owner", ADA, "--state", "waiting_internal")
    assert "waiting internal, ada.abel answers for it" in out
    assert "A [bold] claim" in await done(listening, "tickets", "--owner", ADA)
    assert await as_json(listening, "tickets", "--state", "resolved") == []


async def test_events_are_printed_one_a_line(listening: Service) -> None:
    contact, _ = await rings(listening)
    _, out, _ = await rondo(listening, "events", "--contact", contact)
    own = [json.loads(line) for line in out.splitlines()]
    assert "offer_made" in [each["kind"] for each in own]
    _, out, _ = await rondo(listening, "events", "--after", "0", "--kind", "contact_received")
    assert [json.loads(line)["contact"]["id"] for line in out.splitlines()] == [int(contact)]


async def test_events_are_followed_from_a_number_on(listening: Service) -> None:
    contact, _ = await rings(listening)
    query = {"after": 0, "kind": ["contact_received"]}
    stream = following(listening.url, listening.keys["lead"], "/v1/events", query)
    _, data = await asyncio.to_thread(next, stream)
    assert json.loads(data)["contact"]["id"] == int(contact)
    await asyncio.to_thread(stream.close)


async def test_device_of_an_agent_is_still_there(listening: Service) -> None:
    assert await done(listening, "heartbeat", ADA, role="telephony") == "Ada Abel: offline"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["act", "transfer", "1"], "--to-agent"),
        (["act", "take-back", "1", "ordering"], "takes no value"),
        (["act", "assign", "1", "ada.abel", "--reason", "x"], "takes no reason"),
        (["act", "move", "1", "ordering", "--warm"], "go with transfer"),
        (["act", "complete", "1", "done"], "should be 'open'"),
        (["offer", "accept", "1", "--reason", "x"], "takes no reason"),
        (["offer", "revoke", "1", "--agent", "ada.abel"], "takes no agent"),
        (["ticket", "1", "--reason", "x"], "goes with"),
        (["ticket", "999"], "no ticket 999"),
        (["events", "--contact", "999"], "no contact 999"),
    ],
)
async def test_what_does_not_fit_is_refused_in_words(
    listening: Service, arguments: list[str], words: str
) -> None:
    code, out, err = await rondo(listening, *arguments)
    assert code != 0
    assert words in " ".join((out + err).split())
