"""Decides how far actual contacts stray from expected ones: shared busyness, slot noise, Poisson counts.

A count is Poisson with rate `expected * busyness * noise`; busyness is one gamma factor for the whole day,
noise one for each interval. A single interval is then negative binomial (gamma-Poisson) with the two
variances added.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from staffing.training import Bools, Floats

PRIOR_DAY_CV = 0.08
PRIOR_SLOT_CV = 0.06

_PRIOR_DAYS = 4.0
_CALIBRATED_DAYS = 15
_COVER = 0.8
_BISECTIONS = 12
_CALIBRATION_COUNTS = 3000
_LEAST_CV = 1e-4
_FEW = 5.0
_ENOUGH_COUNTS = 100
_LEAST_VARIANCE = 4e-4
_SHAPE_PRIOR_DAYS = 8.0
_UNBROKEN = 0.95
_SHAPE_BOUNDS = (0.4, 2.5)


@dataclass(frozen=True, slots=True)
class Spread:
    """How rates stray from the forecast.

    Args:
        day_cv: Coefficient of variation of the busyness that all intervals of a day share.
        slot_cv: That of an interval's own noise, beyond the Poisson noise of the counts; the mean over the
            day.
        slot_memory: Correlation of that noise from one interval to the next, 0..1.
        slot_shape: Noise of each slot over the mean, one for each slot of a day; empty means 1 for all.
        coverage: Share of the backtested intervals inside their 80 % interval, or None without a backtest.
    """

    day_cv: float = PRIOR_DAY_CV
    slot_cv: float = PRIOR_SLOT_CV
    slot_memory: float = 0.0
    slot_shape: tuple[float, ...] = ()
    coverage: float | None = None

    @property
    def rate_cv(self) -> float:
        """Coefficient of variation of the rate of a usual interval."""
        return float(np.hypot(self.day_cv, self.slot_cv))

    def slot_cvs(self, slots: int) -> Floats:
        """Return the own noise of each of a day's slots, shape (slots,)."""
        return self.slot_cv * np.array(self.slot_shape or (1.0,) * slots)


def spread_of(expected: Floats, actual: Floats) -> Spread:
    """Return the spread that backtest residuals show, calibrated so that 80 % intervals cover 80 %.

    Both parts come from the variances of day totals and of single intervals beyond Poisson, drawn towards a
    prior when there are few days; then both are scaled alike until the coverage of single intervals is right.
    Intervals that expect fewer than five contacts are covered by more than 80 % whatever the spread, so they
    are judged only where there is little else; beside quiet nights busy hours would get too narrow a band.

    Args:
        expected: Forecast contacts, shape (days, slots).
        actual: What came, same shape; nan where unknown. Days without expected contacts don't count.
    """
    known = ~np.isnan(actual) & (expected > 0)
    rows = known.any(axis=1)
    mean, seen = np.where(known, expected, 0.0)[rows], np.where(known, actual, 0.0)[rows]
    if not len(mean):
        return Spread()
    day, slot = _variances(mean, seen)
    drawn = _PRIOR_DAYS / (_PRIOR_DAYS + len(mean))
    day_cv = float(np.sqrt((1 - drawn) * day + drawn * PRIOR_DAY_CV**2))
    slot_cv = float(np.sqrt((1 - drawn) * slot + drawn * PRIOR_SLOT_CV**2))
    shape = _slot_shape(mean, seen, day)
    judged = _judged(mean, known[rows])
    rates = np.broadcast_to(np.hypot(day_cv, slot_cv * shape), mean.shape)[judged]
    chosen, observed = mean[judged], seen[judged]
    scale = _calibration(chosen, observed, rates) if len(mean) >= _CALIBRATED_DAYS else 1.0
    return Spread(
        scale * day_cv,
        scale * slot_cv,
        _slot_memory(mean, seen),
        tuple(shape.tolist()),
        _covered(chosen, observed, scale * rates),
    )


def count_quantile(expected: Floats, rate_cv: Floats | float, probability: float) -> Floats:
    """Return a quantile of interval counts, gamma-Poisson; the smallest count whose probability reaches it.

    Args:
        expected: Expected contacts, any shape.
        rate_cv: Coefficient of variation of the rate, broadcast to it; 0 means Poisson.
        probability: Between 0 and 1.
    """
    mean, cv = np.broadcast_arrays(np.asarray(expected, dtype=float), np.asarray(rate_cv, dtype=float))
    shape = 1 / np.square(np.maximum(cv, _LEAST_CV))
    counts = stats.nbinom.ppf(probability, shape, shape / (shape + np.maximum(mean, 1e-9)))
    return np.where(mean > 0, counts, 0.0)


