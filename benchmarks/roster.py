"""Claim: rosters come close to the best known prices, and to a proven bound in a made-up centre.

Each part is one roster problem with a limit of time and a largest distance: from the best known price for the
instances of Curtois and Qu, from the roster's own proven bound for the made-up call centre with every kind of
rule. All go through the same model and search with the same settings. A price counts only when a checker
that shares no code with the search finds every rule kept and the same price. Each part runs in a process of
its own, so that its peak memory is its own. Two threads each.
"""

import argparse
import csv
import multiprocessing
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

from benchmarks.support.call_centre import call_centre
from staffing.roster import solve_roster
from staffing.rostering.check import broken_rules, costs
from staffing.rostering.model import Progress, Roster, RosterProblem
from staffing.rostering.schedulingbenchmarks import read_instance

DATA = Path(__file__).resolve().parents[1].parent / "shared" / "data" / "rostering"
INSTANCES = {1: (60, 0.0), 2: (60, 0.0), 3: (60, 0.0), 5: (60, 0.02), 7: (60, 0.02), 10: (600, 0.05)}
"""Limit of time in seconds and largest share above the best known; 0 means proven optimal."""
WORKERS = 2
LATE = 0.02
"""Share of the limit of time that writing the roster down may take once the search has ended."""
GIB = 1 << 30
HEAD = (
    f"{'part':<12}{'price':>9}{'bound':>10}{'gap':>8}{'best':>7}{'above':>8}"
    f"{'limit':>7}{'memory':>11}{'seconds':>8}"
)


@dataclass(frozen=True, slots=True)
class Part:
    """One problem and what is claimed of it.

    Attributes:
        seconds: Limit of time for the search.
        distance: Largest share by which the price may exceed `best_known`, or else the proven bound.
        best_known: Best price known to anybody, None for the made-up centre.
        memory: Most bytes that the process may take at its peak, None for no claim.
    """

    name: str
    make: Callable[[], RosterProblem]
    seconds: float
    distance: float
    best_known: int | None = None
    memory: int | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a part gave; `wrong` holds what the independent checker found against the roster."""

    objective: int
    bound: float
    gap: float
    elapsed_s: float
    peak: int
    wrong: tuple[str, ...]


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    if not DATA.exists():
        print(f"instances skipped: no data in {DATA}")
    print(HEAD)
    held = [
        _run(part, part.seconds if options.seconds is None else options.seconds, options)
        for part in all_parts()
        if not options.only or part.name in options.only
    ]
    return 0 if all(held) else 1


def all_parts() -> list[Part]:
    """Return every part whose data are here."""
    centres = [
        Part("50x7", partial(call_centre, 50, 1), 30, 0.02),
        Part("200x28", partial(call_centre, 200, 4), 600, 0.05, memory=4 * GIB),
    ]
    if not DATA.exists():
        return centres
    known = _best_known()
    instances = [
        Part(f"instance{number}", partial(_instance, number), seconds, distance, known[number])
        for number, (seconds, distance) in INSTANCES.items()
    ]
    return instances + centres


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    names = [part.name for part in all_parts()]
    parser.add_argument("--only", nargs="+", choices=names, metavar="PART", help=f"among {', '.join(names)}")
    parser.add_argument("--seconds", type=float, help="limit of time instead of the claimed one")
    parser.add_argument("--seed", type=int, default=0, help="seed of the search")
    parser.add_argument("--progress", action="store_true", help="print each better price and bound")
    return parser.parse_args(arguments)


def _best_known() -> dict[int, int]:
    with (DATA / "best_known.csv").open(encoding="utf-8") as file:
        return {int(row["instance"]): int(row["best_known"]) for row in csv.DictReader(file)}


def _instance(number: int) -> RosterProblem:
    return read_instance((DATA / f"Instance{number}.txt").read_text(encoding="utf-8"))


def _run(part: Part, seconds: float, options: argparse.Namespace) -> bool:
    """Run a part in a process of its own, print its line and return whether the claim held."""
    context = multiprocessing.get_context("spawn")
    receive, send = context.Pipe(duplex=False)
    work = context.Process(target=_work, args=(part, seconds, options.seed, options.progress, send))
    work.start()
    send.close()
    try:
        outcome: Outcome = receive.recv()
    except EOFError:
        print(f"{part.name:<12}failed", flush=True)
        return False
    finally:
        work.join()
    missed = list(_missed(part, outcome, seconds))
    print(
        _line(part, outcome),
        f"{seconds:g} s",
        f"MISSED: {', '.join(missed)}" if missed else "met",
        flush=True,
    )
    return not missed


def _work(part: Part, seconds: float, seed: int, progress: bool, send: Connection) -> None:
    problem = part.make()
    began = time.monotonic()
    roster = solve_roster(
        problem,
        clock=time.monotonic,
        seed=seed,
        time_limit_s=seconds,
        workers=WORKERS,
        on_progress=_tell if progress else None,
    )
    elapsed_s = time.monotonic() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    wrong = tuple(_wrong(problem, roster))
    send.send(Outcome(roster.objective, roster.bound, roster.gap, elapsed_s, peak, wrong))


def _wrong(problem: RosterProblem, roster: Roster) -> Iterator[str]:
    yield from (f"rule given up: {conflict.rules}" for conflict in roster.conflicts)
    yield from (f"rule broken: {text}" for text in broken_rules(problem, roster.assignments))
    price = sum(costs(problem, roster.assignments).values())
    if price != roster.objective:
        yield f"price is {price}, not {roster.objective}"


def _tell(progress: Progress) -> None:
    known = "-" if progress.bound is None else f"{progress.bound:.1f}"
    print(
        f"    {progress.elapsed_s:7.1f} s  {progress.phase:<18}{progress.objective!s:>9}{known:>12}",
        flush=True,
    )


def _missed(part: Part, outcome: Outcome, seconds: float) -> Iterator[str]:
    yield from outcome.wrong[:3]
    above = outcome.gap if part.best_known is None else _above(part.best_known, outcome)
    if above > part.distance:
        yield f"{above:.2%} above, at most {part.distance:.0%}"
    if part.distance == 0 and outcome.gap > 0:
        yield "not proven"
    if outcome.elapsed_s > seconds * (1 + LATE):
        yield "late"
    if part.memory is not None and outcome.peak > part.memory:
        yield f"more than {part.memory / GIB:g} GiB"


def _above(best_known: int, outcome: Outcome) -> float:
    return outcome.objective / best_known - 1


def _line(part: Part, outcome: Outcome) -> str:
    known = above = "-"
    if part.best_known is not None:
        known, above = str(part.best_known), f"{_above(part.best_known, outcome):.2%}"
    return (
        f"{part.name:<12}{outcome.objective:>9}{outcome.bound:>10.0f}{outcome.gap:>8.2%}{known:>7}{above:>8}"
        f"{part.distance:>7.0%}{outcome.peak / GIB:>7.2f} GiB{outcome.elapsed_s:>8.1f} of"
    )


if __name__ == "__main__":
    sys.exit(main())
