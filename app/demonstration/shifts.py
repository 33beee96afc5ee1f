"""Decides when the demonstration's agents come and go: by the published roster, else by the time of day."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from app.demonstration.api import instant
from app.demonstration.past import midnight
from app.demonstration.people import Turn
from routing.model import Presence

_ABSENT_SHARE: Final = 0.04
_LATE_S: Final = 120.0
"""Nobody is on the minute: a turn comes up to so much earlier or later."""
_EARLY: Final = (8.0, 16.5)
_LATE: Final = (11.5, 20.0)
_WEEKEND: Final = {5: (9.0, 17.0), 6: (10.0, 16.0)}
_MEAL_AFTER_H: Final = 4.0
_MEAL_H: Final = 0.5


def turns_from(
    now: float, agent_ids: Sequence[str], rostered: Mapping[str, Sequence[Turn]], zone: ZoneInfo, *, seed: int
) -> Iterator[Turn]:
    """Yield what agents do from `now` on, without end, after what each of them is at `now`.

    `rostered` has the turns of every local date (ISO) that a roster covers; other dates go by the rule of
    thumb of `usual_turns`.
    """
    day = datetime.fromtimestamp(now, zone).date()
    today = _turns_of(day, agent_ids, rostered, zone, seed=seed)
    state = {who: Turn(at=now, agent_id=who, presence=Presence.OFFLINE) for who in agent_ids}
    for turn in today:
        if turn.at <= now and turn.agent_id in state:
            state[turn.agent_id] = turn
    yield from state.values()
    yield from (turn for turn in today if turn.at > now)
    while True:
        day += timedelta(days=1)
        yield from _turns_of(day, agent_ids, rostered, zone, seed=seed)


def roster_turns(plan: Mapping[str, Any], *, seed: int) -> dict[str, list[Turn]]:
    """Return the turns of a plan as `GET /v1/plans/{id}` gives it, by local date; free days are empty.

    A few agents are absent, and nobody is on the minute.
    """
    first = date.fromisoformat(plan["week"])
    found: dict[str, list[Turn]] = {
        (first + timedelta(days=number)).isoformat(): [] for number in range(plan["days"])
    }
    for shift in plan["assignments"]:
        rng = random.Random(f"{seed} {shift['agent']} {shift['on']}")
        if rng.random() < _ABSENT_SHARE:
            continue
        pauses = [
            (each["name"], instant(each["starts_at"]), instant(each["ends_at"])) for each in shift["breaks"]
        ]
        found[shift["on"]] += _shift(
            shift["agent"], instant(shift["starts_at"]), instant(shift["ends_at"]), pauses, rng
        )
    return found


def usual_turns(day: date, agent_ids: Sequence[str], zone: ZoneInfo, *, seed: int) -> list[Turn]:
    """Return a plain day: five days a week each, early and late shifts in turn, few at the weekend."""
    turns: list[Turn] = []
    weekday, start = day.weekday(), midnight(day, zone)
    for number, who in enumerate(agent_ids):
        if weekday in _WEEKEND:
            works, (begin, end) = number % 3 == weekday % 3, _WEEKEND[weekday]
        else:
            works, (begin, end) = number % 5 != weekday, _EARLY if (number + weekday) % 2 else _LATE
        if works:
            meal = start + 3600 * (begin + _MEAL_AFTER_H)
            pauses = [("meal", meal, meal + 3600 * _MEAL_H)]
            rng = random.Random(f"{seed} {who} {day}")
            turns += _shift(who, start + 3600 * begin, start + 3600 * end, pauses, rng)
    return turns


def _turns_of(
    day: date, agent_ids: Sequence[str], rostered: Mapping[str, Sequence[Turn]], zone: ZoneInfo, *, seed: int
) -> list[Turn]:
    turns = rostered.get(day.isoformat())
    chosen = usual_turns(day, agent_ids, zone, seed=seed) if turns is None else turns
    return sorted(chosen, key=lambda turn: (turn.at, turn.agent_id))


def _shift(
    who: str, start: float, end: float, pauses: Sequence[tuple[str, float, float]], rng: random.Random
) -> Iterator[Turn]:
    def late(at: float) -> float:
        return at + rng.uniform(-_LATE_S, _LATE_S)

    yield Turn(at=late(start), agent_id=who, presence=Presence.AVAILABLE)
    for name, since, until in pauses:
        presence = Presence.MEAL if name in ("meal", "lunch") else Presence.BREAK
        yield Turn(at=late(since), agent_id=who, presence=presence, reason=name)
        yield Turn(at=late(until), agent_id=who, presence=Presence.AVAILABLE)
    yield Turn(at=late(end), agent_id=who, presence=Presence.OFFLINE)
