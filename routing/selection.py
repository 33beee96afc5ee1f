"""Which of the agents who may take a contact gets it, by the strategy of its team.

Agents of the contact's own team go before those a relaxation step added. Ties end with the agent's id.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from routing.floor import Floor
from routing.model import Agent, Contact
from routing.staff_index import order_key

TERMS: Final = {
    "longest_idle": ("outside_team", "used_share", "idle_since"),
    "best_skilled": ("outside_team", "skill_levels_negative", "used_share", "idle_since"),
    "least_occupied": ("outside_team", "used_share", "served_s"),
    "round_robin": ("outside_team", "last_offer_at", "idle_since"),
}
"""What the numbers in a candidate's key mean, by strategy; smaller goes first, then the agent's id."""

_FEW: Final = 24


def choose(floor: Floor, contact: Contact, mask: int, count: int) -> list[Agent]:
    """Return up to `count` agents out of the bit set `mask`, best first."""
    if not mask:
        return []
    team = floor.team(contact.team_id)
    order = floor.staff.order.get(team.id, ())
    few = mask.bit_count() <= _FEW and len(order) > _FEW
    if team.strategy == "best_skilled" or contact.step != 0 or few:
        return sorted(_members(floor, mask), key=lambda agent: rank(floor, contact, agent))[:count]
    chosen: list[Agent] = []
    for *_, agent_id in order:
        if floor.staff.bit[agent_id] & mask:
            chosen.append(floor.agents[agent_id])
            if len(chosen) == count:
                break
    return chosen


def rank(floor: Floor, contact: Contact, agent: Agent) -> tuple[float | str, ...]:
    """Return the key by which `agent` is chosen for `contact` (smallest first), its terms in order."""
    team = floor.team(contact.team_id)
    outside = 0.0 if team.id in agent.teams else 1.0
    if team.strategy == "best_skilled":
        levels = sum(agent.skills.get(need.skill, 0) for need in contact.skills)
        return (outside, float(-levels), *order_key(team.strategy, agent), agent.id)
    return (outside, *order_key(team.strategy, agent), agent.id)


def _members(floor: Floor, mask: int) -> Iterator[Agent]:
    while mask:
        low = mask & -mask
        yield floor.staff.at[low.bit_length() - 1]
        mask ^= low
