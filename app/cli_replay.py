"""`rondo replay`: play recorded calls against a service and print what became of them."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

if TYPE_CHECKING:
    from app.demonstration.people import Ledger
    from app.demonstration.records import Record, Recording
    from app.replay import Options, Report

# What needs the service or numpy is imported where it is used: every `rondo` command loads this module.

_ROWS: Final = (
    ("offered", "offered", "count"),
    ("answered", "answered", "count"),
    ("abandoned", "abandoned", "count"),
    ("of those short", "short_abandoned", "count"),
    ("service level", "service_level", "share"),
    ("abandonment", "abandonment", "share"),
    ("ASA", "asa_s", "time"),
    ("wait, median", "p50_s", "time"),
    ("wait, 90 %", "p90_s", "time"),
    ("wait, 95 %", "p95_s", "time"),
    ("wait, longest", "max_s", "time"),
    ("wait over the target", "mean_excess_s", "time"),
    ("wait of those who left", "mean_abandon_wait_s", "time"),
)
_FAILED, _WRONG_INPUT, _STOPPED = 1, 2, 130


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("replay")(replay_command)


def replay_command(
    file: Annotated[Path, typer.Argument(help="Call records, .csv or .csv.gz (docs/replay.md).")],
    speed: Annotated[float, typer.Option(help="Recorded seconds per second.", min=0.1, max=3600)] = 60.0,
    url: Annotated[str | None, typer.Option(help="A running service; else one of our own.")] = None,
    key: Annotated[
        str | None, typer.Option(help="Its API key (role admin).", envvar="RONDO_KEY", show_envvar=True)
    ] = None,
    day: Annotated[datetime | None, typer.Option(help="Only this day.", formats=["%Y-%m-%d"])] = None,
    limit: Annotated[int | None, typer.Option(help="Only the first so many.", min=1)] = None,
    agents: Annotated[
        int | None, typer.Option(help="So many agents, always there, not those of the file.", min=1, max=2000)
    ] = None,
    target: Annotated[float, typer.Option(help="Target wait in seconds.", min=1)] = 20.0,
    zone: Annotated[str, typer.Option(help="Time zone of times without an offset.")] = "UTC",
    seed: Annotated[int, typer.Option(help="Seed of what the file does not say.")] = 1,
    json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Play recorded calls against a running service: callers, agents, patience; say what became of them."""
    from app.replay import Options  # noqa: PLC0415

    console = Console(stderr=json)
    try:
        place = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError):
        raise typer.BadParameter(f"there is no time zone {zone!r}", param_hint="--zone") from None
    if (url is None) != (key is None):
        raise typer.BadParameter("--url and --key go together", param_hint="--url")
    recording = _read(console, file, place, day=day)
    records = recording.records[:limit]
    if not records:
        days = f"; it has {recording.days[0]} to {recording.days[-1]}" if recording.days else ""
        console.print(f"{file} holds no contact to play{days}")
        raise typer.Exit(_WRONG_INPUT)
    options = Options(speed=speed, target_s=target, agents=agents, seed=seed, time_zone=zone)
    _announce(console, recording, records, options)
    report = _run(console, records, options, url=url, key=key)
    if json:
        typer.echo(msgspec.json.format(msgspec.json.encode(report.as_json())).decode())
    else:
        _print(console, report, options)
    raise typer.Exit(0 if report.account.holds else _FAILED)


def _read(console: Console, file: Path, zone: ZoneInfo, *, day: datetime | None) -> Recording:
    from app.demonstration.records import read_recording  # noqa: PLC0415

    try:
        recording = read_recording(file, zone, day=day.date() if day is not None else None)
    except OSError as error:
        console.print(f"{file} can't be read: {error.strerror or error}", markup=False)
        raise typer.Exit(_WRONG_INPUT) from None
    for fault in recording.faults:
        text = f"{file}, line {fault.line}: {fault.text}"
        console.print(text, markup=False, highlight=False, soft_wrap=True)
    if recording.faults:
        console.print("nothing was posted")
        raise typer.Exit(_WRONG_INPUT)
    return recording


def _announce(console: Console, recording: Recording, records: Sequence[Record], options: Options) -> None:
    took_s = (records[-1].at - records[0].at) / options.speed
    left_out = "".join(f", {count} {why} left out" for why, count in recording.left_out.items())
    console.print(
        f"{len(records)} contacts{left_out}; at speed {options.speed:g} this takes about {_duration(took_s)}",
        highlight=False,
    )


