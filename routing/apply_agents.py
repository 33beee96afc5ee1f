"""What an event about an offer, an agent or the policy changes on the floor."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from routing import events as ev
from routing.model import NEVER, WAITING_STATES, Agent, Contact, ContactState, OfferState, Presence
from routing.staff_index import is_present
from routing.steps import open_step
from routing.timers import OFFER
from routing.urgency import effective_at

if TYPE_CHECKING:
    from routing.floor import Floor

_NIGHT_S: Final = 8 * 3600.0
"""An absence of so long ends an agent's day."""


def _offer_made(floor: Floor, e: ev.OfferMade) -> None:
    offer = replace(e.offer)
    floor.saw_id(offer.id)
    floor.saw_id(e.decision.id)
    floor.offers[offer.id] = offer
    floor.changes.offers[offer.id] = offer
    floor.timers.push(OFFER, offer.id, offer.expires_at)
    contact = floor.touch(offer.contact_id)
    if contact.state is ContactState.QUEUED:
        floor.leave(contact)
    else:
        floor.ask_no_more(contact)
    contact.state = ContactState.OFFERED
    contact.offer_ids = (*contact.offer_ids, offer.id)
    contact.assigned = e.decision.trigger == "lead"
    floor.ask_more(contact)
    agent = floor.agents[offer.agent_id]
    agent.pending += 1
    _count(agent, "made")
    agent.last_offer_at = e.at
    if len(agent.teams) > 1 and (not agent.turns or agent.turns[-1] != offer.team_id):
        _take_turn(agent, offer.team_id)
    agent.offer_ids = (*agent.offer_ids, offer.id)
    floor.use(agent, offer, offer.cost, e.at)


def _take_turn(agent: Agent, team_id: str) -> None:
    if team_id in agent.teams:
        agent.turns = (*[each for each in agent.turns if each != team_id], team_id)


def _offer_ended(floor: Floor, e: ev.OfferEnded) -> None:
    offer = floor.offers.pop(e.offer_id)
    offer.state = e.state
    offer.ended_at = offer.released_at = e.at
    offer.end_reason = e.reason
    offer.customer_gone = e.customer_gone
    floor.changes.offers[offer.id] = offer
    contact = floor.touch(offer.contact_id)
    floor.ask_no_more(contact)
    contact.offer_ids = tuple([i for i in contact.offer_ids if i != offer.id])
    if e.retry_at > e.at:
        contact.tried = {**contact.tried, offer.agent_id: e.retry_at}
    if not contact.offer_ids and contact.state is ContactState.OFFERED:
        contact.state = ContactState.QUEUED
        floor.look(contact)
    elif contact.offer_ids:
        floor.ask_more(contact)
        floor.open_contacts[contact.id] = None  # of several who were asked one is gone: another may be
    agent = floor.agents[offer.agent_id]
    agent.pending -= 1
    if e.customer_gone:
        _count(agent, "customer_gone")
    elif e.state is not OfferState.REVOKED:
        _count(agent, "declined" if e.state is OfferState.DECLINED else "unanswered")
    agent.offer_ids = tuple([i for i in agent.offer_ids if i != offer.id])
    floor.use(agent, offer, -offer.cost, e.at)


def _contact_connected(floor: Floor, e: ev.ContactConnected) -> None:
    offer = floor.offers[e.offer_id]
    offer.state = OfferState.ACCEPTED
    offer.accepted_at = e.at
    floor.changes.offers[offer.id] = offer
    contact = floor.touch(e.contact_id)
    floor.ask_no_more(contact)
    contact.state = ContactState.CONNECTED
    contact.offer_ids = ()
    contact.offer_id = offer.id
    contact.agent_id = e.agent_id
    contact.connected_at = e.at
    contact.tried = {}
    contact.due_at = NEVER
    floor.queues.end_wait(contact)
    agent = floor.agents[e.agent_id]
    agent.pending -= 1
    agent.talking += 1
    agent.missed = 0
    _count(agent, "accepted")
    floor.restate(agent, e.at)


def _count(agent: Agent, what: str) -> None:
    agent.asked[what] = agent.asked.get(what, 0) + 1


