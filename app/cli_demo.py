"""`rondo demo`: a ready organisation with a past, a roster and live traffic, until Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from app.clock import Clock

if TYPE_CHECKING:
    from app.demo import Access, Options, Tell
    from app.demonstration.people import Ledger

# What needs the service or numpy is imported where it is used: every `rondo` command loads this module.

_FAILED: Final = 1
_LINE_EVERY: Final = 10
"""Looks at the floor between two lines where nobody watches a terminal."""


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("demo")(demo_command)


def demo_command(
    port: Annotated[int, typer.Option(help="Port of the service.", min=1, max=65535)] = 8080,
    speed: Annotated[float, typer.Option(help="Seconds of the demo per second.", min=0.1, max=600)] = 10.0,
    fresh: Annotated[bool, typer.Option("--fresh", help="Begin with an empty database.")] = False,
    seconds: Annotated[
        float | None, typer.Option(help="End after so many seconds of live traffic.", min=0)
    ] = None,
    scale: Annotated[float, typer.Option(help="Factor on the volume.", min=0.05, max=20)] = 1.0,
    directory: Annotated[Path, typer.Option("--dir", help="Where database, keys and log are kept.")] = Path(
        "var"
    ),
) -> None:
    """Run a ready organisation with six weeks of history, a roster and live traffic, until Ctrl-C."""
    from app.demonstration.child import is_free  # noqa: PLC0415

    console = Console()
    if not is_free("127.0.0.1", port):
        console.print(f"port {port} is taken; choose another one by --port", highlight=False)
        raise typer.Exit(_FAILED)
    try:
        from app.demo import Options  # noqa: PLC0415
    except KeyboardInterrupt:
        raise typer.Exit from None
    options = Options(
        directory=directory,
        database_url=os.environ.get("RONDO_DATABASE_URL"),
        port=port,
        speed=speed,
        fresh=fresh,
        seconds=seconds,
        scale=scale,
    )
    asyncio.run(_demonstrate(console, options))


async def _demonstrate(console: Console, options: Options) -> None:
    """Run until done or told to stop; Ctrl-C and SIGTERM are the ordinary end, with a summary."""
    from app.demo import demonstrate  # noqa: PLC0415
    from app.demonstration.api import RefusedError, UnreachableError  # noqa: PLC0415
    from app.demonstration.child import NotStartedError  # noqa: PLC0415
    from app.demonstration.people import Ledger  # noqa: PLC0415
    from app.errors import AppError  # noqa: PLC0415

    ledger, screen = Ledger(), _Screen(console, speed=options.speed)
    running = asyncio.ensure_future(demonstrate(options, screen, ledger))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, running.cancel)
    try:
        await running
    except asyncio.CancelledError:
        pass
    except (NotStartedError, RefusedError, UnreachableError, AppError) as error:
        screen.close()
        console.print(str(error), markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(_FAILED) from None
    finally:
        screen.close()
    console.print(
        f"stopped: {len(ledger.posted)} contacts posted, {ledger.completed} served,"
        f" {ledger.hung_up} hung up, {ledger.open} open; `rondo demo` goes on from here",
        highlight=False,
        soft_wrap=True,
    )


class _Screen:
    """Shows steps, then the floor; one line now and then where there is no terminal."""

    def __init__(self, console: Console, *, speed: float) -> None:
        self._console = console
        self._speed = speed
        self._live: Live | None = None
        self._looks = 0

    @contextmanager
    def step(self, text: str) -> Iterator[Tell]:
        begun = Clock()
        since = begun.now()
        if self._console.is_terminal:
            with self._bar(text) as tell:
                yield tell
        else:
            yield lambda *_: None
        took_s = begun.now() - since
        self._console.print(f"[green]✓[/green] {text} [dim]({took_s:.1f} s)[/dim]", highlight=False)

    @contextmanager
    def _bar(self, text: str) -> Iterator[Tell]:
        columns = (
            TextColumn("  {task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[doing]}"),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self._console, transient=True) as progress:
            task = progress.add_task(text, total=None, doing="")

            def tell(share: float, doing: str) -> None:
                progress.update(task, total=1.0, completed=share, doing=doing)

            yield tell

    def say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def access(self, access: Access) -> None:
        print_ = self._console.print
        print_()
        print_(f"  [bold]{access.url}[/bold]", highlight=False, soft_wrap=True)
        print_("  signs a browser in, once:", highlight=False)
        print_(f"  {access.sign_in_url}", markup=False, highlight=False, soft_wrap=True)
        print_("  keys, for the API and for signing in:", highlight=False)
        for role, secret in access.keys.items():
            print_(f"    {role:10}{secret}", markup=False, highlight=False, soft_wrap=True)
        print_()

    def floor(self, at: float, queues: list[dict[str, Any]], ledger: Ledger) -> None:
        if not self._console.is_terminal:
            if self._looks % _LINE_EVERY == 0:
                self.say(_line(at, ledger))
            self._looks += 1
            return
        if self._live is None:
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        self._live.update(_floor(at, queues, ledger, speed=self._speed), refresh=True)

    def close(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None


def _line(at: float, ledger: Ledger) -> str:
    return (
        f"{_clock(at)}  {len(ledger.posted)} contacts, {ledger.open} open, {ledger.completed} served,"
        f" {ledger.hung_up} hung up"
    )


def _floor(at: float, queues: list[dict[str, Any]], ledger: Ledger, *, speed: float) -> Table:
    caption = f"{_line(at, ledger)}   speed {speed:g}   Ctrl-C stops"
    table = Table(box=None, caption=caption, caption_justify="left", pad_edge=False)
    table.add_column("team", min_width=18)
    for name in ("waiting", "longest", "agents", "idle", "busy", "today", "answered", "service level", "ASA"):
        table.add_column(name, justify="right")
    for queue in queues:
        agents, today = queue["agents"], queue["today"]
        table.add_row(
            queue["name"],
            str(queue["waiting"]),
            _seconds(queue["longest_wait_s"]),
            str(agents["available"]),
            str(agents["idle"]),
            str(agents["busy"] + agents["wrap_up"]),
            str(today["offered"]),
            str(today["answered"]),
            "-" if today["service_level"] is None else f"{today['service_level'] * 100:.0f} %",
            _seconds(today["asa_s"]),
        )
    return table


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} s"


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).astimezone(ZoneInfo("Europe/London")).strftime("%a %H:%M")
