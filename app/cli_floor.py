"""`rondo floor`, `figures`, `waiting`, `why`: the lead's floor on the command line."""

from __future__ import annotations

from datetime import datetime, timedelta
from json import dumps
from typing import Annotated, Any, Final

import typer
from rich.markup import escape
from rich.table import Table

from app.cli_client import HOME, AsJson, Key, Url, ask, seconds, share
from app.cli_console import LineConsole
from routing.model import Channel

OneChannel = Annotated[Channel | None, typer.Option(help="Only this channel.")]
_WAITING: Final = ("queued", "offered")
_PAGE: Final = 200


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command("floor")(floor)
    app.command("close")(close)
    app.command("open")(open_)
    app.command("figures")(figures)
    app.command("waiting")(waiting)
    app.command("why")(why)


def floor(
    key: Key,
    url: Url = HOME,
    channel: OneChannel = None,
    as_json: AsJson = False,
) -> None:
    """Show every queue: who waits, how long, the day's service level, what the agents do."""
    query = {"channel": channel.value} if channel is not None else None
    queues = ask(url, key, "GET", "/v1/queues", query=query)["items"]
    if as_json:
        typer.echo(dumps(queues))
        return
    table = Table(
        *("queue", "hours", "waiting", "longest", "service level", "answered", "abandoned", "agents")
    )
    for queue in queues:
        day, agents = queue["today"], queue["agents"]
        doing = ", ".join(
            f"{count} {state}" for state, count in agents.items() if count and state not in _COUNTED
        )
        table.add_row(
            escape(queue["name"]),
            _standing(queue),
            str(queue["waiting"]),
            seconds(queue["longest_wait_s"]),
            f"{share(day['service_level']) or 'no data'} in {queue['target_s']:.0f} s",
            str(day["answered"]),
            str(day["abandoned"]),
            f"{agents['available']} of {agents['members']}" + (f": {doing}" if doing else ""),
        )
    LineConsole().print(table)


_HEADS: Final = ("queue", "hours", "waiting", "longest", "service level", "answered", "abandoned", "agents")
_COUNTED: Final = ("members", "available")


def close(
    team: Annotated[str, typer.Argument(help="The team's id.")],
    key: Key,
    url: Url = HOME,
    until: Annotated[
        str | None, typer.Option(help="As 2026-03-02T15:00:00Z; by default to the end of the day.")
    ] = None,
    because: Annotated[str, typer.Option(help="Why; kept with your name.")] = "",
) -> None:
    """Close a team now: calls and chats are turned away, callbacks put off; who waits is still served."""
    body = {"reason": because} | ({"until": until} if until is not None else {})
    _say_standing(ask(url, key, "POST", f"/v1/queues/{team}/close", body=body))


def open_(team: Annotated[str, typer.Argument(help="The team's id.")], key: Key, url: Url = HOME) -> None:
    """Let the hours of a team hold again that was closed by hand."""
    _say_standing(ask(url, key, "POST", f"/v1/queues/{team}/open"))


def _say_standing(queue: dict[str, Any]) -> None:
    LineConsole().print(escape(f"{queue['name']}: {_standing(queue)}"), highlight=False)


def _standing(queue: dict[str, Any]) -> str:
    if queue["open"]:
        return "open"
    opens_at = f" until {queue['opens_at'][:16].replace('T', ' ')} UTC" if queue["opens_at"] else ""
    return f"closed{' by hand' if queue['closed_by_hand'] else ''}{opens_at}"


