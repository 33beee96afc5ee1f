"""Decides what becomes of drawn contacts where one queue and agents who are alike are all there is.

The same log as `floor_run`, from `single_team`, for scenarios in which routing has nothing to choose.
"""

from collections.abc import Sequence

import numpy as np

from routing.model import Channel
from routing.policy import ChannelPolicy
from staffing.simulation.floor_run import (
    ABANDONED,
    ANSWERED,
    LOST,
    SHORT,
    WAITING,
    FloorLog,
    Stays,
    Work,
    ended_at,
)
from staffing.simulation.scenario import Scenario, Shift, available
from staffing.simulation.single_team import waits_by_spells
from staffing.simulation.traffic import Drawn


def run_queue(scenario: Scenario, drawn: Drawn, shifts: Sequence[tuple[Shift, ...]]) -> FloorLog:
    """Return what happens when the drawn contacts meet the workers; arguments as for `run_floor`."""
    kind = scenario.traffic[0]
    team = scenario.policy.teams[kind.team_id]
    longest_s = team.max_wait_s.get(kind.channel, _terms(scenario).max_wait_s)
    staff = [[spell for shift in worked for spell in available(shift)] for worked in shifts]
    limit_s = np.minimum(drawn.patience_s, longest_s)
    found = waits_by_spells(drawn.arrive_at, drawn.handle_s, limit_s, staff)
    end_at = ended_at(scenario, shifts)
    wait_s = np.minimum(found.wait_s, end_at - drawn.arrive_at)
    lost = np.where(drawn.patience_s < longest_s, ABANDONED, LOST)
    lost = np.where((lost == ABANDONED) & (wait_s < team.short_abandon_s), SHORT, lost)
    lost = np.where(found.wait_s > wait_s, WAITING, lost)
    agent = np.zeros(0, dtype=np.int64) if found.agent is None else found.agent
    served = found.answered & (found.wait_s <= wait_s)
    begun = (drawn.arrive_at + found.wait_s)[served]
    first = len(scenario.agents) - len(scenario.workers)
    position = list(scenario.policy.teams).index(kind.team_id)
    return FloorLog(
        Stays(
            contact=np.arange(len(wait_s), dtype=np.int64),
            kind=np.zeros(len(wait_s), dtype=np.int64),
            team=np.full(len(wait_s), position, dtype=np.int64),
            since=drawn.arrive_at,
            wait_s=wait_s,
            outcome=np.where(served, ANSWERED, lost).astype(np.int64),
        ),
        Work(
            agent=first + agent[served],
            since=begun,
            until=np.minimum(begun + drawn.handle_s[served], end_at),
            cost=np.full(len(begun), float(_terms(scenario).cost)),
        ),
    )


def needs_floor(scenario: Scenario) -> str:
    """Return what in a scenario the fast queue does not know, or "" when both give the same answer."""
    if len(scenario.traffic) != 1:
        return "several kinds of contacts"
    kind, policy = scenario.traffic[0], scenario.policy
    team = policy.teams[kind.team_id]
    if any(worker.agent.teams != (kind.team_id,) for worker in scenario.workers):
        return "agents of other teams"
    if kind.skills or kind.language is not None:
        return "skills or languages"
    if any(worker.agent.channel_caps for worker in scenario.workers) or _terms(scenario).cap != 1:
        return "several contacts at a time"
    if team.strategy != "longest_idle" or team.broadcast != 1:
        return f"strategy {team.strategy}, broadcast to {team.broadcast}"
    if team.steps or team.hours or team.max_waiting is not None or team.reject_without_agents:
        return "steps, hours or a limit of the queue"
    if kind.within_s is not None:
        return "work that can wait"
    if kind.answer_s > 0 or kind.wrap_up_share > 0 or kind.slowdown > 0:
        return "ringing, wrap-up by itself or slowdown"
    return ""


def _terms(scenario: Scenario) -> ChannelPolicy:
    return scenario.policy.channels[Channel(scenario.traffic[0].channel)]
