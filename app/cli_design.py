"""`rondo design`: which kinds of shift cover a week with little surplus and few kinds, from a terminal."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli_plan import (
    AsJson,
    Key,
    Url,
    Week,
    carry_out_run,
    given_only,
    in_place,
    new_table,
    out,
    print_json,
    weekday,
)

if TYPE_CHECKING:
    from app.plan_places import Place


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("design")(design_command)


def design_command(
    week: Week = None,
    most_kinds: Annotated[int, typer.Option(help="Most kinds of shift.", min=1, max=40)] = 8,
    time_limit: Annotated[float, typer.Option(help="Seconds of search.", min=0.5, max=600)] = 20.0,
    seed: Annotated[int, typer.Option(help="Seed of the search.", min=0)] = 0,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Find the kinds of shift that cover a week's requirement with little surplus; nothing is changed."""
    params = given_only(week=week, most_kinds=most_kinds, time_limit_s=time_limit, seed=seed)

    async def work(place: Place) -> None:
        run = await carry_out_run(place, "design", params, quiet=as_json)
        if as_json:
            print_json(run)
        else:
            _print_design(run["result"])

    in_place(work, url, key)


def _print_design(result: dict[str, Any]) -> None:
    first, shifts = date.fromisoformat(result["week"]), result["shifts"]
    days = range(max((len(each["agents"]) for each in shifts), default=0))
    table = new_table("shift", "hours", *(weekday((first + timedelta(days=day)).isoformat()) for day in days))
    for each in shifts:
        table.add_row(each["id"], f"{each['hours']:g}", *(str(many or "") for many in each["agents"]))
    out.print(table)
    left = f"{result['surplus_hours']:g} h to spare, {result['short_hours']:g} h short"
    price = f"price {result['price']}, at best {result['bound']:g}"
    out.print(f"{len(shifts)} kinds of shift, {left}; {price}", highlight=False)
