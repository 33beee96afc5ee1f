"""What one team needs in each interval: agents for who waits, chats side by side, and work that can wait."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from app.db import forecasts, history
from app.planning.opening import open_intervals
from app.planning.terms import TeamTerms, targets_of
from routing.hours import Hours
from staffing.chat_share import ChatShare, split
from staffing.deferrable import DeferrableWork, Placement, place_deferrable, whole_agents
from staffing.forecast import Forecast
from staffing.intervals import Grid, Starts, intervals_between
from staffing.offered_load import door_queues
from staffing.patience import (
    exponential_misfit,
    exponential_patience,
    matched_mean_s,
    median_patience_s,
    survival_curve,
)
from staffing.performance import Targets
from staffing.requirement import Demand, Requirement, Rules, Shrinkage, before_shrinkage, kept_share
from staffing.requirement import requirement as required_for

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

HANDLE_SCV: Final = 1.2
"""Squared coefficient of variation of handle times: lognormal, as measured in call centres."""

_LEAST_ABANDONED: Final = 30
_MISFIT: Final = 0.1
_WEEK: Final = 7


@dataclass(frozen=True, slots=True)
class Waits:
    """How long a team's contacts waited, from which patience is estimated.

    `in_sum` is seconds waited in all and contacts that hung up, of intervals whose waits are not known one
    by one.
    """

    days: list[history.DayWaits]
    live: list[tuple[float, bool]]
    in_sum: tuple[float, int] = (0.0, 0)


@dataclass(frozen=True, slots=True)
class Need:
    """What the requirement of one team and some days is made from.

    `concurrency` is how many chats an agent has at a time; `deferred`, where given, the agents per interval
    that a requirement has already set aside for work that can wait, `shared` those that it saves because
    teams share agents, below 0 where a simulation asked for more.
    """

    team: str
    week_on: date
    days: int
    grid: Grid
    forecast: dict[str, Any]
    overrides: list[forecasts.OverrideRow]
    terms: TeamTerms
    short_abandon_s: float
    hours: Hours | None
    waits: Waits
    concurrency: int = 1
    deferred: list[int] | None = None
    shared: list[int] | None = None


@dataclass(frozen=True, slots=True)
class Side:
    """The requirement of one kind of contact in the intervals where it needs one."""

    working: Bools
    found: Requirement


@dataclass(frozen=True, slots=True)
class Deferred:
    """Where work that can wait is done; columns of the whole period.

    `volume` and `handle_s` are contacts by channel as they come and how long each takes; `arrives` and `work`
    agent-seconds, arriving and done.
    """

    volume: dict[str, Floats]
    handle_s: dict[str, float]

    arrives: dict[str, Floats]
    work: dict[str, Floats]
    agents: Ints


@dataclass(frozen=True, slots=True)
class TeamNeed:
    """What a team needs; columns of the whole period, 0 where it is closed.

    Attributes:
        opened: Whether the team is open.
        working: Whether anybody is needed for contacts that wait.
        volume: Contacts that wait (voice and chat).
        door: Those of them that wait already when the team opens, besides the volume.
        handle_s: Their mean handle time.
        load: Agents they keep busy on average: erlangs, chats divided by those an agent has at a time.
        other: Requirement of voice.
        chat: Requirement of chats, or None where none come.
        live: Agents for contacts that wait.
        deferred: Agents added for work that can wait.
        rostered: People for both, shrinkage added.
    """

    opened: Bools
    working: Bools
    volume: Floats
    door: Floats
    handle_s: Floats
    load: Floats
    other: Side
    chat: Side | None
    live: Ints
    deferred: Deferred
    rostered: Ints

    @property
    def required(self) -> Ints:
        """Agents taking work."""
        return self.live + self.deferred.agents


@dataclass(frozen=True, slots=True)
class Patience:
    """How long customers wait before they hang up: the mean staffed for, and what speaks for it."""

    mean_s: float
    source: str
    exponential_s: float
    kaplan_meier_s: float
    median_s: float | None
    misfit: float
    abandoned: int
    waited: int


def team_need(need: Need, expected: Forecast, starts: Starts, patience_s: float) -> TeamNeed:
    """Return what a team needs for a forecast of `starts`, by its terms."""
    terms, step_s = need.terms, need.grid.step_s
    opened = open_intervals(need.hours, starts, step_s=step_s)
    handle_s = np.where(np.isfinite(expected.handle_s), expected.handle_s, terms.handle_s or 300.0)
    handle_s = np.maximum(handle_s, 1.0)
    volume = np.where(opened & (expected.volume >= terms.least_volume), expected.volume, 0.0)
    door = _door(terms, expected.volume, opened, step_s=step_s, patience_s=patience_s)
    share, chat_s, other_s = _split(need, starts, handle_s)
    variation = expected.rate_cv if terms.allow_for_uncertainty else np.zeros(len(starts))

    def side(part: Floats, mean_s: Floats, targets: Targets, working: Bools, chats: bool) -> Side:
        demand = Demand(
            starts=starts[working],
            offered=(volume * part)[working],
            waiting_at_start=(door * part)[working],
            handle_time_s=np.maximum(mean_s[working], 1.0),
            step_s=step_s,
            patience_s=patience_s,
            rate_variation=variation[working],
        )
        rules = Rules(
            targets=targets,
            concurrency=need.concurrency if chats else 1,
            slowdown=terms.chat_slowdown if chats else 0.0,
        )
        return Side(working, required_for(demand, rules))

    chat = None
    chat_agents = np.zeros(len(starts), dtype=np.int64)
    if (share > 0).any():
        chatting = (volume + door) * share > 0
        promise = targets_of(terms, need.short_abandon_s, min_agents=0)
        chat = side(share, chat_s, promise, chatting, True)
        chat_agents = _column(chat.working, chat.found.agents)
    talking = opened & (((volume + door) * (1 - share) > 0) | (terms.min_agents > chat_agents))
    least = np.maximum(terms.min_agents - chat_agents, 0)[talking]
    other = side(
        1 - share,
        other_s,
        targets_of(terms, need.short_abandon_s, min_agents=least),
        talking,
        False,
    )
    live = _column(talking, other.found.agents) + chat_agents
    live = np.maximum(live - np.array(need.shared or 0, dtype=np.int64), 0)
    load = _spread(talking, other.found.load)
    if chat is not None:
        load = load + _spread(chat.working, chat.found.load) / need.concurrency
    deferred = _deferred(need, starts, opened, live, load)
    kept = kept_share(shrinkage_of(terms.shrinkage), planned=False)
    return TeamNeed(
        opened,
        talking if chat is None else talking | chat.working,
        volume,
        door,
        handle_s,
        load,
        other,
        chat,
        live,
        deferred,
        before_shrinkage(live + deferred.agents, kept),
    )


def patience_of(terms: TeamTerms, waits: Waits) -> Patience:
    """Return the patience to staff for (endless when too few hang up to tell) and where it comes from."""
    values, gone = _waits(waits)
    fit = exponential_patience(values, gone)
    curve = survival_curve(values, gone)
    matched_s = matched_mean_s(curve)
    misfit = exponential_misfit(curve, fit.mean_s) if np.isfinite(fit.mean_s) else 0.0
    summed_s, summed = waits.in_sum
    mean_s, source = fit.mean_s, f"{fit.abandoned} of {fit.waited} waiting contacts hung up"
    if terms.patience_s is not None:
        mean_s, source = terms.patience_s, "set by the planner"
    elif fit.abandoned < _LEAST_ABANDONED <= fit.abandoned + summed and summed_s > 0:
        # All time waited per contact that hung up needs no single wait (the same estimate as `fit`).
        mean_s = (float(values.sum()) + summed_s) / (fit.abandoned + summed)
        source = f"{fit.abandoned + summed} contacts hung up, from the sums of intervals"
    elif fit.abandoned < _LEAST_ABANDONED:
        mean_s, source = float("inf"), f"only {fit.abandoned} contacts hung up: taken as endless"
    else:
        if terms.patience_by == "kaplan_meier":
            mean_s, source = matched_s, f"{source}, by Kaplan and Meier"
        if misfit > _MISFIT:
            source += f"; not exponential (off by {misfit:.2f}): simulate the roster"
    return Patience(
        mean_s,
        source,
        fit.mean_s,
        matched_s,
        median_patience_s(curve),
        misfit,
        fit.abandoned,
        fit.waited,
    )


def with_live(data: dict[str, Any], live: Ints) -> dict[str, Any]:
    """Return a stored requirement with so many agents for calls and chats, and what follows from them."""
    required = live + np.array(data["deferred"], dtype=np.int64)
    share = kept_share(shrinkage_of(data["shrinkage"]), planned=False)
    return data | {
        "live": live.tolist(),
        "required": required.tolist(),
        "rostered": before_shrinkage(required, share).tolist(),
        "shared": (np.array(data["live"], dtype=np.int64) - live).tolist(),
    }


def shares(values: Floats) -> list[float | None]:
    """Return shares as they are stored: rounded, None where there is none."""
    return [round(float(each), 4) if np.isfinite(each) else None for each in values]


def shrinkage_of(shares: dict[str, float]) -> tuple[Shrinkage, ...]:
    """Return shares of paid time by kind as staffing takes them."""
    return tuple(Shrinkage(kind, share) for kind, share in shares.items())


def _door(terms: TeamTerms, volume: Floats, opened: Bools, *, step_s: float, patience_s: float) -> Floats:
    """Return who waits at the door in each interval that opens: as set, else who came while it was closed."""
    if terms.waiting_at_opening is not None:
        opens = opened & ~np.append(True, opened[:-1])
        return np.where(opens, terms.waiting_at_opening, 0.0)
    early_s = 60.0 * terms.door_minutes
    found = door_queues(volume, opened, step_s=step_s, patience_s=patience_s, early_s=early_s)
    return np.where(found >= terms.least_volume, found, 0.0)


def _split(need: Need, starts: Starts, handle_s: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the share of chats, and the handle times of chats and of other contacts."""
    stored = need.forecast.get("chat")
    if stored is None:
        return np.zeros(len(starts)), handle_s, handle_s
    share = _of_period(need, stored["share"], starts)
    nan = float("nan")
    known = ChatShare(share, *(stored[name] or nan for name in ("chat_s", "other_s")))
    return share, *split(known, share, handle_s)


