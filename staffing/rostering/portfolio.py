"""Decides which searches run for a roster, in which order and beside which, and when to stop."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from staffing.rostering.cover import RosterModel
from staffing.rostering.improve import Solution, improve
from staffing.rostering.linear import Floats, Matrix
from staffing.rostering.model import Progress
from staffing.rostering.rebuild import rebuild
from staffing.rostering.solvers import branch, relax

_STEPS_PER_S = 4_000.0
_REBUILD_SHARE = 0.85
_SMALL_PART = 0.02
_PARTS_PER_S = 2


@dataclass(slots=True)
class Race:
    """What all searches of one problem know: best solution, bound, clock, stop.

    Attributes:
        matrix: The model.
        best: Best complete solution.
        price: Best price known, of a solution that may still be completed; infinite at first.
        bound: Proven bound.
        limit_s: Wall time of the whole search.
        ran_out: Whether the clock ended a search that was not through with its steps.
    """

    matrix: Matrix
    limit_s: float
    elapsed_s: Callable[[], float]
    tell: Callable[[Progress], None]
    cancelled: Callable[[], bool]
    best: Solution | None = None
    price: float = float("inf")
    bound: float = -float("inf")
    ran_out: bool = False
    done: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def offer(self, solution: Solution) -> None:
        """Keep a solution when it is better than the best."""
        with self.lock:
            if self.best is None or solution.price < self.best.price - 0.5:
                self.best = solution
        self.report("solution", price=solution.price)

    def report(self, phase: str, *, price: float | None = None, bound: float | None = None) -> None:
        """Note a better price or bound and tell about it."""
        with self.lock:
            better = price is not None and price < self.price - 0.5
            tighter = bound is not None and bound > self.bound + 1e-6
            if better and price is not None:
                self.price = price
            if tighter and bound is not None:
                self.bound = bound
            objective = None if np.isinf(self.price) else round(self.price)
            known = None if np.isinf(self.bound) else min(self.bound, self.price)
        if better or tighter:
            self.tell(Progress(phase, self.elapsed_s(), objective, known))

    def over(self) -> bool:
        """Return whether to stop: cancelled, out of time, or proven."""
        if self.done or self.cancelled() or self.proven():
            return True
        if self.elapsed_s() >= self.limit_s:
            self.ran_out = True
            return True
        return False

    def proven(self) -> bool:
        """Return whether no better price is possible; prices are whole."""
        return bool(self.price <= np.ceil(self.bound - 1e-6) + 0.5)


def run(race: Race, model: RosterModel, *, seed: int, workers: int) -> Solution:
    """Search until the time is over, the price is proven or all steps are done; return the best solution.

    With one worker: relaxation, rebuilding, then exact parts and branch and bound in turn. With more, the
    relaxation and branch and bound run beside the others and both use each other's solutions.

    Raises:
        ValueError: When no roster was found in time.
    """
    beside = threading.Thread(target=_bound, args=(race, seed))
    if workers > 1:
        beside.start()
    else:
        _relax(race)
    try:
        _search(race, model, seed)
        if workers > 1:
            if _branches(race):
                while beside.is_alive() and not race.over():
                    beside.join(0.05)
        elif not race.over() and _branches(race):
            _branch(race, seed)
    finally:
        race.done = True
        if workers > 1:
            beside.join()
    if race.best is None:
        raise ValueError("no roster was found in time")
    return race.best


def _bound(race: Race, seed: int) -> None:
    _relax(race)
    if not race.over() and _branches(race):
        _branch(race, seed)


def _relax(race: Race) -> None:
    answer = relax(race.matrix, time_limit_s=race.limit_s, should_stop=race.over)
    race.report("relaxation", bound=answer.bound)


def _branch(race: Race, seed: int) -> None:
    def note(price: float, bound: float, values: Floats | None) -> None:
        if values is not None and price < race.price - 0.5:
            race.offer(Solution(np.round(values), price))
        race.report("bound", bound=bound)

    start = race.best.values if race.best is not None else None
    answer = branch(
        race.matrix,
        time_limit_s=max(0.1, race.limit_s - race.elapsed_s()),
        seed=seed,
        start=start,
        on_progress=note,
        should_stop=race.over,
    )
    if answer.values is not None:
        race.offer(Solution(np.round(answer.values), answer.objective))
    race.report("bound", bound=answer.bound)


def _branches(race: Race) -> bool:
    """Return whether branch and bound has a chance: not on models of many slots."""
    return race.matrix.shape[0] < 16_000


def _search(race: Race, model: RosterModel, seed: int) -> None:
    """Rebuild, then solve parts exactly where parts are small."""
    by_slots = bool(model.scope.problem.requirements)
    share = _REBUILD_SHARE if by_slots else _SMALL_PART
    until_s = share * race.limit_s
    began_s = race.elapsed_s()
    steps = max(20, round(_STEPS_PER_S * (until_s - began_s) / model.scope.problem.days**2))

    def late() -> bool:
        return race.over() or race.elapsed_s() >= until_s

    solution = rebuild(
        model,
        race.matrix,
        seed=seed,
        steps=steps,
        elapsed=lambda: (race.elapsed_s() - began_s) / max(1e-9, until_s - began_s),
        on_better=lambda price: race.report("rebuild", price=price),
        should_stop=late,
    )
    race.offer(solution)
    if race.over() or by_slots:
        return
    steps = max(5, round(_PARTS_PER_S * (race.limit_s - race.elapsed_s())))
    race.offer(
        improve(
            race.matrix,
            solution,
            seed=seed,
            steps=steps,
            on_better=lambda price: race.report("parts", price=price),
            take=lambda: race.best,
            should_stop=race.over,
        )
    )
