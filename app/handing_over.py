"""Tickets never stay with somebody who is gone: they pass to the lead of their team."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from app.batch import Errand
from app.db import tickets as rows
from app.errors import NotFoundError, WrongStateError
from app.found import Found
from app.house import House
from routing import commands as cmd
from routing.model import Ticket, TicketState

OPEN: Final = (TicketState.OPEN, TicketState.WAITING_CUSTOMER, TicketState.WAITING_INTERNAL)
_PAGE: Final = 200


async def hand_over(
    house: House, actor: str, owner_id: str, *, reason: str, which: Callable[[Ticket], bool]
) -> int:
    """Give open tickets of `owner_id`, those for which `which` holds, to their teams' leads; return how many.

    Each is a command of its own. A ticket that somebody changed meanwhile is left as it is; asking again goes
    on where this stopped.
    """
    handed, before = 0, None
    while True:
        found = await house.database.read(
            rows.list_tickets,
            before=before,
            limit=_PAGE,
            states=[state.value for state in OPEN],
            team_id=None,
            owner_id=owner_id,
            customer_id=None,
        )
        for ticket in found:
            if which(ticket):
                handed += await _pass_on(house, actor, ticket, reason)
        if len(found) < _PAGE:
            return handed
        before = found[-1].id


async def _pass_on(house: House, actor: str, seen: Ticket, reason: str) -> bool:
    policy = house.switchboard.policy
    team = policy.teams.get(seen.team_id) or policy.teams[policy.fallback_team]
    lead_id = team.lead_id

    def make(found: Found) -> cmd.ChangeTicket:
        ticket = found.ticket(seen.id)
        if ticket is None or ticket.owner_id != seen.owner_id or ticket.state not in OPEN:
            raise WrongStateError(f"Ticket {seen.id} was changed meanwhile.")
        return cmd.ChangeTicket(actor=actor, ticket=ticket, owner_id=lead_id, accepted=False, reason=reason)

    if lead_id == seen.owner_id:
        return False
    try:
        await house.switchboard.carry_out(Errand(lambda *_: None, make, ticket_id=seen.id))
    except (WrongStateError, NotFoundError):
        return False
    return True
