import subprocess
import sys
import time
from datetime import date, timedelta
from datetime import time as clock_time

import numpy as np
import pytest

from staffing.design_model import DesignPrices
from staffing.intervals import Grid, local_instant, week_intervals
from staffing.rostering.linear import LinearModel, matrix
from staffing.rostering.solvers import search
from staffing.shift_design import design_shifts
from staffing.shifts import Break, ShiftKind, shift_kinds
from tests.staffing.rosters import HOUR_S, make_kind, make_pause

CLOCK = {"clock": time.monotonic, "time_limit_s": 5}
HALF_HOURS = {"grid": Grid("UTC"), "starts_on": date(2026, 3, 2), **CLOCK}


def need_of(shifts, *, days=1, slot_s=1800):
    """Return the requirement that shifts (kind, agents) cover exactly on every day."""
    slots = [0] * (days * 86_400 // slot_s)
    for day in range(days):
        for kind, agents in shifts:
            for slot in range(kind.start_s // slot_s, kind.end_s // slot_s):
                slots[(day * 86_400 // slot_s + slot) % len(slots)] += agents
    return slots


def price_of(design, required, prices):
    """Price a design anew from its counts, for kinds without breaks."""
    kinds = {kind.id: kind for kind in design.kinds}
    slots = [0] * len(required)
    for (day, kind_id), agents in design.counts.items():
        kind = kinds[kind_id]
        for slot in range(kind.start_s // 1800, kind.end_s // 1800):
            slots[(day * 48 + slot) % len(slots)] += agents
    assert tuple(slots) == design.staffed
    misses = [have - need for have, need in zip(slots, required, strict=True)]
    minutes = sum(prices.over * max(0, m) + prices.under * max(0, -m) for m in misses) * 30
    return minutes + prices.kind * len(design.kinds)


def test_paid_time_leaves_out_unpaid_breaks():
    kind = make_kind(
        "day", 8, 9, breaks=(make_pause("meal", 60, 3, 5, paid=False), make_pause("break", 15, 6, 7))
    )
    assert kind.paid_s == 8 * HOUR_S


def test_kinds_are_named_by_their_times():
    kinds = shift_kinds([8 * HOUR_S, 22 * HOUR_S], [8 * HOUR_S])
    assert [kind.id for kind in kinds] == ["08:00-16:00", "22:00-06:00"]


def test_kinds_leave_out_breaks_that_do_not_fit():
    template = ShiftKind("", 0, 86_400, breaks=(make_pause("meal", 30, 4, 6),))
    four, eight = shift_kinds([8 * HOUR_S], [4 * HOUR_S, 8 * HOUR_S], template=template)
    assert (len(four.breaks), len(eight.breaks)) == (0, 1)


@pytest.mark.parametrize(
    "values", [{"start_s": 86_400}, {"length_s": 0}, {"breaks": (Break("late", 3600, 0, 8 * HOUR_S),)}]
)
def test_impossible_shift_is_refused(values):
    with pytest.raises(ValueError, match="shift"):
        ShiftKind(**({"id": "odd", "start_s": 0, "length_s": HOUR_S} | values))


def test_design_finds_the_shifts_that_made_the_requirement():
    kinds = shift_kinds(range(0, 86_400, 3600), [7 * HOUR_S, 8 * HOUR_S])
    hidden = [(kinds[12], 3), (kinds[28], 2), (kinds[45], 4)]
    design = design_shifts(need_of(hidden, days=7), kinds, **HALF_HOURS)
    assert (design.price, design.bound) == (3 * 60, 180.0)
    assert set(design.kinds) == {kind for kind, _agents in hidden}


def test_design_price_is_what_its_counts_cost():
    kinds = shift_kinds(range(6 * HOUR_S, 14 * HOUR_S, 3600), [8 * HOUR_S])
    required = [2 + slot % 3 if 12 <= slot < 40 else 0 for slot in range(48)]
    prices = DesignPrices(over=1, under=3, kind=20)
    design = design_shifts(required, kinds, prices=prices, **HALF_HOURS)
    assert design.price == price_of(design, required, prices)
    assert design.bound <= design.price


def test_design_uses_fewer_kinds_when_they_cost_more():
    kinds = shift_kinds(range(6 * HOUR_S, 14 * HOUR_S, 3600), [8 * HOUR_S])
    required = need_of([(kind, 1) for kind in kinds])
    many = design_shifts(required, kinds, prices=DesignPrices(kind=1), **HALF_HOURS)
    few = design_shifts(required, kinds, prices=DesignPrices(kind=500), **HALF_HOURS)
    assert len(few.kinds) < len(many.kinds)


def test_design_keeps_to_the_most_kinds():
    kinds = shift_kinds(range(6 * HOUR_S, 14 * HOUR_S, 3600), [8 * HOUR_S])
    required = need_of([(kind, 1) for kind in kinds])
    design = design_shifts(required, kinds, most_kinds=2, prices=DesignPrices(kind=0), **HALF_HOURS)
    assert len(design.kinds) == 2


def test_design_puts_breaks_where_nobody_is_missed():
    kind = make_kind("day", 8, 8, breaks=(make_pause("meal", 60, 3, 5),))
    required = [0] * 16 + [2] * 6 + [1] * 2 + [2] * 2 + [1] * 2 + [2] * 4 + [0] * 16
    design = design_shifts(required, [kind], **HALF_HOURS)
    assert (design.over_s, design.under_s) == (0, 0)


def test_shift_over_midnight_of_the_last_day_covers_the_first_morning():
    night = make_kind("night", 22)
    design = design_shifts(need_of([(night, 1)], days=2), [night], **HALF_HOURS)
    assert (design.over_s, design.under_s) == (0, 0)


@pytest.mark.parametrize(("change_on", "slots"), [(date(2026, 3, 29), 334), (date(2026, 10, 25), 338)])
def test_design_follows_the_clock_over_a_change(change_on, slots):
    berlin = Grid("Europe/Berlin")
    monday = change_on - timedelta(days=6)
    starts = week_intervals(berlin, monday)
    required = [0] * len(starts)
    for day in range(7):
        at = local_instant(berlin, monday + timedelta(days=day), clock_time(8))
        first = int(np.searchsorted(starts, at))
        required[first : first + 16] = [3] * 16
    kinds = shift_kinds(range(6 * HOUR_S, 11 * HOUR_S, 3600), [8 * HOUR_S])
    design = design_shifts(required, kinds, grid=berlin, starts_on=monday, **CLOCK)
    assert len(design.staffed) == slots
    assert [kind.id for kind in design.kinds] == ["08:00-16:00"]
    assert (design.over_s, design.under_s) == (0, 0)


def test_night_shift_of_a_change_lasts_its_hours_on_the_longer_night():
    berlin, night = Grid("Europe/Berlin"), make_kind("night", 22)
    required = [0] * 48 + [0] * 50
    required[44:60] = [2] * 16  # Saturday 22:00 to Sunday 05:00, the hour from two to three twice
    design = design_shifts(
        required, [night], grid=berlin, starts_on=date(2026, 10, 24), prices=DesignPrices(kind=0), **CLOCK
    )
    assert (design.counts, design.over_s, design.under_s) == ({(0, "night"): 2}, 0, 0)


def test_design_that_is_stopped_at_once_is_nobody():
    kinds = shift_kinds(range(6 * HOUR_S, 14 * HOUR_S, 3600), [8 * HOUR_S])
    required = need_of([(kind, 1) for kind in kinds])
    design = design_shifts(required, kinds, should_stop=lambda: True, **HALF_HOURS)
    assert (design.kinds, design.over_s, design.under_s) == ((), 0, sum(required) * 1800)
    assert design.bound <= design.price


def test_search_ends_between_solutions_when_it_is_stopped():
    """A market split (Cornuejols and Dawande 1998) has no solution at which to ask, for days."""
    linear, chance = LinearModel(), np.random.default_rng(1)
    variables = [linear.variable(cost=1) for _ in range(50)]
    for weights in chance.integers(0, 100, (6, 50)).tolist():
        half = sum(weights) // 2
        linear.row(list(zip(variables, weights, strict=True)), half, half)
    asked = []
    answer = search(matrix(linear), time_limit_s=600, should_stop=lambda: not asked.append(1))
    assert answer.values is None
    assert asked


INTERRUPTED = """
import signal, time
from staffing.roster import solve_roster
from tests.staffing.rosters import make_problem, make_contract
problem = make_problem(2, contract=make_contract(week_days=(6, 7), period_days_off=(3, 3)), need={8: 1})
solve_roster(problem, clock=time.monotonic, time_limit_s=2)
try:
    signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    print("interrupted")
"""


def test_solvers_leave_the_interrupt_to_python():
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "interrupted\n"), done.stderr


def test_requirement_of_part_of_a_day_is_refused():
    with pytest.raises(ValueError, match="whole days"):
        design_shifts([1, 2], [make_kind("day", 8)], **HALF_HOURS)
