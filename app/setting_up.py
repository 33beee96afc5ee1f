"""Set a new database up: the ready organisation and a key for each role."""

from __future__ import annotations

from app.auth import ROLES
from app.house import House
from app.main import open_house
from app.preset import preset_agents, preset_policy
from app.settings import Settings
from routing.commands import PublishPolicy, PutAgent
from routing.hours import Hours


async def set_up(settings: Settings) -> dict[str, str]:
    """Create agents, policy and keys where they are missing; return the new keys' secrets by role.

    Keys are made anew at each call: only their hashes are stored.
    """
    async with open_house(settings) as house:
        await put_organisation(house)
        return {role: (await house.keyring.create_key(role, scopes))[1] for role, scopes in ROLES.items()}


async def put_organisation(house: House, *, hours: Hours | None = None) -> None:
    """Create the ready organisation's agents and policy, unless a policy is in force.

    Its teams are open in `hours`; always, where none are given.
    """
    board = house.switchboard
    if board.policy.version > 0:
        return
    leads, agents = preset_agents()[:4], preset_agents()[4:]
    for lead in leads:
        await board.submit(PutAgent(actor="set-up", agent=lead), lambda *_: None)
    await board.submit(PublishPolicy(actor="set-up", policy=preset_policy(hours=hours)), lambda *_: None)
    for agent in agents:
        await board.submit(PutAgent(actor="set-up", agent=agent), lambda *_: None)
