"""The promises of the floor, checked from its plain values alone: nothing here asks an index or a bit set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import msgspec

from routing import events as ev
from routing.commands import Tick
from routing.decide import decide
from routing.floor import Floor
from routing.model import (
    FINAL_CONTACT_STATES,
    NEVER,
    PHONE,
    Agent,
    AgentState,
    Contact,
    ContactState,
    Offer,
    OfferState,
    Presence,
    Segment,
    Ticket,
)
from routing.policy import Policy, target_s
from routing.staff_index import is_present
from routing.urgency import overtaking_bound_s
from routing.way_out import Change, find_changes

ROUNDING_S = 1e-3


def reload(floor: Floor) -> Floor:
    """Return a floor filled from stored JSON, as after a restart."""
    fresh = Floor(_stored(floor.policy, Policy))
    fresh.admit(
        agents=[_stored(each, Agent) for each in floor.agents.values()],
        tickets=[_stored(each, Ticket) for each in floor.tickets.values()],
        offers=[_stored(each, Offer) for each in floor.offers.values()],
        contacts=[_stored(each, Contact) for each in floor.contacts.values()],
    )
    fresh.seq, fresh.next_id = floor.seq, floor.next_id
    return fresh


def check_floor(floor: Floor) -> None:
    """Assert every invariant that the state alone can tell."""
    assert find_missed_match(floor) is None
    assert find_missed_widening(floor) is None
    for contact in floor.contacts.values():
        _check_contact(floor, contact)
    for offer in floor.offers.values():
        _check_offer(floor, offer)
    for agent in floor.agents.values():
        _check_agent(floor, agent)
    for ticket in floor.tickets.values():
        assert ticket.owner_id in floor.agents
        assert ticket.contact_ids
        assert all(floor.contacts[i].ticket_id == ticket.id for i in ticket.contact_ids)
        assert all(floor.contacts[i].customer_id == ticket.customer_id for i in ticket.contact_ids)
    assert floor.next_due() == _first_due(floor)
    assert not floor.open_agents
    assert not floor.open_contacts


def check_indices(floor: Floor) -> None:
    """Assert that what is derived is what the stored values give."""
    rebuilt = reload(floor)
    assert _indices(floor) == _indices(rebuilt)
    assert floor.snapshot() == rebuilt.snapshot()


def find_missed_match(floor: Floor) -> tuple[int, str] | None:
    """Return a waiting contact and a free agent who may take it, or None: the floor is work conserving."""
    for contact in floor.contacts.values():
        if contact.state is ContactState.QUEUED:
            for agent in floor.agents.values():
                if may_take(floor, agent, contact):
                    return contact.id, agent.id
    return None


def find_missed_widening(floor: Floor) -> tuple[int, str] | None:
    """Return a broadcast that may ring at more agents and a free agent it does not ring at, or None."""
    for contact in floor.contacts.values():
        room = floor.policy.teams[contact.team_id].broadcast - len(contact.offer_ids)
        if contact.state is not ContactState.OFFERED or contact.assigned or room <= 0:
            continue
        asked = {floor.offers[i].agent_id for i in contact.offer_ids}
        for agent in floor.agents.values():
            if agent.id not in asked and may_take(floor, agent, contact):
                return contact.id, agent.id
    return None


def check_not_behind(floor: Floor, before: dict[int, dict[str, Any]], now: float) -> None:
    """Assert that who was offered `before` the turn at `now` and waits after it is where its clock says."""
    for contact in floor.contacts.values():
        if contact.state is ContactState.QUEUED and contact.id in before:
            assert before[contact.id]["state"] is not ContactState.OFFERED or contact.due_at > now


def find_broken_promise(floor: Floor, contact_id: int, now: float) -> Change | None:
    """Return what was told to let an agent take a waiting contact at a time, and does not; or None.

    Told is what time alone brings. The agent may be asked for something else by then, let that ring, or save
    room for something larger.
    """
    contact = floor.contacts[contact_id]
    if contact.state is not ContactState.QUEUED:
        return None
    for change in find_changes(floor, contact, now):
        if change.at is None or not change.agent_ids:
            continue
        later = reload(floor)
        while (due := later.next_due()) is not None and due <= change.at:
            decide(later, Tick(), max(due, now))
        waiting, agent = later.contacts.get(contact_id), later.agents[change.agent_ids[0]]
        asked = any(later.offers[offer_id].made_at >= now for offer_id in agent.offer_ids)
        missed = agent.silent or agent.missed > floor.agents[agent.id].missed
        left = waiting is None or waiting.state is not contact.state or waiting.segment != contact.segment
        saves = agent.saves_for is not None
        if not (asked or missed or left or saves):
            return change
    return None


def may_take(floor: Floor, agent: Agent, contact: Contact) -> bool:
    """Return whether `agent` is free for `contact` and its active step lets the agent take it."""
    return _is_free(floor, agent, contact) and _is_in_scope(floor, agent, contact)


def find_overtaken(floor: Floor, made: ev.OfferMade) -> Contact | None:
    """Return a contact that waited longer than the bound before the one offered, as the floor stands just
    before that offer, and could have had the same agent; or None.
    """
    offered = floor.contacts[made.offer.contact_id]
    agent = floor.agents[made.offer.agent_id]
    bound_s = overtaking_bound_s(floor.policy.teams[offered.team_id]) + ROUNDING_S
    for contact in floor.contacts.values():
        if (
            contact.state is ContactState.QUEUED
            and contact.team_id == offered.team_id
            and contact.channel is offered.channel
            and contact.enqueued_at < offered.enqueued_at - bound_s
            and may_take(floor, agent, contact)
        ):
            return contact
    return None


def find_claim_ignored(floor: Floor, made: ev.OfferMade) -> Contact | None:
    """Return a contact of a team with a better claim to the agent who came free than the one offered has, as
    the floor stands just before that offer; or None.
    """
    offered, agent = floor.contacts[made.offer.contact_id], floor.agents[made.offer.agent_id]
    if made.decision.trigger != "agent" or offered.state is not ContactState.QUEUED:
        return None  # who is asked beside the freed agent in a broadcast did not come free
    part = _part(floor, offered.team_id) if _may_claim(floor, agent, offered, made.at) else 1.0
    for contact in floor.contacts.values():
        if (
            contact.state is ContactState.QUEUED
            and contact.step >= 0
            and _may_claim(floor, agent, contact, made.at)
            and _part(floor, contact.team_id) < part - 1e-9
            and may_take(floor, agent, contact)
        ):
            return contact
    return None


def _may_claim(floor: Floor, agent: Agent, contact: Contact, now: float) -> bool:
    """Return whether `contact` waits so long that its team may claim the agent, one of its own."""
    patience, policy = floor.policy.share_after_targets, floor.policy
    aim_s = target_s(policy, policy.teams[contact.team_id], contact.channel)
    kept_s = policy.teams[contact.team_id].owner_preferred_s if contact.step < 0 else 0.0
    waited_s = now - contact.effective_at + kept_s
    return patience is not None and contact.team_id in agent.teams and waited_s > patience * aim_s


def _part(floor: Floor, team_id: str) -> float:
    """Return which part of its share of those who are there the team has at work, 1.0 for all of it."""
    weights = {team.id: team.weight for team in floor.policy.teams.values()}
    share = 0.0
    for agent in floor.agents.values():
        if team_id in agent.teams and is_present(agent) and not agent.not_responding:
            share += agent.capacity * weights[team_id] / sum(weights[each] for each in agent.teams)
    at_work = sum(offer.cost for offer in floor.offers.values() if offer.team_id == team_id)
    return at_work / share if at_work < share else 1.0


def check_clocks(
    contact: Contact,
    segments: Iterable[Segment],
    *,
    taken_in_at: float,
    scheduled_s: float,
    wrap_up_s: float,
) -> None:
    """Assert that an ended contact's segments follow one another without gap or overlap, and that queue,
    talk, waiting for its time and wrap-up make up the whole time from being taken in to being closed.
    """
    mine = sorted(segments, key=lambda each: each.number)
    assert [each.number for each in mine] == list(range(1, contact.segment + 1))
    for segment in mine:
        assert segment.queued_at <= segment.ended_at
        if segment.outcome in ("answered", "resumed"):
            assert segment.answered_at is not None
            assert segment.agent_id is not None
            assert segment.queued_at <= segment.answered_at <= segment.ended_at
        else:
            assert segment.answered_at is None
    for earlier, later in pairwise(mine):
        assert earlier.ended_at <= later.queued_at
        assert earlier.outcome in ("answered", "resumed", "flowed_out")
    assert contact.closed_at is not None
    in_segments_s = sum(each.ended_at - each.queued_at for each in mine)
    whole_s = contact.closed_at - taken_in_at
    assert abs(in_segments_s + scheduled_s + wrap_up_s - whole_s) < ROUNDING_S


def _is_free(floor: Floor, agent: Agent, contact: Contact) -> bool:
    if not agent.active or agent.presence is not Presence.AVAILABLE or agent.next_presence is not None:
        return False
    if agent.draining or agent.not_responding or agent.id in contact.tried:
        return False
    mine = [offer for offer in floor.offers.values() if offer.agent_id == agent.id]
    terms = floor.policy.channels[contact.channel]
    if agent.saves_for is not None and terms.cost < _cost(floor, floor.contacts[agent.saves_for]):
        return False
    cap = agent.channel_caps.get(contact.channel.value, terms.cap)
    alike = PHONE if contact.channel in PHONE else {contact.channel}
    if sum(offer.channel in alike for offer in mine) >= cap:
        return False
    return sum(offer.cost for offer in mine) + terms.cost <= agent.capacity


def _cost(floor: Floor, contact: Contact) -> int:
    return floor.policy.channels[contact.channel].cost


def _is_in_scope(floor: Floor, agent: Agent, contact: Contact) -> bool:
    if contact.step < 0:
        return agent.id == contact.preferred_agent_id
    done = floor.policy.teams[contact.team_id].steps[: contact.step]
    teams = {contact.team_id}.union(*(step.teams for step in done))
    if teams.isdisjoint(agent.teams):
        return False
    slack = max((step.skill_slack for step in done), default=0)
    if any(agent.skills.get(need.skill, 0) < need.level - slack for need in contact.skills):
        return False
    free = contact.language is None or any(step.any_language for step in done)
    return free or contact.language in agent.languages


def _check_contact(floor: Floor, contact: Contact) -> None:
    assert contact.state not in FINAL_CONTACT_STATES
    assert contact.state is not ContactState.RECEIVED
    assert contact.ticket_id in floor.tickets
    assert contact.id in floor.tickets[contact.ticket_id].contact_ids
    pending = [
        each.id
        for each in floor.offers.values()
        if each.contact_id == contact.id and each.state is OfferState.PENDING
    ]
    assert sorted(contact.offer_ids) == sorted(pending)
    assert (contact.state is ContactState.OFFERED) == bool(pending)
    assert len({floor.offers[i].agent_id for i in pending}) == len(pending)
    if contact.state in (ContactState.QUEUED, ContactState.SCHEDULED):
        assert contact.due_at < NEVER
    if contact.state is ContactState.QUEUED and contact.step < 0:
        wanted = floor.agents[contact.preferred_agent_id or ""]
        assert wanted.active
        assert wanted.presence is Presence.AVAILABLE
        assert wanted.next_presence is None
        assert not wanted.not_responding
    if contact.offer_id is not None and contact.offer_ids:
        assert floor.offers[contact.offer_id].agent_id not in {floor.offers[i].agent_id for i in pending}
    if contact.state in (ContactState.CONNECTED, ContactState.WRAP_UP):
        assert contact.offer_id is not None
        held = floor.offers[contact.offer_id]
        assert held.contact_id == contact.id
        assert held.state is OfferState.ACCEPTED
        assert (held.talk_ended_at is None) == (contact.state is ContactState.CONNECTED)
        assert held.agent_id == contact.agent_id


def _check_offer(floor: Floor, offer: Offer) -> None:
    assert offer.agent_id in floor.agents
    if offer.state is OfferState.PENDING:
        assert offer.contact_id in floor.contacts
        assert offer.expires_at < NEVER
    elif offer.talk_ended_at is None:
        contact = floor.contacts[offer.contact_id]
        assert contact.offer_id == offer.id
        assert contact.state in (ContactState.CONNECTED, ContactState.QUEUED, ContactState.OFFERED)
    else:
        assert offer.wrap_up_until is not None
        assert offer.wrap_up_until < NEVER


def _check_agent(floor: Floor, agent: Agent) -> None:
    mine = [each for each in floor.offers.values() if each.agent_id == agent.id]
    pending = [each for each in mine if each.state is OfferState.PENDING]
    wrapping = [each for each in mine if each.talk_ended_at is not None]
    assert sorted(agent.offer_ids) == sorted(each.id for each in mine)
    assert agent.used == sum(each.cost for each in mine) <= agent.capacity
    assert agent.pending == len(pending)
    assert agent.wrapping == len(wrapping)
    assert agent.talking == len(mine) - len(pending) - len(wrapping)
    use = Counter(each.channel.value for each in mine)
    assert {k: v for k, v in agent.channel_use.items() if v} == use
    caps = {k: agent.channel_caps.get(k, terms.cap) for k, terms in floor.policy.channels.items()}
    assert all(use[each.channel] <= caps[each.channel] for each in pending)
    assert all(
        use["voice"] + use["callback"] <= caps[each.channel] for each in pending if each.channel in PHONE
    )
    assert (agent.state is AgentState.NOT_RESPONDING) == agent.not_responding
    assert agent.not_responding or (agent.state is AgentState.IDLE) == (not mine)
    assert floor.saving.get(agent.saves_for or 0) == (agent.id if agent.saves_for is not None else None)
    if agent.saves_for is not None:
        _check_saving(floor, agent, floor.contacts[agent.saves_for])
    assert not (pending and agent.not_responding)
    assert not (pending and (agent.presence is not Presence.AVAILABLE or not agent.active))


def _check_saving(floor: Floor, agent: Agent, contact: Contact) -> None:
    """Assert that who saves room has work, is there for the contact, and lacks nothing but the room."""
    assert contact.state is ContactState.QUEUED
    assert contact.channel is agent.saves_channel
    assert agent.used
    assert is_present(agent)
    assert not agent.not_responding
    assert agent.id not in contact.tried
    assert _is_in_scope(floor, agent, contact)
    assert not _is_free(floor, agent, contact)


def _first_due(floor: Floor) -> float | None:
    dues = [contact.due_at for contact in floor.contacts.values()]
    dues += [o.expires_at for o in floor.offers.values() if o.state is OfferState.PENDING]
    dues += [o.wrap_up_until for o in floor.offers.values() if o.wrap_up_until is not None]
    for agent in floor.agents.values():
        beat_s = floor.policy.heartbeat_s
        if agent.not_responding:
            dues.append(agent.not_responding_until)
        elif beat_s is not None and agent.presence is not Presence.OFFLINE:
            dues.append(agent.seen_at + beat_s)
    return min((due for due in dues if due < NEVER), default=None)


def _indices(floor: Floor) -> dict[str, Any]:
    staff, queues = floor.staff, floor.queues
    return {
        "bits": (staff.bit, staff.present, staff.responding, staff.room),
        "members": {k: v for k, v in staff.members.items() if v},
        "order": {k: v for k, v in staff.order.items() if v},
        "masks": {key: line.mask(staff) for key, line in queues.lines.items()},
        "lines": {key: line.entries for key, line in queues.lines.items()},
        "by_team": {k: set(v) for k, v in queues.by_team.items() if v},
        "asking": {key: line.entries for key, line in floor.asking.lines.items()},
        "asking_by_team": {k: set(v) for k, v in floor.asking.by_team.items() if v},
        "reserved": queues.reserved,
        "waiting": {k: v for k, v in queues.waiting.items() if v},
        "live": {k: v for k, v in queues.live.items() if v},
        "customers": floor.tickets_by_customer,
    }


def _stored(value: Any, kind: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(value), type=kind)
