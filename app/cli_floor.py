"""`rondo floor`, `waiting`, `why`, `act`: the lead's floor on the command line, from a running service."""

from __future__ import annotations

from enum import StrEnum
from json import dumps
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

# httpx is imported where it is used: every `rondo` command loads this module.

Url = Annotated[
    str, typer.Option(help="The running service.", envvar="RONDO_URL", show_envvar=True, show_default=True)
]
Key = Annotated[str, typer.Option(help="Its API key.", envvar="RONDO_KEY", show_envvar=True)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
HOME: Final = "http://127.0.0.1:8080"
_TIMEOUT_S: Final = 10.0
_FAILED: Final = 1


class Act(StrEnum):
    """What a lead may do to a waiting contact."""

    PRIORITY = "priority"
    MOVE = "move"
    ASSIGN = "assign"
    CANCEL = "cancel"


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command("floor")(floor)
    app.command("waiting")(waiting)
    app.command("why")(why)
    app.command("act")(act)


def floor(key: Key, url: Url = HOME, as_json: AsJson = False) -> None:
    """Show every queue: who waits, how long, the day's service level, what the agents do."""
    queues = _ask(url, key, "GET", "/v1/queues")["items"]
    if as_json:
        typer.echo(dumps(queues))
        return
    table = Table(*("queue", "waiting", "longest", "service level", "answered", "abandoned", "agents"))
    for queue in queues:
        day, agents = queue["today"], queue["agents"]
        doing = ", ".join(
            f"{count} {state}" for state, count in agents.items() if count and state not in _COUNTED
        )
        table.add_row(
            escape(queue["name"]),
            str(queue["waiting"]),
            _seconds(queue["longest_wait_s"]),
            f"{_share(day['service_level'])} in {queue['target_s']:.0f} s",
            str(day["answered"]),
            str(day["abandoned"]),
            f"{agents['available']} of {agents['members']}" + (f": {doing}" if doing else ""),
        )
    Console().print(table)


_COUNTED: Final = ("members", "available")


def waiting(
    key: Key,
    url: Url = HOME,
    team: Annotated[str | None, typer.Option(help="Only this team's queue.")] = None,
    limit: Annotated[int, typer.Option(help="At most so many.", min=1, max=200)] = 50,
    as_json: AsJson = False,
) -> None:
    """List who waits, with place and expected wait; the ids go with `rondo why` and `rondo act`."""
    query: dict[str, Any] = {"state": ["queued", "offered"], "limit": limit}
    if team is not None:
        query["team"] = team
    listed = _ask(url, key, "GET", "/v1/contacts", query=query)["items"]
    found = [_ask(url, key, "GET", f"/v1/contacts/{each['id']}") for each in reversed(listed)]
    found = [each for each in found if each["state"] in query["state"]]
    if as_json:
        typer.echo(dumps(found))
        return
    table = Table(*("contact", "team", "channel", "since", "priority", "place", "expected wait", "asked"))
    for each in found:
        wait = each["estimated_wait"]
        table.add_row(
            str(each["id"]),
            escape(each["team"]),
            each["channel"],
            each["enqueued_at"][11:19],
            str(each["priority"]),
            str(each["position"] or ""),
            f"{_seconds(wait['wait_s'])} ({_seconds(wait['low_s'])} to {_seconds(wait['high_s'])})"
            if wait
            else "",
            escape(", ".join(offer["agent"]["name"] for offer in each["offers"])),
        )
    Console().print(table)


def why(
    contact: Annotated[int, typer.Argument(help="The contact's id.", min=1)],
    key: Key,
    url: Url = HOME,
    as_json: AsJson = False,
) -> None:
    """Say why a contact went where it went, or why it still waits and what would change that."""
    found = _ask(url, key, "GET", f"/v1/contacts/{contact}/why")
    if as_json:
        typer.echo(dumps(found))
        return
    console = Console()
    for sentence in found["sentences"]:
        console.print(escape(sentence), highlight=False)


def act(
    what: Annotated[Act, typer.Argument(help="What to do.")],
    contact: Annotated[int, typer.Argument(help="The waiting contact's id.", min=1)],
    value: Annotated[str, typer.Argument(help="The priority, the team or the agent.")] = "",
    *,
    key: Key,
    url: Url = HOME,
) -> None:
    """Change a waiting contact's priority, move it to a team, offer it to an agent, or cancel it."""
    body: dict[str, Any] = {}
    if what is Act.PRIORITY:
        if not value.isdecimal():
            raise typer.BadParameter("priority wants a number", param_hint="VALUE")
        body = {"priority": int(value)}
    elif what is not Act.CANCEL:
        if not value:
            raise typer.BadParameter(f"{what} wants the id of {_WANTS[what]}", param_hint="VALUE")
        body = {_WANTS[what].split()[1]: value}
    found = _ask(url, key, "POST", f"/v1/contacts/{contact}/{what}", body=body)
    asked = ", ".join(offer["agent"]["name"] for offer in found["offers"])
    place = f"place {found['position']} for {found['team']}" if found["position"] else found["state"]
    Console().print(escape(f"Contact {contact}: {place}" + (f", {asked} is asked" if asked else "")))


_WANTS: Final = {Act.MOVE: "a team", Act.ASSIGN: "an agent"}


def _ask(
    url: str,
    key: str,
    method: str,
    path: str,
    *,
    query: dict[str, Any] | None = None,
    body: dict[str, Any] | None = None,
) -> Any:
    """Return the service's answer; a refusal is told in its own words and ends the command with 1."""
    import httpx  # noqa: PLC0415

    err = Console(stderr=True)
    try:
        answer = httpx.request(
            method,
            url.rstrip("/") + path,
            params=query,
            json=body,
            headers={"Authorization": f"Bearer {key}"},
            timeout=_TIMEOUT_S,
        )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        err.print(escape(f"No answer from {url}: {error}"))
        raise typer.Exit(_FAILED) from None
    if not answer.is_success:
        problem = answer.json() if "json" in answer.headers.get("content-type", "") else {}
        told = problem.get("detail") or problem.get("title") or f"status {answer.status_code}"
        err.print(escape(f"{told}"))
        raise typer.Exit(_FAILED)
    return answer.json()


def _seconds(value: float | None) -> str:
    if value is None:
        return ""
    minutes, seconds = divmod(round(value), 60)
    return f"{minutes}:{seconds:02}"


def _share(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f} %"
