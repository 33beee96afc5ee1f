"""A team is simulated week after week with what it requires, and corrected where that is too little."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from app.planning.desk import Report
from app.planning.needs import HANDLE_SCV, shares, with_live
from app.planning.terms import Planning
from staffing.intervals import Starts, local_days

if TYPE_CHECKING:
    from staffing.simulation.promises import Promise
    from staffing.simulation.staffed_week import StaffedWeek
    from staffing.simulation.traffic import TeamTraffic

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

WEEKS: Final = 100
"""Weeks simulated of a busy team; a small one gets more of them, for about as many contacts."""
MOST_WEEKS: Final = 200
LEAST_CONTACTS: Final = 1200.0
"""Contacts of all simulated weeks from which a level can be told from chance."""
SLACK: Final = 0.02
"""By how much the simulated service level may fall short, and occupancy be above."""
_CONTACTS: Final = 50_000.0
_ROUNDS: Final = 5
_STAY_S: Final = 1800.0
_ROUNDING: Final = 0.02
"""Volumes are stored with two decimals: a difference below this is none."""


@dataclass(frozen=True, slots=True)
class CheckTask:
    """Requirements by team as they are stored, the intervals they are for, and which teams are simulated."""

    requirements: dict[str, dict[str, Any]]
    starts: Starts
    planning: Planning
    teams: tuple[str, ...]


def with_checks(report: Report, task: CheckTask) -> dict[str, dict[str, Any]]:
    """Return the requirements with `simulated` for the teams asked, and the agents it added to them.

    Calls and chats are simulated by themselves, as they are staffed for; each promise by what it is of.
    """
    found = dict(task.requirements)
    for number, team in enumerate(task.teams):
        sides = _sides(found[team])
        told = [(side, _promised(found[team], side)) for side in sides]
        parts = len(task.teams) * max(len(told), 1)
        checks = []
        for part, (side, promise) in enumerate(told):
            if promise.names and side.volume.any():
                begun = number / len(task.teams) + part / parts
                step = partial(_tell, report, team, begun=begun, share=1 / parts)
                step(0)
                checks.append(_check(task, team, side, promise, step))
        if checks:
            found[team] = _corrected(found[team], checks)
    return found


@dataclass(frozen=True, slots=True)
class _Side:
    """Calls or chats of a team, columns of the whole period; `agents` take nothing else."""

    channel: str
    volume: Floats
    handle_s: Floats
    door: Floats
    agents: Integers
    concurrency: int = 1


@dataclass(frozen=True, slots=True)
class _Check:
    """A side as simulated; `works` are the intervals it was simulated in."""

    side: _Side
    promise: Promise
    weeks: int
    works: Integers
    week: StaffedWeek


def _tell(report: Report, team: str, done: int, *, begun: float, share: float) -> None:
    text = f"corrected {done} times" if done else "simulating weeks"
    report(begun + share * done / (_ROUNDS + 1), f"{team}: {text}")


def _sides(data: Mapping[str, Any]) -> list[_Side]:
    """Return a team's contacts as they are staffed for: all together, or calls and chats apart."""
    volume, handle_s, door = (_column(data[name]) for name in ("volume", "handle_s", "door"))
    live = np.array(data["live"], dtype=np.int64)
    chat = data["chat"]
    if chat is None:
        return [_Side("voice", volume, handle_s, door, live)]
    chats, chat_s = (_column(chat[name]) for name in ("volume", "handle_s"))
    agents = np.minimum(np.array(chat["required"], dtype=np.int64), live)
    calls = np.where(volume - chats > _ROUNDING, volume - chats, 0.0)
    alone_s = chat_s / (1 + chat["slowdown"] * (chat["concurrency"] - 1))
    calls_s = (volume * handle_s - chats * alone_s) / np.maximum(calls, _ROUNDING)
    share = chats / np.maximum(volume, _ROUNDING)
    return [
        _Side("voice", calls, calls_s, door * (1 - share), live - agents),
        _Side("chat", chats, chat_s, door * share, agents, chat["concurrency"]),
    ]


def _promised(data: Mapping[str, Any], side: _Side) -> Promise:
    from staffing.simulation.promises import Promise  # noqa: PLC0415  loaded when used

    targets, volume = data["targets"], side.volume
    weeks = _weeks(volume)
    return Promise(
        service_level=targets["service_level"],
        answer_within_s=targets["answer_within_s"] or 20.0,
        asa_s=targets.get("asa_s"),
        abandonment=targets.get("abandonment") if data["patience_s"] is not None else None,
        max_occupancy=targets.get("max_occupancy"),
        slack=SLACK,
        least_contacts=LEAST_CONTACTS / weeks,
        together=True,
    )


