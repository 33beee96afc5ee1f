"""Limits of a contract's period hold for any roster: part of a period, several of them, and for requests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any

import httpx
import pytest

from app.db.plans import AssignmentRow
from app.db.staff import TimeOffRow
from app.planning.periods import Horizon, WorkedWeek, period_parts
from app.planning.terms import ContractTerms
from app.settings import Settings
from staffing.intervals import Grid
from staffing.rostering.model import PeriodPart
from tests.app.planning_rig import MONDAY, import_history, planning_service, run_to_end

HOUR_S = 3600
WEEK = timedelta(days=7)
NEVER = {"week_hours_min": 0, "week_days_max": 5, "period_from": MONDAY.isoformat()}


@pytest.fixture
async def planner(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    settings = settings.model_copy(update={"max_body_bytes": 4_000_000})
    async with planning_service(settings) as service, service.client("planner") as client:
        await import_history(client)
        yield client


def parts(
    terms: dict[str, Any], *, weeks: int = 1, around: dict[int, int] | None = None, off: Any = ()
) -> list[PeriodPart]:
    """Return what is left for "ann" in a roster from MONDAY; `around`: her 8-hour days of other weeks."""
    found = {
        MONDAY + number * WEEK: WorkedWeek(
            frozenset({"ann"}), {"ann": days * 8 * HOUR_S}, {"ann": worked(MONDAY + number * WEEK, days)}
        )
        for number, days in (around or {}).items()
    }
    horizon = Horizon(Grid("UTC", 30), MONDAY, weeks, found, off)
    contract = ContractTerms.model_validate({"week_hours_min": 0, "period_from": MONDAY.isoformat()} | terms)
    return period_parts(horizon, "ann", contract, 8 * HOUR_S)


def worked(first: date, days: int) -> list[AssignmentRow]:
    dates = [(first + timedelta(days=6 - day)).isoformat() for day in range(days)]
    return [AssignmentRow("ann", on, "late", 0.0, 0.0, False, [], []) for on in dates]


def hours_of(part: PeriodPart) -> tuple[float, float] | None:
    return part.paid_s and (part.paid_s[0] / HOUR_S, part.paid_s[1] / HOUR_S)


def test_nothing_is_limited_where_no_period_was_agreed() -> None:
    assert parts({}) == []


def test_whole_period_has_its_limits_as_agreed() -> None:
    (part,) = parts({"period_weeks": 2, "period_hours_min": 60, "period_hours_max": 70}, weeks=2)
    assert (part.first_day, part.last_day, hours_of(part)) == (0, 13, (60, 70))
    assert part.name == "in the period 2026-03-02 to 2026-03-15"


def test_longer_roster_has_each_period_for_itself() -> None:
    found = parts({"period_weeks": 1, "period_hours_max": 24}, weeks=3)
    assert [(each.first_day, each.last_day, hours_of(each)) for each in found] == [
        (0, 6, (0, 24)),
        (7, 13, (0, 24)),
        (14, 20, (0, 24)),
    ]


def test_last_week_of_a_period_has_what_the_published_ones_left() -> None:
    terms = {"period_weeks": 3, "period_hours_min": 100, "period_hours_max": 104, "week_hours_max": 48}
    terms["period_from"] = (MONDAY - 2 * WEEK).isoformat()
    (part,) = parts(terms, around={-2: 4, -1: 5})
    assert hours_of(part) == (28, 32)
    assert "72 h in its other published weeks" in part.name


def test_first_week_of_a_period_has_its_even_share_give_or_take_a_shift() -> None:
    (part,) = parts({"period_weeks": 4, "period_hours_min": 120, "period_hours_max": 128})
    assert hours_of(part) == (22, 40)


def test_open_weeks_can_still_reach_the_period() -> None:
    (part,) = parts({"period_weeks": 2, "period_hours_min": 76, "period_hours_max": 80})
    assert hours_of(part) == (36, 48)
    (part,) = parts({"period_weeks": 2, "period_hours_max": 60, "week_hours_min": 29, "week_hours_max": 40})
    assert hours_of(part) == (0, 31)


def test_granted_time_off_elsewhere_counts_as_hours_and_not_as_days_off() -> None:
    on = (MONDAY + WEEK).isoformat()
    off = [TimeOffRow(1, "ann", on, on, "leave", "granted", "", 0.0, "", None, None, "")]
    terms = {"period_weeks": 2, "period_hours_min": 64, "period_hours_max": 80, "period_days_off_max": 4}
    terms |= {"week_hours_min": 30, "week_days_max": 5}
    (part,) = parts(terms, around={1: 4}, off=off)
    assert hours_of(part) == (64 - 32 - 6, 80 - 32 - 6)
    assert part.days_off == (0, 4 - 3 + 1)


def test_weekends_and_kinds_of_shift_elsewhere_count() -> None:
    terms: dict[str, Any] = {"period_weeks": 2, "max_weekends": 1, "period_shifts": {"late": {"most": 4}}}
    (part,) = parts(terms, around={1: 3})
    assert part.max_weekends == 0
    assert part.shifts == {"late": (0, 1)}


def test_week_of_an_agent_who_was_not_on_its_roster_is_open() -> None:
    week = {MONDAY + WEEK: WorkedWeek(frozenset({"bob"}), {}, {})}
    terms = ContractTerms(week_hours_min=0, period_weeks=2, period_hours_max=50, period_from=MONDAY)
    (part,) = period_parts(Horizon(Grid("UTC", 30), MONDAY, 1, week, ()), "ann", terms, 8 * HOUR_S)
    assert hours_of(part) == (0, 33)


async def publish(planner: httpx.AsyncClient, week: date, **params: Any) -> dict[str, Any]:
    run = await run_to_end(planner, "roster", week=week.isoformat(), time_limit_s=2.0, **params)
    assert run["state"] == "done", run["error"]
    plan_id = run["result"]["plans"][0]["id"]
    assert (await planner.post(f"/v1/plans/{plan_id}/publish")).status_code == 200
    plan: dict[str, Any] = (await planner.get(f"/v1/plans/{plan_id}")).json()
    return plan


def count(plan: dict[str, Any], agent: str) -> int:
    return sum(each["agent"] == agent for each in plan["assignments"])


async def test_second_week_of_a_period_gets_what_the_first_one_left(planner: httpx.AsyncClient) -> None:
    await planner.put("/v1/contracts/agent0", json=NEVER | {"period_weeks": 2, "period_days_off_min": 10})
    first = await publish(planner, MONDAY)
    second = await publish(planner, MONDAY + WEEK)
    assert count(first, "agent0") + count(second, "agent0") <= 4


async def test_swap_against_a_period_is_told_at_once_with_its_reason(planner: httpx.AsyncClient) -> None:
    terms = NEVER | {"period_weeks": 2, "period_days_off_min": 14}
    await planner.put("/v1/contracts/agent0", json=terms)
    plan = await publish(planner, MONDAY)
    assert count(plan, "agent0") == 0
    shift = next(each for each in plan["assignments"] if each["agent"] == "agent1")
    asked = {"agent": "agent1", "on": shift["on"], "other_agent": "agent0"}
    check = (await planner.post("/v1/swaps", json=asked)).json()["check"]
    assert not check["fits"]
    part = "Agent0: 6 days off in this part of the period 2026-03-02 to 2026-03-15 (0 h in its other"
    assert [rule for rule in check["broken_rules"] if rule.startswith(part)], check["broken_rules"]


async def test_change_of_a_published_roster_keeps_the_period(planner: httpx.AsyncClient) -> None:
    plan = await publish(planner, MONDAY)
    before = count(plan, "agent0")
    terms = NEVER | {"period_weeks": 1, "period_days_off_min": 6}
    await planner.put("/v1/contracts/agent0", json=terms)
    again = await publish(planner, MONDAY)
    assert count(again, "agent0") <= 1 < before


async def test_kinds_of_shift_of_a_period_are_limited(planner: httpx.AsyncClient) -> None:
    plan = await publish(planner, MONDAY)
    kinds = [each["id"] for each in plan["shifts"]]
    none = {kind: {"most": 0} for kind in kinds}
    await planner.put("/v1/contracts/agent0", json=NEVER | {"period_weeks": 1, "period_shifts": none})
    assert count(await publish(planner, MONDAY), "agent0") == 0
    wanted = {kinds[0]: {"least": 3}, kinds[-1]: {"most": 0}}
    await planner.put("/v1/contracts/agent0", json=NEVER | {"period_weeks": 1, "period_shifts": wanted})
    worked = [s["shift"] for s in (await publish(planner, MONDAY))["assignments"] if s["agent"] == "agent0"]
    assert worked.count(kinds[0]) >= 3
    assert kinds[-1] not in worked
