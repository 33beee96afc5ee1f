"""The commands that plan: on the database itself, and what they say when they can't."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from app.cli import app
from app.db.engine import open_database
from app.settings import Settings
from tests.app.conftest import furnish, running
from tests.app.planning_rig import DAY_HOURS, MONDAY, early_csv, history_csv, people
from tests.builders import make_team

WEEK = MONDAY.isoformat()


@pytest.fixture
def organised(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A database with two teams and six agents, which the commands find."""

    async def set_up() -> None:
        async with running(settings) as service:
            teams = tuple(make_team(name, hours=DAY_HOURS) for name in ("general", "complaints"))
            await furnish(service.house, *people(), teams=teams)

    asyncio.run(set_up())
    monkeypatch.setenv("RONDO_DATABASE_URL", settings.database_url)
    return settings


def rondo(*arguments: str, columns: int = 160) -> tuple[int, str, str]:
    # A terminal that calls itself dumb has 80 columns, whatever it says.
    done = CliRunner().invoke(app, list(arguments), env={"COLUMNS": str(columns), "TERM": "xterm"})
    return done.exit_code, done.stdout, done.stderr


def as_json(*arguments: str) -> Any:
    code, out, err = rondo(*arguments, "--json")
    assert code == 0, err
    return json.loads(out)


def test_history_becomes_a_simulated_roster_by_five_commands(organised: Settings, tmp_path: Path) -> None:
    file = tmp_path / "history.csv"
    file.write_text(history_csv())
    imported = as_json("import", str(file))
    assert set(imported["result"]["teams"]) == {"general", "complaints"}
    assert set(as_json("forecast", "--first-on", WEEK)["result"]["forecasts"]) == {"general", "complaints"}
    assert (
        sum(
            as_json("require", "--week", WEEK, "--pooling", "0")["requirements"]["teams"]["general"][
                "required"
            ]
        )
        > 0
    )
    plans = as_json("roster", "--week", WEEK, "--time-limit", "2")["plans"]
    assert {shift["name"] for shift in plans[0]["assignments"]} <= {f"Agent{i}" for i in range(6)}
    assert isinstance(plans[0]["repeatable"], bool)
    figures = as_json("simulate", str(plans[0]["id"]), "--replications", "2")["result"]["teams"]
    assert 0 <= figures["general"]["service_level"]["value"] <= 1


def test_tables_name_teams_and_people(organised: Settings, tmp_path: Path) -> None:
    file = tmp_path / "history.csv"
    file.write_text(history_csv())
    assert "general" in rondo("import", str(file))[1]
    assert "complaints" in rondo("forecast", "--first-on", WEEK)[1]
    code, out, _ = rondo("roster", "--week", WEEK, "--time-limit", "2")
    assert code == 0
    assert "Agent1" in out
    assert "short h" in out


def test_requirement_tells_what_sharing_agents_saves(organised: Settings, tmp_path: Path) -> None:
    file = tmp_path / "history.csv"
    file.write_text(history_csv())
    rondo("import", str(file))
    _, unknown, _ = rondo("require", "--week", WEEK, "--pooling", "0")
    assert "--pooling SECONDS" in unknown
    code, out, _ = rondo("require", "--week", WEEK, "--pooling", "3600")
    assert code == 0
    out = " ".join(out.split())
    assert "h less than separately" in out
    assert "closest to a miss keep it through the routing, within bounds" in out


def test_requirement_tells_which_contacts_of_the_forecast_it_leaves_out(
    organised: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "history.csv"
    file.write_text(early_csv(at_dawn=6))
    rondo("import", str(file))
    _, out, _ = rondo("require", "--week", WEEK, "--pooling", "0")
    assert "general: forecast besides: " in out
    assert "while the team is closed" in out


def test_tables_are_whole_in_a_terminal_of_80_columns(organised: Settings, tmp_path: Path) -> None:
    file = tmp_path / "history.csv"
    file.write_text(history_csv())
    commands = (
        ("import", str(file)),
        ("forecast", "--first-on", WEEK),
        ("require", "--week", WEEK, "--pooling", "0"),
        ("roster", "--week", WEEK, "--time-limit", "1"),
        ("simulate", "1", "--replications", "2", "--volume", "1.5"),
    )
    shown = [rondo(*command, columns=80)[1] for command in commands]
    assert [text for text in shown if "…" in text] == []
    assert max(len(line) for text in shown for line in text.splitlines()) <= 80


def test_roster_check_names_rules_that_cannot_hold_and_makes_none(
    organised: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "history.csv"
    file.write_text(history_csv())
    rondo("import", str(file))
    code, out, _ = rondo("roster", "--week", WEEK, "--check")
    assert (code, "all rules can hold" in out) == (0, True)
    assert "Agent1" not in out


def test_broken_file_is_refused_with_its_line(organised: Settings, tmp_path: Path) -> None:
    file = tmp_path / "history.csv"
    file.write_text("team,start,offered\ngeneral,2026-02-02T09:00:00,many\n")
    code, _, err = rondo("import", str(file))
    assert code == 1
    assert "line 2" in err


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (("forecast", "--weeks", "40"), "/weeks"),
        (("forecast", "--first-on", "tomorrow"), "/first_on"),
        (("require", "--week", "2026-W60"), "/week"),
        (("simulate", "1", "--volume", "0"), "/volume"),
    ],
)
def test_wrong_option_is_named(organised: Settings, arguments: tuple[str, ...], field: str) -> None:
    code, _, said = rondo(*arguments)
    assert code == 1
    assert f"  {field}: " in said
    assert "pydantic" not in said


def test_lines_are_not_folded_in_a_pipe(
    organised: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    file = tmp_path / "history.csv"
    file.write_text(history_csv())
    done = CliRunner().invoke(app, ["import", str(file)])
    assert done.exit_code == 0
    row = next(line for line in done.stdout.splitlines() if "complaints" in line)
    assert "2026-" in row


def test_missing_file_is_named(organised: Settings) -> None:
    code, _, err = rondo("import", "nowhere.csv")
    assert code == 2
    assert "nowhere.csv" in err


def test_roster_without_history_says_why(organised: Settings) -> None:
    code, _, err = rondo("roster", "--week", WEEK)
    assert code == 1
    assert "history" in err


def test_file_in_use_is_explained_with_the_way_out(
    migrated_sqlite: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "busy.sqlite3"
    path.write_bytes(migrated_sqlite)
    url = f"sqlite:///{path}"
    monkeypatch.setenv("RONDO_DATABASE_URL", url)
    database = open_database(Settings(database_url=url))
    code, _, err = rondo("forecast")
    asyncio.run(database.close())
    assert code == 1
    assert "--url" in err


def test_worker_on_sqlite_says_who_does_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RONDO_DATABASE_URL", f"sqlite:///{tmp_path / 'x.sqlite3'}")
    code, _, err = rondo("worker")
    assert code == 2
    assert "embedded" in err


def test_design_lists_few_kinds_of_shift_and_what_they_leave(organised: Settings, tmp_path: Path) -> None:
    file = tmp_path / "history.csv"
    file.write_text(history_csv())
    as_json("import", str(file))
    options = ("design", "--week", WEEK, "--most-kinds", "2", "--time-limit", "2")
    result = as_json(*options)["result"]
    assert 1 <= len(result["shifts"]) <= 2
    code, out, _err = rondo(*options)
    assert code == 0
    assert "kinds of shift" in out
    assert "h to spare" in out
