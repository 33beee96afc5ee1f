"""Rules of a contract look at what was worked in the published weeks before a roster."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import pytest

from app.db.plans import AssignmentRow
from app.planning.look_back import Past, days_back, past_kinds, worked_before
from app.planning.people import Person
from app.planning.periods import WorkedWeek
from app.planning.terms import ContractTerms
from app.settings import Settings
from routing.hours import Hours, Span
from staffing.intervals import Grid
from staffing.shifts import ShiftKind
from tests.app.planning_rig import MONDAY, ZONE, channel_csv, import_history, planning_service, run_to_end
from tests.builders import make_agent

HOUR_S = 3600
WEEK = timedelta(days=7)
DAY = ShiftKind("08:00-16:00", 8 * HOUR_S, 8 * HOUR_S)


def shift(on: date, *, start_h: int = 8, length_h: float = 8, name: str = DAY.id) -> AssignmentRow:
    at = datetime(on.year, on.month, on.day, start_h, tzinfo=UTC).timestamp()
    return AssignmentRow("ann", on.isoformat(), name, at, at + length_h * HOUR_S, False, [], [])


def past(*weeks: WorkedWeek | None, kinds: tuple[ShiftKind, ...] = (DAY,)) -> Past:
    """Return what is known before MONDAY; the first week is the one before, None for an unpublished one."""
    around = {MONDAY - (back + 1) * WEEK: week for back, week in enumerate(weeks) if week is not None}
    return Past(Grid("UTC", 30), MONDAY, around, kinds)


def week(*shifts: AssignmentRow) -> WorkedWeek:
    return WorkedWeek(frozenset({"ann"}), {}, {"ann": shifts} if shifts else {})


def ann(**terms: Any) -> Person:
    return Person("ann", "Ann", ("general",), ContractTerms(**terms))


def test_nothing_is_known_before_the_first_published_week() -> None:
    assert worked_before(past(), ann()) == ()


def test_days_count_back_from_the_day_before_the_roster() -> None:
    found = worked_before(past(week(shift(MONDAY - timedelta(days=1)))), ann())
    assert found == (None,) * 6 + (DAY.id,)


def test_unpublished_week_ends_what_is_known() -> None:
    sunday = MONDAY - timedelta(days=8)
    assert worked_before(past(None, week(shift(sunday))), ann()) == ()
    assert len(worked_before(past(week(), None, week(shift(sunday))), ann())) == 7


def test_week_whose_roster_the_agent_was_not_on_is_unknown() -> None:
    assert worked_before(past(WorkedWeek(frozenset({"bob"}), {}, {})), ann()) == ()


@pytest.mark.parametrize(
    ("terms", "days"),
    [
        ({}, 14),
        ({"max_weekends_in_row": 2}, 21),
        ({"max_weekends_in_row": 10}, 77),
        ({"max_days_in_row": 20}, 21),
        ({"max_days_in_row": 21}, 28),
    ],
)
def test_rules_look_back_as_far_as_they_reach(terms: dict[str, Any], days: int) -> None:
    assert days_back(ContractTerms(**terms)) == days
    weeks = past(*[week()] * 12)
    assert len(worked_before(weeks, ann(**terms))) == days


def test_shift_of_a_kind_that_is_no_more_counts_by_its_times() -> None:
    night = shift(MONDAY - timedelta(days=1), start_h=22, name="22:00-06:00")
    known = past(week(night))
    (kind,) = past_kinds(known)
    assert (kind.start_s, kind.length_s) == (22 * HOUR_S, 8 * HOUR_S)
    assert worked_before(known, ann())[-1] == kind.id


def test_overtime_counts_as_worked() -> None:
    known = past(week(shift(MONDAY - timedelta(days=1), length_h=10)))
    (kind,) = past_kinds(known)
    assert kind.length_s == 10 * HOUR_S
    assert worked_before(known, ann())[-1] == kind.id


async def test_weekend_after_a_worked_one_is_free_in_the_next_roster_too(settings: Settings) -> None:
    """Rosters made one week at a time keep to the weekends in a row, with other shifts by then."""
    settings = settings.model_copy(update={"max_body_bytes": 4_000_000})
    always = Hours(time_zone=ZONE, week=((Span("09:00", "17:00"),),) * 7)
    agents = [make_agent(f"agent{i}", teams=("general",)) for i in range(2)]
    async with (
        planning_service(settings, *agents, hours=always) as service,
        service.client("planner") as planner,
    ):
        await import_history(planner, channel_csv(8, 300, hours=(9, 17), weekends=True))
        for agent in agents:
            terms = {"max_weekends_in_row": 1, "week_hours_min": 0, "week_days_max": 7}
            terms |= {"week_hours_max": 60, "max_days_in_row": 31}
            await planner.put(f"/v1/contracts/{agent.id}", json=terms)
        first = await weekends(planner, MONDAY)
        await planner.put("/v1/planning/site", json={"shift_hours": [7], "shift_starts": ["09:00"]})
        second = await weekends(planner, MONDAY + WEEK)
        third = await weekends(planner, MONDAY + 2 * WEEK)
    assert first
    assert not first & second
    assert not second & third


async def weekends(planner: httpx.AsyncClient, monday: date) -> set[str]:
    """Publish a roster of a week and return who works on its weekend."""
    run = await run_to_end(planner, "roster", week=monday.isoformat(), time_limit_s=2.0)
    assert run["state"] == "done", run["error"]
    plan_id = run["result"]["plans"][0]["id"]
    assert (await planner.post(f"/v1/plans/{plan_id}/publish")).status_code == 200
    plan = (await planner.get(f"/v1/plans/{plan_id}")).json()
    saturday = (monday + timedelta(days=5)).isoformat()
    return {each["agent"] for each in plan["assignments"] if each["on"] >= saturday}
