"""Builders of histories whose truth is known."""

from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from staffing.history import History, history_from_counts
from staffing.intervals import Grid, intervals_between, local_days, local_slots

BERLIN = Grid("Europe/Berlin", 60)
MONDAY = date(2025, 1, 6)
WEEK = np.array([1.3, 1.0, 1.0, 0.9, 1.1, 0.0, 0.0])
OPEN = slice(8, 18)


def rates(days: int, *, base: float = 60.0, week: NDArray[np.float64] = WEEK) -> NDArray[np.float64]:
    """Return expected contacts per day and hour from a Monday on, shape (days, 24); nan where closed."""
    profile = np.full(24, np.nan)
    profile[OPEN] = [0.6, 1.1, 1.5, 1.3, 0.9, 0.8, 1.0, 1.1, 0.9, 0.6]
    table = base * np.tile(week, days // 7 + 1)[:days, None] * profile
    table[np.tile(week == 0, days // 7 + 1)[:days]] = np.nan
    return table


def poisson(days: int, *, seed: int = 1, busyness_cv: float = 0.0, base: float = 60.0) -> NDArray[np.float64]:
    """Return counts drawn from `rates`, with a gamma busyness per day."""
    rng = np.random.default_rng(seed)
    expected = rates(days, base=base)
    shape = 1 / max(busyness_cv, 1e-6) ** 2
    factor = rng.gamma(shape, 1 / shape, size=(days, 1)) if busyness_cv else np.ones((days, 1))
    return np.where(np.isnan(expected), np.nan, rng.poisson(np.nan_to_num(expected * factor)))


def history_of(table: NDArray[np.float64], *, first_on: date = MONDAY, grid: Grid = BERLIN) -> History:
    """Return a history of a table of days by slots; nan is left out."""
    starts = intervals_between(grid, first_on, first_on + timedelta(days=len(table) - 1))
    row = local_days(grid, starts) - local_days(grid, starts[:1])[0]
    counts = table[row, local_slots(grid, starts)]
    return history_from_counts("care", grid, starts[~np.isnan(counts)], counts[~np.isnan(counts)])
