"""Match waiting contacts with free agents until no eligible pair is left that the active steps allow.

Only what changed is looked at: agents who got room take the most urgent contact they may have, contacts
that began to look take the best agent there is. As every earlier pair had been matched before, nothing
else can have become possible.

A broadcast that rings at fewer agents than its team allows is widened by agents who came free and for whom
nothing waits unasked, and by each relaxation step.
"""

from __future__ import annotations

from math import inf
from typing import Final, NamedTuple

from routing import eligibility, selection
from routing.events import Candidate, Claim, Decision, NobodyFound, OfferMade, Sets
from routing.floor import Floor
from routing.model import CAPACITY_FULL, Agent, Contact, ContactState, Offer
from routing.policy import target_s
from routing.queue_index import Line, LineKey
from routing.room import free_room, saves_room
from routing.shares import NO_CLAIM
from routing.turn import Turn
from routing.urgency import in_targets, order, urgency

_SHOWN = 5
_LAST: Final = (inf, inf, 0)
_NONE: Final[dict[LineKey, Line]] = {}


def dispatch(turn: Turn) -> None:
    """Offer what can be offered; afterwards no free eligible agent and waiting contact are left."""
    floor = turn.floor
    if floor.saving:
        free_room(turn)
    while floor.open_agents or floor.open_contacts:
        if floor.open_agents:
            if not (floor.queues.lines or floor.queues.reserved or floor.asking.lines):
                floor.open_agents.clear()
                continue
            agents = [floor.agents[agent_id] for agent_id in floor.open_agents]
            floor.open_agents.clear()
            # One offer each and round again, so that several chats do not all go to the first agent.
            for agent in sorted(agents, key=_readiness) if agents[1:] else agents:
                if _fill(turn, agent):
                    floor.open_agents[agent.id] = None
            continue
        contacts = [floor.contacts[i] for i in floor.open_contacts]
        floor.open_contacts.clear()
        for contact in sorted(contacts, key=lambda each: _order(turn, each)) if contacts[1:] else contacts:
            if contact.state is ContactState.QUEUED:
                _place(turn, contact)
            elif contact.state is ContactState.OFFERED:
                _top_up(turn, contact)


class Best(NamedTuple):
    """The contact that a freed agent is to be asked for, and what it was preferred to."""

    contact: Contact
    rivals: list[tuple[int, float]]
    """Heads of the other lines as (contact id, urgency), most urgent first."""
    claim: Claim | None
    """Set where it goes before more urgent ones."""


_Head = tuple[float, float, int]
"""What orders the first contacts of lines: urgency (negative), place, contact id."""


def best_contact(floor: Floor, agent: Agent, now: float) -> Best | None:
    """Return what `agent` should take of what it may: claimed by its team, else the most urgent, or None.

    Contacts reserved for this agent count as if they had waited their whole preference time longer.
    """
    bit = floor.staff.bit[agent.id]
    if not bit & floor.staff.open:
        return None
    contacts, staff = floor.contacts, floor.staff
    patient = floor.policy.share_after_targets or inf
    roomy = {channel for channel, mask in staff.room.items() if mask & bit}
    heads: list[_Head] = []
    late: dict[str, _Head] = {}
    for team_id in agent.teams:
        for line in floor.queues.by_team.get(team_id, _NONE).values():
            if line.channel in roomy and line.mask(staff) & bit:
                for effective_at, contact_id in line.entries:
                    if agent.id not in contacts[contact_id].tried:
                        age_s, target = now - effective_at, line.target_s
                        head = (-urgency(line.team, age_s=age_s, target_s=target), effective_at, contact_id)
                        heads.append(head)
                        if age_s > patient * target and head < late.get(line.key[0], _LAST):
                            late[line.key[0]] = head
                        break
    if agent.id in floor.queues.reserved and (kept := _kept(floor, agent, bit, now)) is not None:
        heads.append(kept)
    return _first(floor, agent, heads, late) if heads else None


def _kept(floor: Floor, agent: Agent, bit: int, now: float) -> _Head | None:
    """Return the first contact that only `agent` may take yet, as far as there is room for it."""
    for effective_at, contact_id in floor.queues.reserved.get(agent.id, ()):
        contact = floor.contacts[contact_id]
        if floor.staff.room[contact.channel] & bit and agent.id not in contact.tried:
            team = floor.team(contact.team_id)
            age_s = now - effective_at + team.owner_preferred_s
            value = urgency(team, age_s=age_s, target_s=target_s(floor.policy, team, contact.channel))
            return (-value, effective_at, contact_id)
    return None


