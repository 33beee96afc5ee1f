"""Decides which recorded days a forecast learns from, and which are set aside with a reason."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from staffing.intervals import date_of_day, day_of_date

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

WEEKS_OF_OPENING = 4

_KNOWN_SHARE = 0.75
_NEIGHBOURS = 10
_ODD_SCALES = 3.5
_ODD_RATIO = 1.4
_SHIFT_DAYS = 5
_SPIKE_SCALES = 8.0
_SPIKES_A_DAY = 3


@dataclass(frozen=True, slots=True)
class Outlier:
    """Something in the history that no forecast learns from.

    Args:
        on: Local date.
        reason: Why, in words for the planner.
        actual: Contacts of the day, or of the interval where `slot` is given.
        expected: What its neighbours let expect.
        slot: Slot of the local clock of a single spike; None when the whole day is set aside.
    """

    on: date
    reason: str
    actual: float
    expected: float
    slot: int | None = None


@dataclass(frozen=True, slots=True)
class SpecialDays:
    """Days that are not ordinary, past and to come.

    Args:
        names: Name of the holiday or event by local date.
        holidays: Those of them that are public holidays; the days beside them are busier or quieter too.
    """

    names: Mapping[date, str] = field(default_factory=dict)
    holidays: frozenset[date] = frozenset()


@dataclass(frozen=True, slots=True)
class Training:
    """Complete, ordinary days on the square-root scale.

    Args:
        roots: sqrt(count + 1/4) per usable day and slot, shape (n, slots); 1/2 where the team is closed.
        counts: The same as contacts, shape (n, slots).
        day: Day numbers of the rows, ascending, shape (n,).
        open_slots: By weekday (0 Monday) and slot, shape (7, slots): the team takes contacts then.
        holidays: Day numbers of public holidays, past and to come.
        end: Day number after the last recorded day: the first one that may be forecast.
    """

    roots: Floats
    counts: Floats
    day: Ints
    open_slots: Bools
    holidays: frozenset[int]
    end: int

    @property
    def weekday(self) -> Ints:
        """Weekday of each row, 0 for Monday."""
        return (self.day + 3) % 7

    @property
    def open_weekdays(self) -> Bools:
        """Weekdays on which the team takes contacts at all, shape (7,)."""
        return np.asarray(self.open_slots.any(axis=1))


def weekday_of(day: Ints) -> Ints:
    """Return the weekday of each day number, 0 for Monday."""
    return (day + 3) % 7


def roots_of(counts: Floats) -> Floats:
    """Return sqrt(count + 1/4), which makes the noise of Poisson counts the same at any level."""
    return np.sqrt(counts + 0.25)


def counts_of(roots: Floats) -> Floats:
    """Return the Poisson rate whose sqrt(N + 1/4) has these means: the square, corrected for small counts."""
    table_rates, table_roots = _POISSON_ROOTS
    few = np.interp(roots, table_roots, table_rates)
    return np.where(roots < table_roots[-1], few, np.square(roots))


def training_of(counts: Floats, first_on: date, special: SpecialDays) -> tuple[Training, tuple[Outlier, ...]]:
    """Return what a forecast learns from a table of days, and what was set aside.

    Single intervals that are set aside or unknown are filled from the day's level and its weekday's profile.
    A day that is known for less than three quarters of its usual contacts is left out.

    Args:
        counts: Contacts per day and slot, shape (days, slots), nan where unknown or closed.
        first_on: Date of row 0.
        special: Holidays and events, past and to come; left out without being called outliers.
    """
    first_day = day_of_date(first_on)
    day = np.arange(first_day, first_day + len(counts))
    weekday = weekday_of(day)
    usual = ~np.isin(day, [day_of_date(on) for on in special.names])
    open_slots = opening_of(counts, weekday)
    values = np.where(open_slots[weekday], counts, 0.0)
    values[~np.any(~np.isnan(counts), axis=1)] = np.nan
    profile = _profiles(values, weekday, usual)
    level = _levels(values, profile)
    spikes = _spikes(values, profile * level[:, None]) & usual[:, None]
    cleaned = np.where(spikes, np.nan, values)
    level = _levels(cleaned, profile)
    typical = _typical_levels(level, usual)
    odd = _odd_days(level, typical, usual)
    whole = np.where(np.isnan(cleaned), profile * level[:, None], cleaned)
    keep = usual & ~odd & ~np.isnan(whole).any(axis=1) & open_slots[weekday].any(axis=1)
    training = Training(
        roots_of(whole[keep]),
        whole[keep],
        day[keep],
        open_slots,
        frozenset(map(day_of_date, special.holidays)),
        first_day + len(counts),
    )
    days_aside = [
        Outlier(
            date_of_day(int(day[row])),
            _why(level[row], typical[row]),
            *_day_sums(values, profile, typical, int(row)),
        )
        for row in np.flatnonzero(odd)
    ]
    slots_aside = [
        Outlier(
            date_of_day(int(day[row])),
            "one interval far from the rest of its day",
            float(values[row, slot]),
            # Without its spikes too little of the day may be known to tell its level.
            float(profile[row, slot] * np.nan_to_num(level[row], nan=1.0)),
            int(slot),
        )
        for row, slot in np.argwhere(spikes & ~odd[:, None])
    ]
    return training, tuple(sorted(days_aside + slots_aside, key=lambda each: (each.on, each.slot or 0)))


def opening_of(counts: Floats, weekday: Ints) -> Bools:
    """Return the slots of each weekday in which the team takes contacts, shape (7, slots).

    A slot is open when it was recorded on at least half of the last four recorded days of its weekday.
    """
    known = ~np.isnan(counts)
    recorded = known.any(axis=1)
    opening = np.zeros((7, counts.shape[1]), dtype=bool)
    for each in range(7):
        last = np.flatnonzero(recorded & (weekday == each))[-WEEKS_OF_OPENING:]
        if len(last):
            opening[each] = known[last].mean(axis=0) >= 0.5
    return opening


def middle(values: Floats) -> Floats:
    """Return the median along the first axis without the unknown values; nan where all are unknown."""
    ordered = np.sort(values, axis=0)
    known = (~np.isnan(values)).sum(axis=0)
    low = np.maximum((known - 1) // 2, 0)[None]
    high = np.minimum(known // 2, len(values) - 1)[None]
    both = np.take_along_axis(ordered, low, axis=0) + np.take_along_axis(ordered, high, axis=0)
    return np.asarray(both[0] / 2)


def _profiles(values: Floats, weekday: Ints, usual: Bools) -> Floats:
    """Return the median day of each row's weekday, shape of `values`; nan for one without usual days."""
    profiles = np.full((7, values.shape[1]), np.nan)
    for each in range(7):
        rows = usual & (weekday == each)
        if rows.any():
            profiles[each] = middle(values[rows])
    return profiles[weekday]


