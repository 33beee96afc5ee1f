"""Rosters on paper and in calendars in the night in which the clocks change; instants reckoned by hand."""

from __future__ import annotations

from typing import Any

import pytest
from icalendar import Calendar

from app.api.calendars import calendar
from app.api.plans import plan_csv
from app.db.plans import AssignmentRow, PlanRow

LONDON = "Europe/London"
BACK = 1_792_890_000.0
"""2026-10-25T01:00:00Z: 02:00 in London becomes 01:00."""
FORWARD = 1_806_195_600.0
"""2027-03-28T01:00:00Z: 01:00 in London becomes 02:00."""


def night(change_at: float) -> AssignmentRow:
    """Return eight and a half hours around a change, with a meal from half an hour before it."""
    begin = change_at - 3 * 3600
    end, pause = begin + 8.5 * 3600, ("meal", change_at - 1800, change_at)
    work = [("general", begin, change_at - 1800), ("general", change_at, end)]
    return AssignmentRow("ann", "2026-10-24", "23:00-07:30", begin, end, False, [pause], work)


def csv_of(shift: AssignmentRow) -> list[str]:
    names: dict[str, Any] = dict.fromkeys(PlanRow.__dataclass_fields__)
    row = PlanRow(**names | {"data": {"zone": LONDON, "people": {"ann": "Ann"}}})
    return plan_csv(row, [shift]).splitlines()[1].split(",")[4:7]


@pytest.mark.parametrize(
    ("change_at", "columns"),
    [
        (BACK, ["2026-10-24T23:00+01:00", "2026-10-25T06:30+00:00", "meal 01:30+01:00-01:00+00:00"]),
        (FORWARD, ["2027-03-27T22:00+00:00", "2027-03-28T07:30+01:00", "meal 00:30+00:00-02:00+01:00"]),
        (BACK + 86_400, ["2026-10-25T22:00+00:00", "2026-10-26T06:30+00:00", "meal 00:30-01:00"]),
    ],
)
def test_csv_tells_instants_that_cannot_be_mistaken(change_at: float, columns: list[str]) -> None:
    assert csv_of(night(change_at)) == columns


@pytest.mark.parametrize(
    ("change_at", "summary", "start", "end"),
    [
        (BACK, "Shift 23:00-06:30: general", "20261024T220000Z", "20261025T063000Z"),
        (FORWARD, "Shift 22:00-07:30: general", "20270327T220000Z", "20270328T063000Z"),
    ],
)
def test_calendar_has_instants_and_the_hours_that_the_clock_shows(
    change_at: float, summary: str, start: str, end: str
) -> None:
    found = Calendar.from_ical(calendar("Ann", [night(change_at)], now=change_at, zone=LONDON))
    event = found.walk("VEVENT")[0]
    told = [event["DTSTART"].to_ical().decode(), event["DTEND"].to_ical().decode()]
    assert [str(event["SUMMARY"]), *told] == [summary, start, end]
