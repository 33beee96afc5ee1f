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
        **changes,
    }


def checked(data: dict[str, Any]) -> dict[str, Any]:
    return with_checks(Told(), CheckTask({"general": data}, STARTS, PLANNING, ("general",)))["general"]


def test_enough_agents_are_left_as_they_are() -> None:
    found = checked(day(9))
    assert found["live"] == day(9)["live"]
    assert found["simulated"]["weeks"] == WEEKS
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


@pytest.mark.parametrize(
    "changes",
    [
        {"chat": {"concurrency": 3}},
        {"targets": {"service_level": None, "answer_within_s": None}},
        {"volume": [10.0] * len(STARTS)},
    ],
)
def test_what_cannot_be_told_is_not_simulated(changes: dict[str, Any]) -> None:
    data = day(6, **changes)
    assert checked(data) == data


def test_team_staffed_with_others_is_left_to_them() -> None:
    data = day(6)
    assert with_checks(Told(), CheckTask({"general": data}, STARTS, PLANNING, ())) == {"general": data}


def test_progress_never_goes_back() -> None:
    told = Told()
    task = CheckTask({"general": day(6), "ordering": day(6)}, STARTS, PLANNING, ("general", "ordering"))
    with_checks(told, replace(task))
    assert told.shares == sorted(told.shares)
    assert told.shares[-1] < 1
