"""Decides how a shift design becomes numbers: agents by day and kind of shift, and what they miss."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from staffing.intervals import Grid
from staffing.rostering.breaks import Steps, at_work, break_counts, start_counts
from staffing.rostering.linear import LinearModel, Term
from staffing.rostering.model import RosterProblem
from staffing.rostering.timeline import Timeline
from staffing.shifts import DAY_S, ShiftKind


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


@dataclass(slots=True)
class Plan:
    """The linear model of a design and where its variables are.

    Attributes:
        counts: Variable of the agents by day and id of the kind.
        uses: Variable by number of the kind: whether it is in use.
        present: Terms of the agents at work in each slot.
        under: Variable of the agents missing, by slot that is priced.
    """

    required: Sequence[int]
    kinds: Sequence[ShiftKind]
    timeline: Timeline
    linear: LinearModel = field(default_factory=LinearModel)
    counts: dict[tuple[int, str], int] = field(default_factory=dict)
    uses: list[int] = field(default_factory=list)
    present: list[list[Term]] = field(default_factory=list)
    under: dict[int, int] = field(default_factory=dict)


def new_plan(required: Sequence[int], kinds: Sequence[ShiftKind], timeline: Timeline) -> Plan:
    """Return a plan without variables."""
    return Plan(required, kinds, timeline, present=[[] for _ in required])


def timeline_of(required: Sequence[int], kinds: Sequence[ShiftKind], grid: Grid, starts_on: date) -> Timeline:
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


def add_counts(plan: Plan, days: Iterable[int] | None = None) -> None:
    """Add how many agents begin each kind on each day (or some days), and what that covers."""
    most = max(plan.required)
    families: dict[object, list[ShiftKind]] = {}
    for kind in plan.kinds:
        key = (kind.length_s, kind.breaks, kind.min_work_s, kind.max_work_s)
        families.setdefault(key, []).append(kind)
    for day in range(plan.timeline.problem.days) if days is None else days:
        for family in families.values():
            by_slot: dict[int, list[int]] = {}
            for kind in family:
                if plan.timeline.weekday(day) in kind.weekdays:
                    variable = plan.counts[day, kind.id] = plan.linear.variable(most)
                    by_slot.setdefault(_first_slot(plan, kind, day), []).append(variable)
            if by_slot:
                _cover(plan, family[0], by_slot)


def _first_slot(plan: Plan, kind: ShiftKind, day: int) -> int:
    return (plan.timeline.shift_at(kind, day)[0] - plan.timeline.starts_at) // slot_s(plan)


def slot_s(plan: Plan) -> int:
    """Return the length of a slot in seconds."""
    return plan.timeline.problem.grid.step_s


def _cover(plan: Plan, kind: ShiftKind, by_slot: Mapping[int, list[int]]) -> None:
    started: Steps = start_counts(plan.linear, by_slot)
    pauses = break_counts(plan.linear, kind, started, slot_s(plan))
    for slot, terms in at_work(kind, started, pauses, slot_s(plan)):
        plan.present[slot % len(plan.required)].extend(terms)


def add_kinds(plan: Plan, price: int, most_kinds: int | None) -> None:
    """Add which kinds are in use, and their price."""
    for kind in plan.kinds:
        variables = [v for (_day, kind_id), v in plan.counts.items() if kind_id == kind.id]
        use = plan.linear.variable(cost=price)
        plan.uses.append(use)
        for variable in variables:
            most = plan.linear.upper[variable]
            plan.linear.row([(variable, 1), (use, -most)], upper=0)
    if most_kinds is not None:
        plan.linear.row([(use, 1) for use in plan.uses], upper=most_kinds)


def add_misses(plan: Plan, prices: DesignPrices, slots: Iterable[int] | None = None) -> None:
    """Add what is too much and too little in each slot (or some slots), and its price."""
    linear, minutes = plan.linear, slot_s(plan) // 60
    for slot in range(len(plan.required)) if slots is None else slots:
        required, terms = plan.required[slot], plan.present[slot]
        most = sum(linear.upper[v] for v, sign in terms if sign > 0)
        under = linear.variable(required, cost=prices.under * minutes, implied=True)
        over = linear.variable(most, cost=prices.over * minutes, implied=True)
        linear.row([*terms, (under, 1), (over, -1)], required, required)
        plan.under[slot] = under