def _deferred(need: Need, starts: Starts, opened: Bools, live: Ints, load: Floats) -> Deferred:
    """Return where work that can wait is done: in open intervals, week by week."""
    stored = need.forecast.get("deferrable", {})
    volume = {channel: _of_period(need, each["volume"], starts) for channel, each in stored.items()}
    handle_s = {
        channel: float(each["handle_s"] or need.terms.handle_s or 300.0) for channel, each in stored.items()
    }
    arrives = {channel: each * handle_s[channel] for channel, each in volume.items()}
    work = {channel: np.zeros(len(starts)) for channel in arrives}
    agents = np.zeros(len(starts), dtype=np.int64)
    # A team that never closes does such work while others are there anyway.
    places = np.flatnonzero(opened & (live > 0) if need.hours is None and live.any() else opened)
    if not arrives or not len(places):
        return Deferred(volume, handle_s, arrives, work, _given(need, agents))
    busiest = need.terms.max_occupancy or 1.0
    idle = np.maximum(live * busiest - load, 0.0)
    shifted = {channel: _moved_to(places, each) for channel, each in arrives.items()}
    per_week = max(len(starts) * _WEEK // need.days, 1)
    for begin in range(0, len(starts), per_week):
        here = places[(places >= begin) & (places < begin + per_week)]
        if not len(here):
            continue
        kinds = [
            DeferrableWork(name=channel, arrives_s=each[here], within_s=3600.0 * need.terms.within(channel))
            for channel, each in shifted.items()
        ]
        placed: Placement = place_deferrable(
            starts[here], live[here], kinds, step_s=need.grid.step_s, idle_agents=idle[here]
        )
        agents[here] = whole_agents(
            placed, starts[here], kinds, step_s=need.grid.step_s, idle_agents=idle[here]
        )
        for channel, each in placed.work_s.items():
            work[channel][here] = each
    return Deferred(volume, handle_s, arrives, work, _given(need, agents))


def _given(need: Need, agents: Ints) -> Ints:
    return agents if need.deferred is None else np.array(need.deferred, dtype=np.int64)


def _moved_to(places: Ints, arrives: Floats) -> Floats:
    """Return work with what arrives while closed moved to the next place; after the last one, to the first.

    The weekend before the period is taken to be like the one at its end.
    """
    to = np.searchsorted(places, np.arange(len(arrives)))
    target = places[np.where(to < len(places), to, 0)]
    return np.bincount(target, weights=arrives, minlength=len(arrives)).astype(np.float64)


def _of_period(need: Need, values: list[float | None], starts: Starts) -> Floats:
    """Return the part of a stored column of a forecast that belongs to `starts`; 0 where it is unknown."""
    first_on, last_on = (date.fromisoformat(need.forecast[name]) for name in ("first_on", "last_on"))
    every = intervals_between(need.grid, first_on, last_on)
    column = np.nan_to_num(np.array(values, dtype=np.float64))
    place = np.clip(np.searchsorted(every, starts), 0, len(every) - 1)
    return np.where(every[place] == starts, column[place], 0.0)


def _waits(waits: Waits) -> tuple[Floats, Bools]:
    values, gone = [], []
    for day in waits.days:
        for flag, counts in ((False, day.answered), (True, day.abandoned)):
            for wait_s, many in counts.items():
                values += [float(wait_s)] * many
                gone += [flag] * many
    values += [wait_s for wait_s, _ in waits.live]
    gone += [flag for _, flag in waits.live]
    return np.array(values, dtype=np.float64), np.array(gone, dtype=np.bool_)


def _column(working: Bools, values: Ints) -> Ints:
    full = np.zeros(working.shape, dtype=np.int64)
    full[working] = values
    return full


def _spread(working: Bools, values: Floats) -> Floats:
    full = np.zeros(working.shape)
    full[working] = values
    return full
