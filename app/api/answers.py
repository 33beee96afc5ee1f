"""How the floor's values look in JSON: one renderer per value, used by every route and page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from app.batch import Answer
from app.clock import isoformat
from app.switchboard import Switchboard
from routing import events as ev
from routing.floor import Floor
from routing.model import NEVER, Agent, Contact, ContactState, Offer, Ticket
from routing.wait import Estimate

encode: Final = msgspec.json.Encoder().encode
ASKED: Final = ("made", "accepted", "declined", "unanswered", "customer_gone")
"""What may become of an agent's offers; `customer_gone`: the customer left first, no fault of the agent."""


def contact_json(board: Switchboard, floor: Floor, contact: Contact) -> dict[str, Any]:
    """Return an open contact with its place, expected wait, owner and pending offers; for views only."""
    ticket = floor.tickets.get(contact.ticket_id)
    body = stored_contact_json(contact)
    # While an agent's phone rings the wait is all but over; guesses are for those in line.
    estimate = board.estimate(floor, contact) if contact.state is ContactState.QUEUED else None
    body["position"] = floor.position(contact)
    body["estimated_wait"] = estimate_json(estimate) if estimate is not None else None
    if ticket is not None:
        body["owner"] = agent_ref(floor, ticket.owner_id)
    body["offers"] = [offer_json(floor, floor.offers[offer_id]) for offer_id in contact.offer_ids]
    return body


def estimate_json(estimate: Estimate) -> dict[str, Any]:
    """Return the wait (s, from now) to expect, the interval that holds most waits, and who says so."""
    return {
        "wait_s": round(estimate.wait_s, 1),
        "low_s": round(estimate.low_s, 1),
        "high_s": round(estimate.high_s, 1),
        "predictor": estimate.predictor,
    }


def stored_contact_json(contact: Contact) -> dict[str, Any]:
    """Return a contact as its row knows it, open or ended."""
    return {
        "id": contact.id,
        "state": contact.state,
        "channel": contact.channel,
        "customer_id": contact.customer_id,
        "ticket_id": contact.ticket_id,
        "team": contact.team_id,
        "agent": contact.agent_id,
        "offer_id": contact.offer_id,
        "priority": contact.priority,
        "language": contact.language,
        "skills": {need.skill: need.level for need in contact.skills},
        "segment": contact.segment,
        "step": contact.step,
        "preferred_agent": contact.preferred_agent_id,
        "received_at": isoformat(contact.received_at),
        "enqueued_at": isoformat(contact.enqueued_at),
        "connected_at": isoformat(contact.connected_at),
        "scheduled_at": isoformat(contact.scheduled_at),
        "attempts": contact.attempts,
        "closed_at": isoformat(contact.closed_at),
        "expires_at": isoformat(contact.expires_at) if contact.expires_at < NEVER else None,
        "short_abandon": contact.short,
        "end_reason": contact.end_reason,
    }


def offer_json(floor: Floor, offer: Offer) -> dict[str, Any]:
    """Return an offer with the agent it was made to."""
    return {
        "id": offer.id,
        "contact_id": offer.contact_id,
        "agent": agent_ref(floor, offer.agent_id),
        "team": offer.team_id,
        "channel": offer.channel,
        "state": offer.state,
        "made_at": isoformat(offer.made_at),
        "expires_at": isoformat(offer.expires_at),
        "accepted_at": isoformat(offer.accepted_at),
        "talk_ended_at": isoformat(offer.talk_ended_at),
        "wrap_up_until": isoformat(offer.wrap_up_until),
    }


def agent_ref(floor: Floor, agent_id: str) -> dict[str, str]:
    """Return an agent's id and name."""
    agent = floor.agents.get(agent_id)
    return {"id": agent_id, "name": agent.name if agent is not None else agent_id}


def agent_json(agent: Agent) -> dict[str, Any]:
    """Return an agent's record, presence, state and use of capacity."""
    return {
        "id": agent.id,
        "name": agent.name,
        "active": agent.active,
        "teams": agent.teams,
        "skills": agent.skills,
        "languages": agent.languages,
        "capacity": agent.capacity,
        "channel_caps": agent.channel_caps,
        "used": agent.used,
        "presence": agent.presence,
        "presence_reason": agent.presence_reason,
        "presence_since": isoformat(agent.presence_since),
        "next_presence": agent.next_presence,
        "draining": agent.draining,
        "state": agent.state,
        "state_since": isoformat(agent.state_since),
        "idle_since": isoformat(agent.idle_since),
        "seen_at": isoformat(agent.seen_at) if agent.seen_at else None,
        "not_responding_until": isoformat(agent.not_responding_until)
        if agent.not_responding_until < NEVER
        else None,
        "missed_in_a_row": agent.missed,
        "asked": {name: agent.asked.get(name, 0) for name in ASKED},
        "offers": agent.offer_ids,
        "saves_room_for": agent.saves_for,
    }


def ticket_json(ticket: Ticket) -> dict[str, Any]:
    """Return a ticket; its owner is never empty."""
    return {
        "id": ticket.id,
        "customer_id": ticket.customer_id,
        "team": ticket.team_id,
        "owner": ticket.owner_id,
        "accepted": ticket.accepted,
        "state": ticket.state,
        "subject": ticket.subject,
        "contacts": ticket.contacts,
        "reopened": ticket.reopened,
        "opened_at": isoformat(ticket.opened_at),
        "changed_at": isoformat(ticket.changed_at),
        "resolved_at": isoformat(ticket.resolved_at),
        "closed_at": isoformat(ticket.closed_at),
    }


def contact_answer(board: Switchboard, status: int, contact_id: int | None = None) -> Any:
    """Return a view that answers with one contact: the one named, or the one the command received."""

    def view(floor: Floor, events: Sequence[ev.Event]) -> Answer:
        wanted, classification = contact_id, None
        for event in events:
            if type(event) is ev.ContactReceived:
                wanted = event.contact.id
                classification = event.classification
        contact = floor.contacts.get(wanted or 0) or floor.changes.contacts[wanted or 0]
        body = contact_json(board, floor, contact)
        if classification is not None:
            body["classification"] = classification
        return Answer(status, encode(body))

    return view
