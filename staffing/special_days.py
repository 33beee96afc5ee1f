"""Decides which days are not ordinary (holidays, planner's events) and what they do to the volume."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import holidays
import numpy as np

from staffing.intervals import day_of_date
from staffing.training import Floats, SpecialDays, Training, weekday_of

_SHRINK_DAYS = 0.5
_NEIGHBOUR_DAYS = 28
_LARGEST_EFFECT = 4.0


@dataclass(frozen=True, slots=True)
class Event:
    """A day or days for which the planner knows of something: a campaign, an invoice run, a strike.

    Args:
        name: The same name lets a later event learn from an earlier one.
        first_on: First local date.
        last_on: Last local date, included.
        effect: Factor on the volume of an ordinary day, or None to learn it from events of the same name.
        team: Only this team, or None for all.
    """

    name: str
    first_on: date
    last_on: date
    effect: float | None = None
    team: str | None = None


@dataclass(frozen=True, slots=True)
class Effect:
    """What a flagged day does to the volume.

    Args:
        name: Name of the holiday or event.
        factor: Multiplies the forecast of an ordinary day.
        days: Recorded days from which it is learnt; 0 when it is given, pooled or unknown.
        reason: Where the factor comes from, in words.
        assumed: Whether nothing is known of such days, so that the factor 1 is an assumption.
    """

    name: str
    factor: float
    days: int
    reason: str
    assumed: bool = False


def holidays_between(
    country: str,
    first_on: date,
    last_on: date,
    *,
    subdivision: str | None = None,
    categories: Sequence[str] = ("public",),
) -> dict[date, str]:
    """Return the public holidays of a country or a part of it, by local date.

    Args:
        country: ISO 3166 code, as "DE".
        first_on: First date.
        last_on: Last date, included.
        subdivision: ISO 3166-2 part without the country, as "BY"; None for the whole country's holidays.
        categories: Kinds of holidays, as "public", "bank", "optional"; each country knows some of them.

    Raises:
        ValueError: When the country, the subdivision or a category is unknown.
    """
    years = range(first_on.year, last_on.year + 1)
    try:
        found = holidays.country_holidays(
            country, subdiv=subdivision, years=years, categories=tuple(categories)
        )
    except (NotImplementedError, ValueError) as error:
        raise ValueError(f"no holidays are known for {country!r}, {subdivision!r}, {categories!r}") from error
    return {on: str(name) for on, name in sorted(found.items()) if first_on <= on <= last_on}


def special_days(public: Mapping[date, str], events: Iterable[Event], team: str) -> SpecialDays:
    """Return the flagged days of a team; an event goes before a holiday of the same date."""
    names = dict(public)
    for event in events:
        if event.team in (None, team):
            span = (event.last_on - event.first_on).days
            names.update({event.first_on + timedelta(days=step): event.name for step in range(span + 1)})
    return SpecialDays(names, frozenset(public))


def effects_of(
    names: Iterable[str],
    flagged: Mapping[date, str],
    counts: Floats,
    first_on: date,
    training: Training,
) -> dict[str, Effect]:
    """Return what each named kind of day does to the volume of a team.

    A factor is the mean of actual over expected contacts on the recorded days of that name, shrunk towards 1;
    the expectation is the mean of the same weekday within four weeks. A flagged day without a record on a
    weekday that is usually open counts as closed: factor 0. A holiday that was never met takes what all
    holidays did.

    Args:
        names: The kinds of day that are asked for.
        flagged: All flagged days, past and future, by date.
        counts: Contacts per day and slot, shape (days, slots), nan where unknown.
        first_on: Date of row 0 of `counts`.
        training: The ordinary days.
    """
    ratios: dict[str, list[float]] = {}
    for on, name in flagged.items():
        row = (on - first_on).days
        ratio = _ratio(counts[row], on, training) if 0 <= row < len(counts) else None
        if ratio is not None:
            ratios.setdefault(name, []).append(ratio)
    pooled = [each for own in ratios.values() for each in own]
    return {name: _effect(name, ratios.get(name, []), pooled) for name in names}


def given_effect(on: date, name: str, events: Iterable[Event]) -> Effect | None:
    """Return the effect that the planner gave for the event `name` on a date, or None."""
    for event in events:
        if event.name == name and event.first_on <= on <= event.last_on and event.effect is not None:
            return Effect(name, event.effect, 0, "given by the planner")
    return None


def _effect(name: str, own: list[float], pooled: list[float]) -> Effect:
    if own:
        return Effect(name, _shrunk(own), len(own), f"learnt from {len(own)} such day{'s' * (len(own) > 1)}")
    if pooled:
        reason = f"no such day in the history; taken from {len(pooled)} other special days"
        return Effect(name, _shrunk(pooled), 0, reason)
    reason = "no such day in the history; an ordinary day is assumed"
    return Effect(name, 1.0, 0, reason, assumed=True)


def _shrunk(ratios: list[float]) -> float:
    if not any(ratios):
        return 0.0
    mean = float(np.mean(ratios))
    return (len(ratios) * mean + _SHRINK_DAYS) / (len(ratios) + _SHRINK_DAYS)


def _ratio(actual: Floats, on: date, training: Training) -> float | None:
    day = day_of_date(on)
    weekday = int(weekday_of(np.array([day]))[0])
    near = (training.weekday == weekday) & (np.abs(training.day - day) <= _NEIGHBOUR_DAYS)
    if not training.open_slots[weekday].any() or not near.any():
        return None
    if np.isnan(actual).all():
        return 0.0
    known = ~np.isnan(actual)
    expected = float(training.counts[near][:, known].mean(axis=0).sum())
    return min(float(actual[known].sum()) / expected, _LARGEST_EFFECT) if expected > 0 else None
