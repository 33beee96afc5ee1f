"""Decides how long customers wait before they hang up, from waits of which most ended in an answer.

A wait that ended in an answer says only that the patience was longer: it is censored. Leaving those out, or
averaging the waits of those who hung up, makes customers look several times less patient than they are.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

_ENOUGH = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class PatienceFit:
    """Mean patience under an exponential law, with what it rests on.

    Attributes:
        mean_s: Mean patience: all time waited per contact that hung up; infinite when nobody did.
        standard_error_s: Its standard error, `mean_s` / sqrt(abandoned); infinite when nobody hung up.
        abandoned: Contacts that hung up.
        waited: Contacts that waited at all.
    """

    mean_s: float
    standard_error_s: float
    abandoned: int
    waited: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SurvivalCurve:
    """Share of customers still patient after each wait at which somebody hung up (Kaplan and Meier 1958).

    Attributes:
        times_s: Ascending waits at which somebody hung up.
        still_patient: Share still patient just after each of them.
        variance: Greenwood's variance of that share.
        at_risk: Contacts that had waited up to then.
        hung_up: How many of them hung up then.
        longest_s: The longest wait seen, whatever its end; beyond it the curve is not known.
    """

    times_s: Floats
    still_patient: Floats
    variance: Floats
    at_risk: NDArray[np.int64]
    hung_up: NDArray[np.int64]
    longest_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SlopeFit:
    """Patience from the line abandonment = intercept + mean wait / patience over many periods.

    Attributes:
        patience_s: Inverse of the slope; infinite when the slope is not above 0.
        intercept: Abandonment at no wait; well above 0 means customers who hang up at once.
        periods: Periods that were used.
    """

    patience_s: float
    intercept: float
    periods: int


def exponential_patience(waits_s: ArrayLike, abandoned: ArrayLike) -> PatienceFit:
    """Return the maximum-likelihood mean patience from censored waits.

    Args:
        waits_s: Seconds waited by each contact, at least 0; those of 0 tell nothing and are left out.
        abandoned: True where the contact hung up, False where it was answered (or left otherwise).

    Raises:
        ValueError: When the lengths differ or a wait is negative or not a number.
    """
    waits, lost = _positive_waits(waits_s, abandoned)
    count = int(lost.sum())
    if count == 0:
        return PatienceFit(mean_s=np.inf, standard_error_s=np.inf, abandoned=0, waited=len(waits))
    mean_s = float(waits.sum() / count)
    return PatienceFit(
        mean_s=mean_s, standard_error_s=mean_s / count**0.5, abandoned=count, waited=len(waits)
    )


def patience_by_class(
    waits_s: ArrayLike, abandoned: ArrayLike, classes: Sequence[Hashable]
) -> dict[Hashable, PatienceFit]:
    """Return `exponential_patience` for each class (contact type, team, segment), in order of appearance."""
    waits, lost = np.asarray(waits_s, dtype=np.float64), np.asarray(abandoned, dtype=np.bool_)
    if len(classes) != len(waits):
        raise ValueError(f"{len(classes)} classes for {len(waits)} waits")
    members: dict[Hashable, list[int]] = {}
    for index, name in enumerate(classes):
        members.setdefault(name, []).append(index)
    return {name: exponential_patience(waits[where], lost[where]) for name, where in members.items()}


def survival_curve(waits_s: ArrayLike, abandoned: ArrayLike) -> SurvivalCurve:
    """Return the Kaplan-Meier curve of patience; arguments and errors as for `exponential_patience`.

    A contact answered at the very second in which another hangs up counts as still at risk there.
    """
    waits, lost = _positive_waits(waits_s, abandoned)
    times, hung_up = np.unique(waits[lost], return_counts=True)
    at_risk = len(waits) - np.searchsorted(np.sort(waits), times, side="left")
    still = np.cumprod(1 - hung_up / at_risk, dtype=np.float64)
    survivors = np.maximum(at_risk - hung_up, 1)
    # Where all at risk hang up the share is 0 and so is its variance, whatever the sum.
    greenwood = np.cumsum(np.where(at_risk > hung_up, hung_up / (at_risk * survivors), 0.0))
    return SurvivalCurve(
        times_s=times,
        still_patient=still,
        variance=still**2 * greenwood,
        at_risk=np.asarray(at_risk, dtype=np.int64),
        hung_up=np.asarray(hung_up, dtype=np.int64),
        longest_s=float(waits.max(initial=0.0)),
    )


def median_patience_s(curve: SurvivalCurve) -> float | None:
    """Return the wait after which at most half are still patient, or None when the curve stays above half."""
    below = np.flatnonzero(curve.still_patient <= 0.5)
    return float(curve.times_s[below[0]]) if len(below) else None


def restricted_mean_s(curve: SurvivalCurve, *, until_s: float | None = None) -> float:
    """Return the area under the curve up to `until_s`: the mean of patience cut off there.

    Args:
        curve: From `survival_curve`.
        until_s: Where to cut; the longest wait seen when None. Beyond that the curve is held level.
    """
    widths, heights = _steps(curve, until_s)
    return float(widths @ heights)


def restricted_mean_variance(curve: SurvivalCurve, *, until_s: float | None = None) -> float:
    """Return Greenwood's variance of `restricted_mean_s`, in seconds squared."""
    widths, heights = _steps(curve, until_s)
    areas = widths * heights
    beyond = np.cumsum(areas[::-1])[::-1][1:]
    used = len(beyond)
    at_risk, hung_up = curve.at_risk[:used], curve.hung_up[:used]
    survivors = at_risk - hung_up
    terms = np.where(survivors > 0, hung_up / (at_risk * np.maximum(survivors, 1)), 0.0)
    return float(beyond**2 @ terms)


