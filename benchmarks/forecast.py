"""Claim: one day ahead the forecast is nearer than SVD+AR and every model of statsforecast tried, in one run.

A large North American bank, quarter hours, the last 30 of 100 days. A small bank, half hours: below 19 % with
every day kept, broken ones too; the run prints what one of them costs, and what no forecast of totals could
pass.
At each origin the choice among Rondo's models, and all that they learn, sees earlier days only; but how the
calendar model is made (logarithm of the level, a third of the average of two others) and how interval edges
count was decided after these days had been seen, so neither lead is a blind one. Last, four teams with a year
of half hours, eight weeks ahead.
"""

import sys
import time
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from benchmarks.support.call_counts import (
    BANK1999,
    BANK2003,
    Table,
    bank1999,
    bank2003,
    four_teams,
    history_of,
)
from benchmarks.support.statsforecast_peers import peer_forecasts
from staffing.forecast import forecast, quantiles
from staffing.forecast_models import MODELS, learn, predicted
from staffing.history import History, up_to
from staffing.intervals import Grid, day_of_date
from staffing.special_days import holidays_between, special_days
from staffing.training import training_of

SCORED_DAYS = 30
COVERAGE = (0.78, 0.82)
SMALL_BANK_WAPE = 0.19
FOUR_TEAMS_S = 10.0


@dataclass
class Rolled:
    """One-day-ahead forecasts of the scored days: each (days, slots), and the model used on each day."""

    expected: Table
    low: Table
    high: Table
    models: list[str]


def main() -> int:
    if not BANK2003.exists() or not BANK1999.exists():
        print(f"skipped: no call data in {BANK2003.parent}")
        return 0
    held = [eight_weeks(), small_bank(), large_bank()]
    return 0 if all(held) else 1


def large_bank() -> bool:
    table, first_on = bank2003()
    dates = [first_on + timedelta(days=int(row)) for row in np.flatnonzero(~np.isnan(table[:, 28]))]
    scored, slots = dates[-SCORED_DAYS:], slice(28, 84)
    public = holidays_between("US", first_on, scored[-1])
    actual = table[[(on - first_on).days for on in scored], slots]
    mine = rolled(history_of(table, first_on, Grid("America/New_York", 15)), scored, public)
    errors = {"Rondo": wape(mine.expected[:, slots], actual)}
    print(f"large bank, quarter hours, {len(scored)} days {scored[0]} to {scored[-1]}, one day ahead")
    show("Rondo's forecast", errors["Rondo"], f"models used: {', '.join(sorted(set(mine.models)))}")
    for name in MODELS:
        errors[name] = wape(one_model(name, table, first_on, scored, public)[:, slots], actual)
        show(f"its model {name} alone", errors[name])
    floor = float(np.sqrt(2 / np.pi * actual).sum() / actual.sum())
    show("floor: Poisson noise around a known rate", floor)
    peers = peer_errors(table, first_on, scored)
    covered = coverage(mine.low[:, slots], mine.high[:, slots], actual)
    print(f"  80 % intervals cover {covered:.1%} (claim {COVERAGE[0]:.0%} to {COVERAGE[1]:.0%})")
    best = min(peers.values(), default=float("inf"))
    print(f"  Rondo / SVD+AR {errors['Rondo'] / errors['svd_ar']:.3f}", end="")
    print(f", Rondo / best of statsforecast {errors['Rondo'] / best:.3f}" if peers else "")
    return errors["Rondo"] < min(best, errors["svd_ar"]) and COVERAGE[0] <= covered <= COVERAGE[1]


def peer_errors(table: Table, first_on: date, scored: list[date]) -> dict[str, float]:
    slots = slice(28, 84)
    actual = table[[(on - first_on).days for on in scored], slots]
    counts = filled(table, first_on)[:, slots]
    peers = {}
    try:
        for name, expected, seconds in peer_forecasts(counts, working_days(scored)):
            chosen = expected[[working_days(scored, until=on) - 1 for on in scored]]
            peers[name] = wape(chosen, actual)
            show(f"statsforecast {name}", peers[name], f"{seconds:.0f} s")
    except ImportError as error:
        print(f"  peers skipped: {error}")
    return peers


def small_bank() -> bool:
    table, first_on = bank1999()
    last_on = first_on + timedelta(days=len(table) - 1)
    public = holidays_between("IL", first_on, last_on, categories=("public", "optional"))
    working = [on for on in days_between(date(1999, 6, 1), last_on) if on.weekday() not in (4, 5)]
    actual = table[[(on - first_on).days for on in working]][:, 14:48]
    mine = rolled(history_of(table, first_on, Grid("Asia/Jerusalem", 30)), working, public)
    expected, named = mine.expected[:, 14:48], np.array([on in public for on in working])
    peers = {
        label: one_model(name, table, first_on, working, public)[:, 14:48]
        for name, label in (
            ("naive", "same weekday a week before"),
            ("weekday_mean", "weekday mean"),
            ("svd_ar", "SVD+AR"),
        )
    }
    print("small bank, half hours 07 to 24, Sunday to Thursday of June and July, one day ahead")
    for label, kept in (("every day", np.ones_like(named)), ("days the calendar names left out", ~named)):
        print(f"  {label}: {kept.sum()} days, broken ones among them")
        for name, each in ({"Rondo's forecast": expected} | peers).items():
            show(f"  {name}", wape(each[kept], actual[kept]))
    for row in np.flatnonzero(named):
        on = working[row]
        show_named_day(f"{on} {public[on]}", expected[row], actual[row], float(actual.sum()))
    show_limits(expected, actual)
    covered = coverage(mine.low[:, 14:48], mine.high[:, 14:48], actual)
    print(f"  80 % intervals cover {covered:.1%} (claim {COVERAGE[0]:.0%} to {COVERAGE[1]:.0%})")
    every = wape(expected, actual)
    print(f"  claimed: below {SMALL_BANK_WAPE:.0%} with every day; it is {every:.2%}")
    print(f"  Rondo / SVD+AR {every / wape(peers['SVD+AR'], actual):.3f}")
    nearest = min(wape(each, actual) for each in peers.values())
    return every < min(SMALL_BANK_WAPE, nearest) and COVERAGE[0] <= covered <= COVERAGE[1]


