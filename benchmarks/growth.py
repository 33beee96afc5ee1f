"""Claims: a contact costs at most 1.5 times as much with 10,000 waiting as with 10, 1.1 with a million past.

And: 10,000 waiting take at most 400 MiB; one connection is answered in 5 ms (median); on both databases.

Cost is the server's own CPU time per request (with PostgreSQL: and its backends'), which other work on the
machine disturbs least. The mix is receive, accept, complete for a team whose agents are free, while contacts
of another team wait. The services that are compared run side by side and are measured in turns, each against
the one with 10 waiting in the same round; the median of the rounds counts.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sqlite3
import statistics
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg

from benchmarks.support.load import Client, measure
from benchmarks.support.servers import postgres, process

CONTACT = b'{"channel":"voice","team":"team0"}'
WAITING = b'{"channel":"voice","team":"team1","skills":{"rare":5}}'
PAST = 1_000_000
LABELS = {"few": "10 waiting", "many": "10,000 waiting", "old": "a million past contacts, 10 waiting"}


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


def processes() -> Iterator[tuple[int, int, list[str]]]:
    """Yield (process, parent, command line) of all that run."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
        yield int(entry.name), parent, words


class Service:
    """A running service, and which processes its cost is."""

    def __init__(self, port: int, key: str, postgres_port: int | None) -> None:
        self.port = port
        self.key = key
        found = list(processes())
        self.pid = next(
            pid
            for pid, _, words in found
            if "benchmarks.support.rondo_server" in words and str(port) in words
        )
        self._postmaster = None
        if postgres_port is not None:
            self._postmaster = next(
                pid for pid, _, words in found if "-D" in words and str(postgres_port) in words
            )

    def used_s(self) -> float:
        """Return the CPU time of the service and of PostgreSQL's processes so far (s)."""
        backends = [pid for pid, parent, _ in processes() if self._postmaster and parent == self._postmaster]
        return cpu_s(self.pid) + sum(cpu_s(pid) for pid in backends)

    def cost_us(self, seconds: float) -> float:
        """Return the CPU time per request (us) under the mix."""
        before = self.used_s()
        result = measure(self.port, self.key, mix, connections=20, seconds=seconds)
        if result.errors:
            raise SystemExit(f"{result.errors} requests failed")
        return 1e6 * (self.used_s() - before) / result.requests

    def fill_to(self, count: int) -> None:
        """Let contacts come until `count` wait."""
        left = count
        while left > 0:
            seconds = min(1.0, left / 500)
            left -= measure(self.port, self.key, wait, connections=50, seconds=seconds).requests

    def memory_mib(self) -> float:
        """Return the resident memory of the service."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def past() -> list[str]:
    """Return what puts a million ended contacts with tickets, segments and an event each into a database.

    Their ids lie below those that are given from then on, as ids of the past do.
    """
    numbers = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {PAST}) "
    base = 1_000_000
    return [
        f"INSERT INTO customer (id, created_at) {numbers} SELECT {base} + i, i FROM n",
        "INSERT INTO customer_key (kind, value, customer_id) "
        f"{numbers} SELECT 'phone', '+4930' || i, {base} + i FROM n",
        "INSERT INTO ticket (id, customer_id, team_id, owner_id, state, subject, opened_at, changed_at, "
        f"resolved_at, data) {numbers} SELECT {base} + i, {base} + i, 'team0', 'lead', 'resolved', '', i, i, "
        "i, '{}' FROM n",
        "INSERT INTO contact (id, customer_id, ticket_id, channel, state, team_id, received_at, closed_at, "
        "source, subject, text, dialled, details, classification, data) "
        f"{numbers} SELECT {base} + i, {base} + i, {base} + i, 'voice', 'completed', 'team0', i, i, '', "
        "'', '', '', '{}', '{}', '{}' FROM n",
        "INSERT INTO segment (contact_id, number, team_id, channel, queued_at, answered_at, ended_at, "
        f"outcome, reason, short) {numbers} SELECT {base} + i, 1, 'team0', 'voice', i, i, i, "
        "'answered', '', false FROM n",
        f"INSERT INTO event (seq, at, kind, actor, contact_id, data) {numbers} "
        f"SELECT -i, i, 'contact_received', 'past', {base} + i, '{{}}' FROM n",
        f"UPDATE floor SET next_id = {base + PAST + 1000}",
        "ANALYZE",
    ]


def in_sqlite(url: str) -> None:
    """Add the past to a SQLite file that nobody uses."""
    connection = sqlite3.connect(url.removeprefix("sqlite:///"))
    for statement in past():
        connection.execute(statement)
        connection.commit()
    connection.close()


def in_postgres(url: str) -> None:
    """Add the past to a PostgreSQL database."""

    async def add() -> None:
        connection = await asyncpg.connect(url.replace("+asyncpg", ""))
        for statement in past():
            await connection.execute(statement)
        await connection.close()

    asyncio.run(add())


def new_database(url: str, name: str) -> str:
    """Create a database beside the one of `url`; return its URL."""

    async def create() -> None:
        connection = await asyncpg.connect(url.replace("+asyncpg", ""))
        await connection.execute(f"CREATE DATABASE {name}")
        await connection.close()

    asyncio.run(create())
    return f"{url.rpartition('/')[0]}/{name}"


def main() -> None:
    """Measure on both databases and print each ratio against its limit."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=2.0)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--past", action=argparse.BooleanOptionalAction, default=True)
    options.add_argument("--database", choices=("sqlite", "postgresql"), action="append")
    chosen = options.parse_args()
    for database in chosen.database or ("sqlite", "postgresql"):
        print(database)
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rondo-bench-")))
            if database == "sqlite":
                urls = [f"sqlite:///{folder}/{name}.sqlite3" for name in ("few", "many", "old")]
                services = start(stack, folder, urls, in_sqlite if chosen.past else None)
            else:
                url = stack.enter_context(postgres())
                urls = [new_database(url, name) for name in ("few", "many", "old")]
                services = start(stack, folder, urls, in_postgres if chosen.past else None)
            compare(services, rounds=chosen.rounds, seconds=chosen.seconds)


