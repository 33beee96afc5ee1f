"""Claim: agents for 10,000 intervals in 0.1 s (Erlang C) and 3 s (Erlang A), far ahead of the peers.

Peers answer the same intervals one after the other, as they offer no other way; Erlang A of pyworkforce is
scaled up from a stated sample. It exists from pyworkforce 0.5.4 on, which needs Python 3.12 or newer, so this
script asks other interpreters for it: name one with --peer-python, made for example by

    python3.13 -m venv .venv-bench313 && .venv-bench313/bin/pip install pyworkforce==0.5.4
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

INTERVALS = 10_000
ERLANG_A_SAMPLE = 60
SEED = 20
LEVEL, WITHIN_S, PATIENCE_S = 0.8, 20, 120
LIMIT_C_S, LIMIT_A_S, TIMES_C, TIMES_A = 0.1, 3.0, 10, 300
OTHER_PYTHONS = (".venv-bench313/bin/python", ".venv-bench312/bin/python")

Answer = tuple[float, list[int]]


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--peer-python", default=os.environ.get("RONDO_BENCH_PEER_PYTHON"))
    arguments.add_argument("--peer", choices=sorted(PEERS), help=argparse.SUPPRESS)
    asked = arguments.parse_args()
    if asked.peer:
        print(json.dumps(PEERS[asked.peer](json.load(sys.stdin))))
        return 0
    calls, handle_s = intervals()
    held = [erlang_c(calls, handle_s), erlang_a(calls, handle_s, other_python(asked.peer_python))]
    return 0 if all(held) else 1


def intervals() -> tuple[list[float], list[int]]:
    import numpy as np

    rng = np.random.default_rng(SEED)
    return rng.uniform(2, 1200, INTERVALS).tolist(), rng.integers(180, 301, INTERVALS).tolist()


def erlang_c(calls: list[float], handle_s: list[int]) -> bool:
    took_s, mine = rondo(calls, handle_s, patience_s=float("inf"))
    print(f"Erlang C, {INTERVALS} intervals: Rondo {took_s * 1000:.1f} ms (limit {LIMIT_C_S * 1000:.0f} ms)")
    held = took_s <= LIMIT_C_S
    for name, module in (("pyworkforce", "pyworkforce"), ("turbotab", "mod_turbotab")):
        if find_spec(module) is None:
            print(f"  {name}: skipped, not installed here")
            continue
        peer_s, theirs = PEERS[f"{name} C"]([calls, handle_s])
        held &= compare(name, version(name), (took_s, mine), (peer_s, theirs), wanted=TIMES_C)
    return held


def erlang_a(calls: list[float], handle_s: list[int], python: str | None) -> bool:
    took_s, mine = rondo(calls, handle_s, patience_s=PATIENCE_S)
    print(f"Erlang A, {INTERVALS} intervals: Rondo {took_s * 1000:.1f} ms (limit {LIMIT_A_S * 1000:.0f} ms)")
    held = took_s <= LIMIT_A_S
    if python is None:
        print("  pyworkforce: skipped, no interpreter with its ErlangA (0.5.4 needs Python 3.12); see --help")
        return held
    chosen = list(range(0, INTERVALS, INTERVALS // ERLANG_A_SAMPLE))[:ERLANG_A_SAMPLE]
    sample = [[calls[index] for index in chosen], [handle_s[index] for index in chosen]]
    sample_s, theirs = in_other(python, "pyworkforce A", sample)
    print(f"  pyworkforce: a sample of {len(chosen)} intervals took {sample_s:.2f} s, scaled to {INTERVALS}")
    scaled = (sample_s * INTERVALS / len(chosen), theirs)
    mine = [mine[index] for index in chosen]
    return compare("pyworkforce", peer_version(python), (took_s, mine), scaled, wanted=TIMES_A) and held


def rondo(calls: list[float], handle_s: list[int], *, patience_s: float) -> Answer:
    """Return the median time of five runs, each one call for all intervals, lists to list, and the answer."""
    import numpy as np

    from staffing.erlang import required_agents
    from staffing.performance import Targets

    targets = Targets(service_level=LEVEL, answer_within_s=WITHIN_S)
    times_s, agents = [], []
    for _ in range(5):
        began = time.perf_counter()
        loads = np.array(calls) * np.array(handle_s) / 1800
        agents = required_agents(loads, targets, handle_time_s=handle_s, patience_s=patience_s).tolist()
        times_s.append(time.perf_counter() - began)
    return statistics.median(times_s), agents


def pyworkforce_c(cases: list[list[float]]) -> Answer:
    from pyworkforce.queuing import ErlangC

    began = time.perf_counter()
    agents = [
        ErlangC(transactions=calls, aht=handle / 60, asa=WITHIN_S / 60, interval=30).required_positions(
            service_level=LEVEL
        )["raw_positions"]
        for calls, handle in zip(*cases, strict=True)
    ]
    return time.perf_counter() - began, agents


def turbotab_c(cases: list[list[float]]) -> Answer:
    from mod_turbotab.agents.capacity import agents_required

    began = time.perf_counter()
    agents = [
        agents_required(LEVEL, WITHIN_S, calls, handle, interval=1800)
        for calls, handle in zip(*cases, strict=True)
    ]
    return time.perf_counter() - began, agents


def pyworkforce_a(cases: list[list[float]]) -> Answer:
    from pyworkforce.queuing import ErlangA

    began = time.perf_counter()
    agents = [
        ErlangA(
            transactions=calls, aht=handle / 60, asa=WITHIN_S / 60, interval=30, patience=PATIENCE_S / 60
        ).required_positions(service_level=LEVEL)["raw_positions"]
        for calls, handle in zip(*cases, strict=True)
    ]
    return time.perf_counter() - began, agents


PEERS = {"pyworkforce A": pyworkforce_a, "pyworkforce C": pyworkforce_c, "turbotab C": turbotab_c}


def compare(name: str, release: str, mine: Answer, theirs: Answer, *, wanted: int) -> bool:
    ratio = theirs[0] / mine[0]
    more = sum(peer > own for own, peer in zip(mine[1], theirs[1], strict=True))
    fewer = sum(peer < own for own, peer in zip(mine[1], theirs[1], strict=True))
    print(
        f"  {name} {release}: {theirs[0]:.2f} s, Rondo is {ratio:.0f} times faster (claim {wanted}); "
        f"of {len(mine[1])} answers {more} have more agents than Rondo's exact fewest, {fewer} fewer"
    )
    return ratio >= wanted


def other_python(named: str | None) -> str | None:
    """Return an interpreter that has pyworkforce's ErlangA: the one named, this one, or one in this tree."""
    candidates = [named] if named else [sys.executable, *OTHER_PYTHONS]
    test = "from pyworkforce.queuing import ErlangA"
    for candidate in candidates:
        if candidate != sys.executable and not Path(candidate).exists():
            continue
        if subprocess.run([candidate, "-c", test], capture_output=True, check=False).returncode == 0:
            return candidate
    return None


def in_other(python: str, peer: str, cases: list[list[float]]) -> Answer:
    run = subprocess.run(
        [python, "-m", "benchmarks.erlang", "--peer", peer],
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        check=True,
        timeout=900,
    )
    took_s, agents = json.loads(run.stdout)
    return took_s, agents


def peer_version(python: str) -> str:
    ask = "from importlib.metadata import version; print(version('pyworkforce'))"
    try:
        return subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True).stdout.strip()
    except (subprocess.CalledProcessError, PackageNotFoundError):
        return "of unknown release"


if __name__ == "__main__":
    raise SystemExit(main())
