"""`rondo today`, `carry-out`, `end-overflow`: steer the day from a terminal, at a running service."""

from __future__ import annotations

from json import dumps
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from app.cli_client import HOME, AsJson, Key, Url, ask
from app.cli_console import LineConsole


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command("today")(today)
    app.command("carry-out")(carry_out)
    app.command("end-overflow")(end_overflow)


def today(
    key: Key,
    team: Annotated[str | None, typer.Argument(help="One team with its proposals; none: all teams.")] = None,
    url: Url = HOME,
    as_json: AsJson = False,
) -> None:
    """Show how the day goes, or what is proposed for a team and was carried out; ids go with `carry-out`."""
    found = ask(url, key, "GET", f"/v1/intraday/{team}" if team else "/v1/intraday")
    if as_json:
        typer.echo(dumps(found if team else found["items"]))
    elif team:
        _print_team(found)
    else:
        _print_teams(found["items"])


def carry_out(
    team: Annotated[str, typer.Argument(help="The team.")],
    proposal: Annotated[str, typer.Argument(help="The proposal's id, as `rondo today TEAM` prints it.")],
    key: Key,
    agent: Annotated[str | None, typer.Option(help="Who takes the time off, or is trained.")] = None,
    because: Annotated[str, typer.Option(help="Why; kept with your name.")] = "",
    url: Url = HOME,
    as_json: AsJson = False,
) -> None:
    """Carry a proposal out: in the next version of the roster, or as an overflow until its time is up."""
    body = {"reason": because} | ({"agent": agent} if agent else {})
    done = ask(url, key, "POST", f"/v1/intraday/{team}/actions/{proposal}", body=body)
    if as_json:
        typer.echo(dumps(done))
        return
    where = (
        f"plan {done['plan']}"
        if done["plan"]
        else f"overflow {done['id']}, {_clock(done['starts_at'])} to {_clock(done['ends_at'])}"
    )
    console = LineConsole()
    console.print(escape(f"{done['text']}: {where}"), highlight=False)
    for rule in done["broken_rules"]:
        console.print(escape(f"broken since: {rule}"), highlight=False)


def end_overflow(
    change: Annotated[int, typer.Argument(help="The overflow's id.", min=1)], key: Key, url: Url = HOME
) -> None:
    """End an overflow before its time."""
    done = ask(url, key, "POST", f"/v1/intraday/overflows/{change}/end")
    LineConsole().print(escape(f"{done['text']}: ended"), highlight=False)


def _print_teams(items: list[dict[str, Any]]) -> None:
    table = Table(*("team", "came", "expected so far", "largest gap to come", "proposals"))
    for each in items:
        expected, gap = each["expected_so_far"], each["worst_gap"]
        table.add_row(
            escape(each["team"]),
            "" if each["actual_so_far"] is None else f"{each['actual_so_far']:.0f}",
            "" if expected is None else f"{expected:.0f}",
            "" if gap is None else f"{-gap} too few" if gap < 0 else "none",
            str(each["actions"]),
        )
    LineConsole().print(table)


def _print_team(found: dict[str, Any]) -> None:
    console = LineConsole()
    table = Table(*("id", "from", "to", "proposal", "who could", "service level"))
    for each in found["actions"]:
        table.add_row(
            each["id"],
            _clock(each["starts_at"]),
            _clock(each["ends_at"]),
            escape(each["text"]),
            escape(", ".join(who["agent"] for who in each["who"])),
            f"{each['service_level_before']:.0%} to {each['service_level_after']:.0%}",
        )
    console.print(table)
    for each in found["carried_out"]:
        because = f" ({each['reason']})" if each["reason"] else ""
        holds = (
            f"; overflow {each['id']} holds" if each["kind"] == "overflow" and not each["ended_at"] else ""
        )
        console.print(
            escape(f"{_clock(each['made_at'])} {each['made_by']}: {each['text']}{because}{holds}"),
            highlight=False,
        )


def _clock(instant: str) -> str:
    return f"{instant[11:16]}Z"
