"""`rondo keys list|create|revoke`: who may ask a running service, and for what."""

from __future__ import annotations

from enum import StrEnum
from json import dumps
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from app.cli_client import HOME, AsJson, Key, Url, ask
from app.cli_console import LineConsole

keys = typer.Typer(help="List, create and revoke API keys (scope admin).", no_args_is_help=True)


class Role(StrEnum):
    """A name for the scopes that go together."""

    TELEPHONY = "telephony"
    AGENT = "agent"
    LEAD = "lead"
    PLANNER = "planner"
    ADMIN = "admin"


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.add_typer(keys, name="keys")


@keys.command("list")
def list_keys(key: Key, url: Url = HOME, as_json: AsJson = False) -> None:
    """List keys, oldest first; secrets are not kept."""
    found = ask(url, key, "GET", "/v1/keys")["items"]
    if as_json:
        typer.echo(dumps(found))
        return
    table = Table(*("id", "name", "agent", "created", "ends", "scopes"))
    for each in found:
        ends_at = each["revoked_at"] or each["expires_at"]
        ends = f"{'revoked' if each['revoked_at'] else 'expires'} {ends_at[:10]}" if ends_at else ""
        table.add_row(
            each["id"],
            escape(each["name"]),
            escape(each["agent"] or ""),
            each["created_at"][:10],
            ends,
            " ".join(each["scopes"]),
        )
    LineConsole().print(table)


@keys.command("create")
def create_key(
    name: Annotated[str, typer.Argument(help="What it is for.")],
    *,
    role: Annotated[Role | None, typer.Option(help="The scopes of this role.")] = None,
    scope: Annotated[list[str] | None, typer.Option(help="This scope too; may be repeated.")] = None,
    agent: Annotated[str | None, typer.Option(help="Acts in the name of this agent.")] = None,
    expires_at: Annotated[str | None, typer.Option(help="As 2027-01-01T00:00:00Z.")] = None,
    key: Key,
    url: Url = HOME,
    as_json: AsJson = False,
) -> None:
    """Create a key and print its secret, which is shown this once."""
    given = {"role": role.value if role else None, "agent": agent, "expires_at": expires_at}
    body: dict[str, Any] = {"name": name, "scopes": scope or []}
    body |= {field: value for field, value in given.items() if value is not None}
    found = ask(url, key, "POST", "/v1/keys", body=body)
    typer.echo(dumps(found) if as_json else found["secret"])


@keys.command("revoke")
def revoke_key(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="Its id, as `rondo keys list` prints it.")],
    key: Key,
    url: Url = HOME,
) -> None:
    """Revoke a key; its browsers are signed out. It holds for five seconds at most."""
    ask(url, key, "DELETE", f"/v1/keys/{key_id}")
    LineConsole().print(escape(f"Key {key_id} is revoked"), highlight=False)