def show_named_day(name: str, expected: Table, actual: Table, total: float) -> None:
    """Print how near the total of one day was, and what the day costs in points of the WAPE of all days."""
    cost = float(np.abs(expected - actual).sum()) / total
    known = float(np.abs(with_total_of(actual[None], expected[None])[0] - actual).sum()) / total
    floor = float(np.sqrt(2 / np.pi * expected).sum()) / total
    print(
        f"  {name}: {expected.sum():.0f} calls expected, {actual.sum():.0f} came; costs {cost:.2%} of all",
        end="",
    )
    print(f", with its total known {known:.2%}; as an even day it would cost {floor:.2%} by chance alone")
    print(f"    its first half hours: {', '.join(f'{each:.0f}' for each in actual[:6])}", end="")
    print(f" where {', '.join(f'{each:.0f}' for each in expected[:6])} were expected")


def show_limits(expected: Table, actual: Table) -> None:
    """Print what would be left if totals, or totals and the season's shape, were known beforehand."""
    show("limit: every day's total known, Rondo's shape", wape(with_total_of(actual, expected), actual))
    shape = np.broadcast_to(actual.mean(axis=0), actual.shape)
    show("limit: totals known, mean shape of the very days", wape(with_total_of(actual, shape), actual))
    show("floor: Poisson noise around a known rate", float(np.sqrt(2 / np.pi * actual).sum() / actual.sum()))


def with_total_of(actual: Table, expected: Table) -> Table:
    """Return the expected shape of each day scaled to the calls that came, (days, slots)."""
    scaled: Table = expected * (actual.sum(axis=1) / expected.sum(axis=1))[:, None]
    return scaled


def eight_weeks() -> bool:
    first_on = date(2025, 1, 1)
    public = holidays_between("DE", first_on, date(2026, 12, 31), subdivision="BY")
    grid = Grid("Europe/Berlin", 30)
    histories = [history_of(table, first_on, grid) for table in four_teams(365, first_on)]
    started = time.perf_counter()
    for history in histories:
        forecast(history, first_on=date(2026, 1, 1), days=56, public_holidays=public)
    seconds = time.perf_counter() - started
    print("four teams, a year of half hours, eight weeks ahead, backtest of all models included")
    print(f"  {seconds:.1f} s of the {FOUR_TEAMS_S:.0f} s claimed")
    return seconds <= FOUR_TEAMS_S


def rolled(history: History, scored: list[date], public: dict[date, str]) -> Rolled:
    expected, low, high, models = [], [], [], []
    for on in scored:
        found = forecast(up_to(history, on - timedelta(days=1)), first_on=on, days=1, public_holidays=public)
        bounds = quantiles(found, [0.1, 0.9])
        expected.append(found.volume)
        low.append(bounds[0])
        high.append(bounds[1])
        models.append(found.model[0])
    return Rolled(np.array(expected), np.array(low), np.array(high), models)


def one_model(name: str, table: Table, first_on: date, scored: list[date], public: dict[date, str]) -> Table:
    special = special_days(public, [], "calls")
    rows = []
    for on in scored:
        training, _ = training_of(table[: (on - first_on).days], first_on, special)
        rows.append(predicted(name, training, np.array([day_of_date(on)]), learn(training))[0])
    return np.array(rows)


def filled(table: Table, first_on: date) -> Table:
    """Return all working days; a missing one is taken from a week before, which keeps seasons aligned."""
    rows = [row for row in range(len(table)) if (first_on + timedelta(days=row)).weekday() < 5]
    complete = table.copy()
    for row in rows:
        if np.isnan(complete[row]).all():
            complete[row] = complete[row - 7]
    return complete[rows]


def working_days(scored: list[date], until: date | None = None) -> int:
    """Return how many working days lie from the first scored day to the last or to `until`, both included."""
    return int(np.busday_count(scored[0], (until or scored[-1]) + timedelta(days=1)))


def days_between(first_on: date, last_on: date) -> list[date]:
    return [first_on + timedelta(days=step) for step in range((last_on - first_on).days + 1)]


def wape(expected: Table, actual: Table) -> float:
    return float(np.abs(expected - actual).sum() / actual.sum())


def coverage(low: Table, high: Table, actual: Table) -> float:
    return float(np.mean((low <= actual) & (actual <= high)))


def show(name: str, error: float, note: str = "") -> None:
    print(f"  {name:<52} WAPE {error:7.2%}  {note}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
