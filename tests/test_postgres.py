"""The PostgreSQL that other tests rely on: apart from each other, durable on request, gone afterwards."""

import fcntl
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import make_url

from tests.postgres import Cluster, Server, execute

ROOT = Path(__file__).parents[1]


def place(url: str) -> tuple[int, str]:
    parsed = make_url(url)
    assert parsed.port
    assert parsed.database
    return parsed.port, parsed.database


@pytest.mark.parametrize("turn", [1, 2])
def test_database_is_empty_when_an_earlier_test_wrote(postgres_url: str, turn: int) -> None:
    port, database = place(postgres_url)
    execute(port, f"CREATE TABLE mark AS SELECT {turn}", database=database)
    assert [row[0] for row in execute(port, "SELECT * FROM mark", database=database)] == [turn]


def test_template_is_built_once_and_copied(postgres: Cluster) -> None:
    built: list[str] = []

    def build(url: str) -> None:
        built.append(url)
        execute(*place(url)[:1], "CREATE TABLE mark AS SELECT 7 AS n", database=place(url)[1])

    names = {postgres.template(f"marked_{postgres.worker}", build) for _ in range(2)}
    copy = postgres.create(names.pop())
    assert execute(postgres.port, "SELECT n FROM mark", database=copy)[0]["n"] == 7
    assert len(built) == 1
    postgres.drop(copy)


@pytest.mark.parametrize("setting", ["fsync", "synchronous_commit", "full_page_writes"])
def test_server_keeps_what_it_confirmed_when_durable(durable_postgres_url: str, setting: str) -> None:
    port, database = place(durable_postgres_url)
    assert execute(port, f"SHOW {setting}", database=database)[0][0] == "on"


def test_committed_rows_survive_when_the_server_crashes(own_postgres: Server) -> None:
    execute(own_postgres.port, "CREATE TABLE mark AS SELECT 7 AS n")
    own_postgres.crash()
    own_postgres.start()
    assert execute(own_postgres.port, "SELECT n FROM mark")[0]["n"] == 7


def test_server_ends_when_the_run_is_killed(tmp_path: Path, postgres: Cluster) -> None:
    script = (
        "import sys, time, pathlib; from tests.postgres import shared_port, keep_servers\n"
        "run = pathlib.Path(sys.argv[1])\n"
        "with keep_servers(run): print(shared_port(run, durable=False), flush=True); time.sleep(60)\n"
    )
    # Beside the run's own directory: pytest's temporary directories are closed to the server's user.
    run = postgres.run / f"killed-{postgres.worker}"
    run.mkdir()
    command = [sys.executable, "-c", script, str(run)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as doomed:
        assert doomed.stdout
        port = int(doomed.stdout.readline())
        doomed.send_signal(signal.SIGKILL)
    with (run / "servers").open() as servers:
        fcntl.flock(servers, fcntl.LOCK_EX)  # held by the supervisor until its server is gone
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
