"""A week of required agents, simulated as a whole, and what is added where it misses."""

import csv
import gzip
import math
from collections import defaultdict
from datetime import date, datetime
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from staffing.performance import Targets
from staffing.requirement import Demand, Rules, requirement
from staffing.simulation.durations import ENDLESS, Exponential, Lognormal
from staffing.simulation.staffed_week import Promise, StaffedWeek, corrected_week, simulated_level
from staffing.simulation.traffic import Recorded, TeamTraffic, Volume
from tests.staffing.simulated import BEGINS_AT, traffic

BANK = Path(__file__).resolve().parents[2].parent / "shared/data/calls/bank1999_counts_6min_jan_jul.csv.gz"
PROMISE = Promise(service_level=0.8, answer_within_s=20)
HALF_HOUR_S, SLOTS = 1800, 26
PROFILE = np.interp(np.arange(SLOTS), [0, 5, 12, 16, 25], [0.3, 1.0, 0.7, 0.85, 0.15])
FRESH_SEED = 99


def week(
    busiest: float, *, handle_s: float = 240, patience_s: float = 300, days: int = 5
) -> tuple[Demand, TeamTraffic]:
    """Return days of 13 hours with a morning and an afternoon peak."""
    day_s = np.arange(SLOTS) * HALF_HOUR_S
    starts = np.concatenate([BEGINS_AT + day * 86_400 + day_s for day in range(days)])
    offered = np.concatenate([busiest * by * PROFILE for by in (1.0, 0.85, 0.8, 0.8, 0.9)[:days]])
    return demand_and_traffic(starts, offered, handle_s=handle_s, patience_s=patience_s)


def demand_and_traffic(
    starts: NDArray[np.int64], offered: NDArray[np.float64], *, handle_s: float, patience_s: float
) -> tuple[Demand, TeamTraffic]:
    demand = Demand(
        starts=starts, offered=offered, handle_time_s=handle_s, step_s=HALF_HOUR_S, patience_s=patience_s
    )
    volume = Volume(starts=starts, expected=offered, step_s=HALF_HOUR_S)
    patience = ENDLESS if math.isinf(patience_s) else Exponential(patience_s)
    return demand, traffic(volume, handle=Exponential(handle_s), patience=patience)


def agents(demand: Demand, *, follow_rate: bool = True) -> NDArray[np.int64]:
    rules = Rules(targets=Targets(service_level=0.8, answer_within_s=20), follow_rate=follow_rate)
    return requirement(demand, rules).agents


def most_missed(kind: TeamTraffic, found: StaffedWeek, *, weeks: int = 100) -> float:
    """Return the largest miss of an interval of more than 20 contacts in weeks not used for correcting."""
    level = simulated_level(kind, found.agents, PROMISE, replications=weeks, seed=FRESH_SEED)
    busy = np.asarray(kind.volume.expected) > 20  # type: ignore[union-attr]
    return float((0.8 - level.value[busy]).max())


@pytest.mark.parametrize("patience_s", [300.0, math.inf])
def test_staffed_week_misses_its_target_nowhere_by_more_than_three_points(patience_s: float) -> None:
    demand, kind = week(90, patience_s=patience_s)
    found = corrected_week(kind, agents(demand), PROMISE, replications=80, seed=1)
    assert found.misses.max() <= PROMISE.slack
    assert most_missed(kind, found) <= 0.03
    assert found.added.sum() <= 0.02 * found.agents.sum()


def test_agents_are_added_where_the_long_calls_of_a_busy_stretch_still_run() -> None:
    # Calls of half an hour: staffing each interval's own average misses when the rate has fallen.
    starts = BEGINS_AT + np.arange(10) * HALF_HOUR_S
    offered = np.array([80.0] * 5 + [30.0] * 5)
    demand, kind = demand_and_traffic(starts, offered, handle_s=1800, patience_s=900)
    thin = agents(demand, follow_rate=False)
    before = corrected_week(kind, thin, PROMISE, replications=250, seed=1, rounds=0)
    found = corrected_week(kind, thin, PROMISE, replications=250, seed=1)
    assert before.misses.max() > 0.03
    assert found.misses.max() <= PROMISE.slack
    assert most_missed(kind, found, weeks=400) <= 0.03
    assert found.added[5:].sum() == found.added.sum() > 0


def test_handle_times_that_are_not_exponential_are_corrected_for() -> None:
    demand, kind = week(90, days=2)
    spread = traffic(kind.volume, handle=Lognormal(240, 3), patience=kind.patience)
    found = corrected_week(spread, agents(demand) - 1, PROMISE, replications=60, seed=1)
    assert found.added.sum() > 0
    assert found.misses.max() <= PROMISE.slack


def test_interval_with_few_contacts_promises_nothing() -> None:
    demand, kind = week(15)
    found = corrected_week(kind, np.zeros_like(agents(demand)), PROMISE, replications=5, seed=1)
    assert (found.rounds, found.added.sum()) == (0, 0)


def test_rounds_that_run_out_leave_their_misses() -> None:
    demand, kind = week(60)
    found = corrected_week(kind, agents(demand) // 3, PROMISE, replications=10, seed=1, rounds=1)
    assert found.misses.max() > PROMISE.slack


def test_recorded_arrivals_are_no_forecast() -> None:
    with pytest.raises(ValueError, match="recorded"):
        corrected_week(traffic(Recorded(np.array([1.0]))), [1], PROMISE)


@pytest.mark.skipif(not BANK.exists(), reason="the bank's counts are not beside the repository")
def test_bank_week_misses_its_target_nowhere_by_more_than_three_points() -> None:
    starts, offered = bank_week()
    demand, kind = demand_and_traffic(starts, offered, handle_s=190, patience_s=372)
    found = corrected_week(kind, agents(demand), PROMISE, replications=30, seed=1)
    assert most_missed(kind, found) <= 0.03


def bank_week() -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the mean contacts of each half hour from Sunday to Thursday, 07:00 to 24:00."""
    totals: dict[tuple[int, int], float] = defaultdict(float)
    days: dict[int, set[date]] = defaultdict(set)
    with gzip.open(BANK, "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            at = datetime.fromisoformat(row["timestamp"])
            weekday = (at.weekday() + 1) % 7
            totals[weekday, at.hour * 2 + at.minute // 30] += float(row["calls"])
            days[weekday].add(at.date())
    slots = [(weekday, slot) for weekday in range(5) for slot in range(14, 48)]
    starts = [BEGINS_AT + weekday * 86_400 + slot * HALF_HOUR_S for weekday, slot in slots]
    offered = [totals[weekday, slot] / len(days[weekday]) for weekday, slot in slots]
    return np.array(starts, dtype=np.int64), np.array(offered)
