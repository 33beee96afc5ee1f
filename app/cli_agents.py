"""`rondo agents`, `presence`, `drain`, `heartbeat`: the agents of a running service on the command line."""

from __future__ import annotations

from json import dumps
from typing import Annotated, Any, Final

import typer
from rich.markup import escape
from rich.table import Table

from app.cli_client import HOME, AsJson, Key, Url, ask
from app.cli_console import LineConsole
from routing.model import Presence

AgentId = Annotated[str, typer.Argument(help="The agent's id.")]
_ASKED: Final = (
    ("accepted", "accepted"),
    ("declined", "declined"),
    ("unanswered", "unanswered"),
    ("customer_gone", "customer left first"),
)


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command("agents")(agents)
    app.command("presence")(presence)
    app.command("drain")(drain)
    app.command("heartbeat")(heartbeat)


def agents(
    key: Key,
    url: Url = HOME,
    team: Annotated[str | None, typer.Option(help="Only this team's.")] = None,
    everybody: Annotated[bool, typer.Option("--all", help="Also who is offline.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the agents who are there: presence, state, capacity, what became of their offers."""
    found = [each for each in _all(url, key, team) if everybody or each["presence"] != "offline"]
    if as_json:
        typer.echo(dumps(found))
        return
    table = Table(*("agent", "id", "presence", "state", "since", "capacity used", "offers since signing on"))
    for each in found:
        asked = ", ".join(f"{each['asked'][name]} {said}" for name, said in _ASKED if each["asked"][name])
        table.add_row(
            escape(each["name"]),
            escape(each["id"]),
            _presence(each),
            each["state"].replace("_", " "),
            each["state_since"][11:19] if each["state_since"] else "",
            f"{each['used']} of {each['capacity']}",
            asked,
        )
    LineConsole().print(table)


def presence(
    agent: AgentId,
    becomes: Annotated[Presence, typer.Argument(help="What the agent is from now on.")],
    *,
    reason: Annotated[str, typer.Option(help="Why, as others shall read it.")] = "",
    at_once: Annotated[bool, typer.Option("--at-once", help="Don't finish running work first.")] = False,
    key: Key,
    url: Url = HOME,
) -> None:
    """Set an agent's presence; while busy it follows the running work."""
    body = {"presence": becomes.value, "reason": reason, "at_once": at_once}
    _say(ask(url, key, "PUT", f"/v1/agents/{agent}/presence", body=body))


def drain(agent: AgentId, key: Key, url: Url = HOME) -> None:
    """Give an agent no new offers; offline once the running work is done."""
    _say(ask(url, key, "POST", f"/v1/agents/{agent}/drain"))


def heartbeat(agent: AgentId, key: Key, url: Url = HOME) -> None:
    """Say that an agent's device is still there, as a telephony system does; silence takes the agent out."""
    _say(ask(url, key, "POST", f"/v1/agents/{agent}/heartbeat"))


def _all(url: str, key: str, team: str | None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    after: str | None = ""
    while after is not None:
        query = {"after": after} | ({"team": team} if team is not None else {})
        page = ask(url, key, "GET", "/v1/agents", query=query)
        found += page["items"]
        after = page["next"]
    return found


def _presence(agent: dict[str, Any]) -> str:
    return escape((agent["presence_reason"] or agent["presence"]) + _then(agent))


def _say(agent: dict[str, Any]) -> None:
    LineConsole().print(escape(f"{agent['name']}: {agent['presence']}{_then(agent)}"))


def _then(agent: dict[str, Any]) -> str:
    return f", then {agent['next_presence']}" if agent["next_presence"] else ""
