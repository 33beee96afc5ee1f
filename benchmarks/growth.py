"""Claims: a contact costs at most 1.5 times as much with 10,000 waiting as with 10, 1.1 with a million past.

And: 10,000 waiting take at most 400 MiB; one connection is answered in 5 ms (median).

Cost is the server's own CPU time per request (with PostgreSQL: and its backends'), which other work on the
machine disturbs least. The mix is receive, accept, complete for a team whose agents are free, while contacts
of another team wait.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import tempfile
from contextlib import ExitStack
from pathlib import Path

from benchmarks.support.load import Client, Result, measure
from benchmarks.support.servers import process

CONTACT = b'{"channel":"voice","team":"team0"}'
WAITING = b'{"channel":"voice","team":"team1","skills":{"rare":5}}'
PAST = 1_000_000


async def mix(client: Client) -> None:
    """Let one call come, be taken and end."""
    contact = await client.post("/v1/contacts", CONTACT)
    if contact["offers"]:
        await client.post(f"/v1/offers/{contact['offers'][0]['id']}/accept")
        await client.post(f"/v1/contacts/{contact['id']}/complete")


async def wait(client: Client) -> None:
    """Let one call come that nobody can take."""
    await client.post("/v1/contacts", WAITING)


def cpu_s(pid: int) -> float:
    """Return the CPU time a process has used (s)."""
    parts = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")


def pid_of(port: int) -> int:
    """Return the process that listens as the benchmark's server on `port`."""
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        words = entry.read_bytes().split(b"\0")
        if b"benchmarks.support.rondo_server" in words and str(port).encode() in words:
            return int(entry.parent.name)
    raise LookupError(port)


def cost_us(port: int, key: str, *, seconds: float) -> tuple[float, Result]:
    """Return the server's CPU time per request (us) under the mix, and the load's result."""
    pid = pid_of(port)
    measure(port, key, mix, connections=20, seconds=1.0)
    before = cpu_s(pid)
    result = measure(port, key, mix, connections=20, seconds=seconds)
    if result.errors:
        raise SystemExit(f"{result.errors} requests failed")
    return 1e6 * (cpu_s(pid) - before) / result.requests, result


def fill_to(port: int, key: str, count: int) -> None:
    """Let contacts come until `count` wait."""
    left = count
    while left > 0:
        left -= measure(port, key, wait, connections=50, seconds=min(1.0, left / 500)).requests


def add_past(path: Path) -> None:
    """Put a million ended contacts with tickets, segments and three events each into the database."""
    connection = sqlite3.connect(path)
    numbers = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {PAST}) "
    base = 10_000_000
    for statement in (
        f"INSERT INTO customer (id, created_at) {numbers} SELECT {base} + i, i FROM n",
        f"INSERT INTO customer_key {numbers} SELECT 'phone', '+4930' || i, {base} + i FROM n",
        "INSERT INTO ticket (id, customer_id, team_id, owner_id, state, subject, opened_at, changed_at, "
        f"resolved_at, data) {numbers} SELECT {base} + i, {base} + i, 'team0', 'lead', 'resolved', '', i, i, "
        "i, '{}' FROM n",
        "INSERT INTO contact (id, customer_id, ticket_id, channel, state, team_id, received_at, closed_at, "
        "source, subject, text, dialled, details, classification, data) "
        f"{numbers} SELECT {base} + i, {base} + i, {base} + i, 'voice', 'completed', 'team0', i, i, '', "
        "'', '', '', '{}', '{}', '{}' FROM n",
        "INSERT INTO segment (contact_id, number, team_id, channel, queued_at, answered_at, ended_at, "
        f"outcome, reason, short) {numbers} SELECT {base} + i, 1, 'team0', 'voice', i, i, i, "
        "'answered', '', 0 FROM n",
        f"INSERT INTO event (seq, at, kind, actor, contact_id, data) {numbers} "
        f"SELECT -i, i, 'contact_received', 'past', {base} + i, '{{}}' FROM n",
    ):
        connection.execute(statement)
        connection.commit()
    connection.close()


def main() -> None:
    """Measure on SQLite and print each ratio against its limit."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=5.0)
    options.add_argument("--past", action=argparse.BooleanOptionalAction, default=True)
    chosen = options.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rondo-bench-")))
        keyfile, url = folder / "key", f"sqlite:///{folder}/r.sqlite3"
        with process("benchmarks.support.rondo_server", url, str(keyfile), "200", "2") as port:
            key = keyfile.read_text()
            one = measure(port, key, mix, connections=1, seconds=3.0)
            say("one connection, median ms", 1000 * one.quantile(0.5), 5.0)
            fill_to(port, key, 10)
            few, _ = cost_us(port, key, seconds=chosen.seconds)
            fill_to(port, key, 10_000)
            many, _ = cost_us(port, key, seconds=chosen.seconds)
            print(f"CPU per request: {few:.0f} us with 10 waiting, {many:.0f} us with 10,000")
            say("cost with 10,000 waiting / with 10", many / few, 1.5)
            pages = int(Path(f"/proc/{pid_of(port)}/statm").read_text().split()[1])
            say("memory with 10,000 waiting, MiB", pages * os.sysconf("SC_PAGE_SIZE") / 2**20, 400.0)
        if chosen.past:
            path = folder / "past.sqlite3"
            url = f"sqlite:///{path}"
            with process("benchmarks.support.rondo_server", url, str(keyfile), "200", "2") as port:
                fresh, _ = cost_us(port, keyfile.read_text(), seconds=chosen.seconds)
            add_past(path)
            with process("benchmarks.support.rondo_server", url, str(keyfile), "200", "2") as port:
                old, _ = cost_us(port, keyfile.read_text(), seconds=chosen.seconds)
            print(f"CPU per request: {fresh:.0f} us without history, {old:.0f} us with {PAST:,} contacts")
            say("cost with a million past contacts / without", old / fresh, 1.1)


def say(what: str, value: float, limit: float) -> None:
    """Print a figure against its limit."""
    print(f"{what}: {value:.2f} (at most {limit:g}): {'met' if value <= limit else 'MISSED'}")


if __name__ == "__main__":
    main()