def _first(floor: Floor, agent: Agent, heads: list[_Head], late: dict[str, _Head]) -> Best:
    """Return the most urgent of `heads` unless a team claims the agent for one of the late ones."""
    heads.sort()
    first, claim = heads[0], None
    if late:
        (part, _), claimed, team_id = min(
            [(floor.shares.claim(agent, team_id), head, team_id) for team_id, head in late.items()]
        )
        if part < NO_CLAIM and claimed != first:
            first, claim = claimed, _claim(floor, team_id, -claimed[0])
    # A line that several of the agent's teams may take stands there once for each.
    seen = dict.fromkeys([(contact_id, -value) for value, _, contact_id in heads[: 2 * _SHOWN + 2]])
    rivals = [each for each in seen if each[0] != first[2]][:_SHOWN]
    return Best(floor.contacts[first[2]], rivals, claim)


def _claim(floor: Floor, team_id: str, value: float) -> Claim:
    shares, team = floor.shares, floor.team(team_id)
    return Claim(
        team_id=team_id,
        targets=in_targets(team, value),
        at_work=shares.at_work.get(team_id, 0) / CAPACITY_FULL,
        share=shares.share(team_id) / CAPACITY_FULL,
    )


class Grounds(NamedTuple):
    """What a decision was made on, the same for all who are asked."""

    id: int
    trigger: str
    candidates: tuple[Candidate, ...] = ()
    rivals: tuple[tuple[int, float], ...] = ()
    sets: Sets | None = None
    claim: Claim | None = None


def offer_to(turn: Turn, contact: Contact, agents: list[Agent], grounds: Grounds, reason: str = "") -> None:
    """Offer `contact` to each of `agents` (one, or several at once under broadcast)."""
    floor = turn.floor
    terms = floor.policy.channels[contact.channel]
    for agent in agents:
        offer = Offer(
            id=floor.take_id(),
            contact_id=contact.id,
            segment=contact.segment,
            agent_id=agent.id,
            team_id=contact.team_id,
            channel=contact.channel,
            cost=terms.cost,
            segment_at=contact.segment_at,
            made_at=turn.now,
            expires_at=turn.now + terms.offer_s,
        )
        record = _decision(turn, contact, grounds, agent_id=agent.id, offer_id=offer.id)
        turn.emit(OfferMade(at=turn.now, actor=turn.actor, reason=reason, offer=offer, decision=record))
        if floor.saving:
            free_room(turn, asked=agent)


def _readiness(agent: Agent) -> tuple[float, float, str]:
    return (agent.used / agent.capacity, agent.idle_since, agent.id)


def _order(turn: Turn, contact: Contact) -> tuple[float, float, int]:
    team = turn.floor.team(contact.team_id)
    return order(team, contact, turn.now, target_s=target_s(turn.floor.policy, team, contact.channel))


def _fill(turn: Turn, agent: Agent) -> bool:
    """Offer `agent` the most urgent contact there is; return whether there was one."""
    floor = turn.floor
    found = best_contact(floor, agent, turn.now)
    if found is None:
        return bool(floor.asking.lines) and _join(turn, agent)
    contact = found.contact
    if agent.used and saves_room(turn, agent, contact):
        return True
    grounds = Grounds(floor.take_id(), "agent", rivals=tuple(found.rivals), claim=found.claim)
    others = floor.team(contact.team_id).broadcast - 1
    chosen = [agent]
    if others > 0:
        mask = eligibility.candidates(floor, contact) & ~floor.staff.bit[agent.id]
        chosen += _choose(turn, contact, mask, others)
    offer_to(turn, contact, chosen, grounds)
    return True


def _join(turn: Turn, agent: Agent) -> bool:
    """Ask `agent` too for the most urgent broadcast with room; return whether there was one."""
    floor = turn.floor
    bit = floor.staff.bit[agent.id]
    if not bit & floor.staff.open:
        return False
    heads: list[tuple[float, float, int]] = []
    for team_id in agent.teams:
        for line in floor.asking.by_team.get(team_id, _NONE).values():
            if floor.staff.room[line.channel] & bit and line.mask(floor.staff) & bit:
                for effective_at, contact_id in line.entries:
                    if not _was_asked(floor, agent, floor.contacts[contact_id]):
                        value = urgency(line.team, age_s=turn.now - effective_at, target_s=line.target_s)
                        heads.append((-value, effective_at, contact_id))
                        break
    if not heads:
        return False
    contact = floor.contacts[min(heads)[2]]
    if agent.used and saves_room(turn, agent, contact):
        return True
    offer_to(turn, contact, [agent], Grounds(floor.take_id(), "joined"))
    return True


