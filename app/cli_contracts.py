"""`rondo contracts list|set|import|preset`: what agents have agreed to, at a running service."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import typer
from rich.markup import escape
from rich.table import Table

from app.cli_client import HOME, AsJson, Key, Url, ask
from app.cli_console import LineConsole

contracts = typer.Typer(help="Show, agree and import contracts of agents.", no_args_is_help=True)

_WRONG_INPUT: Final = 2
_NAMES: Final = ("agent", "name", "teams", "preset")
"""What a listed contract tells beside its terms."""
_SHOWN: Final = (
    ("hours a week", "week_hours_min", "week_hours_max"),
    ("hours a day", "day_hours_min", "day_hours_max"),
    ("days a week", "week_days_min", "week_days_max"),
)


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.add_typer(contracts, name="contracts")


@contracts.command("list")
def list_contracts(
    key: Key,
    url: Url = HOME,
    team: Annotated[str | None, typer.Option(help="Only this team's agents.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the contract of every agent who can be rostered; `--json` has all terms."""
    items = ask(url, key, "GET", "/v1/contracts")["items"]
    _show([each for each in items if team is None or team in each["teams"]], as_json=as_json)


@contracts.command("set")
def set_contract(
    agent: Annotated[str, typer.Argument(help="The agent's id.")],
    terms: Annotated[
        list[str],
        typer.Argument(metavar="TERM=VALUE...", help="As week_hours_max=32, or max_weekends=null for none."),
    ],
    key: Key,
    url: Url = HOME,
    as_json: AsJson = False,
) -> None:
    """Change terms of an agent's contract; what is not named stays. It holds from the next roster on."""
    changes = dict(_pair(text) for text in terms)
    present = ask(url, key, "GET", f"/v1/contracts/{agent}")
    agreed = ask(url, key, "PUT", f"/v1/contracts/{agent}", body=present["terms"] | changes)
    _show([agreed], as_json=as_json)


@contracts.command("import")
def import_contracts(
    file: Annotated[
        Path,
        typer.Argument(
            help="What `list --json` printed, or CSV: a column `agent` and one for each term; "
            "an empty field leaves that term as it is."
        ),
    ],
    key: Key,
    url: Url = HOME,
    as_json: AsJson = False,
) -> None:
    """Agree the contracts of a file, all or none; agents whom it does not name keep theirs."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        _give_up(f"{file}: {getattr(error, 'strerror', None) or 'is not UTF-8; save it as UTF-8 text'}")
    given = _from_json(text) if text.lstrip()[:1] in ("[", "{") else _from_csv(text)
    present = {each["agent"]: each["terms"] for each in ask(url, key, "GET", "/v1/contracts")["items"]}
    items = [
        {"agent": agent, "terms": present.get(agent, {}) | changes if isinstance(changes, dict) else changes}
        for agent, changes in given
    ]
    agreed = ask(url, key, "PUT", "/v1/contracts", body={"items": items})["items"]
    _show(agreed, as_json=as_json)


@contracts.command("preset")
def forget_contract(
    agent: Annotated[str, typer.Argument(help="The agent's id.")], key: Key, url: Url = HOME
) -> None:
    """Forget what was agreed with an agent: the preset contract holds again."""
    ask(url, key, "DELETE", f"/v1/contracts/{agent}")
    LineConsole().print(escape(f"{agent}: preset"), highlight=False)


def _from_json(text: str) -> list[tuple[Any, Any]]:
    try:
        found = json.loads(text)
    except ValueError as error:
        _give_up(f"The file is no JSON: {error}")
    items = found.get("items") if isinstance(found, dict) else found
    if not isinstance(items, list) or not all(isinstance(each, dict) and "agent" in each for each in items):
        _give_up('The file is no list of contracts: [{"agent": "ada.abel", "terms": {...}}, ...].')
    return [(each["agent"], each.get("terms", {})) for each in items]


def _from_csv(text: str) -> list[tuple[Any, Any]]:
    header = text.partition("\n")[0]
    separator = max(",;\t", key=header.count)
    rows = csv.DictReader(io.StringIO(text), delimiter=separator)
    names = [name.strip() for name in rows.fieldnames or []]
    if "agent" not in names:
        _give_up("The first line must name the columns: `agent`, and the terms, as week_hours_max.")
    rows.fieldnames = names
    found = []
    for row in rows:
        if None in row or None in row.values():
            _give_up(f"Line {rows.line_num} has not as many fields as the first line names.")
        terms = {name: _value(text) for name, text in row.items() if name not in _NAMES and text.strip()}
        found.append((row["agent"].strip(), terms))
    return found


def _pair(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        _give_up(f"{text!r} is no term: write it as week_hours_max=32.")
    return name.strip(), _value(value)


def _value(text: str) -> Any:
    """Return a value as JSON means it; a text that is no JSON is itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text.strip()


def _show(items: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(items))
        return
    table = Table("agent", "id", "teams", *(label for label, _, _ in _SHOWN), "rest, h", "agreed")
    for each in items:
        terms = each["terms"]
        table.add_row(
            escape(each["name"]),
            escape(each["agent"]),
            escape(", ".join(each["teams"])),
            *(f"{terms[least]:g} to {terms[most]:g}" for _, least, most in _SHOWN),
            f"{terms['min_rest_hours']:g}",
            ("preset" if each["preset"] else "yes") + ("" if terms["rostered"] else ", not rostered"),
        )
    LineConsole().print(table)


def _give_up(text: str) -> NoReturn:
    LineConsole(stderr=True).print(escape(text), highlight=False)
    raise typer.Exit(_WRONG_INPUT)
