"""Forecasts of statsforecast's models, one day ahead, each origin seeing all days before it."""

import time
import warnings
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Table = NDArray[np.float64]


def peer_forecasts(counts: Table, scored: int, *, slow: bool) -> Iterator[tuple[str, Table, float]]:
    """Yield name, forecasts (scored days, slots) and seconds of each model.

    "by slot": one series per slot with the week as its season, the form in which these models did best.
    "whole": one series of all slots with day and week as seasons.

    Args:
        counts: Complete working days by slots, five to a week; the last `scored` are forecast.
        scored: Days to forecast, one at a time, models fitted anew for each.
        slow: Whether to run AutoARIMA, which takes several minutes.
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
    if slow:
        by_slot.append(models.AutoARIMA(season_length=5))
    whole = [
        models.MSTL([slots, 5 * slots], trend_forecaster=models.AutoETS(model="ZZN")),
        models.MFLES([slots, 5 * slots]),
    ]
    for model in by_slot:
        started = time.perf_counter()
        yield f"{model} by slot", _by_slot(model, counts, scored), time.perf_counter() - started
    for model in whole:
        started = time.perf_counter()
        yield f"{model} whole", _whole(model, counts, scored), time.perf_counter() - started


def _by_slot(model: object, counts: Table, scored: int) -> Table:
    days, slots = counts.shape
    found = _rolled(
        model, np.repeat(np.arange(slots), days), np.tile(np.arange(days), slots), counts.T.ravel(), 1, scored
    )
    return found.reshape(slots, scored).T


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
