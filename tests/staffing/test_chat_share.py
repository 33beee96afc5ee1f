from datetime import date

import numpy as np
import pytest

from staffing.chat_share import ChatShare, chat_share, split
from staffing.history import History
from staffing.intervals import Grid, intervals_between

GRID = Grid("Europe/Berlin", 60)


def history(per_hour: list[float], handle_s: float, days: int = 10) -> History:
    starts = intervals_between(GRID, date(2026, 3, 2), date(2026, 3, 1 + days))
    counts = np.tile(np.array(per_hour, dtype=float), days)
    zeros = np.zeros(len(starts))
    return History("t", GRID, starts, counts, counts, zeros, counts, counts * handle_s, zeros)


def added(one: History, other: History) -> History:
    names = ("offered", "answered", "abandoned", "handled", "handle_s", "wait_s")
    return History("t", GRID, one.starts, *(getattr(one, name) + getattr(other, name) for name in names))


def test_share_is_that_of_the_interval_of_the_day_where_many_came() -> None:
    calls, chats = history([90.0] * 12 + [10.0] * 12, 200.0), history([10.0] * 12 + [90.0] * 12, 500.0)
    found = chat_share(added(calls, chats), chats)
    assert found is not None
    assert found.share[0] == pytest.approx(0.1, abs=0.01)
    assert found.share[23] == pytest.approx(0.9, abs=0.01)
    assert (found.chat_s, found.other_s) == (pytest.approx(500.0), pytest.approx(200.0))


def test_hour_that_met_little_leans_on_the_whole_day() -> None:
    calls, chats = history([50.0] * 23 + [0.0], 200.0), history([50.0] * 23 + [0.1], 500.0)
    found = chat_share(added(calls, chats), chats)
    assert found is not None
    assert found.share[23] == pytest.approx(0.5, abs=0.03)


def test_team_without_chats_has_no_share() -> None:
    calls = history([5.0] * 24, 200.0)
    assert chat_share(calls, history([0.0] * 24, 0.0)) is None


def test_split_keeps_the_load() -> None:
    share, handle_s = np.array([0.0, 0.25, 0.9]), np.array([300.0, 250.0, 400.0])
    chat_s, other_s = split(ChatShare(share, 600.0, 200.0), share, handle_s)
    assert share * chat_s + (1 - share) * other_s == pytest.approx(handle_s)
    assert chat_s / other_s == pytest.approx(3.0)


def test_unknown_handle_time_of_one_kind_is_that_of_all() -> None:
    handle_s = np.array([300.0])
    chat_s, other_s = split(ChatShare(np.array([0.5]), float("nan"), 200.0), np.array([0.5]), handle_s)
    assert (chat_s[0], other_s[0]) == (300.0, 300.0)
