"""The demonstration as somebody sees it who starts it, stops it, and starts it again."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from app.demonstration.child import free_port

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 120.0


@dataclass
class Run:
    """A demonstration in a process of its own, and what it has printed."""

    directory: Path
    port: int
    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)
    news: threading.Condition = field(default_factory=threading.Condition)

    def __post_init__(self) -> None:
        self.reader = threading.Thread(target=self.read, daemon=True)

    @property
    def output(self) -> str:
        return "".join(self.lines)

    @property
    def keys(self) -> dict[str, dict[str, str]]:
        return dict(json.loads((self.directory / "demo-keys.json").read_text()))

    def read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                with self.news:
                    self.lines.append(line)
                    self.news.notify_all()

    def wait_for(self, pattern: str) -> str:
        """Return what the output says where it matches."""
        found: list[str] = []

        def matches() -> bool:
            found[:] = [match.group() for match in [re.search(pattern, self.output)] if match]
            return bool(found)

        with self.news:
            assert self.news.wait_for(matches, timeout=PATIENCE_S), self.output
        return found[0]

    def end(self, number: signal.Signals | None = None) -> int:
        """Send a signal, if one is given, and return the exit code once all output is read."""
        if number is not None:
            self.process.send_signal(number)
        code = self.process.wait(timeout=PATIENCE_S)
        self.reader.join(timeout=PATIENCE_S)
        return code


def start(directory: Path, *options: str) -> Run:
    port = free_port("127.0.0.1")
    command = [sys.executable, "-m", "app.cli", "demo", "--dir", str(directory), "--port", str(port)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RONDO_")}
    process = subprocess.Popen(
        [*command, "--speed", "60", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env=environment | {"PYTHONUNBUFFERED": "1"},
        start_new_session=True,
    )
    run = Run(directory, port, process)
    run.reader.start()
    return run


def left_behind(directory: Path) -> list[int]:
    """Return the processes whose environment names the directory: the service and what it started."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if str(directory).encode() in (place / "environ").read_bytes():
                found.append(int(place.name))
        except OSError:
            continue
    return found


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "var"


@dataclass
class Ended:
    """A run that is over: how it ended, what it said, what it left, and what a browser got meanwhile."""

    code: int
    output: str
    left_behind: list[int]
    keys: dict[str, dict[str, str]]
    mode: int
    page: httpx.Response | None = None
    again: httpx.Response | None = None


@pytest.fixture(scope="module")
def first(directory: Path) -> Ended:
    """The first start, with a browser that uses the link twice, ended by Ctrl-C in the midst of traffic."""
    run = start(directory)
    try:
        link = run.wait_for(r"http://\S+/sign-in\?link=\S+")
        with httpx.Client(follow_redirects=True) as browser:
            page = browser.get(link)
            signed_in = browser.get(f"http://127.0.0.1:{run.port}/")
        again = httpx.get(link)
        run.wait_for(r"[1-9]\d* contacts, \d+ open, [1-9]\d* served")
        code = run.end(signal.SIGINT)
    finally:
        run.process.kill()
    mode = stat.S_IMODE((directory / "demo-keys.json").stat().st_mode)
    assert page.is_success
    return Ended(code, run.output, left_behind(directory), run.keys, mode, signed_in, again)


@pytest.fixture(scope="module")
def second(directory: Path, first: Ended) -> Ended:
    """A second start on the same directory, which ends by itself."""
    run = start(directory, "--seconds", "3")
    try:
        code = run.end()
    finally:
        run.process.kill()
    return Ended(code, run.output, left_behind(directory), run.keys, 0)


def test_ctrl_c_ends_it_without_fault(first: Ended) -> None:
    assert first.code == 0
    assert "Traceback" not in first.output
    assert re.search(r"stopped: \d+ contacts posted", first.output)


def test_ctrl_c_leaves_no_process_behind(first: Ended) -> None:
    assert first.left_behind == []


def test_forecast_and_roster_are_made_before_the_traffic(first: Ended) -> None:
    order = ["organisation", "service", "history", "forecast", "roster", "contacts"]
    places = [first.output.index(word) for word in order]
    assert places == sorted(places)
    assert "no roster" not in first.output


def test_link_signs_a_browser_in(first: Ended) -> None:
    assert first.page is not None
    assert first.page.status_code == 200
    assert "Sign out" in first.page.text


def test_link_works_once(first: Ended) -> None:
    assert first.again is not None
    assert first.again.status_code == 401


def test_keys_are_for_the_owner_alone(first: Ended) -> None:
    assert first.mode == 0o600
    assert first.keys.keys() == {"telephony", "agent", "lead", "planner", "admin"}


def test_second_start_goes_on_with_the_same_keys_and_roster(first: Ended, second: Ended) -> None:
    assert second.code == 0
    assert second.keys == first.keys
    assert "forecast" not in second.output


def test_it_ends_by_itself_after_its_seconds(second: Ended) -> None:
    assert re.search(r"stopped: \d+ contacts posted", second.output)
    assert second.left_behind == []


def test_service_ends_with_a_parent_that_was_killed(directory: Path, second: Ended) -> None:
    run = start(directory)
    try:
        run.wait_for(r"http://\S+/sign-in\?link=\S+")
        (service,) = [pid for pid in left_behind(directory) if parent_of(pid) == run.process.pid]
        watched = os.pidfd_open(service)
        run.end(signal.SIGKILL)
        assert ended_within(watched, 30.0)
    finally:
        run.process.kill()


def test_taken_port_is_said_at_once(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = subprocess.run(
            [sys.executable, "-m", "app.cli", "demo", "--port", str(taken.getsockname()[1])],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            timeout=PATIENCE_S,
        )
    assert done.returncode == 1
    assert "choose another one by --port" in done.stdout
    assert list(tmp_path.iterdir()) == []


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def ended_within(watched: int, limit_s: float) -> bool:
    """Return whether the process behind a pidfd ends in time."""
    import select

    try:
        return bool(select.select([watched], [], [], limit_s)[0])
    finally:
        os.close(watched)