def start(
    stack: ExitStack, folder: Path, urls: list[str], add_past: Callable[[str], None] | None
) -> dict[str, Service]:
    """Return running services with 10 and 10,000 waiting, and where asked for one with a past."""
    keyfile = folder / "key"

    def service(stack: ExitStack, url: str) -> Service:
        agents, teams = "200", "2"
        port = stack.enter_context(
            process("benchmarks.support.rondo_server", url, str(keyfile), agents, teams)
        )
        return Service(port, keyfile.read_text(), urlsplit(url).port)

    few = service(stack, urls[0])
    one = measure(few.port, few.key, mix, connections=1, seconds=3.0)
    say("one connection, median ms", 1000 * one.quantile(0.5), 5.0)
    services = {"few": few, "many": service(stack, urls[1])}
    services["many"].fill_to(10_000)
    if add_past is not None:
        with ExitStack() as once:
            service(once, urls[2])
        add_past(urls[2])
        services["old"] = service(stack, urls[2])
        services["old"].fill_to(10)
    few.fill_to(10)
    return services


def compare(services: dict[str, Service], *, rounds: int, seconds: float) -> None:
    """Measure the services in turns and print their costs against the one with few waiting."""
    costs: dict[str, list[float]] = {name: [] for name in services}
    for turn in range(rounds + 1):
        for name, service in services.items():
            cost_us = service.cost_us(seconds if turn else 1.0)
            if turn:
                costs[name].append(cost_us)
    for name, each in costs.items():
        print(f"  {LABELS[name]}: {statistics.median(each):.0f} us of CPU a request")
    for name, limit in (("many", 1.5), ("old", 1.1)):
        if name in costs:
            ratios = [value / few for value, few in zip(costs[name], costs["few"], strict=True)]
            say(f"cost, {LABELS[name]} / 10 waiting", statistics.median(ratios), limit)
    say("memory with 10,000 waiting, MiB", services["many"].memory_mib(), 400.0)


def say(what: str, value: float, limit: float) -> None:
    """Print a figure against its limit."""
    print(f"  {what}: {value:.2f} (at most {limit:g}): {'met' if value <= limit else 'MISSED'}")


if __name__ == "__main__":
    main()
