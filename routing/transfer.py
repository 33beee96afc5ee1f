"""Pass a running contact on, cold or warm, and turn a waiting call into a callback: new queue segments."""

from __future__ import annotations

from routing import commands as cmd
from routing.ending import end
from routing.events import (
    Classification,
    ContactReceived,
    ContactScheduled,
    TransferStarted,
    TransferTakenBack,
)
from routing.floor import Floor
from routing.hours import next_opening
from routing.lookup import (
    check_nobody_is_on,
    check_team,
    get_agent,
    get_connected,
    get_contact,
    takes_over,
    talking_offer,
)
from routing.model import Channel, Contact, ContactState, Offer
from routing.naming import when
from routing.queueing import close_segment, end_talk, queue, revoke_offers
from routing.refused import Code, RefusedError
from routing.staff_index import is_present
from routing.turn import Turn


def transfer(turn: Turn, command: cmd.Transfer) -> None:
    """Queue the contact for the target at the age it has, keeping the agent on it when warm."""
    floor = turn.floor
    contact = get_connected(floor, command.contact_id)
    if command.agent_id is not None and command.agent_id == contact.agent_id:
        raise RefusedError(Code.INVALID_VALUE, "An agent can't transfer to himself.", "agent")
    team_id = _target(floor, contact, command)
    if command.agent_id is None and not takes_over(floor, contact, team_id, turn.now):
        team = floor.team(team_id)
        opens_at = next_opening(team.hours, turn.now)
        until = f" and opens {when(floor, opens_at, turn.now)}" if opens_at is not None else ""
        raise RefusedError(
            Code.WRONG_STATE,
            f"{team.name} is closed{until}, and nobody of it is there; transfer to another team or an agent.",
            "team",
        )
    holder = talking_offer(turn.floor, contact)
    reason = command.reason or "transferred"
    close_segment(turn, contact, reason=reason)
    if holder is not None and not command.warm:
        end_talk(turn, holder, last=False, reason=reason)
    elif holder is not None:
        turn.emit(TransferStarted(at=turn.now, actor=turn.actor, contact_id=contact.id, offer_id=holder.id))
    queue(
        turn,
        contact,
        team_id,
        enqueued_at=contact.enqueued_at,
        preferred_agent_id=command.agent_id,
        # Who is named is asked at least once, also where a team prefers no owners.
        preferred_s=floor.team(team_id).owner_preferred_s or floor.policy.channels[contact.channel].offer_s,
        avoid=holder,
        reason=reason,
    )


def take_back(turn: Turn, command: cmd.TakeBack) -> None:
    """End a warm transfer nobody has accepted yet; the agent talks on."""
    contact = get_contact(turn.floor, command.contact_id, ContactState.QUEUED, ContactState.OFFERED)
    holder = talking_offer(turn.floor, contact)
    if holder is None:
        raise RefusedError(Code.WRONG_STATE, f"Nobody is passing contact {contact.id} on.", "contact_id")
    resume(turn, contact, holder, reason="taken_back")


def resume(turn: Turn, contact: Contact, holder: Offer, *, reason: str) -> None:
    """Give a contact that is being passed on warm back to the agent who is with the customer."""
    revoke_offers(turn, contact, reason=reason)
    turn.emit(
        TransferTakenBack(
            at=turn.now, actor=turn.actor, reason=reason, contact_id=contact.id, offer_id=holder.id
        )
    )


def convert_to_callback(turn: Turn, command: cmd.ConvertToCallback) -> None:
    """End the waiting call and open a callback of the same ticket.

    It stands at the same place in the queue, or where the customer chose a time, at the place of somebody
    who comes at that time.
    """
    floor, now = turn.floor, turn.now
    contact = get_contact(floor, command.contact_id, ContactState.QUEUED, ContactState.OFFERED)
    if contact.channel is not Channel.VOICE:
        raise RefusedError(Code.WRONG_STATE, "Only a waiting call can become a callback.", "contact_id")
    check_nobody_is_on(floor, contact)
    chosen_at = command.scheduled_at
    place_at = chosen_at if chosen_at is not None and chosen_at > now else contact.enqueued_at
    start = max(chosen_at or now, now)
    opening = next_opening(floor.team(contact.team_id).hours, start)
    if opening is None:
        raise RefusedError(Code.WRONG_STATE, "The team has no opening hours to call back in.", "contact_id")
    revoke_offers(turn, contact, reason="converted")
    # Whom the caller waited for at first the callback waits for as long as the caller would have.
    preferred = contact.preferred_agent_id if contact.step < 0 and contact.preferred_until > now else None
    callback = Contact(
        id=floor.take_id(),
        channel=Channel.CALLBACK,
        customer_id=contact.customer_id,
        ticket_id=contact.ticket_id,
        received_at=now,
        team_id=contact.team_id,
        priority=contact.priority,
        skills=contact.skills,
        language=contact.language,
        preferred_agent_id=preferred,
        enqueued_at=place_at,
        segment_at=now,
    )
    turn.emit(_received(turn, callback, contact))
    end(turn, contact, ContactState.CONVERTED, reason="callback")
    if opening > now:
        turn.emit(ContactScheduled(at=now, actor=turn.actor, contact_id=callback.id, scheduled_at=opening))
    else:
        queue(
            turn,
            floor.contacts[callback.id],
            callback.team_id,
            enqueued_at=callback.enqueued_at,
            preferred_agent_id=preferred,
            preferred_s=contact.preferred_until - now,
        )


def _received(turn: Turn, callback: Contact, origin: Contact) -> ContactReceived:
    return ContactReceived(
        at=turn.now,
        actor=turn.actor,
        reason=f"contact {origin.id} asked to be called back",
        contact=callback,
        classification=Classification(
            team_id=callback.team_id, by="callback", reason=f"contact {origin.id} waited there"
        ),
        identity=cmd.Identity(),
        source="rondo",
        source_id=f"callback-{origin.id}",
    )


def _target(floor: Floor, contact: Contact, command: cmd.Transfer) -> str:
    agent = get_agent(floor, command.agent_id, field="agent") if command.agent_id is not None else None
    if agent is not None and not (is_present(agent) and not agent.not_responding):
        raise RefusedError(
            Code.NOT_ELIGIBLE, f"{agent.name} is not there now; transfer to a team instead.", "agent"
        )
    if agent is not None and not floor.staff.ever_takes(agent, contact.channel):
        raise RefusedError(
            Code.NOT_ELIGIBLE,
            f"{agent.name} takes nothing by {contact.channel}; transfer to a team instead.",
            "agent",
        )
    if command.team_id is not None:
        check_team(floor, command.team_id, field="team")
        return command.team_id
    if agent is None:
        raise RefusedError(Code.INVALID_VALUE, "Name the team or the agent to transfer to.", "team")
    known = [team_id for team_id in agent.teams if team_id in floor.policy.teams]
    return contact.team_id if contact.team_id in known or not known else known[0]