def _run(
    console: Console, records: Sequence[Record], options: Options, *, url: str | None, key: str | None
) -> Report:
    from app.demonstration.api import RefusedError, UnreachableError  # noqa: PLC0415
    from app.demonstration.child import NotStartedError  # noqa: PLC0415
    from app.demonstration.people import Ledger  # noqa: PLC0415
    from app.replay import UnknownTeamsError  # noqa: PLC0415

    ledger = Ledger()
    try:
        with _progress(console, ledger, len(records)) as show:
            return asyncio.run(_play(records, options, ledger, show, url=url, key=key))
    except KeyboardInterrupt:
        console.print(f"stopped; {len(ledger.posted)} contacts had been posted, {ledger.open} had not ended")
        raise typer.Exit(_STOPPED) from None
    except (RefusedError, UnreachableError, NotStartedError, UnknownTeamsError, ValueError) as error:
        console.print(str(error), markup=False, highlight=False)
        raise typer.Exit(_FAILED) from None


async def _play(
    records: Sequence[Record],
    options: Options,
    ledger: Ledger,
    show: Any,
    *,
    url: str | None,
    key: str | None,
) -> Report:
    from app.demonstration.api import connected  # noqa: PLC0415
    from app.replay import replay, replay_on_own  # noqa: PLC0415
    from app.settings import Settings  # noqa: PLC0415

    showing = asyncio.create_task(_keep_showing(show))
    try:
        if url is not None and key is not None:
            async with connected(url, key) as api:
                return await replay(api, records, options, ledger)
        with tempfile.TemporaryDirectory(prefix="rondo-replay-") as place:
            settings = Settings(database_url=f"sqlite:///{place}/replay.sqlite3", log_level="warning")
            return await replay_on_own(
                records, options, ledger, settings, log_path=Path(place) / "service.log"
            )
    finally:
        showing.cancel()


@contextmanager
def _progress(console: Console, ledger: Ledger, planned: int) -> Iterator[Any]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[now]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("contacts", total=planned, now="")

        def show() -> None:
            now = f"{ledger.open} open, {ledger.completed} completed, {ledger.hung_up} hung up"
            progress.update(task, completed=len(ledger.posted), now=now)

        yield show


async def _keep_showing(show: Any) -> None:
    while True:
        show()
        await asyncio.sleep(0.2)


def _print(console: Console, report: Report, options: Options) -> None:
    table = Table(title=None, box=None, pad_edge=False)
    table.add_column("")
    for name in ("recorded", "replayed", "service's own"):
        table.add_column(name, justify="right")
    for title, name, kind in _ROWS:
        cells = (report.recorded.get(name), report.replayed.get(name), report.account.own.get(name))
        table.add_row(title, *(_cell(value, kind) for value in cells))
    console.print(table, no_wrap=True)
    console.print()
    for check in report.account.checks:
        mark = "[green]yes[/green]" if check.holds else "[red]NO [/red]"
        console.print(f"{mark} {check.claim}: {check.detail}", highlight=False, soft_wrap=True)
    for line in report.ledger.refused[:10]:
        console.print(f"    {line}", markup=False, highlight=False)
    console.print()
    for note in _notes(report, options):
        console.print(note, highlight=False, soft_wrap=True)


def _notes(report: Report, options: Options) -> Iterator[str]:
    from app.demonstration.accounting import quantile  # noqa: PLC0415

    lags = report.ledger.lags_s
    middle, most = (quantile(lags, q) or 0.0 for q in (0.5, 1.0))
    yield (
        f"calls were posted {middle * 1000:.1f} ms late in the median, {most * 1000:.1f} ms at most"
        f" ({most * options.speed:.1f} s of recorded time); {report.retries} requests were sent again"
    )
    yield (
        f"{report.agents} agents; {report.ledger.missed} offers ran out before they were answered;"
        f" patience of the served: the wait and an exponential rest of mean {report.mean_patience_s:.0f} s"
    )
    yield (
        f"an agent's answer was under way for {report.answer_way_s:.1f} s of recorded time in the mean, which"
        f" is part of the waits; a lower --speed makes it less"
    )
    if abs(report.pace - 1) > 1e-9:
        yield (
            f"the service's clock runs at {report.clock_speed:g}, not at {options.speed:g}: arrivals, talk"
            f" and patience were divided by {report.pace:g}, the service's own limits (target, offer, steps)"
            f" were not; one of its seconds is {report.pace:g} s of the recording, in its own column too"
        )


def _cell(value: float | None, kind: str) -> str:
    if value is None:
        return "-"
    if kind == "share":
        return f"{value * 100:.1f} %"
    return f"{value:.1f} s" if kind == "time" else f"{value:.0f}"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} minutes"
