"""A team's requirement is simulated week after week, and corrected where an interval falls short."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest

from app.planning.correcting import SLACK, WEEKS, CheckTask, with_checks
from app.planning.terms import Planning, SiteTerms
from app.preset import preset_policy
from staffing.intervals import intervals_between

MONDAY = date(2026, 3, 2)
PLANNING = Planning(preset_policy(), SiteTerms(), {})
STARTS = intervals_between(PLANNING.grid, MONDAY, MONDAY)
BUSY = slice(16, 36)


class Told:
    """Notes what is reported."""

    def __init__(self) -> None:
        self.shares: list[float] = []

    def __call__(self, share: float, message: str) -> None:
        self.shares.append(share)

    def cancelled(self) -> bool:
        return False


def day(agents: int, **changes: Any) -> dict[str, Any]:
    """Return a stored requirement: 60 contacts of 180 s (6 erlangs) in each half hour from 8 to 18."""
    many = len(STARTS)
    volume, live = np.zeros(many), np.zeros(many, dtype=np.int64)
    volume[BUSY], live[BUSY] = 60.0, agents
    return {
        "minutes": 30,
        "volume": volume.tolist(),
        "handle_s": [180.0] * many,
        "door": [0.0] * many,
        "patience_s": 300.0,
        "day_cv": 0.0,
        "slot_cv": 0.0,
        "targets": {"service_level": 0.8, "answer_within_s": 20.0},
        "shrinkage": {"absence": 0.1},
        "live": live.tolist(),
        "deferred": [1] * many,
        "required": (live + 1).tolist(),
        "rostered": (live + 1).tolist(),
        "chat": None,
        "deferrable": {},
        **changes,
    }


def checked(data: dict[str, Any]) -> dict[str, Any]:
    return with_checks(Told(), CheckTask({"general": data}, STARTS, PLANNING, ("general",)))["general"]


def test_enough_agents_are_left_as_they_are() -> None:
    found = checked(day(9))
    assert found["live"] == day(9)["live"]
    assert found["simulated"]["weeks"] >= WEEKS
    assert min(each for each in found["simulated"]["value"] if each is not None) > 0.8
    assert found["simulated"]["value"][0] is None


def test_agents_are_added_where_weeks_fall_short() -> None:
    found = checked(day(6))
    added = found["simulated"]["added"]
    assert min(added[BUSY]) >= 1
    assert found["live"] == [more + had for more, had in zip(added, day(6)["live"], strict=True)]
    assert found["required"] == [each + 1 for each in found["live"]]
    assert found["rostered"][20] == int(np.ceil(found["required"][20] / 0.9))
    assert found["shared"] == [-each for each in added]
    assert min(each for each in found["simulated"]["value"] if each is not None) >= 0.8 - SLACK
    assert found["simulated"]["missing"] == 0


def told(found: dict[str, Any], promise: str, channel: str = "voice") -> dict[str, Any]:
    promises = found["simulated"]["promises"]
    return next(each for each in promises if (each["channel"], each["promise"]) == (channel, promise))


def lowest(values: list[float | None]) -> float:
    return min(value for value in values if value is not None)


def highest(values: list[float | None]) -> float:
    return max(value for value in values if value is not None)


def test_team_that_promises_nothing_is_not_simulated() -> None:
    data = day(6, targets={"service_level": None, "answer_within_s": None})
    assert checked(data) == data


@pytest.mark.parametrize(
    ("targets", "promise", "most"),
    [
        ({"asa_s": 15.0}, "asa", 15.0 * 1.1),
        ({"abandonment": 0.03}, "abandonment", 0.04),
        ({"max_occupancy": 0.7}, "occupancy", 0.7 + SLACK),
    ],
)
def test_agents_are_added_for_any_promise(targets: dict[str, Any], promise: str, most: float) -> None:
    data = day(6, targets={"service_level": None, "answer_within_s": None, **targets})
    found = checked(data)
    kept = told(found, promise)
    assert min(found["simulated"]["added"][BUSY]) >= 1
    assert highest(kept["value"]) <= most
    assert (kept["wanted"], kept["missing"]) == (next(iter(targets.values())), 0)
    assert found["simulated"]["wanted"] is None


def test_small_intervals_are_judged_together() -> None:
    few = [3.0 if BUSY.start <= slot < BUSY.stop else 0.0 for slot in range(len(STARTS))]
    found = checked(day(1, volume=few))
    simulated = found["simulated"]
    assert simulated["weeks"] == 200
    assert simulated["untold"] == [{"channel": "voice", "together": 20, "unjudged": 0}]
    values = told(found, "service_level")["value"][BUSY]
    assert len(set(values)) == 6
    assert values[0] == values[1] >= 0.8 - SLACK
    assert 0 < sum(simulated["added"]) <= 20
    assert max(found["live"]) == 2


def test_too_few_contacts_are_told_as_unjudged() -> None:
    few = [0.0] * len(STARTS)
    few[20] = 1.0
    found = checked(day(0, volume=few))["simulated"]
    assert found["untold"] == [{"channel": "voice", "together": 0, "unjudged": 1}]
    assert sum(found["added"]) == 0


def test_chats_are_simulated_side_by_side_and_calls_apart_from_them() -> None:
    """40 calls of 180 s, and 20 chats of 270 s of which an agent has three at a time."""
    chats = [20.0 if BUSY.start <= slot < BUSY.stop else 0.0 for slot in range(len(STARTS))]
    agents = [2 if many else 0 for many in chats]
    chat = {"concurrency": 3, "slowdown": 0.25, "volume": chats, "handle_s": [405.0] * len(STARTS)}
    handle_s = (40 * 180 + 20 * 270) / 60
    data = day(8, chat=chat | {"required": agents}, handle_s=[handle_s] * len(STARTS))
    found = checked(data)
    assert lowest(told(found, "service_level")["value"]) >= 0.8 - SLACK
    assert lowest(told(found, "service_level", "chat")["value"]) >= 0.8 - SLACK
    calls, added = found["simulated"]["added"], np.array(found["chat"]["required"]) - agents
    assert min(added[BUSY]) == 0 or min(added[BUSY]) == 1
    assert found["live"] == [8 + more if many else 0 for more, many in zip(calls, chats, strict=True)]
    assert np.all(np.array(calls) >= added)


def test_work_that_can_wait_is_told_as_left_out() -> None:
    data = day(9, deferrable={"email": {"volume": [1.0] * len(STARTS)}, "web": {"volume": [0.0]}})
    assert checked(data)["simulated"]["left_out"] == ["email"]


def test_team_staffed_with_others_is_left_to_them() -> None:
    data = day(6)
    assert with_checks(Told(), CheckTask({"general": data}, STARTS, PLANNING, ())) == {"general": data}


def test_progress_never_goes_back() -> None:
    told = Told()
    task = CheckTask({"general": day(6), "ordering": day(6)}, STARTS, PLANNING, ("general", "ordering"))
    with_checks(told, replace(task))
    assert told.shares == sorted(told.shares)
    assert told.shares[-1] < 1
