"""A team is simulated week after week with what it requires, and corrected where that is too little."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from app.planning.desk import Report
from app.planning.needs import HANDLE_SCV, shares, with_live
from app.planning.terms import Planning
from staffing.intervals import Starts, local_days

Floats = NDArray[np.float64]

WEEKS: Final = 100
LEAST_CONTACTS: Final = 12.0
"""Intervals that expect no more contacts than this are too small for their level to be told from chance."""
SLACK: Final = 0.02
"""By how much the simulated mean may fall short."""
_ROUNDS: Final = 5
_STAY_S: Final = 1800.0


@dataclass(frozen=True, slots=True)
class CheckTask:
    """Requirements by team as they are stored, the intervals they are for, and which teams are simulated."""

    requirements: dict[str, dict[str, Any]]
    starts: Starts
    planning: Planning
    teams: tuple[str, ...]


def with_checks(report: Report, task: CheckTask) -> dict[str, dict[str, Any]]:
    """Return the requirements with `simulated` for the teams asked, and the agents it added to them.

    Chats side by side and promises other than a service level are not simulated.
    """
    found = dict(task.requirements)
    for number, team in enumerate(task.teams):
        report(number / len(task.teams), f"{team}: simulating {WEEKS} weeks")
        if _can_be_simulated(found[team]):
            found[team] = _checked(report, task, team, (number, len(task.teams)))
    return found


def _can_be_simulated(data: Mapping[str, Any]) -> bool:
    volume = np.nan_to_num(np.array(data["volume"], dtype=np.float64))
    promised = data["targets"]["service_level"] is not None
    return data["chat"] is None and promised and bool((volume > LEAST_CONTACTS).any())


def _checked(report: Report, task: CheckTask, team: str, place: tuple[int, int]) -> dict[str, Any]:
    from staffing.simulation.durations import ENDLESS, Exponential, Lognormal  # noqa: PLC0415  loaded when used
    from staffing.simulation.staffed_week import Promise, corrected_week  # noqa: PLC0415
    from staffing.simulation.traffic import TeamTraffic, Volume  # noqa: PLC0415

    data, policy = task.requirements[team], task.planning.policy.teams[team]
    volume, handle_s = (
        np.nan_to_num(np.array(data[name], dtype=np.float64)) for name in ("volume", "handle_s")
    )
    live = np.array(data["live"], dtype=np.int64)
    works = np.flatnonzero((volume > 0) | (live > 0))
    starts = task.starts[works]
    weights = np.maximum(volume[works], 1e-9)
    mean_s = float(np.average(np.maximum(handle_s[works], 1.0), weights=weights))
    patience_s = data["patience_s"]
    traffic = TeamTraffic(
        team_id=team,
        volume=Volume(
            starts=starts,
            expected=volume[works] + np.array(data["door"], dtype=np.float64)[works],
            step_s=60.0 * data["minutes"],
            days=local_days(task.planning.grid, starts),
            day_cv=data["day_cv"],
            slot_cv=data["slot_cv"],
        ),
        handle=Lognormal(mean_s, HANDLE_SCV),
        patience=ENDLESS if patience_s is None else Exponential(patience_s),
        handle_factors=np.maximum(handle_s[works], 1.0) / mean_s,
    )
    promise = Promise(
        service_level=data["targets"]["service_level"],
        answer_within_s=data["targets"]["answer_within_s"] or 20.0,
        short_abandon_s=policy.short_abandon_s,
        slack=SLACK,
        least_contacts=LEAST_CONTACTS,
    )
    many, of = place
    week = corrected_week(
        traffic,
        live[works],
        promise,
        replications=WEEKS,
        stay_s=_STAY_S,
        rounds=_ROUNDS,
        on_round=lambda done: report((many + done / (_ROUNDS + 1)) / of, f"{team}: corrected {done} times"),
    )
    promised = volume[works] > LEAST_CONTACTS
    level, half_width = (
        _spread(len(volume), works, np.where(promised, each, np.nan))
        for each in (week.service_level.value, week.service_level.half_width)
    )
    added = np.zeros(len(volume), dtype=np.int64)
    added[works] = week.added
    return with_live(data, live + added) | {
        "simulated": {
            "weeks": WEEKS,
            "wanted": data["targets"]["service_level"],
            "value": level,
            "half_width": half_width,
            "added": added.tolist(),
            "missing": int((week.misses > SLACK).sum()),
        }
    }


def _spread(size: int, where: NDArray[np.int64], values: Floats) -> list[float | None]:
    full = np.full(size, np.nan)
    full[where] = values
    return shares(full)
