"""What is recommended for a gap of the day, and what it does to the service level."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from app.db.plans import AssignmentRow
from app.planning.actions import Gaps, recommended
from app.planning.people import Person
from app.planning.terms import ContractTerms
from staffing.erlang import performance

STEP_S = 1800
NINE = 1_772_442_000.0
"""Nine o'clock of a day of eight intervals."""


def at(slot: float) -> float:
    return NINE + slot * STEP_S


def gaps(team: str, staffed: list[int], wanted: list[int]) -> Gaps:
    many = len(staffed)

    def level(people: Any) -> Any:
        found = performance(np.full(many, 3.0), people, handle_time_s=180.0, patience_s=300.0)
        return found.service_level

    have, want = np.array(staffed), np.array(wanted)
    starts = np.array([int(at(slot)) for slot in range(many)])
    return Gaps(team, starts, STEP_S, np.full(many, 30.0), have, want, have - want, level)


def shift(
    agent: str, team: str, since: float, until: float, *, breaks: tuple[float, ...] = ()
) -> AssignmentRow:
    pauses = [("meal", at(slot), at(slot + 1)) for slot in breaks]
    return AssignmentRow(
        agent, "2026-03-02", "day", at(since), at(until), False, pauses, [(team, at(since), at(until))]
    )


def person(agent: str, *teams: str) -> Person:
    return Person(agent, agent.title(), teams, ContractTerms())


def kinds(actions: list[dict[str, Any]]) -> set[str]:
    return {each["kind"] for each in actions}


def test_break_in_a_gap_is_moved_to_where_people_are_to_spare() -> None:
    short = gaps("general", [5, 5, 5, 5, 3, 5, 5, 5], [4, 4, 4, 4, 4, 4, 4, 4])
    shifts = [shift("ann", "general", 0, 8, breaks=(4,))]
    found = recommended(short, [], shifts, [person("ann", "general")], now=at(0) - 1)
    moves = [each for each in found if each["kind"] == "move_break"]
    assert [each["agent"] for each in moves] == ["ann"]
    assert moves[0]["to"] in ("2026-03-02T10:30:00Z", "2026-03-02T11:30:00Z")


def test_text_has_the_persons_name_and_the_sites_clock() -> None:
    short = gaps("general", [4, 4, 4, 4, 4, 4, 3, 3], [4] * 8)
    shifts, people = (
        [shift("a17", "general", 0, 6)],
        [Person("a17", "Ann Lee", ("general",), ContractTerms())],
    )
    (found,) = recommended(short, [], shifts, people, now=at(0) - 1, zone="Europe/Berlin")
    assert (found["name"], found["text"]) == ("Ann Lee", "Ann Lee stays until 14:00")


def test_contacts_overflow_to_a_team_with_people_to_spare_whoever_they_are() -> None:
    short, rich = gaps("general", [2] * 8, [4] * 8), gaps("complaints", [5] * 8, [2] * 8)
    (found,) = recommended(short, [rich], [], [], now=at(0) - 1)
    assert (found["kind"], found["to_team"], found["agents"]) == ("overflow", "complaints", 2)
    assert found["service_level_after"] > found["service_level_before"]


def test_overflow_counts_what_it_costs_the_team_that_takes_it() -> None:
    short = gaps("general", [2] * 8, [4] * 8)
    tight, rich = gaps("tight", [4] * 8, [2] * 8), gaps("rich", [9] * 8, [2] * 8)
    found = recommended(short, [tight, rich], [], [], now=at(0) - 1)
    assert [each["to_team"] for each in found] == ["rich", "tight"]


def test_agent_is_lent_by_a_team_with_people_to_spare() -> None:
    short, rich = gaps("general", [3] * 8, [4] * 8), gaps("complaints", [4] * 8, [2] * 8)
    people = [person("ann", "general"), person("bob", "complaints", "general")]
    shifts = [shift("ann", "general", 0, 8), shift("bob", "complaints", 0, 8)]
    found = recommended(short, [rich], shifts, people, now=at(0) - 1)
    assert [each["agent"] for each in found if each["kind"] == "lend"] == ["bob"]


