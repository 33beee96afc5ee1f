"""The planner's week as columns of figures per interval, and those as the lines and areas of a chart.

A chart is drawn in units of intervals (x) and of 0 to 100 from top to bottom (y), and stretched to its
place; its words stand beside it in HTML, so that they keep their size.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from staffing.intervals import Grid, intervals_between

Values = list[float | None]
_SIDES: Final = (("forecast", "band"), ("changed", "changed-band"))
_SHARES: Final = [(100.0, "0"), (75.0, "25 %"), (50.0, "50 %"), (25.0, "75 %"), (0.0, "100 %")]


@dataclass(frozen=True, slots=True)
class Columns:
    """Figures of some intervals; all lists have the same length, None where nothing is known.

    `volume`, `low`, `high`, `actual` are contacts per interval (low and high: 10 % and 90 % quantile),
    `needed` and `staffed` people, `handle_s` the mean handle time.
    """

    starts: list[int]
    volume: Values
    low: Values
    high: Values
    actual: Values
    needed: Values
    staffed: Values
    handle_s: Values

    def part(self, begin: int, end: int) -> Columns:
        """Return the intervals from `begin` to before `end`."""
        return Columns(*(getattr(self, name)[begin:end] for name in self.__slots__))


@dataclass(frozen=True, slots=True)
class Plot:
    """One chart: paths by name, and the marks of its axis as (share from top, label)."""

    width: int
    paths: dict[str, str]
    ticks: list[tuple[float, str]]


def week_columns(
    grid: Grid,
    days: Sequence[date],
    forecasts: Iterable[Mapping[str, Any]],
    needs: Sequence[tuple[Sequence[int], Mapping[str, Any]]],
    pasts: Iterable[Mapping[str, Any]],
) -> Columns:
    """Return the figures of `days`, summed over teams.

    `forecasts` and `pasts` are answers of the API; `needs` pairs interval starts with columns that have
    `rostered` and may have `staffed`, `volume` and `handle_s`. The band is that of one team alone: bands
    of several teams do not add up.
    """
    keys = [int(at) for at in intervals_between(grid, days[0], days[-1])]
    by_forecast = [{_at(item["starts_at"]): item for item in each["items"]} for each in forecasts]
    by_past = [{_at(item["starts_at"]): item for item in each["items"]} for each in pasts]
    by_need: dict[str, list[dict[int, Any]]] = {}
    for name in ("rostered", "staffed", "volume", "handle_s"):
        by_need[name] = [dict(zip(at, c[name], strict=False)) for at, c in needs if c.get(name)]

    def summed(name: str, of: Sequence[Mapping[int, Any]]) -> Values:
        return [_sum(each[key][name] for each in of if key in each) for key in keys]

    volume = summed("volume", by_forecast)
    if not by_forecast:
        volume = [_sum(each[key] for each in by_need["volume"] if key in each) for key in keys]
    one = by_forecast if len(by_forecast) == 1 else []
    return Columns(
        starts=keys,
        volume=volume,
        low=summed("low", one),
        high=summed("high", one),
        actual=summed("offered", by_past),
        needed=[_sum(each[key] for each in by_need["rostered"] if key in each) for key in keys],
        staffed=[_sum(each[key] for each in by_need["staffed"] if key in each) for key in keys],
        handle_s=[_mean(by_forecast, key) for key in keys],
    )


def contacts_plot(columns: Columns, *, updated: Values | None = None) -> Plot:
    """Return the chart of contacts: forecast with its band, what really came, and the forecast since."""
    again = updated or []
    top, ticks = _axis([columns.volume, columns.high, columns.actual, again])
    return Plot(
        max(len(columns.starts), 1),
        {
            "band": _band(columns.low, columns.high, top),
            "forecast": _line(columns.volume, top),
            "updated": _line(again, top),
            "actual": _line(columns.actual, top),
        },
        ticks,
    )


def measure_plot(sides: Sequence[Mapping[str, Values]], *, target: float | None, shares: bool) -> Plot:
    """Return the chart of one figure on up to two sides (as planned, changed), with bounds and a target.

    Each side has the columns `value`, `low` and `high`. Shares are drawn from 0 to 1, seconds from 0 to
    the highest value: bounds may reach beyond, and are cut off.
    """
    many = max((len(side["value"]) for side in sides), default=0)
    top, ticks = (1.0, _SHARES) if shares else _axis([side["value"] for side in sides])
    paths = {name: "" for pair in _SIDES for name in pair}
    for (line, band), side in zip(_SIDES, sides, strict=False):
        paths[line] = _line(side["value"], top)
        paths[band] = _band(_within(side["low"], top), _within(side["high"], top), top)
    shown = target is not None and target <= top
    paths["target"] = f"M0,{_y(target, top)}H{many}" if target is not None and shown else ""
    return Plot(max(many, 1), paths, ticks)


def _within(values: Values, top: float) -> Values:
    return [None if value is None else min(max(value, 0.0), top) for value in values]


def people_plot(columns: Columns) -> Plot:
    """Return the chart of people: who is needed and who is on the roster; where that is too few."""
    top, ticks = _axis([columns.needed, columns.staffed])
    zero: Values = [0.0 if value is not None else None for value in columns.staffed]
    short: Values = [
        need if need is not None and have is not None and have < need else None
        for need, have in zip(columns.needed, columns.staffed, strict=True)
    ]
    floor: Values = [
        have if lack is not None else None for have, lack in zip(columns.staffed, short, strict=True)
    ]
    return Plot(
        max(len(columns.starts), 1),
        {
            "staffed": _steps_between(zero, columns.staffed, top),
            "short": _steps_between(floor, short, top),
            "needed": _steps(columns.needed, top),
        },
        ticks,
    )


def has_data(*columns: Values) -> bool:
    """Return whether any of the columns holds a value."""
    return any(value is not None for column in columns for value in column)


def _at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _mean(forecasts: Sequence[Mapping[int, Any]], key: int) -> float | None:
    """Return the mean handle time (s), weighted by volume."""
    items = [each[key] for each in forecasts if key in each]
    volume = sum(item["volume"] for item in items)
    if not volume:
        return None
    return float(sum(item["volume"] * item["handle_s"] for item in items) / volume)


def _axis(columns: Sequence[Values]) -> tuple[float, list[tuple[float, str]]]:
    """Return the top of the axis and its marks: round numbers, about four of them."""
    most = max((value for column in columns for value in column if value is not None), default=0.0)
    step = next(
        size * 10.0**power for power in range(-1, 9) for size in (1, 2, 5) if 4 * size * 10.0**power >= most
    )
    step = max(step, 1.0)
    many = max(1, -int(-most // step))
    top = many * step
    marks = [(100 * (1 - i * step / top), f"{i * step:,.0f}") for i in range(many + 1)]
    return top, marks


def _y(value: float, top: float) -> str:
    return f"{100 * (1 - value / top):.2f}"


def _line(values: Values, top: float) -> str:
    """Return a line through the middles of the intervals, broken where nothing is known."""
    parts, pen = [], "M"
    for i, value in enumerate(values):
        if value is None:
            pen = "M"
            continue
        parts.append(f"{pen}{i + 0.5:g},{_y(value, top)}")
        pen = "L"
    return "".join(parts)


def _band(low: Values, high: Values, top: float) -> str:
    """Return the area between two columns, in parts where nothing is known between."""
    parts: list[str] = []
    upper: list[str] = []
    lower: list[str] = []
    for i, (least, most) in enumerate([*zip(low, high, strict=True), (None, None)]):
        if least is not None and most is not None:
            upper.append(f"{i + 0.5:g},{_y(most, top)}")
            lower.append(f"{i + 0.5:g},{_y(least, top)}")
        elif upper:
            parts.append("M" + "L".join(upper + lower[::-1]) + "Z")
            upper, lower = [], []
    return "".join(parts)


def _steps(values: Values, top: float) -> str:
    parts: list[str] = []
    before: float | None = None
    for i, value in enumerate(values):
        if value is not None and value != before:
            parts.append(f"M{i},{_y(value, top)}" if before is None else f"V{_y(value, top)}")
        if value is not None:
            parts.append(f"H{i + 1}")
        before = value
    return "".join(parts)


def _steps_between(low: Values, high: Values, top: float) -> str:
    """Return the area between two columns as one rectangle for each run of equal values."""
    parts: list[str] = []
    begin = 0
    for i in range(len(high) + 1):
        same = i < len(high) and high[i] == high[begin] and low[i] == low[begin]
        if same:
            continue
        upper, lower = high[begin] if high else None, low[begin] if low else None
        if upper is not None and lower is not None and upper > lower:
            parts.append(f"M{begin},{_y(lower, top)}V{_y(upper, top)}H{i}V{_y(lower, top)}Z")
        begin = i
    return "".join(parts)
