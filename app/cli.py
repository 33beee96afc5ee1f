"""The command line `rondo`: run the service, migrate, set up; other subjects join below."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer
from rich.console import Console

from app import (
    cli_act,
    cli_agents,
    cli_contracts,
    cli_demo,
    cli_design,
    cli_floor,
    cli_keys,
    cli_plan,
    cli_record,
    cli_replay,
    cli_today,
)
from app.db.migrate import migrate as run_migrations
from app.settings import Settings

app = typer.Typer(help="Rondo: call-centre ticket routing and staffing.", no_args_is_help=True)
console = Console()
cli_plan.register(app)
cli_design.register(app)
cli_record.register(app)
cli_replay.register(app)
cli_floor.register(app)
cli_act.register(app)
cli_keys.register(app)
cli_agents.register(app)
cli_contracts.register(app)
cli_today.register(app)
cli_demo.register(app)


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
) -> None:
    """Migrate the database and run the service until Ctrl-C."""
    chosen = _settings(host=host, port=port)
    run_migrations(chosen.database_url)
    serve_forever(chosen)


@app.command()
def migrate(
    revision: Annotated[str, typer.Argument(help="`head`, `base` or a revision.")] = "head",
) -> None:
    """Bring the database's schema to a revision."""
    run_migrations(Settings().database_url, revision)
    console.print(f"schema is at {revision}")


@app.command()
def init() -> None:
    """Set up the ready organisation (four teams, forty agents) and print one API key for each role."""
    from app.setting_up import set_up  # noqa: PLC0415

    settings = Settings()
    run_migrations(settings.database_url)
    for role, secret in asyncio.run(set_up(settings)).items():
        console.print(f"{role:10} {secret}")


def serve_forever(settings: Settings) -> None:
    """Run one server process; blocks until it is told to stop."""
    from app.main import create_app  # noqa: PLC0415
    from app.serving import serve as run  # noqa: PLC0415

    run(settings, create_app(settings))


def _settings(*, host: str | None, port: int | None) -> Settings:
    given = {"host": host, "port": port}
    return Settings().model_copy(update={k: v for k, v in given.items() if v is not None})


def main() -> None:
    """Run the command line."""
    app(prog_name="rondo")


if __name__ == "__main__":
    main()