def figures(
    team: Annotated[str, typer.Argument(help="The team's id.")],
    key: Key,
    url: Url = HOME,
    channel: OneChannel = None,
    by_interval: Annotated[
        bool, typer.Option("--by-interval", help="The last day, by quarter of an hour.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show a queue's figures of the day, variants included, and how well its waits are foretold."""
    query = {"channel": channel.value} if channel is not None else {}
    if by_interval:
        _intervals(url, key, team, query, as_json=as_json)
        return
    queue = ask(url, key, "GET", f"/v1/queues/{team}", query=query)
    books = ask(url, key, "GET", f"/v1/queues/{team}/estimates")["items"]
    books = [each for each in books if channel in (None, each["channel"])]
    if as_json:
        typer.echo(dumps({"queue": queue, "estimates": books}))
        return
    table = Table(f"{queue['name']} today", "", show_header=True)
    for name, value in queue["today"].items():
        table.add_row(name, _figure(name, value))
    LineConsole().print(table)
    if books:
        LineConsole().print(_estimates(books))


def _intervals(url: str, key: str, team: str, query: dict[str, Any], *, as_json: bool) -> None:
    """Show the figures of the intervals of the last day, by the service's clock."""
    now = datetime.fromisoformat(ask(url, key, "GET", "/v1/queues")["at"])
    times = {"start": (now - timedelta(days=1)).isoformat(), "end": now.isoformat()}
    found = ask(url, key, "GET", f"/v1/queues/{team}/intervals", query=query | times)["items"]
    if as_json:
        typer.echo(dumps(found))
        return
    table = Table("interval (UTC)", *_SHOWN_BY_INTERVAL)
    for each in found:
        told = (_figure(name, each[name]) for name in _SHOWN_BY_INTERVAL)
        table.add_row(each["starts_at"][:16].replace("T", " "), *told)
    LineConsole().print(table)


_SHOWN_BY_INTERVAL: Final = (
    "offered",
    "answered",
    "abandoned",
    "service_level",
    "asa_s",
    "wait_p90_s",
    "aht_s",
    "occupancy",
)


def _figure(name: str, value: float | None) -> str:
    if value is None:
        return "no data"
    if name.endswith("_s"):
        return seconds(value)
    return share(value) if isinstance(value, float) else str(value)


def _estimates(books: list[dict[str, Any]]) -> Table:
    table = Table("waits foretold", "by", "answered", "mean error", "recent error", "intervals that held")
    for book in books:
        for name, score in book["predictors"].items():
            served = name == book["served"]
            table.add_row(
                book["channel"],
                f"{name} (served)" if served else name,
                str(score["answered"]),
                seconds(score["mean_absolute_error_s"]),
                seconds(score["recent_error_s"]),
                _held(book["intervals"]) if served else "",
            )
    return table


def _held(intervals: dict[str, Any]) -> str:
    if not intervals["judged"]:
        return "no data"
    held = f"{share(intervals['coverage'])} of {intervals['judged']}, {share(intervals['meant'])} meant"
    return f"{held}, {seconds(intervals['mean_width_s'])} wide"


def waiting(
    key: Key,
    url: Url = HOME,
    team: Annotated[str | None, typer.Option(help="Only this team's queue.")] = None,
    channel: OneChannel = None,
    limit: Annotated[int, typer.Option(help="At most so many.", min=1, max=1000)] = 50,
    as_json: AsJson = False,
) -> None:
    """List who waits, the longest first, with place and expected wait; ids go with `rondo why` and `act`."""
    query: dict[str, Any] = {"state": _WAITING, "limit": _PAGE}
    query |= {"team": team} if team is not None else {}
    query |= {"channel": channel.value} if channel is not None else {}
    listed = sorted(_listed(url, key, query), key=lambda each: (each["enqueued_at"], each["id"]))
    found = [ask(url, key, "GET", f"/v1/contacts/{each['id']}") for each in listed[:limit]]
    found = [each for each in found if each["state"] in _WAITING]
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
            f"{seconds(wait['wait_s'])} ({seconds(wait['low_s'])} to {seconds(wait['high_s'])})"
            if wait
            else "",
            escape(", ".join(offer["agent"]["name"] for offer in each["offers"])),
        )
    console = LineConsole()
    console.print(table)
    if len(listed) > limit:
        console.print(f"and {len(listed) - limit} more", highlight=False)


def _listed(url: str, key: str, query: dict[str, Any]) -> list[dict[str, Any]]:
    """Return all contacts of a list, page by page."""
    found: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        page = ask(url, key, "GET", "/v1/contacts", query=query | ({"cursor": cursor} if cursor else {}))
        found += page["items"]
        cursor = page["next"]
    return found


def why(
    contact: Annotated[int, typer.Argument(help="The contact's id.", min=1)],
    key: Key,
    url: Url = HOME,
    as_json: AsJson = False,
) -> None:
    """Say why a contact went where it went, or why it still waits and what would change that."""
    found = ask(url, key, "GET", f"/v1/contacts/{contact}/why")
    if as_json:
        typer.echo(dumps(found))
        return
    console = LineConsole()
    for sentence in found["sentences"]:
        console.print(escape(sentence), highlight=False)
