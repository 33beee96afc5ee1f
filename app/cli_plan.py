"""`rondo import|forecast|require|roster|simulate|worker`: plan from a terminal.

Without `--url` the commands open the database themselves and work with the same functions as the service;
SQLite takes one process, so while a service holds the file they say so and want `--url` and `--key`.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn

import msgspec
import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column, Table

from app.cli_console import LineConsole
from app.errors import AppError, StorageUnavailableError
from app.planning.simulated_words import simulated_words
from app.settings import Settings

if TYPE_CHECKING:
    from app.plan_places import Place

# What needs the service or numpy is imported where it is used: every `rondo` command loads this module.

Url = Annotated[
    str | None,
    typer.Option(help="A running service; else the database is used.", envvar="RONDO_URL", show_envvar=True),
]
Key = Annotated[str | None, typer.Option(help="Its API key.", envvar="RONDO_KEY", show_envvar=True)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
Week = Annotated[str | None, typer.Option(help="A date of the week, or 2026-W48; none: the coming week.")]

_FAILED, _WRONG_INPUT, _STOPPED = 1, 2, 130
_WIDE: Final = 110
_SHADES: Final = " ▁▂▃▄▅▆▇█"

out = LineConsole()
err = LineConsole(stderr=True)


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command("import")(import_command)
    app.command("forecast")(forecast_command)
    app.command("require")(require_command)
    app.command("roster")(roster_command)
    app.command("simulate")(simulate_command)
    app.command("worker")(worker_command)


def import_command(
    file: Annotated[
        Path, typer.Argument(help="CSV of intervals or calls, or an Asterisk queue_log; or .gz.")
    ],
    kind: Annotated[str, typer.Option("--format", help="auto, intervals, calls or queue_log.")] = "auto",
    minutes: Annotated[
        int | None, typer.Option(help="Interval of a CSV: 15, 30, 60; none: found out.")
    ] = None,
    channel: Annotated[str, typer.Option(help="voice, chat, callback, email or web.")] = "voice",
    team: Annotated[
        list[str] | None, typer.Option(help="NAME=ours: which of our teams a name in the file is.")
    ] = None,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Import past contacts; all or nothing, bad lines are named."""
    try:
        data = file.read_bytes()
    except OSError as error:
        _give_up(f"{file}: {error.strerror}", _WRONG_INPUT)
    pairs = [pair.rpartition("=") for pair in team or []]
    params = {"format": kind, "channel": channel, "teams": {name: ours for name, _, ours in pairs}}
    if minutes is not None:
        params["minutes"] = minutes  # type: ignore[assignment]

    async def work(place: Place) -> None:
        run = await carry_out_run(place, "import", params, quiet=as_json, data=data)
        if as_json:
            print_json(run)
            return
        table = new_table("team", "intervals", "minutes", "offered", "abandoned", "from", "to")
        for name, each in run["result"]["teams"].items():
            numbers = (str(each[column]) for column in ("intervals", "minutes", "offered", "abandoned"))
            table.add_row(name, *numbers, each["first_at"][:10], each["last_at"][:10])
        out.print(table)

    in_place(work, url, key)


