"""How agents' time is spent, as spans between changes: the ground of occupancy by time and by capacity."""

from __future__ import annotations

from routing.model import Agent, Presence, Span


def account(spans: list[Span], agent: Agent, at: float) -> None:
    """Hand out the agent's time up to `at`, then note what holds from now on."""
    span = running(agent, at)
    if span is not None:
        spans.append(span)
    agent.accounted_at = at
    agent.was_busy = agent.talking > 0 or agent.wrapping > 0
    agent.was_there = agent.active and agent.presence is Presence.AVAILABLE and not agent.not_responding
    agent.was_used = agent.used


def running(agent: Agent, now: float) -> Span | None:
    """Return the span that has not been handed out yet, or None where the agent is neither there nor busy."""
    if now <= agent.accounted_at or not (agent.was_there or agent.was_busy):
        return None
    team_id = agent.teams[0] if agent.teams else ""
    return Span(agent.id, team_id, agent.accounted_at, now, agent.was_busy, agent.was_used, agent.capacity)
