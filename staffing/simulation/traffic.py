"""Decides who contacts a team when, how long each takes and waits: one drawing of a simulated period.

Arrivals are a Poisson process whose rate is the forecast times a busyness of the day and a noise of the slot
(`staffing.uncertainty`), drawn in operational time: with the same seed the n-th contact of a busier week
comes a little earlier and is otherwise the same. Rates, arrivals, handle times, patience and absence each
have a stream of their own for every replication, so that two variants differ by what was changed alone.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from staffing.forecast import Forecast
from staffing.intervals import local_days
from staffing.requirement import Demand
from staffing.simulation.durations import ENDLESS, Duration

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

RATE, ARRIVALS, HANDLE, PATIENCE, ABSENCE = range(5)
"""Streams of random numbers."""

_DAY_S = 86_400
_REPEAT_WITHIN_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """Contacts expected, interval by interval, and how far the rate may stray.

    Args:
        starts: Ascending interval starts in UTC epoch seconds, closed hours left out.
        expected: Contacts expected in each, or one number for all.
        step_s: Length of an interval.
        days: Number of the day of each interval: one busyness for those with the same number.
        day_cv: Coefficient of variation of the busyness (gamma).
        slot_cv: That of each interval's own noise (lognormal, at these sizes the same as gamma).
        slot_memory: Correlation of the noise from one interval to the next.

    Raises:
        ValueError: When intervals overlap, lengths differ or a volume is negative.
    """

    starts: Integers
    expected: ArrayLike
    step_s: float
    days: Integers | None = None
    day_cv: float = 0.0
    slot_cv: float = 0.0
    slot_memory: float = 0.0

    def __post_init__(self) -> None:
        if not len(self.starts) or np.any(np.diff(self.starts) < self.step_s):
            raise ValueError("there is an interval, and intervals ascend and don't overlap")
        if not np.all(np.asarray(self.expected) >= 0):
            raise ValueError("an expected volume is at least 0")

    def draw(self, chance: "Chance", factor: float) -> Floats:
        """Return the instants of the arrivals, ascending, of a period `factor` times as busy."""
        rate = np.asarray(self.expected, dtype=np.float64) * self._busyness(chance.stream(RATE)) * factor
        # The flat pieces between one interval's end and the next one's start are closed hours.
        edges = np.stack([self.starts, self.starts + self.step_s], axis=1).astype(np.float64).ravel()
        summed = np.concatenate([[0.0], np.cumsum(rate)])
        expected = np.stack([summed[:-1], summed[1:]], axis=1).ravel()
        marks = _marks_up_to(float(summed[-1]), chance.stream(ARRIVALS))
        return np.asarray(np.interp(marks, expected, edges), dtype=np.float64)

    def _busyness(self, rng: np.random.Generator) -> Floats:
        days = self.days if self.days is not None else np.asarray(self.starts) // _DAY_S
        _, day = np.unique(days, return_inverse=True)
        factors = np.ones(len(self.starts))
        if self.day_cv > 0:
            shape = self.day_cv**-2
            factors = (rng.standard_gamma(shape, int(day.max()) + 1) / shape)[day]
        if self.slot_cv > 0:
            variance = math.log1p(self.slot_cv**2)
            noise = _remembering(rng.standard_normal(len(self.starts)), self.slot_memory)
            factors = factors * np.exp(math.sqrt(variance) * noise - variance / 2)
        return factors


@dataclass(frozen=True, slots=True)
class Recorded:
    """Arrivals as they were recorded, the same in every replication.

    A busier period repeats a chance choice of them within a minute, a quieter one leaves a choice out.

    Args:
        arrive_at: Instants in UTC epoch seconds, ascending.
    """

    arrive_at: Floats

    def draw(self, chance: "Chance", factor: float) -> Floats:
        """Return the instants of the arrivals, ascending, of a period `factor` times as busy."""
        if factor == 1.0:
            return self.arrive_at
        rng = chance.stream(ARRIVALS)
        copies = np.floor(factor + rng.random(len(self.arrive_at))).astype(np.int64)
        again = np.repeat(self.arrive_at, copies)
        first = np.concatenate([[True], np.diff(again) > 0]) if len(again) else np.zeros(0, dtype=np.bool_)
        return np.sort(again + np.where(first, 0.0, rng.random(len(again)) * _REPEAT_WITHIN_S))


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamTraffic:
    """Contacts of one kind: for a team, on a channel.

    Args:
        team_id: The team.
        volume: When they come.
        handle: Handle times (talk, hold and wrap-up).
        patience: How long customers wait in the queue before they leave.
        handle_factors: Mean handle time of each interval of the volume over the law's mean; None for 1.
        channel: As in `routing.model.Channel`.
        priority: Priority asked for.
        skills: Skills asked for, with the least level.
        language: Language asked for.
        wrap_up_share: Share of the handle time that is wrap-up; all is talk where the policy knows none.
        slowdown: How much longer a contact takes for each other one the agent has when it begins.
        answer_s: How long an offer rings until the agent takes it.
        within_s: Time from opening on in which work that can wait has to be begun; None for customers who
            wait for an agent.
    """

    team_id: str
    volume: Volume | Recorded
    handle: Duration
    patience: Duration = ENDLESS
    handle_factors: Floats | None = None
    channel: str = "voice"
    priority: int = 0
    skills: tuple[tuple[str, int], ...] = ()
    language: str | None = None
    wrap_up_share: float = 0.0
    slowdown: float = 0.0
    answer_s: float = 0.0
    within_s: float | None = None


@dataclass(frozen=True, slots=True)
class Changes:
    """How a variant's traffic differs: factors on volume, handle time and patience."""

    volume: float = 1.0
    handle_time: float = 1.0
    patience: float = 1.0


