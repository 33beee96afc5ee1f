"""Room saved for a customer who waits too long for an agent whose smaller work goes on coming.

An agent whose chats follow one another never has room for a call, however long it waits. So who would be
offered something while a more urgent contact, waiting longer than `Policy.save_room_after_targets` times its
target, needs more room than the agent has left, is not: the agent saves room for it, one agent for each such
contact. Until it is offered or ends, or the agent may not take it any more, that agent gets nothing that
takes less room.

The bound: from then on and from the moment it is the most urgent of those, such a contact waits no longer
than the work which one agent has at that time. Whose work is of one size, as with calls alone, is not
concerned.
"""

from __future__ import annotations

from math import inf

from routing import eligibility
from routing.events import RoomFreed, RoomSaved
from routing.floor import Floor
from routing.model import Agent, Contact, ContactState
from routing.policy import target_s
from routing.staff_index import is_present
from routing.turn import Turn
from routing.urgency import order, urgency

_Head = tuple[float, float, int]


def saves_room(turn: Turn, agent: Agent, contact: Contact) -> bool:
    """Have `agent`, who has work, save room for a contact that goes before `contact`; return whether there is
    one.
    """
    floor = turn.floor
    if agent.saves_for is not None:
        return False
    found = _most_urgent(floor, agent, floor.policy.channels[contact.channel].cost, turn.now)
    team = floor.team(contact.team_id)
    aim_s = target_s(floor.policy, team, contact.channel)
    if found is None or found >= order(team, contact, turn.now, target_s=aim_s):
        return False
    turn.emit(RoomSaved(at=turn.now, actor=turn.actor, agent_id=agent.id, contact_id=found[2]))
    return True


def free_room(turn: Turn, *, asked: Agent | None = None) -> None:
    """End the saving of room for contacts that do not wait any more, and by agents who can't take them, or
    who were `asked` for another.
    """
    floor = turn.floor
    for contact_id, agent_id in list(floor.saving.items()):
        contact, agent = floor.contacts.get(contact_id), floor.agents[agent_id]
        if agent is asked or contact is None or not _is_saved_for(floor, agent, contact):
            turn.emit(RoomFreed(at=turn.now, actor=turn.actor, agent_id=agent_id, contact_id=contact_id))


def saves_above(floor: Floor, agent: Agent, cost: int) -> bool:
    """Return whether `agent` gets nothing of `cost` because room is saved for something larger."""
    return agent.saves_channel is not None and floor.policy.channels[agent.saves_channel].cost > cost


def _is_saved_for(floor: Floor, agent: Agent, contact: Contact) -> bool:
    if contact.state is not ContactState.QUEUED or contact.channel is not agent.saves_channel:
        return False
    if not is_present(agent) or agent.not_responding or agent.id in contact.tried or not agent.used:
        return False
    able = eligibility.able_at(floor, contact, contact.step) if contact.step >= 0 else 0
    return bool(able & floor.staff.bit[agent.id]) and floor.staff.ever_takes(agent, contact.channel)


def _most_urgent(floor: Floor, agent: Agent, cost: int, now: float) -> _Head | None:
    """Return the most urgent contact beyond its time that takes more room than `cost` and than there is."""
    patience = floor.policy.save_room_after_targets or inf
    staff, bit, found = floor.staff, floor.staff.bit[agent.id], None
    for team_id in agent.teams:
        for line in floor.queues.by_team.get(team_id, {}).values():
            if floor.policy.channels[line.channel].cost <= cost or staff.room[line.channel] & bit:
                continue
            if not line.mask(staff) & bit or not staff.ever_takes(agent, line.channel):
                continue
            for effective_at, contact_id in line.entries:
                age_s = now - effective_at
                if age_s <= patience * line.target_s:
                    break
                if contact_id not in floor.saving and agent.id not in floor.contacts[contact_id].tried:
                    value = urgency(line.team, age_s=age_s, target_s=line.target_s)
                    found = min(found or (inf, inf, 0), (-value, effective_at, contact_id))
                    break
    return found