def _transfer_started(floor: Floor, e: ev.TransferStarted) -> None:
    floor.touch(e.contact_id)


def _transfer_taken_back(floor: Floor, e: ev.TransferTakenBack) -> None:
    contact = floor.touch(e.contact_id)
    if contact.state is ContactState.QUEUED:
        floor.leave(contact)
    offer = floor.offers[e.offer_id]
    floor.close_segment(contact, e, "flowed_out")
    contact.state = ContactState.CONNECTED
    contact.segment += 1
    contact.segment_at = e.at
    contact.resumed = True
    contact.team_id = offer.team_id
    contact.effective_at = effective_at(floor.team(contact.team_id), contact)
    contact.agent_id = offer.agent_id
    contact.connected_at = e.at
    contact.tried = {}
    contact.due_at = NEVER


def _wrap_up_started(floor: Floor, e: ev.WrapUpStarted) -> None:
    offer = floor.offers[e.offer_id]
    offer.talk_ended_at = e.at
    offer.wrap_up_until = e.until
    floor.changes.offers[offer.id] = offer
    if e.until > e.at:
        floor.timers.push(OFFER, offer.id, e.until)
    contact = floor.contacts.get(e.contact_id)
    if contact is not None and e.last:
        floor.changes.contacts[contact.id] = contact
        floor.close_segment(contact, e, "answered")
        contact.state = ContactState.WRAP_UP
    agent = floor.agents[e.agent_id]
    agent.talking -= 1
    agent.wrapping += 1
    floor.restate(agent, e.at)


def _wrap_up_extended(floor: Floor, e: ev.WrapUpExtended) -> None:
    offer = floor.offers[e.offer_id]
    offer.wrap_up_until = e.until
    floor.changes.offers[offer.id] = offer
    floor.timers.push(OFFER, offer.id, e.until)


def _offer_released(floor: Floor, e: ev.OfferReleased) -> None:
    offer = floor.offers.pop(e.offer_id)
    offer.released_at = e.at
    floor.changes.offers[offer.id] = offer
    agent = floor.agents[e.agent_id]
    agent.wrapping -= 1
    agent.handled += 1
    agent.served_s += e.at - (offer.accepted_at or e.at)
    agent.offer_ids = tuple([i for i in agent.offer_ids if i != offer.id])
    floor.use(agent, offer, -offer.cost, e.at)


def _agent_put(floor: Floor, e: ev.AgentPut) -> None:
    old = floor.agents.get(e.agent.id)
    if old is None:
        agent = copy.deepcopy(e.agent)
        agent.index = len(floor.staff.at)
        agent.presence_since = agent.state_since = agent.idle_since = e.at
        floor.add_agent(agent)
    else:
        old.name = e.agent.name
        old.teams = e.agent.teams
        old.turns = tuple([each for each in old.turns if each in old.teams])
        old.skills = dict(e.agent.skills)
        old.languages = e.agent.languages
        old.capacity = e.agent.capacity
        old.channel_caps = dict(e.agent.channel_caps)
        old.active = e.agent.active
        floor.staff.changed()
        floor.staff.update(old)
        floor.open_agents[old.id] = None
    floor.changes.agents[e.agent.id] = floor.agents[e.agent.id]


def _presence_changed(floor: Floor, e: ev.PresenceChanged) -> None:
    agent = floor.agents[e.agent_id]
    was_present, away_since = is_present(agent), agent.presence_since
    agent.missed = 0
    if agent.presence != e.presence:
        agent.presence_since = e.at
        if e.presence is Presence.AVAILABLE:
            agent.idle_since = e.at
    if agent.presence is Presence.OFFLINE and e.presence is not Presence.OFFLINE:
        agent.asked = {}
        agent.served_s = _level(floor, agent, e.at, away_since=away_since)
    agent.presence = e.presence
    agent.presence_reason = e.reason
    agent.next_presence = e.next_presence
    agent.draining = e.draining
    agent.seen_at = e.at
    if not was_present and is_present(agent):
        floor.open_agents[agent.id] = None
    floor.restate(agent, e.at)
    floor.push_agent(agent)


