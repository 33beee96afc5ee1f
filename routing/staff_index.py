"""Which agents are there, have room, know what: bit sets over `Agent.index` and each team's order."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable
from functools import reduce
from operator import or_

from routing.model import NEVER, PHONE, Agent, Channel, Presence
from routing.policy import Policy


class StaffIndex:
    """Bit sets of agents by what dispatch asks of them.

    `version` grows whenever teams, skills or languages change, so that masks made from them can be kept.
    """

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.at: list[Agent] = []
        self.bit: dict[str, int] = {}
        self.members: dict[str, int] = {}
        self.present = 0
        self.responding = 0
        self.room: dict[Channel, int] = dict.fromkeys(Channel, 0)
        self.open = 0
        """Who could take something: there, responding, with room on some channel."""
        self.version = 0
        self.order: dict[str, list[tuple[float, float, str]]] = {}
        """Per team the agents who could take something, in the order of the team's strategy."""
        self._order_keys: dict[str, list[tuple[str, tuple[float, float, str]]]] = {}
        self._terms = _terms(policy)
        self._skill_masks: dict[tuple[str, int], int] = {}
        self._language_masks: dict[str, int] = {}
        self._places: dict[Channel, dict[int, int]] = {}

    def add(self, agent: Agent) -> None:
        """Take in an agent whose index is the next free one; raises ValueError otherwise."""
        if agent.index != len(self.at):
            raise ValueError(f"agent {agent.id} has index {agent.index}, expected {len(self.at)}")
        self.at.append(agent)
        self.bit[agent.id] = 1 << agent.index
        self._forget_masks()
        self._enrol(agent)
        self.update(agent)

    def changed(self) -> None:
        """Forget what was derived from teams, skills and languages."""
        self._forget_masks()
        self.members = {}
        for agent in self.at:
            self._enrol(agent)

    def update(self, agent: Agent) -> None:
        """Take in a change of presence, state or used capacity."""
        bit = 1 << agent.index
        present = is_present(agent)
        self.present = self.present | bit if present else self.present & ~bit
        self.responding = self.responding & ~bit if agent.not_responding else self.responding | bit
        self.update_room(agent)

    def update_room(self, agent: Agent) -> None:
        """Take in a change of used capacity alone."""
        bit = self.bit[agent.id]
        listed = self._set_room(agent, bit) and bool(self.present & self.responding & bit)
        self.open = self.open | bit if listed else self.open & ~bit
        self._reorder(agent, listed=listed)

    def take_policy(self, policy: Policy) -> None:
        """Index everybody anew under another policy."""
        self.policy = policy
        self._terms = _terms(policy)
        self.changed()
        for agent in self.at:
            self.update(agent)

    def pool_mask(self, teams: Iterable[str]) -> int:
        """Return the bit set of active agents in any of `teams`."""
        mask = 0
        for team_id in teams:
            mask |= self.members.get(team_id, 0)
        return mask

    def somebody_there(self, team_id: str) -> bool:
        """Return whether anybody of the team is there, or comes back by itself from not responding."""
        there = self.members.get(team_id, 0) & self.present
        if there & self.responding or not there:
            return bool(there)
        return any(there >> agent.index & 1 and agent.not_responding_until < NEVER for agent in self.at)

    def ever_takes(self, agent: Agent, channel: Channel) -> bool:
        """Return whether `agent` has room for a contact on `channel` when nothing else runs."""
        terms = self.policy.channels[channel]
        return terms.cost <= agent.capacity and agent.channel_caps.get(channel.value, terms.cap) > 0

    def places(self, channel: Channel) -> dict[int, int]:
        """Return the bit sets of active agents by how many contacts on `channel` they can have at once; who
        takes none is in none.
        """
        found = self._places.get(channel)
        if found is None:
            found, terms = {}, self.policy.channels[channel]
            for agent in self.at:
                cap = agent.channel_caps.get(channel.value, terms.cap)
                count = min(cap, agent.capacity // terms.cost)
                if agent.active and count > 0:
                    found[count] = found.get(count, 0) | 1 << agent.index
            self._places[channel] = found
        return found

    def takers(self, channel: Channel) -> int:
        """Return the bit set of active agents who ever take contacts on `channel`."""
        return reduce(or_, self.places(channel).values(), 0)

    def skill_mask(self, skill: str, level: int) -> int:
        """Return the bit set of active agents with at least `level` in `skill`."""
        key = (skill, level)
        mask = self._skill_masks.get(key)
        if mask is None:
            mask = sum(1 << a.index for a in self.at if a.active and a.skills.get(skill, 0) >= max(level, 1))
            self._skill_masks[key] = mask
        return mask

    def language_mask(self, language: str) -> int:
        """Return the bit set of active agents who speak `language`."""
        mask = self._language_masks.get(language)
        if mask is None:
            mask = sum(1 << a.index for a in self.at if a.active and speaks(a.languages, language))
            self._language_masks[language] = mask
        return mask

    def _set_room(self, agent: Agent, bit: int) -> bool:
        """Note on which channels the agent has room; return whether on any."""
        room, left, any_room = self.room, agent.capacity - agent.used, False
        if left <= 0:
            for channel in room:
                room[channel] &= ~bit
            return False
        use, caps = agent.channel_use, agent.channel_caps
        least = 0 if agent.saves_channel is None else self.policy.channels[agent.saves_channel].cost
        calls = use.get("voice", 0) + use.get("callback", 0)
        for channel, cost, cap in self._terms:
            used = calls if channel in PHONE else use.get(channel, 0)
            if least <= cost <= left and used < (caps.get(channel, cap) if caps else cap):
                any_room = True
                room[channel] |= bit
            elif room[channel] & bit:
                room[channel] ^= bit
        return any_room

    def _forget_masks(self) -> None:
        self.version += 1
        self._skill_masks.clear()
        self._language_masks.clear()
        self._places.clear()

    def _enrol(self, agent: Agent) -> None:
        for team_id in agent.teams if agent.active else ():
            self.members[team_id] = self.members.get(team_id, 0) | 1 << agent.index

    def _reorder(self, agent: Agent, *, listed: bool) -> None:
        for team_id, key in self._order_keys.pop(agent.id, ()):
            order = self.order[team_id]
            del order[bisect_left(order, key)]
        if not listed:
            return
        keys = []
        for team_id in agent.teams:
            team = self.policy.teams.get(team_id)
            if team is not None:
                key = (*order_key(team.strategy, agent), agent.id)
                insort(self.order.setdefault(team_id, []), key)
                keys.append((team_id, key))
        self._order_keys[agent.id] = keys


def _terms(policy: Policy) -> tuple[tuple[Channel, int, int], ...]:
    return tuple((channel, terms.cost, terms.cap) for channel, terms in policy.channels.items())


def counted_with(channel: Channel) -> frozenset[Channel]:
    """Return the channels whose contacts the cap of `channel` counts."""
    return PHONE if channel in PHONE else frozenset((channel,))


def in_use(agent: Agent, channel: Channel) -> int:
    """Return how many contacts the agent has that the cap of `channel` counts."""
    return sum(agent.channel_use.get(each.value, 0) for each in counted_with(channel))


def is_present(agent: Agent) -> bool:
    """Return whether the agent is there for new offers, whatever runs at the moment."""
    return (
        agent.active
        and agent.presence is Presence.AVAILABLE
        and agent.next_presence is None
        and not agent.draining
    )


def speaks(languages: Iterable[str], wanted: str) -> bool:
    """Return whether `wanted` is among `languages`; who speaks de speaks de-AT, and the other way round."""
    base, _, region = wanted.partition("-")
    if region:
        return any(each in (wanted, base) for each in languages)
    return any(each.partition("-")[0] == base for each in languages)


def order_key(strategy: str, agent: Agent) -> tuple[float, float]:
    """Return what ranks `agent` under `strategy` whatever the contact; smaller goes first.

    Agents with more of their capacity left come first. `best_skilled` ranks by the contact's skills first
    (see `routing.selection`); this is its tie-break.
    """
    if strategy == "round_robin":
        return (agent.last_offer_at, agent.idle_since)
    if strategy == "least_occupied":
        return (agent.used / agent.capacity, agent.served_s)
    return (agent.used / agent.capacity, agent.idle_since)
