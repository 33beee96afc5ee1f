"""A contact ends: the customer leaves, the conversation or the wrap-up is over, or we end it."""

from __future__ import annotations

from routing import commands as cmd
from routing.events import ContactEnded, ContactScheduled, TicketChanged, WrapUpExtended
from routing.hours import next_opening
from routing.lookup import check_nobody_is_on, get_connected, get_contact, get_wrap_up, talking_offer
from routing.model import Channel, Contact, ContactState, Offer
from routing.queueing import close_segment, end_talk, release, revoke_offers
from routing.refused import Code, RefusedError
from routing.turn import Turn

EXTENSIONS = 3
_ROUNDING_S = 1e-3
_WAITS = (ContactState.SCHEDULED, ContactState.QUEUED, ContactState.OFFERED)


def abandon(turn: Turn, command: cmd.Abandon) -> None:
    """The customer is gone: from the queue (abandoned) or from a conversation (wrap-up follows)."""
    floor = turn.floor
    contact = get_contact(floor, command.contact_id, *_WAITS, ContactState.CONNECTED)
    holder = talking_offer(turn.floor, contact)
    if contact.state is ContactState.CONNECTED and holder is not None:
        finish_talk(turn, contact, holder, reason=command.reason)
        return
    revoke_offers(turn, contact, reason=command.reason, customer_gone=True)
    if holder is not None:
        end_talk(turn, holder, last=False, reason=command.reason)
    waited_s = turn.now - contact.segment_at
    scheduled = contact.state is ContactState.SCHEDULED
    end(
        turn,
        contact,
        ContactState.CANCELLED if scheduled else ContactState.ABANDONED,
        reason=command.reason,
        short=not scheduled and waited_s < floor.team(contact.team_id).short_abandon_s,
    )


def complete(turn: Turn, command: cmd.Complete) -> None:
    """The conversation is over: the ticket takes the state the agent says, wrap-up follows."""
    contact = get_connected(turn.floor, command.contact_id)
    ticket = turn.floor.tickets[contact.ticket_id]
    if ticket.state is not command.ticket_state:
        turn.emit(
            TicketChanged(
                at=turn.now,
                actor=turn.actor,
                reason=command.outcome,
                ticket_id=ticket.id,
                state=command.ticket_state,
            )
        )
    holder = talking_offer(turn.floor, contact)
    if holder is None:
        raise ValueError(f"contact {contact.id} is connected without an accepted offer")
    finish_talk(turn, contact, holder, reason=command.outcome or "completed")


def finish_wrap_up(turn: Turn, command: cmd.FinishWrapUp) -> None:
    """End a wrap-up before its time."""
    end_wrap_up(turn, get_wrap_up(turn.floor, command.offer_id), reason="finished")


def extend_wrap_up(turn: Turn, command: cmd.ExtendWrapUp) -> None:
    """Add the team's extension to the running wrap-up; at most `EXTENSIONS` times in all."""
    offer = get_wrap_up(turn.floor, command.offer_id)
    team = turn.floor.team(offer.team_id)
    until = (offer.wrap_up_until or turn.now) + team.wrap_up_extension_s
    latest = (offer.talk_ended_at or turn.now) + team.wrap_up_s + EXTENSIONS * team.wrap_up_extension_s
    if team.wrap_up_extension_s <= 0 or until > latest + _ROUNDING_S:
        raise RefusedError(Code.WRONG_STATE, "This wrap-up can't be extended any further.", "offer_id")
    turn.emit(
        WrapUpExtended(at=turn.now, actor=turn.actor, offer_id=offer.id, agent_id=offer.agent_id, until=until)
    )


def cancel(turn: Turn, command: cmd.Cancel) -> None:
    """End a contact that nobody talks on; its ticket stays with its owner."""
    contact = get_contact(turn.floor, command.contact_id, *_WAITS)
    check_nobody_is_on(turn.floor, contact)
    revoke_offers(turn, contact, reason="cancelled")
    end(turn, contact, ContactState.CANCELLED, reason=command.reason)


def callback_missed(turn: Turn, command: cmd.CallbackMissed) -> None:
    """The customer did not pick up: try again later, or give up after the policy's attempts.

    The customer is dialled after an agent accepted, or while the offer rings (customer first): either way
    an agent's capacity is held, so there are never more customers dialled than agents free to talk.
    """
    floor = turn.floor
    contact = get_contact(floor, command.contact_id, ContactState.OFFERED, ContactState.CONNECTED)
    if contact.channel is not Channel.CALLBACK:
        raise RefusedError(Code.WRONG_STATE, "Only a callback can be missed by the customer.", "contact_id")
    holder = talking_offer(turn.floor, contact)
    if contact.state is ContactState.OFFERED and holder is not None:
        raise RefusedError(Code.WRONG_STATE, "An agent is talking to the customer.", "contact_id")
    revoke_offers(turn, contact, reason=command.reason, customer_gone=True)
    if contact.attempts + 1 >= floor.policy.callback_attempts:
        if holder is not None:
            finish_talk(turn, contact, holder, reason="unreachable", state=ContactState.EXPIRED)
        else:
            end(turn, contact, ContactState.EXPIRED, reason="unreachable")
        return
    close_segment(turn, contact, reason=command.reason)
    if holder is not None:
        end_talk(turn, holder, last=False, reason=command.reason)
    again_at = turn.now + floor.policy.callback_retry_s
    turn.emit(
        ContactScheduled(
            at=turn.now,
            actor=turn.actor,
            reason=command.reason,
            contact_id=contact.id,
            scheduled_at=next_opening(floor.team(contact.team_id).hours, again_at) or again_at,
            missed=True,
        )
    )


def end_wrap_up(turn: Turn, offer: Offer, *, reason: str) -> None:
    """Release the agent from a wrap-up and complete the contact if it ended with it."""
    contact = turn.floor.contacts.get(offer.contact_id)
    release(turn, offer, reason=reason)
    if contact is not None and contact.state is ContactState.WRAP_UP and contact.offer_id == offer.id:
        end(turn, contact, ContactState.COMPLETED, reason=reason)


def finish_talk(
    turn: Turn, contact: Contact, offer: Offer, *, reason: str, state: ContactState = ContactState.COMPLETED
) -> None:
    """End the contact's last conversation; without wrap-up the contact ends at once, in `state`."""
    wraps = end_talk(turn, offer, last=True, reason=reason)
    if state is not ContactState.COMPLETED and wraps:
        release(turn, offer, reason=reason)
    if state is not ContactState.COMPLETED or not wraps:
        end(turn, contact, state, reason=reason)


def end(turn: Turn, contact: Contact, state: ContactState, *, reason: str, short: bool = False) -> None:
    """Bring the contact to a final state."""
    turn.emit(
        ContactEnded(
            at=turn.now, actor=turn.actor, reason=reason, contact_id=contact.id, state=state, short=short
        )
    )
