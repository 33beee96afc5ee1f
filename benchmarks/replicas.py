"""Claim: two replicas on one PostgreSQL lose and double nothing and are not slower than one.

The same 50 connections, all on one replica, then half on each; every call is received, accepted, completed.
Afterwards every contact is there once and completed, and both replicas' logs end at the same number.
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
    """Measure in turns and print the ratio."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=4.0)
    options.add_argument("--rounds", type=int, default=3)
    chosen = options.parse_args()
    flow = mix("/v1")
    alone: list[float] = []
    both: list[float] = []
    calls = 0
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rondo-bench-")))
        url, keyfile = stack.enter_context(postgres()), folder / "key"
        start = "benchmarks.support.rondo_server"
        ports = [stack.enter_context(process(start, url, str(keyfile), "200", "1")) for _ in range(2)]
        key = keyfile.read_text()
        for _ in range(chosen.rounds):
            for used, rates in ((ports[:1], alone), (ports, both)):
                result = measure(used, key, flow, connections=50, seconds=chosen.seconds)  # type: ignore[arg-type]
                if result.errors:
                    raise SystemExit("requests failed")
                rates.append(result.rate)
                calls += result.requests // 3
        seqs = {get(port, key, "/readyz")["seq"] for port in ports}
        states = get(ports[1], key, "/v1/queues")["items"]
    assert isinstance(states, list)
    counted = sum(int(queue["today"]["answered"]) for queue in states)
    ratio = statistics.median(both) / statistics.median(alone)
    print(f"one replica {statistics.median(alone):.0f}/s, two {statistics.median(both):.0f}/s")
    print(f"two / one: {ratio:.2f} (at least 1): {'met' if ratio >= 1 else 'MISSED'}")
    print(f"calls carried through {calls}, counted {counted}, logs end alike: {len(seqs) == 1}")


if __name__ == "__main__":
    main()
