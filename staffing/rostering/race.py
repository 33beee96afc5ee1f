"""Decides what the searches of one problem share: the best roster, its bound, and when it is over."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from staffing.rostering.improve import Solution
from staffing.rostering.linear import Matrix, holds
from staffing.rostering.model import Progress
from staffing.rostering.solvers import Answer


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
        done: Whether the main search has ended.
        busy: First days of the parts that are being solved.
        found: Set once there is a best solution.
        relaxed: The solved relaxation, None before.
        swept: Set once the parts may begin.
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
    busy: set[int] = field(default_factory=set)
    found: threading.Event = field(default_factory=threading.Event)
    relaxed: Answer | None = None
    swept: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def offer(self, solution: Solution, *, phase: str = "solution") -> None:
        """Keep a solution when it is better than the best."""
        with self.lock:
            if self.best is None or solution.price < self.best.price - 0.5:
                self.best = solution
        self.found.set()
        self.report(phase, price=solution.price)

    def merge(self, solution: Solution, free: NDArray[np.bool_]) -> None:
        """Keep a solution of a part, also when the rest has become better in the meantime."""
        with self.lock:
            best = self.best
        if best is not None:
            values = np.where(free, solution.values, best.values)
            price = float(self.matrix.cost @ values) + self.matrix.offset
            if price < min(best.price, solution.price) + 0.5 and holds(self.matrix, values):
                solution = Solution(values, price)
        self.offer(solution, phase="parts")

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
        """Return whether to stop: cancelled, out of time (which is noted), or proven."""
        if self.done or self.cancelled() or self.proven():
            return True
        if self.elapsed_s() >= self.limit_s:
            self.note_late()
            return True
        return False

    def note_late(self) -> None:
        """Note that the clock ended a search before its last step."""
        self.ran_out = True

    def winner(self) -> Solution:
        """Return the best solution.

        Raises:
            ValueError: When no roster was found in time.
        """
        if self.best is None:
            raise ValueError("no roster was found in time")
        return self.best

    def proven(self) -> bool:
        """Return whether no better price is possible; prices are whole."""
        return bool(self.price <= np.ceil(self.bound - 1e-6) + 0.5)