def _levels(values: Floats, profile: Floats) -> Floats:
    """Return how each day compares with its profile; nan when too little of either is known."""
    known = ~np.isnan(values) & ~np.isnan(profile)
    usual = np.where(known, profile, 0.0).sum(axis=1)
    enough = usual >= _KNOWN_SHARE * np.nansum(profile, axis=1)
    actual = np.where(known, values, 0.0).sum(axis=1)
    return np.asarray(np.divide(actual, usual, out=np.full(len(values), np.nan), where=enough & (usual > 0)))


def _spikes(values: Floats, expected: Floats) -> Bools:
    with np.errstate(invalid="ignore"):
        gap = 2 * (roots_of(values) - roots_of(expected))
        scale = max(1.0, 1.4826 * float(np.nanmedian(np.abs(gap)))) if np.any(~np.isnan(gap)) else 1.0
        spikes = (np.abs(gap) > _SPIKE_SCALES * scale) & ((values > 2 * expected) | (values < expected / 4))
    # A day with many of them is not a day with spikes but another kind of day.
    spikes[spikes.sum(axis=1) > _SPIKES_A_DAY] = False
    return spikes


def _typical_levels(level: Floats, usual: Bools) -> Floats:
    """Return the median level of the days around each day; closed and flagged days don't count."""
    typical = np.full(len(level), np.nan)
    rows = np.flatnonzero(usual & ~np.isnan(level))
    if not len(rows):
        return typical
    padded = np.pad(level[rows], _NEIGHBOURS, constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * _NEIGHBOURS + 1)
    typical[rows] = middle(windows.T)
    return typical


def _odd_days(level: Floats, typical: Floats, usual: Bools) -> Bools:
    odd = np.zeros(len(level), dtype=bool)
    rows = np.flatnonzero(usual & ~np.isnan(level) & (typical > 0))
    if len(rows) < _NEIGHBOURS:
        return odd
    gap = np.log(np.maximum(level[rows], 1e-3) / typical[rows])
    scale = max(0.03, 1.4826 * float(np.median(np.abs(gap))))
    far = np.where(np.abs(gap) > max(_ODD_SCALES * scale, np.log(_ODD_RATIO)), np.sign(gap), 0)
    odd[rows] = (far != 0) & (_run_lengths(far) < _SHIFT_DAYS)
    return odd


def _run_lengths(signs: Floats) -> Ints:
    """Return for each element how many equal ones in a row it stands in."""
    edges = np.flatnonzero(np.diff(signs, prepend=np.nan) != 0)
    lengths = np.diff(edges, append=len(signs))
    return np.repeat(lengths, lengths)


def _why(level: float, typical: float) -> str:
    if level == 0:
        return "no contacts on a day that is usually open"
    return f"{level / typical:.2f} of what the days around it let expect"


def _day_sums(values: Floats, profile: Floats, typical: Floats, row: int) -> tuple[float, float]:
    return float(np.nansum(values[row])), float(np.nansum(profile[row]) * typical[row])


def _poisson_roots() -> tuple[Floats, Floats]:
    rates = np.concatenate([[0.0], np.geomspace(1e-3, 40.0, 400)])
    chances = stats.poisson.pmf(np.arange(150)[None], rates[:, None])
    return rates, chances @ roots_of(np.arange(150.0))


_POISSON_ROOTS = _poisson_roots()
