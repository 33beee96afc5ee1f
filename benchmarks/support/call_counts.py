"""Reads the counts of two banks' calls into histories."""

import csv
import gzip
from datetime import date, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from staffing.history import History, history_from_counts
from staffing.intervals import Grid, intervals_between, local_days, local_slots

CALLS = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "calls"
BANK2003 = CALLS / "bank2003_counts_5min_first100days.csv.gz"
BANK1999 = CALLS / "bank1999_counts_6min_jan_jul.csv.gz"

Table = NDArray[np.float64]


def bank2003() -> tuple[Table, date]:
    """Return quarter hours, shape (calendar days, 96), nan where closed or missing, and the first date.

    The series ends each day with the five minutes from 21:00; they are no whole quarter and are left out.
    """
    days = _days(BANK2003)
    table = _empty(days, 96)
    for on, counts in days.items():
        table[(on - min(days)).days, 28:84] = np.reshape(counts[:168], (56, 3)).sum(axis=1)
    return table, min(days)


def bank1999() -> tuple[Table, date]:
    """Return half hours of January to July 1999, shape (days, 48), and the first date."""
    days = _days(BANK1999)
    table = _empty(days, 48)
    for on, counts in days.items():
        table[(on - min(days)).days] = np.reshape(counts, (48, 5)).sum(axis=1)
    return table, min(days)


def bank1999_week() -> Table:
    """Return the mean half hours of Sunday to Thursday, shape (5, 48), nothing before 07:00."""
    table, first_on = bank1999()
    weekday = (first_on.weekday() + 1 + np.arange(len(table))) % 7
    week = np.stack([np.nanmean(table[weekday == day], axis=0) for day in range(5)])
    week[:, :14] = 0.0
    return week


def four_teams(days: int, first_on: date) -> list[Table]:
    """Return four made-up teams of different size, half hours, open Monday to Saturday from 07 to 21."""
    rng = np.random.default_rng(2026)
    slot = np.arange(48)
    profile = np.exp(-0.5 * ((slot - 21) / 4) ** 2) + 0.8 * np.exp(-0.5 * ((slot - 31) / 5) ** 2)
    week = np.array([1.2, 1.05, 1.0, 0.95, 1.0, 0.4, np.nan])
    weekday = (first_on.weekday() + np.arange(days)) % 7
    tables = []
    for size in (8.0, 25.0, 80.0, 250.0):
        busyness = rng.gamma(150, 1 / 150, size=(days, 1))
        expected = size * week[weekday][:, None] * profile * busyness
        closed = np.isnan(expected) | (slot < 14) | (slot >= 42)
        tables.append(np.where(closed, np.nan, rng.poisson(np.where(closed, 0.0, expected))))
    return tables


def history_of(table: Table, first_on: date, grid: Grid) -> History:
    """Return a table of days by slots as a history; unknown intervals are left out."""
    starts = intervals_between(grid, first_on, first_on + timedelta(days=len(table) - 1))
    row = local_days(grid, starts) - local_days(grid, starts[:1])[0]
    counts = table[row, local_slots(grid, starts)]
    known = ~np.isnan(counts)
    return history_from_counts("calls", grid, starts[known], counts[known])


def _days(path: Path) -> dict[date, list[float]]:
    days: dict[date, list[float]] = {}
    with gzip.open(path, "rt") as lines:
        for moment, calls in list(csv.reader(lines))[1:]:
            days.setdefault(date.fromisoformat(moment[:10]), []).append(float(calls))
    return days


def _empty(days: dict[date, list[float]], slots: int) -> Table:
    return np.full(((max(days) - min(days)).days + 1, slots), np.nan)
