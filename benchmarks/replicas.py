"""Claim: two replicas on one PostgreSQL lose and double nothing and are not slower than one.

The same connections, all on one replica, then half on each, in turns; every call is received, accepted,
completed. Once where one replica decides for all (RONDO_ONE_DECIDER), once where each decides. Afterwards
every contact is there once and completed, and both replicas' logs end at the same number.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from contextlib import ExitStack
from pathlib import Path
from urllib.request import Request, urlopen

from benchmarks.mix import mix
from benchmarks.support.load import measure
from benchmarks.support.servers import postgres, process


def get(port: int, key: str, path: str) -> dict[str, object]:
    """Return a decoded answer."""
    request = Request(f"http://127.0.0.1:{port}{path}", headers={"Authorization": f"Bearer {key}"})
    with urlopen(request, timeout=10) as answer:  # noqa: S310
        found: dict[str, object] = json.load(answer)
    return found


def main() -> None:
    """Measure both ways of deciding."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=3.0)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--connections", type=int, default=50)
    chosen = options.parse_args()
    for way in ("true", "false"):
        compare(way, seconds=chosen.seconds, rounds=chosen.rounds, connections=chosen.connections)


def compare(one_decider: str, *, seconds: float, rounds: int, connections: int) -> None:
    """Measure one and two replicas in turns and print the ratio and what was counted."""
    rates: dict[int, list[float]] = {1: [], 2: []}
    calls = 0
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rondo-bench-")))
        url, keyfile = stack.enter_context(postgres()), folder / "key"
        given = ("benchmarks.support.rondo_server", url, str(keyfile), "200", "1")
        ports = [stack.enter_context(process(*given, RONDO_ONE_DECIDER=one_decider)) for _ in range(2)]
        key = keyfile.read_text()
        for turn in range(rounds + 1):
            for used in (ports[:1], ports):
                result = measure(used, key, mix("/v1"), connections=connections, seconds=seconds)  # type: ignore[arg-type]
                if result.errors:
                    raise SystemExit("requests failed")
                calls += result.requests // 3
                if turn:
                    rates[len(used)].append(result.rate)
        seqs = {get(port, key, "/readyz")["seq"] for port in ports}
        states = get(ports[1], key, "/v1/queues")["items"]
    assert isinstance(states, list)
    counted = sum(int(queue["today"]["answered"]) for queue in states)
    one, two = (statistics.median(each) for each in rates.values())
    print("one replica decides for all:" if one_decider == "true" else "each replica decides:")
    print(f"  one replica {one:.0f}/s, two {two:.0f}/s, {connections} connections")
    print(f"  two / one: {two / one:.2f} (at least 1): {'met' if two >= one else 'MISSED'}")
    print(f"  calls carried through {calls}, counted {counted}, logs end alike: {len(seqs) == 1}")


if __name__ == "__main__":
    main()
