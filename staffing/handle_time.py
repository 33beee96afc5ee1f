"""Decides how long a contact of a team takes, by weekday and slot, when little is known of each."""

import numpy as np

from staffing.history import DayTable
from staffing.intervals import day_of_date
from staffing.training import Floats, Ints, weekday_of

_HALF_LIFE_DAYS = 28.0
_SLOT_CONTACTS = 60.0
_WEEKDAY_CONTACTS = 200.0


def expected_handle_s(table: DayTable, ahead: Ints) -> Floats:
    """Return the mean handle time of the days ahead in seconds, (days ahead, slots); nan when none is known.

    The mean over all contacts with weights that halve every four weeks, times an effect of the slot, times
    one of the weekday; each effect is a ratio of means that is drawn to 1 as if 60 (200) average contacts
    stood beside it, and slots borrow from their two neighbours.

    Args:
        table: The history as days by slots.
        ahead: Day numbers to forecast.
    """
    if not table.handled.any():
        return np.full((len(ahead), table.counts.shape[1]), np.nan)
    day = day_of_date(table.first_on) + np.arange(len(table.counts))
    weights = (0.5 ** ((day[-1] - day) / _HALF_LIFE_DAYS))[:, None]
    contacts, seconds = table.handled * weights, table.handle_s * weights
    mean = seconds.sum() / contacts.sum()
    slot = _drawn(
        _with_neighbours(seconds.sum(axis=0)), _with_neighbours(contacts.sum(axis=0)), mean, _SLOT_CONTACTS
    )
    expected = (contacts * slot * mean).sum(axis=1)
    weekday = weekday_of(day)
    by_weekday = _drawn(
        np.bincount(weekday, seconds.sum(axis=1), minlength=7).astype(np.float64),
        np.bincount(weekday, expected, minlength=7) / mean,
        mean,
        _WEEKDAY_CONTACTS,
    )
    return np.asarray(mean * by_weekday[weekday_of(ahead)][:, None] * slot)


def _drawn(seconds: Floats, contacts: Floats, mean: float, strength: float) -> Floats:
    return np.asarray((seconds + strength * mean) / (contacts * mean + strength * mean))


def _with_neighbours(values: Floats) -> Floats:
    padded = np.pad(values, 1)
    return np.asarray(values + 0.5 * (padded[:-2] + padded[2:]))
