"""Decides which few kinds of shift are worth a closer look: a local search whose measure is the relaxation.

Without prices for kinds the relaxation of a cover is close to its whole numbers, and takes milliseconds. So
kinds are dropped, added and exchanged by what that costs there; its reduced costs say which ones to try.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from staffing.rostering.linear import Floats, Matrix
from staffing.rostering.solvers import load

_ROUNDING = 1e-6
_ADDED, _DROPPED = 6, 4
"""Kinds that are tried for adding, and for leaving, in one turn."""
_SHAKEN = 2
"""Kinds that are exchanged at random before the next descent."""

Kinds = frozenset[int]
"""Numbers of kinds of shift."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Some kinds with the price of their relaxation, prices of kinds included: less they can't cost."""

    kinds: Kinds
    price: float


class KindSearch:
    """The relaxed cover, of which some kinds at a time may be used.

    Args:
        matrix: The model of a cover by all kinds, without prices for kinds.
        columns: For each kind its variables.
        price: Price of each kind in use.
        most: Most kinds; None for any number.
    """

    def __init__(
        self, matrix: Matrix, columns: Sequence[NDArray[np.int32]], *, price: float, most: int | None
    ) -> None:
        self._highs = load(matrix, whole=False)
        self._columns, self._upper = columns, matrix.upper
        self._price, self._most = price, len(columns) if most is None else most
        self._open: set[int] = set(range(len(columns)))
        self._known: dict[Kinds, float] = {}

    def run(self, *, seed: int, stop: Callable[[], bool]) -> list[Choice]:
        """Return what was found until told to stop, cheapest first; always at least one choice."""
        chance = np.random.default_rng(seed)
        best = self._descend(self._fewer(stop), stop)
        found = [best]
        while not stop() and len(self._columns) > 1:
            found.append(self._descend(self._shaken(best.kinds, chance), stop))
            best = min(best, found[-1], key=lambda choice: choice.price)
        seen = {choice.kinds: choice for choice in found}
        return sorted(seen.values(), key=lambda choice: choice.price)

    def _fewer(self, stop: Callable[[], bool]) -> Kinds:
        """Return as many kinds as may be, of all those whose leaving costs least at each turn."""
        kinds = frozenset(range(len(self._columns)))
        while True:
            self._price_of(kinds, anew=True)
            used = self._used()
            kinds = frozenset(kind for kind in kinds if used[kind] > _ROUNDING)
            if len(kinds) <= self._most:
                return kinds
            rare = sorted(kinds, key=lambda kind: (used[kind], kind))
            if stop() or len(kinds) > 3 * self._most:
                kinds -= {rare[0]}
            else:
                kinds -= {min(rare[:_ADDED], key=lambda kind: self._price_of(kinds - {kind}))}

    def _descend(self, kinds: Kinds, stop: Callable[[], bool]) -> Choice:
        price = self._price_of(kinds)
        while not stop():
            better = next(
                (each for each in self._near(kinds) if self._price_of(each) < price - _ROUNDING or stop()),
                None,
            )
            if better is None or self._price_of(better) >= price - _ROUNDING:
                break
            kinds, price = better, self._price_of(better)
        return Choice(kinds, price)

    def _near(self, kinds: Kinds) -> list[Kinds]:
        """Return choices one step away, those first that the relaxation has most hope of."""
        self._price_of(kinds, anew=True)
        used = self._used()
        duals = np.array(self._highs.getSolution().col_dual)
        worth = [float(np.minimum(duals[columns], 0.0).sum()) for columns in self._columns]
        others = sorted(set(range(len(self._columns))) - kinds, key=lambda kind: (worth[kind], kind))
        rare = sorted(kinds, key=lambda kind: (used[kind], kind))
        added = others[:_ADDED] if len(kinds) < self._most else []
        found = [kinds | {kind} for kind in added]
        found += [kinds - {gone} for gone in rare[:1] if len(kinds) > 1]
        found += [kinds - {gone} | {kind} for kind in others[:_ADDED] for gone in rare[:_DROPPED]]
        return [frozenset(each) for each in found]

    def _shaken(self, kinds: Kinds, chance: np.random.Generator) -> Kinds:
        others = sorted(set(range(len(self._columns))) - kinds)
        many = min(_SHAKEN, len(others), len(kinds))
        gone = chance.choice(sorted(kinds), many, replace=False).tolist()
        come = chance.choice(others, many, replace=False).tolist() if many else []
        return kinds - frozenset(gone) | frozenset(come)

    def _price_of(self, kinds: Kinds, *, anew: bool = False) -> float:
        """Return the price of a choice; `anew` leaves its solution in the solver."""
        if anew or kinds not in self._known:
            self._allow(kinds)
            self._highs.run()
            price = self._highs.getInfo().objective_function_value
            self._known[kinds] = float(price) + self._price * len(kinds)
        return self._known[kinds]

    def _allow(self, kinds: Kinds) -> None:
        for kind in self._open ^ kinds:
            columns = self._columns[kind]
            upper = self._upper[columns] if kind in kinds else np.zeros(len(columns))
            self._highs.changeColsBounds(len(columns), columns, np.zeros(len(columns)), upper)
        self._open = set(kinds)

    def _used(self) -> Floats:
        values = np.array(self._highs.getSolution().col_value)
        return np.array([values[columns].sum() for columns in self._columns])