def _judged(mean: Floats, known: Bools) -> Bools:
    """Return which intervals tell whether the spread is right, shape of `mean`."""
    busy = known & (mean >= _FEW)
    return busy if busy.sum() >= _ENOUGH_COUNTS else known


def _variances(mean: Floats, actual: Floats) -> tuple[float, float]:
    """Return the relative variances, beyond Poisson, of the day's busyness and of an interval's own noise."""
    gap, totals = actual - mean, mean.sum(axis=1)
    single = float((np.square(gap) - mean).sum() / np.square(mean).sum())
    daily = float((np.square(gap.sum(axis=1)) - totals).sum() / np.square(totals).sum())
    inside = float(np.square(mean).sum() / np.square(totals).sum())
    slot = max(single - daily, 0.0) / (1 - inside) if inside < 1 else 0.0
    return max(daily - inside * slot, 0.0), slot


def _slot_shape(mean: Floats, actual: Floats, day: float) -> Floats:
    """Return each slot's own noise over the mean of all, (slots,), smoothed over an hour to either side.

    Slots weigh alike, so a quiet opening keeps its own beside the busy hour after it. Drawn to 1 as if it
    stood so on eight more days. A broken interval is no noise of its slot: gaps beyond those of 95 % of all
    intervals count as these.
    """
    around = max(1, mean.shape[1] // 24)
    squares = np.square(mean)
    beyond = (np.square(actual - mean) - mean) / np.maximum(squares, 1e-9) - day
    usual_gaps = beyond[mean >= min(_FEW, mean.max() / 2)]
    beyond = np.minimum(beyond, np.quantile(usual_gaps, _UNBROKEN)) * squares
    power = squares.sum(axis=0)
    usual = max(float(beyond.sum()) / float(power.sum()), _LEAST_VARIANCE)
    own = np.divide(beyond.sum(axis=0), power, out=np.zeros(len(power)), where=power > 0)
    kernel, opened = np.ones(2 * around + 1), np.sign(power)
    seen = np.convolve(opened, kernel, mode="same")
    own = np.convolve(own, kernel, mode="same") / np.maximum(seen, 1.0)
    own = np.where(opened > 0, np.maximum(own, 0.0), usual)
    drawn = (len(mean) * own + _SHAPE_PRIOR_DAYS * usual) / (len(mean) + _SHAPE_PRIOR_DAYS)
    return np.asarray(np.clip(np.sqrt(drawn / usual), *_SHAPE_BOUNDS))


def _calibration(mean: Floats, actual: Floats, rate_cv: Floats) -> float:
    """Return the factor on the rates' spread under which 80 % intervals cover 80 % of the counts."""
    every = max(1, len(mean) // _CALIBRATION_COUNTS)
    mean, actual, rate_cv = mean[::every], actual[::every], rate_cv[::every]
    low, high = 0.4, 2.5
    for _ in range(_BISECTIONS):
        scale = (low + high) / 2
        if _covered(mean, actual, scale * rate_cv) < _COVER:
            low = scale
        else:
            high = scale
    return (low + high) / 2


def _covered(mean: Floats, actual: Floats, rate_cv: Floats) -> float:
    """Return the share of counts in their 80 % interval, edges included.

    Where counts are few the edges hold so much that no interval covers 80 %; there they count by half.
    """
    shape = 1 / np.square(np.maximum(rate_cv, _LEAST_CV))
    success = shape / (shape + mean)
    below = stats.nbinom.cdf(actual - 1, shape, success)
    own = stats.nbinom.pmf(actual, shape, success)
    low, high = np.where(mean >= _FEW, 1.0, 0.5) * own, np.where(mean >= _FEW, 0.0, 0.5) * own
    return float(np.mean((below + low >= (1 - _COVER) / 2) & (below + high <= (1 + _COVER) / 2)))


def _slot_memory(mean: Floats, actual: Floats) -> float:
    """Return the correlation of neighbouring intervals' noise without the day's busyness and Poisson."""
    busyness = actual.sum(axis=1, keepdims=True) / np.maximum(mean.sum(axis=1, keepdims=True), 1e-9)
    centre = mean * busyness
    gap = actual - centre
    beyond = float((np.square(gap) - centre).sum())
    along = float((gap[:, 1:] * gap[:, :-1]).sum())
    return float(np.clip(along / beyond, 0.0, 0.95)) if beyond > 0 else 0.0
