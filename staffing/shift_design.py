"""Decides which kinds of shift cover a requirement with little surplus, little shortage and few kinds.

The objective is that of minimum shift design (Musliu, Schaerf and Slany 2004): agent-minutes too many, plus
agent-minutes too few, plus a price for each kind of shift in use.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from staffing.design_bound import days_bound
from staffing.design_kinds import Choice, KindSearch
from staffing.design_model import (
    DesignPrices,
    Plan,
    add_counts,
    add_kinds,
    add_misses,
    new_plan,
    slot_s,
    timeline_of,
)
from staffing.intervals import Grid
from staffing.rostering.linear import Floats, Matrix, matrix
from staffing.rostering.model import relative_gap
from staffing.rostering.solvers import branch, relax, search
from staffing.rostering.timeline import Timeline
from staffing.shifts import ShiftKind

_CHOOSE_UNTIL, _EXACT_UNTIL, _JOINED_UNTIL, _WHOLE_UNTIL = 0.12, 0.3, 0.4, 0.6
"""Shares of the time until which kinds are chosen, and choices, a wider one and all are staffed exactly."""
_EXACT, _JOINED = 8, 3
"""Choices that are staffed exactly, and those whose kinds are all allowed at once afterwards."""
_LEAST_S = 0.05
_ROUNDING = 1e-6
_PRICES = DesignPrices()


@dataclass(frozen=True, slots=True)
class ShiftDesign:
    """Kinds of shift and how many agents work them on each day.

    Args:
        counts: Agents by day (from 0) and id of the kind; zeros left out.
        kinds: The kinds in use, by start.
        staffed: Agents at work in each slot.
        over_s: Agent-seconds too many.
        under_s: Agent-seconds too few.
        price: Price of the design.
        bound: Proven: no design costs less.
    """

    counts: Mapping[tuple[int, str], int]
    kinds: tuple[ShiftKind, ...]
    staffed: tuple[int, ...]
    over_s: int
    under_s: int
    price: int
    bound: float

    @property
    def gap(self) -> float:
        """Share of the price that might still be saved: (price - bound) / price."""
        return relative_gap(self.price, self.bound)


def design_shifts(
    required: Sequence[int],
    kinds: Sequence[ShiftKind],
    *,
    grid: Grid,
    starts_on: date,
    clock: Callable[[], float],
    prices: DesignPrices = _PRICES,
    most_kinds: int | None = None,
    time_limit_s: float = 20.0,
    seed: int = 0,
    should_stop: Callable[[], bool] | None = None,
) -> ShiftDesign:
    """Return the cheapest design found for a requirement that repeats, such as a week's.

    A shift that passes the end of the last day goes on at the start of the first. Breaks lie where they hurt
    the cover least. The search is one thread: a local search over the kinds (`design_kinds`), exact answers
    for those that came out best, a bound from each day by itself (`design_bound`).

    Args:
        required: Agents needed in each slot of whole days; those of a clock change are shorter or longer.
        kinds: Kinds of shift to choose from; starts, lengths and breaks are multiples of a slot.
        grid: The site's grid, whose intervals are the slots.
        starts_on: First local date.
        clock: Seconds that pass, for the time limit: the core reads no clock itself.
        prices: What is to be minimised.
        most_kinds: Most kinds in use; None for any number.
        time_limit_s: Wall time of the search.
        seed: Its seed.
        should_stop: Asked now and then; the search ends when it says yes.

    Raises:
        ValueError: When the requirement is not of whole days or a time is no multiple of a slot.
    """
    timeline = timeline_of(required, kinds, grid, starts_on)
    began, stop = clock(), should_stop or (lambda: False)
    search = _Search(
        list(required),
        list(kinds),
        timeline,
        prices,
        most_kinds,
        seed,
        lambda: clock() - began,
        time_limit_s,
        stop,
    )
    search.run()
    return search.design()


@dataclass(slots=True)
class _Search:
    """The best design so far and the best bound; `best` is nobody at all to begin with."""

    required: list[int]
    kinds: list[ShiftKind]
    timeline: Timeline
    prices: DesignPrices
    most_kinds: int | None
    seed: int
    elapsed: Callable[[], float]
    limit_s: float
    should_stop: Callable[[], bool]
    bound: float = 0.0
    best: tuple[Plan, Floats] | None = None
    price: float = float("inf")

    def run(self) -> None:
        """Choose kinds, staff them, and prove how good that is."""
        whole = new_plan(self.required, self.kinds, self.timeline)
        add_counts(whole)
        add_misses(whole, self.prices)
        numbers = matrix(whole.linear)
        root = relax(numbers, time_limit_s=self.limit_s, should_stop=self.should_stop)
        self.bound = max(0.0, root.bound)
        if self.should_stop() or root.values is None:
            return
        choices = self._chosen(whole, numbers)
        for choice in choices[:_EXACT]:
            if choice.price < self.price - _ROUNDING and not self._over(_EXACT_UNTIL):
                self._staff(choice.kinds, (self.limit_s * _EXACT_UNTIL - self.elapsed()) / 2)
        near = frozenset[int]().union(*(choice.kinds for choice in choices[:_JOINED]))
        if not self._over(_JOINED_UNTIL):
            self._staff(near, self.limit_s * _JOINED_UNTIL - self.elapsed())
        if not self._over(_WHOLE_UNTIL):
            self._branch()
        if not self._over(1.0):
            self._prove()

    def _chosen(self, whole: Plan, numbers: Matrix) -> list[Choice]:
        by_kind: dict[str, list[int]] = {kind.id: [] for kind in self.kinds}
        for (_day, kind_id), variable in whole.counts.items():
            by_kind[kind_id].append(variable)
        columns = [np.array(by_kind[kind.id], dtype=np.int32) for kind in self.kinds]
        search = KindSearch(numbers, columns, price=self.prices.kind, most=self.most_kinds)
        return search.run(seed=self.seed, stop=lambda: self._over(_CHOOSE_UNTIL))

    def _staff(self, chosen: frozenset[int], seconds: float) -> None:
        """Find the cheapest design with some of the kinds, better than the best so far."""
        plan = new_plan(self.required, [self.kinds[number] for number in sorted(chosen)], self.timeline)
        add_counts(plan)
        add_kinds(plan, self.prices.kind, self.most_kinds)
        add_misses(plan, self.prices)
        answer = search(
            matrix(plan.linear),
            time_limit_s=max(seconds, _LEAST_S),
            seed=self.seed,
            hint=self._hint(plan),
            better_than=self.price if np.isfinite(self.price) else None,
            should_stop=self.should_stop,
        )
        if answer.values is not None and answer.objective < self.price:
            self.best, self.price = (plan, answer.values), answer.objective
        if len(chosen) == len(self.kinds):
            self.bound = max(self.bound, min(answer.bound, self.price))

    def _branch(self) -> None:
        """Raise the bound, and maybe better the design, by branch and bound over all kinds."""
        plan = new_plan(self.required, self.kinds, self.timeline)
        add_counts(plan)
        add_kinds(plan, self.prices.kind, self.most_kinds)
        add_misses(plan, self.prices)
        answer = branch(
            matrix(plan.linear),
            time_limit_s=max(self.limit_s * _WHOLE_UNTIL - self.elapsed(), _LEAST_S),
            seed=self.seed,
            start=self._hint(plan),
            should_stop=self.should_stop,
        )
        if answer.values is not None and answer.objective < self.price - _ROUNDING:
            self.best, self.price = (plan, answer.values), round(answer.objective)
        self.bound = max(self.bound, min(answer.bound, self.price))

    def _hint(self, plan: Plan) -> Floats | None:
        """Return the best design's agents as values of another plan, the rest 0; None without one."""
        if self.best is None:
            return None
        known, values = self.best
        hint = np.zeros(len(plan.linear.lower))
        for key, variable in plan.counts.items():
            if key in known.counts:
                hint[variable] = values[known.counts[key]]
        return hint

    def _prove(self) -> None:
        found = days_bound(
            self.required,
            self.kinds,
            self.timeline,
            prices=self.prices,
            most_kinds=self.most_kinds,
            price=self._known_price(),
            seconds=lambda: self.limit_s - self.elapsed(),
            should_stop=self.should_stop,
        )
        self.bound = max(self.bound, found)

    def _known_price(self) -> float:
        nobody = self.prices.under * sum(self.required) * self.timeline.problem.grid.step_s / 60
        return min(self.price, nobody)

    def _over(self, share: float) -> bool:
        """Return whether a share of the time is over, or the search is to end or has nothing to win."""
        return (
            self.should_stop()
            or self.elapsed() >= share * self.limit_s
            or self.bound >= self.price - 1 + _ROUNDING
        )

    def design(self) -> ShiftDesign:
        """Return the best design; of nobody at all where that is cheapest, or nothing was found."""
        if self.best is None or self._known_price() < self.price:
            plan = new_plan(self.required, self.kinds, self.timeline)
            return _design(plan, np.zeros(0), self.bound, self.prices)
        return _design(*self.best, self.bound, self.prices)


def _design(plan: Plan, values: Floats, bound: float, prices: DesignPrices) -> ShiftDesign:
    whole = np.round(values).astype(int)
    counts = {key: int(whole[v]) for key, v in plan.counts.items() if whole[v] > 0}
    staffed = tuple(int(sum(sign * whole[v] for v, sign in terms)) for terms in plan.present)
    misses = [present - need for present, need in zip(staffed, plan.required, strict=True)]
    over_s = slot_s(plan) * sum(max(0, miss) for miss in misses)
    under_s = slot_s(plan) * sum(max(0, -miss) for miss in misses)
    ids = {kind_id for _day, kind_id in counts}
    used = sorted((kind for kind in plan.kinds if kind.id in ids), key=lambda k: (k.start_s, k.length_s))
    minutes = prices.over * over_s // 60 + prices.under * under_s // 60
    price = minutes + prices.kind * len(used)
    return ShiftDesign(
        counts, tuple(used), staffed, over_s, under_s, price, min(float(price), float(np.ceil(bound - 1e-6)))
    )
