"""Agents come, go, change, and a new policy is published."""

from __future__ import annotations

from routing import commands as cmd
from routing.events import AgentPut, AgentResponding, AgentSeen, PolicyPublished, PresenceChanged
from routing.floor import Floor
from routing.lookup import check_team, get_agent
from routing.model import SKILL_LEVEL_MAX, Agent, Channel, ContactState, OfferState, Presence
from routing.policy import lint
from routing.queueing import revoke_pending, stop_preferring
from routing.refused import Code, RefusedError
from routing.staff_index import in_use
from routing.turn import Turn


def set_presence(turn: Turn, command: cmd.SetPresence) -> None:
    """Change presence at once, or after the running work when that has to be finished first.

    Pending offers are revoked when the agent leaves; that never counts against the agent.
    """
    agent = get_agent(turn.floor, command.agent_id)
    if not agent.active:
        raise RefusedError(Code.WRONG_STATE, f"{agent.name} is not active any more.", "agent_id")
    leaves = command.presence is not Presence.AVAILABLE
    waits = leaves and not command.at_once and bool(agent.talking or agent.wrapping)
    if agent.not_responding:
        turn.emit(AgentResponding(at=turn.now, actor=turn.actor, reason="presence set", agent_id=agent.id))
    turn.emit(
        PresenceChanged(
            at=turn.now,
            actor=turn.actor,
            reason=command.reason,
            agent_id=agent.id,
            presence=agent.presence if waits else command.presence,
            next_presence=command.presence if waits else None,
        )
    )
    if leaves:
        _leave(turn, agent)


def heartbeat(turn: Turn, command: cmd.Heartbeat) -> None:
    """Note that the agent's device is there; one that had gone silent is back."""
    agent = get_agent(turn.floor, command.agent_id)
    turn.emit(AgentSeen(at=turn.now, actor=turn.actor, agent_id=agent.id))
    if agent.silent:
        turn.emit(AgentResponding(at=turn.now, actor=turn.actor, reason="heartbeat", agent_id=agent.id))


def drain(turn: Turn, command: cmd.Drain) -> None:
    """No new offers; offline once the running work is done."""
    agent = get_agent(turn.floor, command.agent_id)
    busy = bool(agent.talking or agent.wrapping)
    turn.emit(
        PresenceChanged(
            at=turn.now,
            actor=turn.actor,
            reason="drain",
            agent_id=agent.id,
            presence=agent.presence if busy else Presence.OFFLINE,
            next_presence=Presence.OFFLINE if busy else None,
            draining=busy,
        )
    )
    _leave(turn, agent)


def put_agent(turn: Turn, command: cmd.PutAgent) -> None:
    """Create or change an agent; leads must stay active while a team names them."""
    floor, agent = turn.floor, command.agent
    for team_id in agent.teams:
        check_team(floor, team_id, field="teams")
    if any(not 1 <= level <= SKILL_LEVEL_MAX for level in agent.skills.values()):
        raise RefusedError(Code.INVALID_VALUE, f"Skill levels go from 1 to {SKILL_LEVEL_MAX}.", "skills")
    if agent.capacity < 1:
        raise RefusedError(Code.INVALID_VALUE, "Capacity must be at least 1.", "capacity")
    leads = [team.id for team in floor.policy.teams.values() if team.lead_id == agent.id]
    if not agent.active and leads:
        raise RefusedError(
            Code.WRONG_STATE, f"{agent.name} leads {', '.join(leads)}; name another lead first.", "active"
        )
    known = floor.agents.get(agent.id)
    if known is not None:
        _check_running(floor, known, agent)
    turn.emit(AgentPut(at=turn.now, actor=turn.actor, agent=_profile(agent)))
    known = floor.agents[agent.id]
    if not known.active:
        _leave(turn, known)
    elif known.used > known.capacity or _above_a_cap(floor, known):
        revoke_pending(turn, known, reason="capacity_lowered")


def publish_policy(turn: Turn, command: cmd.PublishPolicy) -> None:
    """Put a policy in force unless it has faults; teams that still have waiting contacts must stay."""
    floor, policy = turn.floor, command.policy
    findings = lint(policy, {agent.id for agent in floor.agents.values() if agent.active})
    if findings:
        listed = "; ".join(f"{each.path}: {each.problem}" for each in findings)
        raise RefusedError(
            Code.INVALID_POLICY, listed, findings[0].path, findings=[[f.path, f.problem] for f in findings]
        )
    if policy.version <= floor.policy.version and floor.policy.teams:
        raise RefusedError(
            Code.INVALID_POLICY, f"The version must be above {floor.policy.version}.", "version"
        )
    live = {c.team_id for c in floor.contacts.values() if c.state is not ContactState.WRAP_UP}
    live |= {offer.team_id for offer in floor.offers.values()}
    gone = sorted(live - set(policy.teams))
    if gone:
        raise RefusedError(
            Code.INVALID_POLICY, f"Contacts are still open for {', '.join(gone)}; move them first.", "teams"
        )
    turn.emit(PolicyPublished(at=turn.now, actor=turn.actor, reason=command.reason, policy=policy))
    for agent in floor.agents.values():
        if agent.silent and policy.heartbeat_s is None:
            turn.emit(
                AgentResponding(at=turn.now, actor=turn.actor, reason="no heartbeats", agent_id=agent.id)
            )
        if agent.pending and _above_a_cap(floor, agent):
            revoke_pending(turn, agent, reason="capacity_lowered")


def _above_a_cap(floor: Floor, agent: Agent) -> bool:
    channels = floor.policy.channels
    return any(
        used and in_use(agent, Channel(name)) > agent.channel_caps.get(name, channels[Channel(name)].cap)
        for name, used in agent.channel_use.items()
    )


def _leave(turn: Turn, agent: Agent) -> None:
    revoke_pending(turn, agent, reason="agent_left")
    stop_preferring(turn, agent, reason="agent_left")


def _profile(agent: Agent) -> Agent:
    """Return only what PutAgent may set, with each team once."""
    return Agent(
        id=agent.id,
        name=agent.name,
        teams=tuple(dict.fromkeys(agent.teams)),
        skills=agent.skills,
        languages=agent.languages,
        capacity=agent.capacity,
        channel_caps=agent.channel_caps,
        active=agent.active,
    )


def _check_running(floor: Floor, known: Agent, wanted: Agent) -> None:
    running = sum(
        floor.offers[i].cost for i in known.offer_ids if floor.offers[i].state is OfferState.ACCEPTED
    )
    if wanted.capacity < running:
        raise RefusedError(
            Code.WRONG_STATE,
            f"{known.name} has work of {running} running; lower the capacity when it is done.",
            "capacity",
        )