def _level(floor: Floor, agent: Agent, at: float, *, away_since: float) -> float:
    """Return the time with customers that an agent who signs on begins with.

    It is that of the least occupied of the teams' agents who are there, so that who comes late is not given
    everything until even, and not less than the agent's own of before a pause.
    """
    members = floor.staff.pool_mask(agent.teams) & floor.staff.present & ~(1 << agent.index)
    least = min((each.served_s for each in floor.staff.at if members >> each.index & 1), default=0.0)
    return max(least, agent.served_s) if at - away_since < _NIGHT_S else least


def _agent_not_responding(floor: Floor, e: ev.AgentNotResponding) -> None:
    agent = floor.agents[e.agent_id]
    agent.not_responding = True
    agent.not_responding_until = e.until
    agent.silent = e.silent
    agent.missed += not e.silent
    floor.restate(agent, e.at)
    floor.push_agent(agent)


def _agent_responding(floor: Floor, e: ev.AgentResponding) -> None:
    agent = floor.agents[e.agent_id]
    agent.not_responding = False
    agent.not_responding_until = NEVER
    agent.silent = False
    agent.idle_since = e.at
    floor.open_agents[agent.id] = None
    floor.restate(agent, e.at)
    floor.push_agent(agent)


def _agent_seen(floor: Floor, e: ev.AgentSeen) -> None:
    agent = floor.agents[e.agent_id]
    agent.seen_at = e.at
    floor.push_agent(agent)


def _room_saved(floor: Floor, e: ev.RoomSaved) -> None:
    agent = floor.agents[e.agent_id]
    agent.saves_for = e.contact_id
    agent.saves_channel = floor.contacts[e.contact_id].channel
    floor.saving[e.contact_id] = agent.id
    floor.staff.update_room(agent)
    floor.changes.agents[agent.id] = agent


def _room_freed(floor: Floor, e: ev.RoomFreed) -> None:
    agent = floor.agents[e.agent_id]
    agent.saves_for = agent.saves_channel = None
    del floor.saving[e.contact_id]
    floor.staff.update_room(agent)
    floor.open_agents[agent.id] = None
    floor.changes.agents[agent.id] = agent


def _policy_published(floor: Floor, e: ev.PolicyPublished) -> None:
    beats_begin = floor.policy.heartbeat_s is None and e.policy.heartbeat_s is not None
    floor.policy = e.policy
    floor.queues.take_policy(e.policy)
    floor.asking.take_policy(e.policy)
    floor.staff.take_policy(e.policy)
    for contact in floor.contacts.values():
        if contact.state in WAITING_STATES:
            _rank_anew(floor, contact, e.at)
    for agent in floor.agents.values():
        floor.open_agents[agent.id] = None
        if beats_begin:
            agent.seen_at = e.at
        floor.push_agent(agent)


def _rank_anew(floor: Floor, contact: Contact, now: float) -> None:
    team = floor.team(contact.team_id)
    contact.effective_at = effective_at(team, contact)
    if contact.step >= 0:
        contact.step = open_step(team, contact, now)
    floor.changes.contacts[contact.id] = contact
    if contact.state is ContactState.QUEUED:
        floor.queues.enter(contact)
        floor.set_contact_due(contact)
    else:
        floor.ask_more(contact)


APPLY_AGENTS: Final[dict[type[ev.Event], Callable[[Floor, Any], None]]] = {
    ev.OfferMade: _offer_made,
    ev.OfferEnded: _offer_ended,
    ev.ContactConnected: _contact_connected,
    ev.TransferStarted: _transfer_started,
    ev.TransferTakenBack: _transfer_taken_back,
    ev.WrapUpStarted: _wrap_up_started,
    ev.WrapUpExtended: _wrap_up_extended,
    ev.OfferReleased: _offer_released,
    ev.AgentPut: _agent_put,
    ev.PresenceChanged: _presence_changed,
    ev.AgentNotResponding: _agent_not_responding,
    ev.AgentResponding: _agent_responding,
    ev.AgentSeen: _agent_seen,
    ev.RoomSaved: _room_saved,
    ev.RoomFreed: _room_freed,
    ev.PolicyPublished: _policy_published,
}