def exponential_misfit(curve: SurvivalCurve, mean_s: float) -> float:
    """Return the largest distance between the curve and an exponential law of mean `mean_s`, 0 to 1.

    Only waits that at least 30 contacts reached count, as beyond them the curve is mostly chance. Above
    about 0.1 the law's shape matters: staff by simulation rather than by Erlang A.
    """
    law = np.exp(-curve.times_s / mean_s)
    before = np.concatenate([[1.0], curve.still_patient])[: len(law)]
    distance = np.maximum(np.abs(curve.still_patient - law), np.abs(before - law))
    return float(distance[curve.at_risk >= _ENOUGH].max(initial=0.0))


def matched_mean_s(curve: SurvivalCurve) -> float:
    """Return the mean of the exponential law that leaves as many patient as the curve; infinite if all stay.

    They are matched at the longest wait that at least 30 contacts reached, beyond which the curve is mostly
    chance: T / -ln S(T), with S(T) held above 0.
    """
    known = np.flatnonzero(curve.at_risk >= _ENOUGH)
    if not len(known) or curve.still_patient[known[-1]] >= 1:
        return float(np.inf)
    still = max(float(curve.still_patient[known[-1]]), 1 / (2 * float(curve.at_risk[0])))
    return float(curve.times_s[known[-1]]) / -float(np.log(still))


def slope_patience(mean_waits_s: ArrayLike, abandonment: ArrayLike, *, offered: ArrayLike) -> SlopeFit:
    """Return patience by the line of Erlang A through periods: abandonment = mean wait / patience.

    Args:
        mean_waits_s: Mean wait of all contacts of each period (hours, say).
        abandonment: Share that hung up in each period.
        offered: Contacts in each period, the weight of the period; periods without any are left out.

    Raises:
        ValueError: When fewer than two periods with different waits are left.
    """
    waits, shares, weights = (
        np.asarray(values, dtype=np.float64) for values in (mean_waits_s, abandonment, offered)
    )
    used = weights > 0
    waits, shares, weights = waits[used], shares[used], weights[used] / weights[used].sum()
    mean_wait, mean_share = weights @ waits, weights @ shares
    spread = weights @ (waits - mean_wait) ** 2
    if spread <= 0:
        raise ValueError("a line needs two periods with different waits")
    slope = float(weights @ ((waits - mean_wait) * (shares - mean_share)) / spread)
    return SlopeFit(
        patience_s=1 / slope if slope > 0 else np.inf,
        intercept=float(mean_share - slope * mean_wait),
        periods=int(used.sum()),
    )


def _positive_waits(waits_s: ArrayLike, abandoned: ArrayLike) -> tuple[Floats, NDArray[np.bool_]]:
    waits, lost = np.asarray(waits_s, dtype=np.float64), np.asarray(abandoned, dtype=np.bool_)
    if waits.shape != lost.shape or waits.ndim != 1:
        raise ValueError(
            f"waits and ends must be two lists of one length, not {waits.shape} and {lost.shape}"
        )
    if not np.all(waits >= 0) or not np.all(np.isfinite(waits)):
        raise ValueError("a wait is a finite number of seconds, at least 0")
    return waits[waits > 0], lost[waits > 0]


def _steps(curve: SurvivalCurve, until_s: float | None) -> tuple[Floats, Floats]:
    """Return the widths and heights of the curve's steps from 0 to `until_s`."""
    end = curve.longest_s if until_s is None else until_s
    times = curve.times_s[curve.times_s < end]
    edges = np.concatenate([[0.0], times, [end]])
    return np.diff(edges), np.concatenate([[1.0], curve.still_patient[: len(times)]])
