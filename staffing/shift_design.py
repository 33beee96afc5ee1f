"""Decides which kinds of shift cover a requirement with little surplus, little shortage and few kinds.

The objective is that of minimum shift design (Musliu, Schaerf and Slany 2004): agent-minutes too many, plus
agent-minutes too few, plus a price for each kind of shift in use.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import numpy as np

from staffing.intervals import Grid
from staffing.rostering.breaks import Steps, at_work, break_counts, start_counts
from staffing.rostering.linear import Floats, LinearModel, Matrix, Term, matrix
from staffing.rostering.model import RosterProblem, relative_gap
from staffing.rostering.solvers import Answer, branch, relax, search
from staffing.rostering.timeline import Timeline
from staffing.shifts import DAY_S, ShiftKind

_EXACT_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class DesignPrices:
    """What a design costs.

    Args:
        over: Price of a minute of one agent too many.
        under: Price of a minute of one agent too few.
        kind: Price of each kind of shift in use.
    """

    over: int = 1
    under: int = 1
    kind: int = 60


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


@dataclass(slots=True)
class _Plan:
    """The linear model of a design and where its variables are."""

    required: Sequence[int]
    kinds: Sequence[ShiftKind]
    timeline: Timeline
    linear: LinearModel = field(default_factory=LinearModel)
    counts: dict[tuple[int, str], int] = field(default_factory=dict)
    present: list[list[Term]] = field(default_factory=list)
    under: list[int] = field(default_factory=list)


def design_shifts(
    required: Sequence[int],
    kinds: Sequence[ShiftKind],
    *,
    grid: Grid,
    starts_on: date,
    prices: DesignPrices = DesignPrices(),
    most_kinds: int | None = None,
    time_limit_s: float = 20.0,
    seed: int = 0,
    should_stop: Callable[[], bool] | None = None,
) -> ShiftDesign:
    """Return the cheapest design found for a requirement that repeats, such as a week's.

    A shift that passes the end of the last day goes on at the start of the first. Breaks lie where they hurt
    the cover least. The search is one thread; half of the time goes to CP-SAT, the rest to HiGHS.

    Args:
        required: Agents needed in each slot of whole days; those of a clock change are shorter or longer.
        kinds: Kinds of shift to choose from; starts, lengths and breaks are multiples of a slot.
        grid: The site's grid, whose intervals are the slots.
        starts_on: First local date.
        prices: What is to be minimised.
        most_kinds: Most kinds in use; None for any number.
        time_limit_s: Wall time of the search.
        seed: Its seed.
        should_stop: Asked now and then; the search ends when it says yes.

    Raises:
        ValueError: When the requirement is not of whole days or a time is no multiple of a slot.
    """
    timeline = _timeline(required, kinds, grid, starts_on)
    plan = _Plan(required, kinds, timeline, present=[[] for _ in required])
    _add_counts(plan)
    _add_kinds(plan, prices, most_kinds)
    _add_misses(plan, prices)
    values, bound = _solve(plan, time_limit_s=time_limit_s, seed=seed, should_stop=should_stop)
    return _design(plan, values, bound, prices)


def _timeline(required: Sequence[int], kinds: Sequence[ShiftKind], grid: Grid, starts_on: date) -> Timeline:
    """Return the days that a requirement fills, as a roster would have them."""
    for kind in kinds:
        times = (kind.start_s, kind.length_s, *(pause.length_s for pause in kind.breaks))
        if any(value % grid.step_s for value in times):
            raise ValueError(f"shift {kind.id!r} does not fit slots of {grid.step_s} s")
    about = round(len(required) * grid.step_s / DAY_S)
    for days in range(max(1, about - 1), about + 2):
        timeline = Timeline(RosterProblem(grid, starts_on, days, tuple(kinds), (), ()))
        if timeline.slots == len(required):
            return timeline
    raise ValueError("the requirement does not fill whole days")


def _add_counts(plan: _Plan) -> None:
    """Add how many agents work each kind on each day, and what that covers."""
    most = max(plan.required)
    families: dict[object, list[ShiftKind]] = {}
    for kind in plan.kinds:
        key = (kind.length_s, kind.breaks, kind.min_work_s, kind.max_work_s)
        families.setdefault(key, []).append(kind)
    for day in range(plan.timeline.problem.days):
        for family in families.values():
            by_slot: dict[int, list[int]] = {}
            for kind in family:
                if plan.timeline.weekday(day) in kind.weekdays:
                    variable = plan.counts[day, kind.id] = plan.linear.variable(most)
                    by_slot.setdefault(_first_slot(plan, kind, day), []).append(variable)
            if by_slot:
                _cover(plan, family[0], by_slot)


def _first_slot(plan: _Plan, kind: ShiftKind, day: int) -> int:
    return (plan.timeline.shift_at(kind, day)[0] - plan.timeline.starts_at) // _slot_s(plan)


def _slot_s(plan: _Plan) -> int:
    return plan.timeline.problem.grid.step_s


def _cover(plan: _Plan, kind: ShiftKind, by_slot: Mapping[int, list[int]]) -> None:
    started: Steps = start_counts(plan.linear, by_slot)
    pauses = break_counts(plan.linear, kind, started, _slot_s(plan))
    for slot, terms in at_work(kind, started, pauses, _slot_s(plan)):
        plan.present[slot % len(plan.required)].extend(terms)


def _add_kinds(plan: _Plan, prices: DesignPrices, most_kinds: int | None) -> None:
    used = []
    for kind in plan.kinds:
        variables = [v for (_day, kind_id), v in plan.counts.items() if kind_id == kind.id]
        use = plan.linear.variable(cost=prices.kind)
        used.append((use, 1))
        for variable in variables:
            most = plan.linear.upper[variable]
            plan.linear.row([(variable, 1), (use, -most)], upper=0)
    if most_kinds is not None:
        plan.linear.row(used, upper=most_kinds)


def _add_misses(plan: _Plan, prices: DesignPrices) -> None:
    linear, minutes = plan.linear, _slot_s(plan) // 60
    for required, terms in zip(plan.required, plan.present, strict=True):
        most = sum(linear.upper[v] for v, sign in terms if sign > 0)
        under = linear.variable(required, cost=prices.under * minutes, implied=True)
        over = linear.variable(most, cost=prices.over * minutes, implied=True)
        linear.row([*terms, (under, 1), (over, -1)], required, required)
        plan.under.append(under)


def _solve(
    plan: _Plan, *, time_limit_s: float, seed: int, should_stop: Callable[[], bool] | None
) -> tuple[Floats, float]:
    """Return the cheapest solution found, of nobody at all if there is none, and the best bound of all."""
    numbers, stop = matrix(plan.linear), should_stop or (lambda: False)
    nobody = Answer(np.zeros(numbers.shape[1]), _price(numbers, plan), -float("inf"))
    root = relax(numbers, time_limit_s=time_limit_s, should_stop=stop)
    answers = [nobody, root]
    if not stop():
        share_s = time_limit_s * _EXACT_SHARE
        answers.append(search(numbers, time_limit_s=share_s, seed=seed, should_stop=stop))
    if not stop() and not answers[-1].proven:
        answers.append(
            branch(
                numbers,
                time_limit_s=time_limit_s * (1 - _EXACT_SHARE),
                seed=seed,
                start=answers[-1].values,
                should_stop=stop,
            )
        )
    whole = [each for each in answers if each is not root and each.values is not None]
    best = min(whole, key=lambda each: each.objective)
    assert best.values is not None  # noqa: S101  as chosen above
    return best.values, max(each.bound for each in answers)


def _price(numbers: Matrix, plan: _Plan) -> float:
    """Return the price of nobody at work: everything required is missing."""
    return float(sum(numbers.cost[miss] * need for miss, need in zip(plan.under, plan.required, strict=True)))


def _design(plan: _Plan, values: Floats, bound: float, prices: DesignPrices) -> ShiftDesign:
    whole = np.round(values).astype(int)
    counts = {key: int(whole[v]) for key, v in plan.counts.items() if whole[v] > 0}
    staffed = tuple(int(sum(sign * whole[v] for v, sign in terms)) for terms in plan.present)
    misses = [present - need for present, need in zip(staffed, plan.required, strict=True)]
    over_s = _slot_s(plan) * sum(max(0, miss) for miss in misses)
    under_s = _slot_s(plan) * sum(max(0, -miss) for miss in misses)
    ids = {kind_id for _day, kind_id in counts}
    used = sorted((kind for kind in plan.kinds if kind.id in ids), key=lambda k: (k.start_s, k.length_s))
    minutes = prices.over * over_s // 60 + prices.under * under_s // 60
    price = minutes + prices.kind * len(used)
    return ShiftDesign(
        counts, tuple(used), staffed, over_s, under_s, price, min(float(price), float(np.ceil(bound - 1e-6)))
    )
