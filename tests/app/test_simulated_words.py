"""Sentences about simulated weeks for pages and the command line."""

from __future__ import annotations

from typing import Any

from app.planning.simulated_words import simulated_words


def simulated(**changes: Any) -> dict[str, Any]:
    """Return what three intervals gave: calls answered in time, the last one too small to tell."""
    level = {"channel": "voice", "promise": "service_level", "wanted": 0.8}
    level |= {"value": [0.91, 0.85, None], "half_width": [0.01, 0.02, None], "missing": 0}
    return {
        "weeks": 100,
        "added": [1, 0, 0],
        "missing": 0,
        "promises": [level],
        "untold": [{"channel": "voice", "together": 0, "unjudged": 1}],
        "left_out": [],
    } | changes


def test_worst_interval_stands_for_the_day() -> None:
    assert simulated_words(simulated())[:2] == [
        "In 100 simulated weeks at worst: calls: 85.0 ± 2.0 % answered in time, 80.0 % promised.",
        "1 agent was added for it.",
    ]


def test_only_the_intervals_asked_for_count() -> None:
    (first, *_) = simulated_words(simulated(), [0])
    assert "91.0 ± 1.0 %" in first


def test_each_promise_is_told_by_what_it_is_of() -> None:
    asa = {"channel": "chat", "promise": "asa", "wanted": 20.0}
    asa |= {"value": [10.0, 21.5, None], "half_width": [1.0, 2.0, None]}
    (first, *_) = simulated_words(simulated(promises=[asa]))
    assert first == "In 100 simulated weeks at worst: chats: a mean wait of 21.5 ± 2.0 s, 20 s promised."


def test_what_could_not_be_told_is_said() -> None:
    untold = [{"channel": "voice", "together": 4, "unjudged": 1}]
    found = simulated_words(simulated(missing=2, untold=untold, left_out=["email", "callback"]))
    assert found[2:] == [
        "In the week 2 intervals still miss a promise.",
        "4 intervals of few calls were judged together with their neighbours.",
        "In 1 interval too few calls come for the simulation to tell.",
        "Work that can wait (e-mail, callbacks) is not simulated here; simulate the plan for it.",
    ]


def test_requirement_of_earlier_versions_is_still_told() -> None:
    old = {"weeks": 100, "wanted": 0.8, "value": [0.9], "half_width": [0.01], "added": [0], "missing": 0}
    assert simulated_words(old) == [
        "In 100 simulated weeks at worst: calls: 90.0 ± 1.0 % answered in time, 80.0 % promised."
    ]


def test_day_without_contacts_has_nothing_to_tell() -> None:
    assert simulated_words(simulated(untold=[]), [2]) == []
