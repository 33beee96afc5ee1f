"""`rondo events`, `tickets`, `ticket`: what has happened, and who answers for what, at a running service."""

from __future__ import annotations

from collections.abc import Iterator
from json import dumps, loads
from typing import Annotated, Any, Final

import typer
from rich.markup import escape
from rich.table import Table

from app.cli_client import HOME, AsJson, Key, Url, ask, following
from app.cli_console import LineConsole
from routing.model import TicketState

_PAGE: Final = 500


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command("events")(events)
    app.command("tickets")(tickets)
    app.command("ticket")(ticket)


def events(
    key: Key,
    url: Url = HOME,
    contact: Annotated[int | None, typer.Option(help="Only this contact's.", min=1)] = None,
    after: Annotated[int | None, typer.Option(help="Those after this number.", min=0)] = None,
    kind: Annotated[list[str] | None, typer.Option(help="Only this kind; may be repeated.")] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Wait for more, until Ctrl-C.")] = False,
) -> None:
    """Print events as they are in the log, one JSON object a line, oldest first; `seq` is the number.

    Without `--contact` and `--after` those from now on, as they happen.
    """
    if contact is not None:
        found: Iterator[dict[str, Any]] = iter(
            ask(url, key, "GET", f"/v1/contacts/{contact}/events")["items"]
        )
    elif follow or after is None:
        query = {"kind": kind or []} | ({"after": after} if after is not None else {})
        found = ({"seq": int(seq), **loads(data)} for seq, data in following(url, key, "/v1/events", query))
    else:
        found = _past(url, key, after)
    try:
        for each in found:
            if not kind or each["kind"] in kind:
                typer.echo(dumps(each))
    except KeyboardInterrupt:
        return


def tickets(
    key: Key,
    url: Url = HOME,
    team: Annotated[str | None, typer.Option(help="Only this team's.")] = None,
    owner: Annotated[str | None, typer.Option(help="Only those that this agent answers for.")] = None,
    state: Annotated[list[TicketState] | None, typer.Option(help="In this state; may be repeated.")] = None,
    limit: Annotated[int, typer.Option(help="At most so many.", min=1, max=200)] = 50,
    as_json: AsJson = False,
) -> None:
    """List tickets, newest first; without `--state` those that are not closed."""
    wanted = state or [each for each in TicketState if each is not TicketState.CLOSED]
    query: dict[str, Any] = {"state": [each.value for each in wanted], "limit": limit}
    query |= {name: value for name, value in (("team", team), ("owner", owner)) if value is not None}
    found = ask(url, key, "GET", "/v1/tickets", query=query)["items"]
    if as_json:
        typer.echo(dumps(found))
        return
    table = Table(*("ticket", "team", "owner", "state", "since", "contacts", "subject"))
    for each in found:
        table.add_row(
            str(each["id"]),
            escape(each["team"]),
            escape(each["owner"]),
            each["state"].replace("_", " "),
            each["changed_at"][:16].replace("T", " "),
            str(each["contacts"]),
            escape(each["subject"]),
        )
    LineConsole().print(table)


def ticket(
    ticket_id: Annotated[int, typer.Argument(metavar="TICKET", help="The ticket's id.", min=1)],
    *,
    owner: Annotated[str | None, typer.Option(help="Give it to this agent.")] = None,
    state: Annotated[TicketState | None, typer.Option(help="Put it into this state.")] = None,
    reason: Annotated[str, typer.Option(help="Why, as the record shall say it.")] = "",
    key: Key,
    url: Url = HOME,
    as_json: AsJson = False,
) -> None:
    """Show a ticket, or give it to another owner, or put it into another state."""
    path = f"/v1/tickets/{ticket_id}"
    changes = {"owner": owner, "state": state.value if state is not None else None}
    body = {name: value for name, value in changes.items() if value is not None}
    if reason and not body:
        raise typer.BadParameter("a reason goes with --owner or --state", param_hint="--reason")
    if body:
        found = ask(url, key, "PATCH", path, body=body | {"reason": reason})
    else:
        found = ask(url, key, "GET", path)
    if as_json:
        typer.echo(dumps(found))
        return
    now = f"{found['state'].replace('_', ' ')}, {found['owner']} answers for it"
    LineConsole().print(escape(f"Ticket {found['id']} ({found['team']}): {now}"), highlight=False)


def _past(url: str, key: str, after: int) -> Iterator[dict[str, Any]]:
    """Yield what is in the log after a number, page by page."""
    at: int | None = after
    while at is not None:
        page = ask(url, key, "GET", "/v1/events/page", query={"after": at, "limit": _PAGE})
        yield from page["items"]
        at = page["next"]