def _was_asked(floor: Floor, agent: Agent, contact: Contact) -> bool:
    return agent.id in contact.tried or any(floor.offers[i].agent_id == agent.id for i in contact.offer_ids)


def _place(turn: Turn, contact: Contact) -> None:
    floor = turn.floor
    team = floor.team(contact.team_id)
    mask = eligibility.candidates(floor, contact)
    if floor.records:
        chosen = _choose(turn, contact, mask, team.broadcast, shown=_SHOWN)
        candidates = tuple([_candidate(floor, contact, agent) for agent in chosen])
        sets = eligibility.sets(floor, contact)
        grounds = Grounds(floor.take_id(), "contact", candidates=candidates, sets=sets)
    else:
        chosen = _choose(turn, contact, mask, team.broadcast)
        grounds = Grounds(floor.take_id(), "contact")
    if chosen:
        offer_to(turn, contact, chosen[: team.broadcast], grounds)
    elif floor.records:
        nobody = _decision(turn, contact, grounds)
        turn.emit(NobodyFound(at=turn.now, actor=turn.actor, decision=nobody))


def _top_up(turn: Turn, contact: Contact) -> None:
    """Ask others in place of those who did not take a broadcast, as far as somebody is free."""
    floor = turn.floor
    if not floor.may_ask_more(contact):
        return
    missing = floor.team(contact.team_id).broadcast - len(contact.offer_ids)
    mask = eligibility.candidates(floor, contact)
    for offer_id in contact.offer_ids:
        mask &= ~floor.staff.bit[floor.offers[offer_id].agent_id]
    chosen = _choose(turn, contact, mask, missing)
    if chosen:
        candidates = tuple([_candidate(floor, contact, agent) for agent in chosen]) if floor.records else ()
        offer_to(turn, contact, chosen, Grounds(floor.take_id(), "broadcast", candidates=candidates))


def _choose(turn: Turn, contact: Contact, mask: int, count: int, *, shown: int = 0) -> list[Agent]:
    """Return up to `count` agents of `mask` to be asked, best first, and behind them others to be `shown`.

    Who saves room instead for a contact that goes before this one is not among them.
    """
    floor = turn.floor
    while True:
        chosen = selection.choose(floor, contact, mask, max(count, shown))
        asked = mask
        for agent in chosen[:count]:
            if agent.used and saves_room(turn, agent, contact):
                mask &= ~floor.staff.bit[agent.id]
        if mask == asked:
            return chosen


def _candidate(floor: Floor, contact: Contact, agent: Agent) -> Candidate:
    key = selection.rank(floor, contact, agent)
    return Candidate(agent.id, tuple([term for term in key if not isinstance(term, str)]))


def _decision(
    turn: Turn,
    contact: Contact,
    grounds: Grounds,
    *,
    agent_id: str | None = None,
    offer_id: int | None = None,
) -> Decision:
    if not turn.floor.records:
        return Decision(
            id=grounds.id,
            contact_id=contact.id,
            policy_version=turn.floor.policy.version,
            step=contact.step,
            waited_s=turn.now - contact.segment_at,
            trigger=grounds.trigger,
            agent_id=agent_id,
            offer_id=offer_id,
        )
    team = turn.floor.team(contact.team_id)
    return Decision(
        id=grounds.id,
        contact_id=contact.id,
        policy_version=turn.floor.policy.version,
        step=contact.step,
        waited_s=turn.now - contact.segment_at,
        urgency=urgency(
            team,
            age_s=max(turn.now - contact.effective_at, 0.0),
            target_s=target_s(turn.floor.policy, team, contact.channel),
        ),
        trigger=grounds.trigger,
        agent_id=agent_id,
        offer_id=offer_id,
        strategy=team.strategy,
        candidates=grounds.candidates,
        rivals=grounds.rivals,
        claim=grounds.claim,
        sets=grounds.sets,
    )