@dataclass(frozen=True, slots=True)
class Chance:
    """The random numbers of one replication of one kind of contacts."""

    seed: int
    replication: int
    kind: int

    def stream(self, purpose: int) -> np.random.Generator:
        """Return the generator of a purpose (`RATE` ... `ABSENCE`), from its beginning."""
        key = (self.replication, self.kind, purpose)
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=key))


@dataclass(frozen=True, slots=True)
class Drawn:
    """Contacts in the order in which they come.

    Args:
        arrive_at: Instants in UTC epoch seconds.
        kind: Position of each one's `TeamTraffic`.
        handle_s: How long each takes, alone with its agent.
        patience_s: How long each waits at most.
    """

    arrive_at: Floats
    kind: Integers
    handle_s: Floats
    patience_s: Floats


def draw(
    traffic: Sequence[TeamTraffic], *, seed: int, replication: int = 0, changes: Changes | None = None
) -> Drawn:
    """Return one drawing of all traffic; the same arguments give the same contacts."""
    wanted = changes or Changes()
    parts = [
        _draw_kind(each, Chance(seed, replication, kind), kind, wanted) for kind, each in enumerate(traffic)
    ]
    if len(parts) == 1:
        return parts[0]
    arrive_at = np.concatenate([part.arrive_at for part in parts])
    order = np.argsort(arrive_at, kind="stable")
    return Drawn(
        arrive_at[order],
        np.concatenate([part.kind for part in parts])[order],
        np.concatenate([part.handle_s for part in parts])[order],
        np.concatenate([part.patience_s for part in parts])[order],
    )


def volume_of(demand: Demand, *, days: Integers | None = None) -> Volume:
    """Return the volume that a requirement was computed from, its rate variation as busyness of the day."""
    variation = np.asarray(demand.rate_variation, dtype=np.float64)
    return Volume(
        starts=demand.starts,
        expected=demand.offered,
        step_s=demand.step_s,
        days=days,
        day_cv=float(variation.mean()) if variation.size else 0.0,
    )


def volume_of_forecast(forecast: Forecast) -> Volume:
    """Return a forecast's volume with its spread; intervals without expected contacts are left out."""
    opened = forecast.volume > 0
    if not opened.any():
        raise ValueError("the forecast expects no contacts")
    weights = forecast.volume[opened]

    def usual(values: Floats) -> float:
        return float(np.average(values[opened], weights=weights))

    return Volume(
        starts=forecast.starts[opened],
        expected=weights,
        step_s=forecast.grid.step_s,
        days=local_days(forecast.grid, forecast.starts[opened]),
        day_cv=usual(forecast.day_cv),
        slot_cv=usual(forecast.slot_cv),
        slot_memory=usual(forecast.slot_memory),
    )


def _draw_kind(traffic: TeamTraffic, chance: Chance, kind: int, changes: Changes) -> Drawn:
    arrive_at = traffic.volume.draw(chance, changes.volume)
    count = len(arrive_at)
    handle_s = traffic.handle.draw(chance.stream(HANDLE), count) * changes.handle_time
    if traffic.handle_factors is not None and isinstance(traffic.volume, Volume):
        interval = np.searchsorted(traffic.volume.starts, arrive_at, side="right") - 1
        handle_s = handle_s * traffic.handle_factors[interval]
    return Drawn(
        arrive_at,
        np.full(count, kind, dtype=np.int64),
        handle_s,
        traffic.patience.draw(chance.stream(PATIENCE), count) * changes.patience,
    )


def _marks_up_to(total: float, rng: np.random.Generator) -> Floats:
    """Return the points of a Poisson process of rate 1 up to `total`, the same ones for any larger total."""
    marks = np.cumsum(rng.standard_exponential(int(total + 6 * math.sqrt(total) + 20)))
    while marks[-1] < total:
        more = rng.standard_exponential(int(0.1 * total + 20))
        marks = np.concatenate([marks, marks[-1] + np.cumsum(more)])
    return np.asarray(marks[: np.searchsorted(marks, total)], dtype=np.float64)


def _remembering(noise: Floats, memory: float) -> Floats:
    """Return standard normal noise as an autoregression: correlation `memory` from one to the next."""
    if memory <= 0:
        return noise
    fresh = math.sqrt(1 - memory**2)
    kept = noise.copy()
    for index in range(1, len(kept)):
        kept[index] = memory * kept[index - 1] + fresh * noise[index]
    return kept