def forecast_command(
    team: Annotated[str | None, typer.Option(help="One team; none: all.")] = None,
    first_on: Annotated[str | None, typer.Option(help="First date; none: today.")] = None,
    weeks: Annotated[int | None, typer.Option(help="1 to 18.")] = None,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Forecast contacts and handle times, with the error of each model on the past."""
    params = given_only(team=team, first_on=first_on, weeks=weeks)

    async def work(place: Place) -> None:
        run = await carry_out_run(place, "forecast", params, quiet=as_json)
        if as_json:
            print_json(run)
            return
        week = first_on or (date.fromisoformat(run["created_at"][:10]) + timedelta(days=7)).isoformat()
        table = new_table("team", "contacts", "each", "model", "WAPE", "of naive", "the week")
        for name in run["result"]["forecasts"]:
            found = await place.forecast(name, week)
            table.title = f"the week of {found['week']}"
            table.add_row(*_forecast_row(found))
        out.print(table)
        for name in run["result"]["without_history"]:
            out.print(f"{name}: no history")

    in_place(work, url, key)


def require_command(
    week: Week = None,
    team: Annotated[str | None, typer.Option(help="One team; none: all.")] = None,
    reforecast: Annotated[bool, typer.Option(help="Make new forecasts first.")] = False,
    pooling: Annotated[
        float | None,
        typer.Option(
            help="Most seconds of simulation for teams that share agents; none: the site's, 0: none.",
            min=0,
            max=3600,
        ),
    ] = None,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Work out how many agents each interval of a week needs."""
    params = given_only(week=week, team=team, reforecast=reforecast or None, pooling_s=pooling)

    async def work(place: Place) -> None:
        run = await carry_out_run(place, "require", params, quiet=as_json)
        found = await place.requirements(run["result"]["week"])
        if as_json:
            print_json(run | {"requirements": found})
            return
        table = new_table("team", "contacts", "most", "hours", "deferred", "rostered", "the week")
        table.title = f"agents needed in the week of {found['week']}"
        for name, each in found["teams"].items():
            hours = found["minutes"] / 60
            table.add_row(
                name,
                f"{sum(value or 0 for value in each['volume']):.0f}",
                str(max(each["required"], default=0)),
                f"{sum(each['required']) * hours:.1f}",
                f"{sum(each['deferred'] or [0]) * hours:.1f}",
                f"{sum(each['rostered']) * hours:.1f}",
                _profile(each["required"]),
            )
        out.print(table)
        for name, each in found["teams"].items():
            if each["unstaffed"] and sum(each["unstaffed"].values()) >= 0.5:
                out.print(f"{name}: {_unstaffed_told(each['unstaffed'])}", highlight=False)
            if each["simulated"]:
                out.print(f"{name}: {' '.join(simulated_words(each['simulated']))}", highlight=False)
        for pool in run["result"]["pools"]:
            out.print(f"{', '.join(pool['teams'])} share agents: {_pool_told(pool)}", highlight=False)

    in_place(work, url, key)


def roster_command(
    week: Week = None,
    weeks: Annotated[int, typer.Option(help="Weeks together, 1 to 4.", min=1, max=4)] = 1,
    time_limit: Annotated[float, typer.Option(help="Seconds of search.", min=0.5, max=3600)] = 30.0,
    seed: Annotated[int, typer.Option(help="Seed of the search.", min=0)] = 0,
    threads: Annotated[
        int | None, typer.Option(help="Threads of the search; none: the setting.", min=1, max=64)
    ] = None,
    repeatable: Annotated[
        bool, typer.Option(help="Let the seed decide, whatever the threads and the load; searches less.")
    ] = False,
    reforecast: Annotated[bool, typer.Option(help="Make new forecasts first.")] = False,
    check: Annotated[bool, typer.Option(help="Name rules that can't all hold; make no roster.")] = False,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Make a draft roster of named people: forecast, requirement, shifts, search."""
    params = given_only(
        week=week,
        weeks=weeks,
        seed=seed,
        time_limit_s=time_limit,
        threads=threads,
        repeatable=repeatable or None,
        reforecast=reforecast or None,
        check_only=check or None,
    )

    async def work(place: Place) -> None:
        run = await carry_out_run(place, "roster", params, quiet=as_json)
        found = [await place.plan(each["id"]) for each in run["result"]["plans"]]
        if as_json:
            print_json(run | {"plans": found})
            return
        for plan in found:
            _print_plan(plan)
        _print_doubts(run["result"])

    in_place(work, url, key)


def simulate_command(
    plan: Annotated[int, typer.Argument(help="Id of the plan, as `rondo roster` prints it.")],
    replications: Annotated[int, typer.Option(help="Simulated weeks.", min=2, max=100)] = 10,
    volume: Annotated[float, typer.Option(help="What if: factor on the contacts.")] = 1.0,
    handle_time: Annotated[float, typer.Option(help="What if: factor on the handle times.")] = 1.0,
    absence: Annotated[
        float | None, typer.Option(help="Share of shifts that fall out; none: the shrinkage.")
    ] = None,
    more_absence: Annotated[
        float, typer.Option(help="What if: share of shifts that fall out besides.", min=0, max=0.99)
    ] = 0.0,
    patience: Annotated[float, typer.Option(help="What if: factor on the patience.")] = 1.0,
    policy: Annotated[int | None, typer.Option(help="What if: another version of the policy.")] = None,
    seed: Annotated[int, typer.Option(help="Seed.", min=0)] = 0,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Let a plan's people meet its forecast through the routing, and what if something differs."""
    params = given_only(
        plan=plan,
        replications=replications,
        volume=volume,
        handle_time=handle_time,
        absence=absence,
        more_absence=more_absence,
        patience=patience,
        policy=policy,
        seed=seed,
    )

    async def work(place: Place) -> None:
        run = await carry_out_run(place, "simulate", params, quiet=as_json)
        if as_json:
            print_json(run)
            return
        result = run["result"]
        table = new_table("team", "", "in time", "ASA", "abandoned", "occupancy", "deferred in time")
        table.title = f"{result['replications']} weeks, with 95 % bounds"
        for label, side in (("plan", result), ("what if", result.get("changed"))):
            for team, figures in (side or {"teams": {}})["teams"].items():
                later = (side or {}).get("deferred", {}).get(team)
                in_time = _bounds("in_time", later["in_time"]) if later else "-"
                table.add_row(team, label, *(_bounds(name, each) for name, each in figures.items()), in_time)
        out.print(table)

    in_place(work, url, key)


def worker_command() -> None:
    """Carry out planning runs until Ctrl-C; for services whose RONDO_WORKER is off (PostgreSQL)."""
    settings = Settings()
    if settings.is_sqlite:
        _give_up("SQLite takes one process: let the service run its own worker (RONDO_WORKER=embedded).", 2)
    asyncio.run(_serve_worker(settings))


async def _serve_worker(settings: Settings) -> None:
    from app import logs  # noqa: PLC0415
    from app.clock import Clock  # noqa: PLC0415
    from app.db.engine import open_database  # noqa: PLC0415
    from app.worker import Worker  # noqa: PLC0415

    logs.set_up(settings.log_level)
    database = open_database(settings)
    worker = Worker(
        database,
        Clock(speed=settings.clock_speed),
        processes=settings.worker_processes,
        threads=settings.solver_threads,
    )
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await worker.start()
    err.print(f"worker {worker.name} takes planning runs; Ctrl-C stops it")
    await stop.wait()
    await worker.stop()
    await database.close()


def in_place(work: Callable[[Place], Awaitable[None]], url: str | None, key: str | None) -> None:
    """Do work on the database or through a service; ends the program with words where it can't be done."""
    from app.plan_places import RefusedError  # noqa: PLC0415

    async def all_of_it() -> None:
        async with _place(url, key) as place:
            await work(place)

    try:
        asyncio.run(all_of_it())
    except KeyboardInterrupt:
        err.print("stopped; nothing was saved")
        raise typer.Exit(_STOPPED) from None
    except RefusedError as error:
        _explain(error.problem)
    except StorageUnavailableError as error:
        _give_up(
            f"{error.detail}\nIf that is a running service, let it do the work: "
            "add --url http://127.0.0.1:8080 --key rondo_... (or RONDO_URL and RONDO_KEY).",
            _FAILED,
        )
    except AppError as error:
        _give_up(f"{error.title}: {error.detail}", _FAILED)
    except ValueError as error:
        _give_up(str(error), _WRONG_INPUT)
    except OSError as error:
        _give_up(f"{url or 'the database'} can't be reached: {error}", _FAILED)


def _place(url: str | None, key: str | None) -> AbstractAsyncContextManager[Place]:
    from app import logs  # noqa: PLC0415
    from app.plan_places import at_database, at_service  # noqa: PLC0415

    if url is None:
        logs.set_up("error")
        return at_database(Settings())
    if key is None:
        _give_up("--url needs --key, the API key of a planner.", _WRONG_INPUT)
    return at_service(url, key)


async def carry_out_run(
    place: Place, kind: str, params: dict[str, Any], *, quiet: bool, data: bytes | None = None
) -> dict[str, Any]:
    """Carry a run out under a progress bar and return it; ends the program when it does not succeed."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[message]}"))
    with Progress(*columns, TimeElapsedColumn(), console=err, transient=True, disable=quiet) as bar:
        task = bar.add_task(kind, total=1.0, message="")

        def told(run: dict[str, Any]) -> None:
            bar.update(task, completed=run["progress"], message=run["message"][:60])

        run = await place.run(kind, params, told, data=data)
    if run["state"] == "cancelled":
        _give_up("the run was cancelled", _STOPPED)
    if run["state"] != "done":
        if quiet:
            print_json(run)
        _explain(run["error"])
    return run


def _unstaffed_told(unstaffed: dict[str, float]) -> str:
    why = {"closed": "while the team is closed", "few": "in intervals of too few to need anybody"}
    told = [f"{many:.1f} {why[name]}" for name, many in unstaffed.items() if many >= 0.05]
    return f"forecast besides: {' and '.join(told)}"


def _pool_told(pool: dict[str, Any]) -> str:
    if not pool["simulated_share"]:
        return "--pooling SECONDS tells what that saves"
    told = [
        f"{pool['saved_hours']} h less than separately ({pool['simulated_share']:.0%} simulated)",
        f"the simulation corrected {pool['corrected_intervals']} intervals and added {pool['cuts']} agents",
    ]
    if pool["unreached"]:
        told.append(f"{pool['unreached']} intervals were not reached in time and keep what teams need apart")
    if pool["missing_intervals"]:
        told.append(f"{pool['missing_intervals']} miss their service level with everybody at work")
    if pool["verified"]:
        kept = f"{pool['verified_kept']} of the {pool['verified']} closest to a miss"
        told.append(f"{kept} keep it through the routing, within bounds")
    if pool["unverified"]:
        told.append(f"{pool['unverified']} more were not checked so in time")
    for team, words in pool["not_followed"].items():
        told.append(f"the search leaves out {team}'s {', '.join(words)}; that check does not")
    return "; ".join(told)


def _forecast_row(found: dict[str, Any]) -> list[str]:
    items = found["items"]
    choice = found["backtest"]["choices"][2]
    scores = {
        score["model"]: score["wape"]
        for score in found["backtest"]["scores"]
        if score["first_day"] == choice["first_day"]
    }
    wape, naive = scores.get(choice["model"]), scores.get("naive")
    open_items = [item for item in items if item["volume"] > 0]
    low = min((item["low"] for item in open_items), default=0)
    band = f"{low:.0f}-{max((item['high'] for item in items), default=0):.0f}"
    return [
        found["team"],
        f"{sum(item['volume'] for item in items):.0f}",
        band,
        choice["model"],
        f"{wape:.1%}" if wape is not None else "-",
        f"{wape / naive:.2f}" if wape and naive else "-",
        _profile([item["volume"] for item in items]),
    ]


def _print_plan(plan: dict[str, Any]) -> None:
    bound = f"{plan['bound']:.0f}" if plan["bound"] is not None else "unknown"
    gap = f"{plan['gap']:.1%}" if plan["gap"] is not None else "unknown"
    out.print(
        f"plan {plan['id']}: week of {plan['week']}, version {plan['version']}, {plan['status']}, price "
        f"{plan['objective']}, bound {bound}, gap {gap}"
    )
    if plan["repeatable"] is not None:
        why = "the clock ended the search" if plan.get("cut_short") else "--repeatable was not asked for"
        again = "makes it again" if plan["repeatable"] else f"may make another: {why}"
        out.print(f"searched for {plan['elapsed_s']:.0f} s; seed {plan['seed']} {again}", highlight=False)
    days = sorted({each["on"] for each in plan["assignments"]})
    table = new_table("name", *(weekday(day) for day in days))
    by_agent: dict[str, dict[str, str]] = {}
    narrow = out.width < _WIDE
    for each in plan["assignments"]:
        shift = each["shift"].partition("-")[0] if narrow else each["shift"].replace(":00", "")
        by_agent.setdefault(each["name"], {})[each["on"]] = shift
    for name, shifts in sorted(by_agent.items()):
        table.add_row(name, *(shifts.get(day, "") for day in days))
    out.print(table)
    cover = new_table("team", "short h", "spare h", "needed", "staffed")
    for team, each in plan["coverage"].items():
        hours = plan["minutes"] / 60
        cover.add_row(
            team,
            str(each["short_hours"]),
            str(each["surplus_hours"]),
            f"{sum(each['rostered']) * hours:.0f} h",
            f"{sum(each['staffed']) * hours:.0f} h",
        )
    out.print(cover)


def _print_doubts(result: dict[str, Any]) -> None:
    for conflict in result["conflicts"]:
        given_up = f"; given up: {'; '.join(conflict['given_up'])}" if conflict["given_up"] else ""
        out.print(f"{conflict['name']}: {'; '.join(conflict['rules'])} can't all hold{given_up}")
    for finding in result["findings"]:
        out.print(f"{finding['severity']}: {finding['text']}")
    if result["status"] == "checked" and not result["conflicts"]:
        out.print("all rules can hold")


def _bounds(name: str, each: dict[str, Any]) -> str:
    if each["value"] is None:
        return "-"
    half = (each["high"] - each["low"]) / 2
    if name == "asa_s":
        return f"{each['value']:.1f} s ±{half:.1f}"
    return f"{each['value']:.1%} ±{100 * half:.1f}"


def new_table(*names: str) -> Table:
    """Return a table whose columns fold."""
    return Table(*(Column(name, overflow="fold") for name in names), title_justify="left")


def weekday(on: str) -> str:
    """Return a date as weekday and day of the month."""
    return f"{date.fromisoformat(on):%a %d}"


def _profile(values: list[float]) -> str:
    """Return a week as 28 characters, or 7 in a narrow terminal, the higher the busier."""
    if not values or not any(values):
        return ""
    many = min(28 if out.width >= _WIDE else 7, len(values))
    edges = [len(values) * i // many for i in range(many + 1)]
    parts = [sum(v or 0 for v in values[i:j]) / (j - i) for i, j in pairwise(edges)]
    top = max(parts)
    return "".join(_SHADES[round(part / top * (len(_SHADES) - 1))] for part in parts)


def given_only(**values: Any) -> dict[str, Any]:
    """Return the values that were given."""
    return {name: value for name, value in values.items() if value is not None}


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")


def _explain(problem: dict[str, Any]) -> None:
    lines = [f"{problem.get('title', 'failed')}: {problem.get('detail', '')}"]
    for each in problem.get("errors", [])[:20]:
        place = f"line {each['line']}" if "line" in each else each.get("pointer", "")
        lines.append(f"  {place}: {each.get('detail', '')}")
    _give_up("\n".join(lines), _FAILED)


def _give_up(text: str, code: int) -> NoReturn:
    err.print(text, style="red", highlight=False, markup=False)
    raise typer.Exit(code)
