"""Claim: the mix receive/accept/complete at 50 connections keeps up with an endpoint that does nothing.

Measured in one run, in turns: Rondo on SQLite (synchronous=FULL) and PostgreSQL (fsync on); (a) an
endpoint of the same stack that validates the same body and does nothing; (b) the usual design of one ORM
transaction per request on the same databases. Every request of every side is answered with 2xx.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from contextlib import ExitStack
from pathlib import Path

from benchmarks.support.load import Client, Result, measure
from benchmarks.support.servers import postgres, process

LIMITS = {"sqlite": (0.9, 8.0), "postgresql": (0.7, 8.0)}
"""At least this share of the endpoint that does nothing, and this many times the ORM design."""
P99_MS = 50.0


def call(number: int) -> bytes:
    """Return a call of a customer of this connection."""
    return f'{{"channel":"voice","from":{{"phone":"+4420794{number:05}"}},"menu":["1"]}}'.encode()


async def noop(client: Client) -> None:
    """Send the same number of requests to the endpoint that does nothing."""
    for _ in range(3):
        await client.post("/noop", call(client.number))


def mix(prefix: str) -> object:
    """Return the flow: a call comes, its offer is accepted, it is completed."""

    async def flow(client: Client) -> None:
        contact = await client.post(f"{prefix}/contacts", call(client.number))
        if contact is None or not contact["offers"]:
            # More agents than connections: without an offer something is wrong and nothing comparable.
            client.fail()
            return
        await client.post(f"{prefix}/offers/{contact['offers'][0]['id']}/accept")
        await client.post(f"{prefix}/contacts/{contact['id']}/complete")

    return flow


def main() -> None:
    """Run every side in turns and print the ratios."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=3.0)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--connections", type=int, default=50)
    chosen = options.parse_args()
    results: dict[str, list[Result]] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rondo-bench-")))
        server = stack.enter_context(postgres())
        orm_url = stack.enter_context(postgres())
        sides: dict[str, tuple[int, str, object]] = {}
        support = "benchmarks.support"
        sides["noop"] = (stack.enter_context(process(f"{support}.noop_server")), "", noop)
        urls = {"sqlite": f"sqlite:///{folder}/rondo.sqlite3", "postgresql": server}
        peers = {"sqlite": f"sqlite+aiosqlite:///{folder}/orm.sqlite3", "postgresql": orm_url}
        for name, url in urls.items():
            keyfile = folder / f"{name}.key"
            port = stack.enter_context(process(f"{support}.rondo_server", url, str(keyfile)))
            sides[name] = (port, keyfile.read_text(), mix("/v1"))
            port = stack.enter_context(process(f"{support}.orm_server", peers[name]))
            sides[f"{name} orm"] = (port, "", mix(""))
        for turn in range(chosen.rounds + 1):
            for name, (port, key, flow) in sides.items():
                seconds = chosen.seconds if turn else 1.0
                result = measure(port, key, flow, connections=chosen.connections, seconds=seconds)  # type: ignore[arg-type]
                if turn:
                    results.setdefault(name, []).append(result)
    report(results)


def report(results: dict[str, list[Result]]) -> None:
    """Print rates, latencies and the ratios against their limits."""
    rate = {name: statistics.median(each.rate for each in runs) for name, runs in results.items()}
    for name, runs in results.items():
        p50, p99 = (1000 * statistics.median(each.quantile(q) for each in runs) for q in (0.5, 0.99))
        errors = sum(each.errors for each in runs)
        if errors:
            raise SystemExit(f"{name}: {errors} requests failed; nothing can be compared")
        print(f"{name:15} {rate[name]:8.0f}/s  p50 {p50:6.1f} ms  p99 {p99:6.1f} ms")
    for name, (share, times) in LIMITS.items():
        part, factor = rate[name] / rate["noop"], rate[name] / rate[f"{name} orm"]
        p99 = 1000 * statistics.median(each.quantile(0.99) for each in results[name])
        print(
            f"{name:15} {part:.2f} of an endpoint that does nothing (at least {share}): "
            f"{'met' if part >= share else 'MISSED'}; "
            f"{factor:.1f} times the ORM design (at least {times:.0f}): "
            f"{'met' if factor >= times else 'MISSED'}; "
            f"p99 {p99:.0f} ms (at most {P99_MS:.0f}): {'met' if p99 <= P99_MS else 'MISSED'}"
        )


if __name__ == "__main__":
    main()
