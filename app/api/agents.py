"""Agents: who they are, and their presence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import Response

from app.api import bodies
from app.api.answers import agent_json, encode
from app.api.hot import Call, hot, idempotency_key
from app.auth import Principal, requires
from app.batch import Answer, Errand, for_command
from app.errors import NotFoundError
from app.handing_over import hand_over
from app.house import House, house_of
from routing import commands as cmd
from routing import events as ev
from routing.floor import Floor
from routing.model import Agent, AgentState, Presence

router = APIRouter(prefix="/v1/agents", tags=["agents"])

AgentId = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]*$", max_length=64)]


def _answer(agent_id: str, status: int = 200) -> Any:
    def view(floor: Floor, _: Sequence[ev.Event]) -> Answer:
        return Answer(status, encode(agent_json(floor.agents[agent_id])))

    return view


@hot(
    "PUT",
    "/v1/agents/{agent_id}/presence",
    scope="presence:write",
    body=bodies.NewPresence,
    summary="Change presence; while busy it follows the running work unless `at_once`.",
)
def set_presence(house: House, who: Principal, call: Call, given: bodies.NewPresence) -> Errand:
    """Change presence."""
    agent_id = call.parameter
    who.require_agent(agent_id)
    command = cmd.SetPresence(
        actor=who.actor,
        agent_id=agent_id,
        presence=given.presence,
        reason=given.reason,
        at_once=given.at_once,
    )
    return for_command(command, _answer(agent_id), key=idempotency_key(call, who))


@hot(
    "POST",
    "/v1/agents/{agent_id}/heartbeat",
    scope="presence:write",
    body=None,
    summary="The agent's desktop or phone is still there.",
)
def heartbeat(house: House, who: Principal, call: Call, _: None) -> Errand:
    """The agent's device is still there."""
    agent_id = call.parameter
    who.require_agent(agent_id)
    return for_command(cmd.Heartbeat(actor=who.actor, agent_id=agent_id), _answer(agent_id))


@hot(
    "POST",
    "/v1/agents/{agent_id}/drain",
    scope="presence:write",
    body=None,
    summary="Finish what runs, get no new offers, then go offline.",
)
def drain(house: House, who: Principal, call: Call, _: None) -> Errand:
    """Finish what runs, then go offline."""
    agent_id = call.parameter
    who.require_agent(agent_id)
    return for_command(cmd.Drain(actor=who.actor, agent_id=agent_id), _answer(agent_id))


@router.put("/{agent_id}", summary="Create or change an agent.")
async def put_agent(
    request: Request,
    agent_id: AgentId,
    given: bodies.AgentRecord,
    who: Annotated[Principal, Depends(requires("agents:write"))],
) -> Response:
    """Create or change an agent; the answer is the agent as it now stands.

    Open tickets of an agent who is not active any more fall to the leads of their teams.
    """
    agent = Agent(
        id=agent_id,
        name=given.name,
        teams=given.teams,
        skills=dict(given.skills),
        languages=given.languages,
        capacity=given.capacity,
        channel_caps={channel.value: cap for channel, cap in given.channel_caps.items()},
        active=given.active,
    )
    house = house_of(request)
    answer: Answer = await house.switchboard.submit(
        cmd.PutAgent(actor=who.actor, agent=agent), _answer(agent_id)
    )
    if not given.active:
        await hand_over(house, who.actor, agent_id, reason="agent_left", which=lambda _: True)
    return Response(answer.body, answer.status, media_type="application/json")


@router.get("", summary="List agents, by id.")
async def list_agents(
    request: Request,
    _: Annotated[Principal, Depends(requires("agents:read"))],
    team: str | None = None,
    presence: Presence | None = None,
    state: AgentState | None = None,
    after: str = "",
) -> dict[str, Any]:
    """List up to 200 agents after the id `after`."""

    def view(floor: Floor) -> list[dict[str, Any]]:
        return [
            agent_json(agent)
            for agent_id, agent in sorted(floor.agents.items())
            if agent_id > after
            and (team is None or team in agent.teams)
            and (presence is None or agent.presence is presence)
            and (state is None or agent.state is state)
        ][:201]

    found = await house_of(request).switchboard.read(view)
    return {"items": found[:200], "next": found[199]["id"] if len(found) > 200 else None}


@router.get("/{agent_id}", summary="One agent, as it stands now.")
async def get_agent(
    request: Request, agent_id: AgentId, _: Annotated[Principal, Depends(requires("agents:read"))]
) -> dict[str, Any]:
    """Return one agent."""

    def view(floor: Floor) -> dict[str, Any] | None:
        agent = floor.agents.get(agent_id)
        return agent_json(agent) if agent is not None else None

    found: dict[str, Any] | None = await house_of(request).switchboard.read(view)
    if found is None:
        raise NotFoundError(f"There is no agent {agent_id!r}.")
    return found
