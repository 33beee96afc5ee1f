"""Agents, teams and instants as sentences name them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from routing.floor import Floor
from routing.model import NEVER

_NAMED: Final = 8
_HOUR_S: Final = 3600.0


def name_of(floor: Floor, agent_id: str | None) -> str:
    """Return an agent's name, or the id where there is none."""
    agent = floor.agents.get(agent_id or "")
    return agent.name if agent is not None else str(agent_id)


def names_of(floor: Floor, agent_ids: Sequence[str]) -> str:
    """Return the agents' names as a list in words, the many left out as a number."""
    shown = [name_of(floor, each) for each in agent_ids[:_NAMED]]
    more = len(agent_ids) - len(shown)
    if more > 0:
        shown.append(f"{more} more")
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def team_name(floor: Floor, team_id: str) -> str:
    """Return a team's name, or the id where there is none."""
    team = floor.policy.teams.get(team_id)
    return team.name if team is not None else team_id


def when(floor: Floor, at: float, now: float) -> str:
    """Return how far away `at` is, or the local time of the site where that is hours."""
    ahead_s = max(at - now, 0.0)
    if at >= NEVER:
        return "never"
    if ahead_s < _HOUR_S:
        return f"in {ahead_s:.0f} s" if ahead_s < 120 else f"in {ahead_s / 60:.0f} min"
    return f"on {datetime.fromtimestamp(at, ZoneInfo(floor.policy.site.time_zone)):%A %d %B at %H:%M}"
