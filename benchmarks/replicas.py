"""Claim: two replicas on one PostgreSQL lose and double nothing and are not slower than one alone.

The same connections, all on one replica with no other running, then half on each of two, in turns that change
their order; every call is received, accepted, completed. Near: one decides for its machine and is handed the
others' connections. Far: one decides for all, and replicas of other machines pass calls on, which this one
plays. Off: each decides. What two carry of what one carries is told with the interval (95 %, by bootstrap) in
which its median lies, beside what one carries of what it carried a turn before, which is how well the machine
can tell. Afterwards every contact is there once and completed, and both logs end at the same number.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from benchmarks.mix import mix
from benchmarks.support.load import measure
from benchmarks.support.servers import postgres, process

WAYS = {"near": ("machine", "rondo_server"), "far": ("network", "far_server"), "off": ("off", "rondo_server")}
"""RONDO_ONE_DECIDER and the kind of server, by name."""
_WARM_S = 1.5
_RESAMPLES = 2000


def get(port: int, key: str, path: str) -> dict[str, object]:
    """Return a decoded answer."""
    request = Request(f"http://127.0.0.1:{port}{path}", headers={"Authorization": f"Bearer {key}"})
    with urlopen(request, timeout=10) as answer:  # noqa: S310
        found: dict[str, object] = json.load(answer)
    return found


def main() -> None:
    """Measure each way of deciding."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=3.0)
    options.add_argument("--rounds", type=int, default=8)
    options.add_argument("--connections", type=int, default=50)
    options.add_argument("--ways", nargs="+", default=list(WAYS))
    chosen = options.parse_args()
    for way in chosen.ways:
        compare(way, seconds=chosen.seconds, rounds=chosen.rounds, connections=chosen.connections)


def compare(way: str, *, seconds: float, rounds: int, connections: int) -> None:
    """Measure one and two replicas in turns and print the ratio and what was counted."""
    rates: dict[int, list[float]] = {1: [], 2: []}
    calls = 0
    one_decider, server = WAYS[way]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rondo-bench-")))
        url, keyfile = stack.enter_context(postgres()), folder / "key"

        def replica() -> AbstractContextManager[int]:
            given = (f"benchmarks.support.{server}", url, str(keyfile), "200", "1")
            return process(*given, RONDO_ONE_DECIDER=one_decider)

        def load(*ports: int) -> None:
            nonlocal calls
            for lasting in (_WARM_S, seconds):
                flow: Any = mix("/v1")
                result = measure(ports, keyfile.read_text(), flow, connections=connections, seconds=lasting)
                if result.errors:
                    raise SystemExit("requests failed")
                calls += result.requests // 3
            rates[len(ports)].append(result.rate)

        first = stack.enter_context(replica())
        for turn in range(rounds):
            if turn % 2:
                load(first)
            with replica() as second:
                load(first, second)
                ends = {get(port, keyfile.read_text(), "/readyz")["seq"] for port in (first, second)}
                states, carried = get(second, keyfile.read_text(), "/v1/queues")["items"], calls
            if not turn % 2:
                load(first)
    assert isinstance(states, list)
    counted = sum(int(queue["today"]["answered"]) for queue in states)
    print(f"{way} (RONDO_ONE_DECIDER={one_decider}), {connections} connections:")
    one, two = (statistics.median(each) for each in rates.values())
    print(f"  one replica {one:.0f}/s, two {two:.0f}/s")
    ratios = [b / a for a, b in zip(rates[1], rates[2], strict=True)]
    low, high = interval(ratios)
    print(
        f"  two / one: {statistics.median(ratios):.3f}, between {low:.3f} and {high:.3f} (at least 1): ",
        end="",
    )
    print("met" if low >= 1 else "MISSED" if high < 1 else "not told apart from 1")
    again = [b / a for a, b in pairwise(rates[1])]
    low, high = interval(again)
    print(f"  one / one a turn before: {statistics.median(again):.3f}, between {low:.3f} and {high:.3f}")
    print(f"  calls carried through {carried}, counted {counted}, logs end alike: {len(ends) == 1}")


def interval(ratios: Sequence[float]) -> tuple[float, float]:
    """Return the interval (95 %, bootstrap) of the median."""
    chance = random.Random(1)
    medians = sorted(statistics.median(chance.choices(ratios, k=len(ratios))) for _ in range(_RESAMPLES))
    return medians[_RESAMPLES // 40], medians[-_RESAMPLES // 40]


if __name__ == "__main__":
    main()
