"""Offers: accepted, declined, missed; wrap-ups of accepted ones finished or extended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from app.api import bodies
from app.api.answers import agent_json, contact_json, encode, offer_json
from app.api.hot import Call, hot, idempotency_key
from app.auth import Principal, requires
from app.batch import Answer, Errand
from app.found import Found
from app.house import House, house_of
from routing import commands as cmd
from routing import events as ev
from routing.floor import Floor

router = APIRouter(prefix="/v1/offers", tags=["offers"])


def _errand(house: House, who: Principal, call: Call, command: Any) -> Errand:
    def view(floor: Floor, _: Sequence[ev.Event]) -> Answer:
        offer = floor.offers.get(command.offer_id) or floor.changes.offers[command.offer_id]
        body = {"offer": offer_json(floor, offer), "contact": None}
        contact = floor.contacts.get(offer.contact_id) or floor.changes.contacts.get(offer.contact_id)
        # None where the contact was passed on and has ended while the giver still wrapped up.
        if contact is not None:
            body["contact"] = contact_json(house.switchboard, floor, contact)
        body["agent"] = agent_json(floor.agents[offer.agent_id])
        return Answer(200, encode(body))

    def make(found: Found) -> Any:
        who.require_agent(found.agent_of_offer(command.offer_id))
        return command

    return Errand(view, make, key=idempotency_key(call, who))


@hot(
    "POST",
    "/v1/offers/{offer_id}/accept",
    scope="offers:write",
    body=bodies.Acceptance,
    empty=True,
    summary="Take an offer; the agent and the customer are connected.",
)
def accept(house: House, who: Principal, call: Call, given: bodies.Acceptance) -> Errand:
    """Take an offer."""
    return _errand(
        house,
        who,
        call,
        cmd.Accept(actor=who.actor, offer_id=call.id("offer"), agent_id=who.own_agent or given.agent),
    )


@hot(
    "POST",
    "/v1/offers/{offer_id}/decline",
    scope="offers:write",
    body=bodies.Refusal,
    empty=True,
    summary="Turn an offer down; the contact keeps its place.",
)
def decline(house: House, who: Principal, call: Call, given: bodies.Refusal) -> Errand:
    """Turn an offer down."""
    return _errand(
        house,
        who,
        call,
        cmd.Decline(
            actor=who.actor,
            offer_id=call.id("offer"),
            agent_id=who.own_agent or given.agent,
            reason=given.reason,
        ),
    )


@hot(
    "POST",
    "/v1/offers/{offer_id}/no-answer",
    scope="contacts:write",
    body=bodies.Reason,
    empty=True,
    summary="The agent's phone was not answered or could not be reached.",
)
def no_answer(house: House, who: Principal, call: Call, given: bodies.Reason) -> Errand:
    """The agent's phone was not answered."""
    return _errand(
        house,
        who,
        call,
        cmd.MissOffer(actor=who.actor, offer_id=call.id("offer"), reason=given.reason or "no_answer"),
    )


@hot(
    "POST",
    "/v1/offers/{offer_id}/revoke",
    scope="floor:lead",
    body=bodies.Reason,
    empty=True,
    summary="Take a pending offer back; it never counts against the agent.",
)
def revoke(house: House, who: Principal, call: Call, given: bodies.Reason) -> Errand:
    """Take a pending offer back."""
    command = cmd.Revoke(
        actor=who.actor, offer_id=call.id("offer"), reason=given.reason or "taken_back_by_lead"
    )
    return _errand(house, who, call, command)


@hot(
    "POST",
    "/v1/offers/{offer_id}/finish-wrap-up",
    scope="offers:write",
    body=None,
    summary="The wrap-up is done before its time.",
)
def finish_wrap_up(house: House, who: Principal, call: Call, _: None) -> Errand:
    """The wrap-up is done before its time."""
    return _errand(house, who, call, cmd.FinishWrapUp(actor=who.actor, offer_id=call.id("offer")))


@hot(
    "POST",
    "/v1/offers/{offer_id}/extend-wrap-up",
    scope="offers:write",
    body=None,
    summary="The wrap-up needs longer; at most three times.",
)
def extend_wrap_up(house: House, who: Principal, call: Call, _: None) -> Errand:
    """The wrap-up needs longer."""
    return _errand(house, who, call, cmd.ExtendWrapUp(actor=who.actor, offer_id=call.id("offer")))


@router.get("", summary="Offers that take capacity now: pending, in conversation, in wrap-up.")
async def list_offers(
    request: Request,
    who: Annotated[Principal, Depends(requires("queues:read"))],
    agent: str | None = None,
) -> dict[str, Any]:
    """List the live offers, oldest first; a key bound to an agent who does not lead sees that agent's."""
    wanted = who.own_agent or agent

    def view(floor: Floor) -> list[dict[str, Any]]:
        return [
            offer_json(floor, offer)
            for offer in floor.offers.values()
            if wanted is None or offer.agent_id == wanted
        ]

    return {"items": await house_of(request).switchboard.read(view), "next": None}
