"""Forecasts of statsforecast's models, one day ahead, each origin seeing all days before it."""

import time
import warnings
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Table = NDArray[np.float64]


def peer_forecasts(counts: Table, scored: int) -> Iterator[tuple[str, Table, float]]:
    """Yield name, forecasts (scored days, slots) and seconds of each model.

    "by slot": one series per slot with the week as its season, the form in which these models did best.
    "whole": one series of all slots with day and week as seasons. "of days": day totals spread by mean shares
    of the last ten days of the weekday (AutoARIMA by slot takes over a quarter of an hour).

    Args:
        counts: Complete working days by slots, five to a week; the last `scored` are forecast.
        scored: Days to forecast, one at a time, models fitted anew for each.
    """
    from statsforecast import models

    slots = counts.shape[1]
    by_slot = [
        models.SeasonalNaive(5),
        models.SeasonalWindowAverage(5, 5),
        models.AutoETS(5),
        models.AutoTheta(5),
        models.DynamicOptimizedTheta(5),
        models.AutoCES(5),
    ]
    whole = [
        models.MSTL([slots, 5 * slots], trend_forecaster=models.AutoETS(model="ZZN")),
        models.MFLES([slots, 5 * slots]),
    ]
    for model in by_slot:
        started = time.perf_counter()
        yield f"{model} by slot", _by_slot(model, counts, scored), time.perf_counter() - started
    days = models.AutoARIMA(season_length=5)
    started = time.perf_counter()
    yield f"{days} of days", _of_days(days, counts, scored), time.perf_counter() - started
    for model in whole:
        started = time.perf_counter()
        yield f"{model} whole", _whole(model, counts, scored), time.perf_counter() - started


def _by_slot(model: object, counts: Table, scored: int) -> Table:
    days, slots = counts.shape
    found = _rolled(
        model, np.repeat(np.arange(slots), days), np.tile(np.arange(days), slots), counts.T.ravel(), 1, scored
    )
    return found.reshape(slots, scored).T


def _of_days(model: object, counts: Table, scored: int) -> Table:
    days = len(counts)
    totals = _rolled(model, np.zeros(days, dtype=int), np.arange(days), counts.sum(axis=1), 1, scored)
    shares = counts / counts.sum(axis=1, keepdims=True)
    first = days - scored
    rows = [shares[day - 5 : max(day - 51, 0) or None : -5].mean(axis=0) for day in range(first, days)]
    return totals[:, None] * np.array(rows)


def _whole(model: object, counts: Table, scored: int) -> Table:
    slots = counts.shape[1]
    found = _rolled(
        model, np.zeros(counts.size, dtype=int), np.arange(counts.size), counts.ravel(), slots, scored
    )
    return found.reshape(scored, slots)


def _rolled(model: object, series: Table, step: Table, values: Table, horizon: int, windows: int) -> Table:
    import pandas as pd
    from statsforecast import StatsForecast

    frame = pd.DataFrame({"unique_id": series, "ds": step, "y": values})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = StatsForecast(models=[model], freq=1, n_jobs=1).cross_validation(
            df=frame, h=horizon, n_windows=windows, step_size=horizon
        )
    ordered = result.sort_values(["unique_id", "ds"])
    return np.maximum(ordered[ordered.columns[-1]].to_numpy(), 0.0)