def test_nobody_is_lent_who_cannot_do_the_work() -> None:
    short, rich = gaps("general", [3] * 8, [4] * 8), gaps("complaints", [4] * 8, [2] * 8)
    shifts = [shift("bob", "complaints", 0, 8)]
    assert "lend" not in kinds(
        recommended(short, [rich], shifts, [person("bob", "complaints")], now=at(0) - 1)
    )


def test_shift_that_ends_before_a_gap_is_made_longer() -> None:
    short = gaps("general", [4, 4, 4, 4, 4, 4, 3, 3], [4] * 8)
    found = recommended(short, [], [shift("ann", "general", 0, 6)], [person("ann", "general")], now=at(0) - 1)
    assert [(each["kind"], each["agent"]) for each in found] == [("overtime", "ann")]


def test_people_may_go_home_where_there_are_too_many() -> None:
    rich = gaps("general", [7] * 8, [4] * 8)
    found = recommended(rich, [], [], [], now=at(3))
    assert [(each["kind"], each["agents"], each["starts_at"]) for each in found] == [
        ("time_off", 2, "2026-03-02T11:00:00Z")
    ]


def leavers(found: list[dict[str, Any]]) -> dict[str, str]:
    (off,) = (each for each in found if each["kind"] == "time_off")
    return {who["agent"]: who["text"] for who in off["who"]}


def test_who_has_just_begun_goes_home_when_two_hours_are_worked() -> None:
    rich = gaps("general", [7] * 8, [4] * 8)
    shifts = [shift("ann", "general", -8, 7), shift("bob", "general", 1, 7), shift("cem", "general", 3, 11)]
    found = recommended(rich, [], shifts, [], now=at(0) - 1)
    assert leavers(found) == {
        "ann": "ann goes home at 09:00",
        "bob": "bob goes home at 11:30",
        "cem": "cem begins at 12:30",
    }


def test_one_tight_interval_keeps_nobody_who_may_leave_for_the_rest_of_the_shift() -> None:
    rich = gaps("general", [7, 7, 7, 5, 7, 7, 7, 7], [4] * 8)
    found = recommended(rich, [], [shift("ann", "general", -8, 8)], [], now=at(0) - 1)
    first = min((each for each in found if each["kind"] == "time_off"), key=lambda each: each["starts_at"])
    assert [who["text"] for who in first["who"]] == ["ann goes home at 09:00"]
    short = gaps("general", [7, 7, 7, 4, 7, 7, 7, 7], [4] * 8)
    found = recommended(short, [], [shift("ann", "general", -8, 8)], [], now=at(0) - 1)
    assert min(found, key=lambda each: each["starts_at"])["who"] == []


def test_training_lies_where_most_are_to_spare_and_goes_to_who_works_all_of_it() -> None:
    rich = gaps("general", [7, 7, 7, 9, 9, 7, 7, 7], [4] * 8)
    trained = shift("dev", "general", -4, 12)
    shifts = [
        shift("ann", "general", -4, 12),
        shift("bob", "general", 4, 12),
        shift("cem", "complaints", -4, 12),
        replace(trained, breaks=[("training", at(6), at(7))]),
    ]
    found = recommended(rich, [], shifts, [], now=at(0) - 1, zone="Europe/Berlin")
    (training,) = (each for each in found if each["kind"] == "training")
    assert (training["starts_at"], training["ends_at"]) == ("2026-03-02T10:30:00Z", "2026-03-02T11:30:00Z")
    assert training["text"] == "1 could be trained from 11:30 to 12:30"
    assert [who["text"] for who in training["who"]] == ["ann is trained from 11:30 to 12:30"]
    assert training["service_level_after"] <= training["service_level_before"]


def test_past_gaps_need_no_action() -> None:
    short = gaps("general", [3] * 8, [4] * 8)
    shifts = [shift("ann", "general", 0, 8, breaks=(4,))]
    assert recommended(short, [], shifts, [person("ann", "general")], now=at(9)) == []


def test_help_raises_the_service_level_and_going_home_lowers_it() -> None:
    mixed = gaps("general", [3, 3, 3, 3, 7, 7, 7, 7], [4] * 8)
    shifts = [shift("ann", "general", -4, 0)]
    found = recommended(mixed, [], shifts, [person("ann", "general")], now=at(0) - 1)
    changes = {each["kind"]: each["service_level_after"] - each["service_level_before"] for each in found}
    assert changes["overtime"] > 0 > changes["time_off"]
