"""Tickets, each with its one accountable owner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from app.api import bodies
from app.api.answers import encode, ticket_json
from app.api.paging import Cursor, page
from app.auth import Principal, requires
from app.batch import Answer, Errand
from app.db import floor_rows
from app.db import tickets as rows
from app.errors import ForbiddenError, NotFoundError
from app.found import Found
from app.house import house_of
from routing import commands as cmd
from routing import events as ev
from routing.floor import Floor
from routing.model import Ticket, TicketState

router = APIRouter(prefix="/v1", tags=["tickets"])


@router.get("/tickets", summary="List tickets, newest first.")
async def list_tickets(
    request: Request,
    cursor: Cursor,
    _: Annotated[Principal, Depends(requires("tickets:read"))],
    state: Annotated[list[TicketState] | None, Query()] = None,
    team: str | None = None,
    owner: str | None = None,
    customer_id: int | None = None,
) -> dict[str, Any]:
    """List tickets."""
    found = await house_of(request).database.read(
        rows.list_tickets,
        before=cursor.before,
        limit=cursor.limit + 1,
        states=[each.value for each in state or ()],
        team_id=team,
        owner_id=owner,
        customer_id=customer_id,
    )
    return page(found, cursor, lambda ticket: ticket.id, ticket_json)


@router.get("/tickets/{ticket_id}", summary="One ticket.")
async def get_ticket(
    request: Request, ticket_id: int, _: Annotated[Principal, Depends(requires("tickets:read"))]
) -> dict[str, Any]:
    """Return one ticket."""
    found = await house_of(request).database.read(floor_rows.find_ticket, ticket_id)
    if found is None:
        raise NotFoundError(f"There is no ticket {ticket_id}.")
    return ticket_json(found)


@router.patch("/tickets/{ticket_id}", summary="Change a ticket's state or owner.")
async def change_ticket(
    request: Request,
    ticket_id: int,
    given: bodies.TicketChange,
    who: Annotated[Principal, Depends(requires("tickets:write"))],
) -> Response:
    """Change a ticket's state or owner; the answer is the ticket as it now stands."""

    def make(found: Found) -> cmd.ChangeTicket:
        ticket = found.ticket(ticket_id)
        if ticket is None:
            raise NotFoundError(f"There is no ticket {ticket_id}.")
        _check_answers_for(found, ticket, who, given)
        return cmd.ChangeTicket(
            actor=who.actor,
            ticket=ticket,
            state=given.state,
            owner_id=given.owner,
            reason=given.reason,
        )

    def view(floor: Floor, events: Sequence[ev.Event]) -> Answer | None:
        ticket = floor.tickets.get(ticket_id) or floor.changes.tickets.get(ticket_id)
        return Answer(200, encode(ticket_json(ticket))) if ticket is not None else None

    house = house_of(request)
    answer: Answer | None = await house.switchboard.carry_out(Errand(view, make, ticket_id=ticket_id))
    if answer is None:
        stored = await house.database.read(floor_rows.find_ticket, ticket_id)
        if stored is None:
            raise NotFoundError(f"There is no ticket {ticket_id}.")
        answer = Answer(200, encode(ticket_json(stored)))
    return Response(answer.body, answer.status, media_type="application/json")


def _check_answers_for(found: Found, ticket: Ticket, who: Principal, given: bodies.TicketChange) -> None:
    """Raise ForbiddenError if an agent changes what somebody else answers for.

    A lead may change every ticket, and so may keys that stand for no agent. Who talks to the customer may
    change the state; the owner gives a ticket away, nobody takes it.
    """
    if who.own_agent in (None, ticket.owner_id):
        return
    talks = who.agent_id in {found.agent_of_contact(contact_id) for contact_id in ticket.contact_ids}
    if given.owner is not None or not talks:
        raise ForbiddenError(
            f"{ticket.owner_id} answers for ticket {ticket.id}: the owner, or a lead, changes it.",
            owner=ticket.owner_id,
        )
