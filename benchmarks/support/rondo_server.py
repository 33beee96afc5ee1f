"""`python -m benchmarks.support.rondo_server PORT URL KEYFILE [AGENTS TEAMS WORKER]`: Rondo with agents."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.auth import ROLES
from app.cli import serve_forever
from app.db.migrate import migrate
from app.main import open_house
from app.settings import Settings
from routing.commands import PublishPolicy, PutAgent, SetPresence
from routing.model import Agent, Presence
from routing.policy import Policy, TeamPolicy


async def furnish(settings: Settings, *, agents: int, teams: int) -> str:
    """Create teams and agents once, and a key; return its secret."""
    async with open_house(settings) as house:
        board = house.switchboard
        if board.policy.version == 0:
            names = [f"team{i}" for i in range(teams)]
            policy = Policy(
                version=1,
                teams={
                    name: TeamPolicy(id=name, name=name, lead_id="lead", wrap_up_s=0.0, owner_preferred_s=0.0)
                    for name in names
                },
                fallback_team=names[0],
            )
            await board.submit(PutAgent(actor="bench", agent=Agent(id="lead", name="Lead")), _nothing)
            await board.submit(PublishPolicy(actor="bench", policy=policy), _nothing)
            for i in range(agents):
                agent = Agent(id=f"agent{i}", name=f"Agent {i}", teams=(names[i % teams],))
                await board.submit(PutAgent(actor="bench", agent=agent), _nothing)
                there = SetPresence(actor="bench", agent_id=agent.id, presence=Presence.AVAILABLE)
                await board.submit(there, _nothing)
        _, secret = await house.keyring.create_key("bench", ROLES["admin"])
        return secret


def _nothing(*_: object) -> None:
    return None


def run(arguments: Sequence[str]) -> None:
    """Furnish and serve as the command line's arguments say."""
    port, url, keyfile = int(arguments[1]), arguments[2], Path(arguments[3])
    agents = int(arguments[4]) if len(arguments) > 4 else 400
    teams = int(arguments[5]) if len(arguments) > 5 else 4
    worker: Any = arguments[6] if len(arguments) > 6 else "off"
    chosen = Settings(database_url=url, port=port, worker=worker, scheduler=False, log_level="error")
    migrate(url)
    keyfile.write_text(asyncio.run(furnish(chosen, agents=agents, teams=teams)))
    serve_forever(chosen)


if __name__ == "__main__":
    run(sys.argv)