def _weeks(volume: Floats) -> int:
    return int(np.clip(_CONTACTS // max(float(volume.sum()), 1.0), WEEKS, MOST_WEEKS))


def _check(
    task: CheckTask, team: str, side: _Side, promise: Promise, on_round: Callable[[int], None]
) -> _Check:
    from staffing.simulation.staffed_week import corrected_week  # noqa: PLC0415  loaded when used

    works = np.flatnonzero((side.volume > 0) | (side.agents > 0))
    weeks = _weeks(side.volume)
    week = corrected_week(
        _traffic(task, team, side, works),
        side.agents[works],
        replace(promise, short_abandon_s=task.planning.policy.teams[team].short_abandon_s),
        replications=weeks,
        stay_s=_STAY_S,
        rounds=_ROUNDS,
        concurrency=side.concurrency,
        on_round=on_round,
    )
    return _Check(side, promise, weeks, works, week)


def _traffic(task: CheckTask, team: str, side: _Side, works: Integers) -> TeamTraffic:
    from staffing.simulation.durations import ENDLESS, Exponential, Lognormal  # noqa: PLC0415  loaded when used
    from staffing.simulation.traffic import TeamTraffic, Volume  # noqa: PLC0415

    data, starts = task.requirements[team], task.starts[works]
    handle_s = np.maximum(side.handle_s[works], 1.0)
    mean_s = float(np.average(handle_s, weights=np.maximum(side.volume[works], 1e-9)))
    patience_s = data["patience_s"]
    return TeamTraffic(
        team_id=team,
        volume=Volume(
            starts=starts,
            expected=side.volume[works] + side.door[works],
            step_s=60.0 * data["minutes"],
            days=local_days(task.planning.grid, starts),
            day_cv=data["day_cv"],
            slot_cv=data["slot_cv"],
        ),
        handle=Lognormal(mean_s, HANDLE_SCV),
        patience=ENDLESS if patience_s is None else Exponential(patience_s),
        handle_factors=handle_s / mean_s,
    )


def _corrected(data: dict[str, Any], checks: Sequence[_Check]) -> dict[str, Any]:
    """Return a requirement with the agents that were added, and what was simulated."""
    added = np.zeros(len(data["volume"]), dtype=np.int64)
    chat = data["chat"]
    for check in checks:
        added[check.works] += check.week.added
        if check.side.channel == "chat":
            required = check.side.agents.copy()
            required[check.works] += check.week.added
            chat = chat | {"required": required.tolist()}
    first = checks[0]
    told = [_told(check, name) for check in checks for name in check.promise.names]
    level = next((each for each in told if each["promise"] == "service_level"), None)
    nothing: list[float | None] = [None] * len(added)
    return with_live(data, np.array(data["live"], dtype=np.int64) + added) | {
        "chat": chat,
        "simulated": {
            "weeks": first.weeks,
            "wanted": data["targets"]["service_level"],
            "value": level["value"] if level else nothing,
            "half_width": level["half_width"] if level else nothing,
            "added": added.tolist(),
            "missing": sum(each["missing"] for each in told),
            "promises": told,
            "untold": [_untold(check) for check in checks],
            "left_out": [name for name in data["deferrable"] if any(data["deferrable"][name]["volume"])],
        },
    }


def _told(check: _Check, name: str) -> dict[str, Any]:
    """Return how a promise is kept, by interval; those that were judged together have the same figures."""
    kept, size = check.week.promises[name], len(check.side.volume)
    promise, met = check.promise, check.side.volume[check.works] > 0
    wanted = {
        "service_level": promise.service_level,
        "asa": promise.asa_s,
        "abandonment": promise.abandonment,
        "occupancy": promise.max_occupancy,
    }
    return {
        "channel": check.side.channel,
        "promise": name,
        "wanted": wanted[name],
        "value": _spread(size, check.works, np.where(met, kept.estimate.value, np.nan)),
        "half_width": _spread(size, check.works, np.where(met, kept.estimate.half_width, np.nan)),
        "missing": int((kept.misses > promise.slack_of(name)).sum()),
    }


def _untold(check: _Check) -> dict[str, Any]:
    """Return how many intervals with contacts were judged together, and how many could not be judged."""
    groups, busy = check.week.groups, check.side.volume[check.works] > 0
    sizes = np.bincount(groups[groups >= 0], minlength=len(groups))
    joined = (groups >= 0) & (sizes[np.maximum(groups, 0)] > 1)
    return {
        "channel": check.side.channel,
        "together": int((joined & busy).sum()),
        "unjudged": int(((groups < 0) & busy).sum()),
    }


def _column(values: Any) -> Floats:
    return np.nan_to_num(np.array(values, dtype=np.float64))


def _spread(size: int, where: Integers, values: Floats) -> list[float | None]:
    full = np.full(size, np.nan)
    full[where] = values
    return shares(full)
