"""Claim: calls wait no longer than 100 ms for a planner's import of 840,000 intervals, on SQLite.

A telephony system posts 50 calls a second, whatever becomes of those before, to a service on SQLite that
plans in a process of its own. First nothing else goes on; then a file of eight teams' quarters of an hour
over three years is imported, and once more, so that every row of it is replaced. The longest wait of a
call is told of each, of the time in which the file is read and of that in which it is stored.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.support.load import Connection, Pool
from benchmarks.support.servers import process

TEAMS, QUARTERS = 8, 105_000
FIRST_AT = datetime(2023, 1, 1, tzinfo=UTC)
CALL = b'{"channel":"voice"}'
EVERY_S = 0.02
READ = 0.9
"""Share of a run's progress at which its file is read."""
LIMIT_MS = 100.0


@dataclass
class Calls:
    """Calls that come at an even pace: when each was posted, and how long its answer took (s)."""

    pool: Pool
    waits: list[tuple[float, float]] = field(default_factory=list)
    _under_way: set[asyncio.Task[None]] = field(default_factory=set)

    async def come(self) -> None:
        """Post calls until cancelled."""
        next_at = time.perf_counter()
        while True:
            task = asyncio.create_task(self._post())
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
            next_at += EVERY_S
            await asyncio.sleep(max(next_at - time.perf_counter(), 0.0))

    async def _post(self) -> None:
        begin = time.perf_counter()
        status, raw = await self.pool.send("POST", "/v1/contacts", CALL)
        if status >= 400:
            raise SystemExit(raw.decode())
        self.waits.append((begin, time.perf_counter() - begin))

    def tell(self, what: str, since: float, until: float, *, limited: bool = True) -> float:
        """Print the waits of the calls posted in [since, until) and return the longest (ms)."""
        waits = sorted(1000 * wait for at, wait in self.waits if since <= at < until)
        if not waits:
            print(f"{what:32} no call in {until - since:.1f} s")
            return 0.0
        p50, p99 = (waits[int(q * len(waits))] for q in (0.5, 0.99))
        verdict = f"  (at most {LIMIT_MS:.0f}): {'met' if waits[-1] <= LIMIT_MS else 'MISSED'}" * limited
        print(
            f"{what:32} {until - since:5.1f} s  n {len(waits):5}  p50 {p50:6.1f}  p99 {p99:6.1f}  "
            f"longest {waits[-1]:7.1f} ms{verdict}"
        )
        return waits[-1]


def file_of(quarters: int) -> bytes:
    """Return an interval CSV of eight teams, gzip."""
    moments = [(FIRST_AT + timedelta(minutes=15 * i)).isoformat() for i in range(quarters)]
    lines = ["team,start,offered,answered,abandoned,handled,handle_s,wait_s"]
    for team in range(TEAMS):
        lines += [
            f"team{team},{at},{i % 40},{i % 40},0,{i % 40},{200 * (i % 40)},{9 * (i % 40)}"
            for i, at in enumerate(moments)
        ]
    return gzip.compress("\n".join(lines).encode(), 1)


async def imported(port: int, key: str, file: bytes) -> tuple[float, float, float]:
    """Import a file; return when it was posted, when it was read, and when the run had ended."""
    connection = Connection(port, key)
    await connection.open()
    begin = time.perf_counter()
    status, raw = await connection.send("POST", "/v1/history/import?wait_s=0", file)
    run: dict[str, Any] = json.loads(raw)
    if status >= 400:
        raise SystemExit(raw.decode())
    read_at = None
    while run["state"] in ("queued", "running"):
        # Progress is told once a second; from its last line on, the file is as good as read.
        if read_at is None and run["progress"] >= READ * 0.8 - 0.03:
            read_at = time.perf_counter()
        await asyncio.sleep(0.1)
        run = json.loads((await connection.send("GET", f"/v1/runs/{run['id']}"))[1])
    if run["state"] != "done":
        raise SystemExit(json.dumps(run))
    end = time.perf_counter()
    return begin, read_at or end, end


async def measure(port: int, key: str, file: bytes, *, alone_s: float) -> None:
    """Let calls come alone, then beside two imports, and tell the waits of each."""
    calls = Calls(Pool(port, key))
    coming = asyncio.create_task(calls.come())
    await asyncio.sleep(2.0)
    begin = time.perf_counter()
    await asyncio.sleep(alone_s)
    alone = calls.tell("no import", begin, time.perf_counter(), limited=False)
    for what in ("import", "the same again"):
        posted, read_at, end = await imported(port, key, file)
        await asyncio.sleep(3.0)
        calls.tell(f"{what}: read", posted, read_at)
        longest = calls.tell(f"{what}: stored", read_at, end)
        print(f"{what}: longest wait / without an import: {longest / alone:.1f}")
        calls.tell(f"{what}: 3 s after", end, end + 3.0)
    coming.cancel()
    await asyncio.gather(coming, return_exceptions=True)


def main() -> None:
    """Serve, let calls come, import."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quarters", type=int, default=QUARTERS, help="of each of the eight teams")
    options.add_argument("--seconds", type=float, default=10.0, help="without an import")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="rondo-bench-") as folder:
        keyfile = Path(folder) / "key"
        arguments = (f"sqlite:///{folder}/r.sqlite3", str(keyfile), "50", str(TEAMS), "embedded")
        with process("benchmarks.support.rondo_server", *arguments) as port:
            key = keyfile.read_text()
            uvloop.run(measure(port, key, file_of(chosen.quarters), alone_s=chosen.seconds))


if __name__ == "__main__":
    main()
