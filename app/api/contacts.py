"""Contacts: taken in, followed, ended. The front door of every telephony system, form and gateway."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query, Request

from app.api import bodies
from app.api.answers import contact_answer, contact_json, encode, stored_contact_json
from app.api.hot import Call, hot, idempotency_key
from app.api.paging import Cursor, page
from app.auth import Principal, requires
from app.batch import Errand
from app.db import contacts as rows
from app.errors import AppError, NotFoundError, WrongStateError
from app.found import Found
from app.house import House, house_of
from app.identify import identity
from routing import commands as cmd
from routing.events import Classification
from routing.floor import Floor
from routing.intake import details
from routing.model import Channel, ContactState, SkillNeed
from routing.why import explain

router = APIRouter(prefix="/v1/contacts", tags=["contacts"])


@hot(
    "POST",
    "/v1/contacts",
    scope="contacts:write",
    body=bodies.NewContact,
    status=201,
    summary="Take a contact in: identify the customer, open or join a ticket, route, queue, offer.",
)
def receive(house: House, who: Principal, call: Call, given: bodies.NewContact) -> Errand:
    """Take a contact in."""
    sender = given.from_
    known = identity(
        region=house.switchboard.policy.site.region,
        phone=sender.phone,
        email=sender.email,
        external_id=sender.external_id,
        name=sender.name,
        language=given.language,
        segment=sender.segment,
        live=given.channel is Channel.VOICE,
    )
    said = {"caller_id": sender.phone} if sender.phone is not None and known.phone is None else {}

    guess = house.reader.suggest(given.subject, given.text) if given.team is None else None

    def make(found: Found) -> cmd.Receive:
        customer_id = found.customer_id(known)
        return cmd.Receive(
            actor=who.actor,
            channel=given.channel,
            identity=known,
            customer_id=customer_id,
            known=found.facts(customer_id),
            tickets=found.tickets(customer_id),
            ticket_id=given.ticket_id,
            team_id=given.team,
            priority=given.priority,
            skills=tuple(SkillNeed(skill, level) for skill, level in given.skills.items()),
            language=given.language,
            preferred_agent_id=given.preferred_agent,
            dialled=given.to,
            menu=given.menu,
            subject=given.subject,
            text=given.text,
            source=who.name,
            source_id=given.call_id,
            scheduled_at=given.scheduled_at.timestamp() if given.scheduled_at else None,
            enqueued_at=given.received_at.timestamp() if given.received_at else None,
            suggestion=guess,
            details=details(said | given.details),
        )

    return Errand(
        contact_answer(house.switchboard, 201),
        make,
        identity=known,
        ticket_id=given.ticket_id,
        key=idempotency_key(call, who, call_id=given.call_id),
    )


_OF_THE_AGENT = (cmd.Complete, cmd.Transfer, cmd.TakeBack, cmd.CallbackMissed)


def _errand(house: House, who: Principal, call: Call, command: cmd.Command, contact_id: int) -> Errand:
    def make(found: Found) -> cmd.Command:
        if isinstance(command, _OF_THE_AGENT):
            who.require_agent(found.agent_of_contact(contact_id))
        return command

    view = contact_answer(house.switchboard, 200, contact_id)
    return Errand(view, make, key=idempotency_key(call, who))


async def _ended(house: House, call: Call, error: AppError) -> AppError:
    """Return what to say of a contact that is not on the floor: it may have ended."""
    if not isinstance(error, NotFoundError):
        return error
    ended = await house.database.read(rows.find_contact, call.id("contact"))
    if ended is None:
        return error
    state = ended.contact.state
    return WrongStateError(f"Contact {ended.contact.id} is {state}; it has ended.", state=state)


@hot(
    "POST",
    "/v1/contacts/{contact_id}/abandon",
    scope="contacts:write",
    body=bodies.Reason,
    empty=True,
    summary="The customer hung up or left.",
    explain=_ended,
)
def abandon(house: House, who: Principal, call: Call, given: bodies.Reason) -> Errand:
    """The customer hung up or left."""
    contact_id = call.id("contact")
    command = cmd.Abandon(actor=who.actor, contact_id=contact_id, reason=given.reason or "customer_left")
    return _errand(house, who, call, command, contact_id)


@hot(
    "POST",
    "/v1/contacts/{contact_id}/complete",
    scope="offers:write",
    body=bodies.Completion,
    empty=True,
    summary="The conversation is over; wrap-up follows.",
    explain=_ended,
)
def complete(house: House, who: Principal, call: Call, given: bodies.Completion) -> Errand:
    """The conversation is over."""
    contact_id = call.id("contact")
    command = cmd.Complete(
        actor=who.actor, contact_id=contact_id, ticket_state=given.ticket, outcome=given.outcome
    )
    return _errand(house, who, call, command, contact_id)


@hot(
    "POST",
    "/v1/contacts/{contact_id}/cancel",
    scope="contacts:write",
    body=bodies.Reason,
    empty=True,
    summary="End a contact that nobody talks on.",
    explain=_ended,
)
def cancel(house: House, who: Principal, call: Call, given: bodies.Reason) -> Errand:
    """End a contact that nobody talks on."""
    contact_id = call.id("contact")
    command = cmd.Cancel(actor=who.actor, contact_id=contact_id, reason=given.reason or "cancelled")
    return _errand(house, who, call, command, contact_id)


@hot(
    "POST",
    "/v1/contacts/{contact_id}/transfer",
    scope="offers:write",
    body=bodies.Target,
    summary="Pass a running contact on, cold or warm.",
    explain=_ended,
)
def transfer(house: House, who: Principal, call: Call, given: bodies.Target) -> Errand:
    """Pass a running contact on."""
    contact_id = call.id("contact")
    command = cmd.Transfer(
        actor=who.actor,
        contact_id=contact_id,
        team_id=given.team,
        agent_id=given.agent,
        warm=given.warm,
        reason=given.reason,
    )
    return _errand(house, who, call, command, contact_id)


@hot(
    "POST",
    "/v1/contacts/{contact_id}/take-back",
    scope="offers:write",
    body=None,
    summary="End a warm transfer nobody has accepted; the agent talks on.",
    explain=_ended,
)
def take_back(house: House, who: Principal, call: Call, _: None) -> Errand:
    """End a warm transfer nobody has accepted."""
    contact_id = call.id("contact")
    command = cmd.TakeBack(actor=who.actor, contact_id=contact_id)
    return _errand(house, who, call, command, contact_id)


@hot(
    "POST",
    "/v1/contacts/{contact_id}/callback",
    scope="contacts:write",
    body=bodies.CallbackWish,
    empty=True,
    summary="Turn a waiting call into a callback that keeps its place.",
    explain=_ended,
)
def callback(house: House, who: Principal, call: Call, given: bodies.CallbackWish) -> Errand:
    """Turn a waiting call into a callback; the answer is the callback."""
    contact_id = call.id("contact")
    at = given.scheduled_at.timestamp() if given.scheduled_at is not None else None
    command = cmd.ConvertToCallback(actor=who.actor, contact_id=contact_id, scheduled_at=at)
    return _errand(house, who, call, command, contact_id)


@hot(
    "POST",
    "/v1/contacts/{contact_id}/callback-missed",
    scope="offers:write",
    body=bodies.Reason,
    empty=True,
    summary="The customer did not answer the callback; it is tried again later.",
    explain=_ended,
)
def callback_missed(house: House, who: Principal, call: Call, given: bodies.Reason) -> Errand:
    """The customer did not answer the callback."""
    contact_id = call.id("contact")
    command = cmd.CallbackMissed(actor=who.actor, contact_id=contact_id, reason=given.reason or "no_answer")
    return _errand(house, who, call, command, contact_id)


@hot(
    "POST",
    "/v1/contacts/{contact_id}/priority",
    scope="floor:lead",
    body=bodies.NewPriority,
    summary="Change how urgent a waiting contact is; it acts at once.",
    explain=_ended,
)
def reprioritise(house: House, who: Principal, call: Call, given: bodies.NewPriority) -> Errand:
    """Change how urgent a waiting contact is."""
    contact_id = call.id("contact")
    command = cmd.Reprioritise(actor=who.actor, contact_id=contact_id, priority=given.priority)
    return _errand(house, who, call, command, contact_id)


@hot(
    "POST",
    "/v1/contacts/{contact_id}/move",
    scope="floor:lead",
    body=bodies.NewTeam,
    summary="Move a waiting contact to another team, at its place.",
    explain=_ended,
)
def move(house: House, who: Principal, call: Call, given: bodies.NewTeam) -> Errand:
    """Move a waiting contact to another team."""
    contact_id = call.id("contact")
    command = cmd.Move(actor=who.actor, contact_id=contact_id, team_id=given.team, reason=given.reason)
    return _errand(house, who, call, command, contact_id)


@hot(
    "POST",
    "/v1/contacts/{contact_id}/assign",
    scope="floor:lead",
    body=bodies.Assignee,
    summary="Offer a waiting contact to one agent, ahead of the order.",
    explain=_ended,
)
def assign(house: House, who: Principal, call: Call, given: bodies.Assignee) -> Errand:
    """Offer a waiting contact to one agent."""
    contact_id = call.id("contact")
    command = cmd.Assign(actor=who.actor, contact_id=contact_id, agent_id=given.agent)
    return _errand(house, who, call, command, contact_id)


@router.get("", summary="List contacts, newest first.")
async def list_contacts(
    request: Request,
    cursor: Cursor,
    _: Annotated[Principal, Depends(requires("contacts:read"))],
    state: Annotated[list[ContactState] | None, Query()] = None,
    team: str | None = None,
    channel: Channel | None = None,
    customer_id: int | None = None,
    ticket_id: int | None = None,
) -> dict[str, Any]:
    """List contacts."""
    found = await house_of(request).database.read(
        rows.list_contacts,
        before=cursor.before,
        limit=cursor.limit + 1,
        states=[each.value for each in state or ()],
        team_id=team,
        channel=channel.value if channel is not None else None,
        customer_id=customer_id,
        ticket_id=ticket_id,
    )
    return page(found, cursor, lambda contact: contact.id, stored_contact_json)


@router.get("/{contact_id}", summary="One contact, as it stands now.")
async def get_contact(
    request: Request,
    contact_id: int,
    _: Annotated[Principal, Depends(requires("contacts:read"))],
) -> dict[str, Any]:
    """Return one contact."""
    house = house_of(request)

    def view(floor: Floor) -> dict[str, Any] | None:
        contact = floor.contacts.get(contact_id)
        return contact_json(house.switchboard, floor, contact) if contact is not None else None

    live: dict[str, Any] | None = await house.switchboard.read(view)
    stored = await house.database.read(rows.find_contact, contact_id)
    if stored is None:
        raise NotFoundError(f"There is no contact {contact_id}.")
    return (live or stored_contact_json(stored.contact)) | stored.extras


@router.get("/{contact_id}/why", summary="Why a contact went where it went, or why it still waits.")
async def why(
    request: Request,
    contact_id: int,
    _: Annotated[Principal, Depends(requires("contacts:read"))],
) -> dict[str, Any]:
    """Return in plain words and as values what was decided, what keeps it, and what would help."""
    house = house_of(request)
    stored = await house.database.read(rows.find_contact, contact_id)
    if stored is None:
        raise NotFoundError(f"There is no contact {contact_id}.")
    events = await house.database.read(rows.list_course, contact_id)
    classification = msgspec.convert(stored.extras["classification"], Classification)

    def view(floor: Floor) -> bytes:
        contact = floor.contacts.get(contact_id, stored.contact)
        now = house.clock.now()
        return encode(explain(floor, contact, events, now, classification=classification))

    found: dict[str, Any] = msgspec.json.decode(await house.switchboard.read(view))
    return found


@router.get("/{contact_id}/events", summary="Everything that happened to a contact, in order.")
async def list_contact_events(
    request: Request,
    contact_id: int,
    _: Annotated[Principal, Depends(requires("contacts:read"))],
) -> dict[str, Any]:
    """Return the contact's events with their sequence numbers, oldest first, 1,000 at most."""
    found = await house_of(request).database.read(rows.list_events, contact_id)
    if not found:
        raise NotFoundError(f"There is no contact {contact_id}.")
    return {"items": [{"seq": seq} | msgspec.json.decode(data) for seq, data in found], "next": None}
