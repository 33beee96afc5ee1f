"""What if: a plan simulated as it stands and with more volume, longer handle times or fewer people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from fastapi.responses import Response

from app.api.runs import run_json
from app.auth import Principal
from app.db import plans as plan_rows
from app.db import policies
from app.db import runs as run_rows
from app.db.plans import PlanRow
from app.house import House
from app.planning.terms import read_planning
from app.web import week_chart
from app.web.pages import PLANNER, page, render
from app.web.planner import newest_runs
from app.web.week_chart import Values
from app.web.words import NONE, duration, percent

router = APIRouter(include_in_schema=False)

_MOST_PLANS: Final = 30
_MOST_POLICIES: Final = 20
_MOST_RUNS: Final = 50
_FACTORS: Final = (("volume", "volume"), ("handle_time", "handle time"), ("patience", "patience"))


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure of a simulation: its name, and whether it is a share (or seconds) and more is better."""

    id: str
    name: str
    is_share: bool
    target: str
    """The team's term that it is held against; empty where there is none."""
    more_is_better: bool


MEASURES: Final = (
    Measure("service_level", "Service level", True, "service_level", True),
    Measure("asa_s", "ASA", False, "asa_s", False),
    Measure("abandonment", "Abandonment", True, "abandonment", False),
    Measure("occupancy", "Occupancy", True, "max_occupancy", False),
)


@page(router, "/planner/simulation", scopes=PLANNER.scopes)
async def simulation_page(house: House, who: Principal, request: Request) -> Response:
    """Show a form, and what came of the newest simulation of a plan or of the one asked for."""
    asked = request.query_params
    planning = await house.database.read(read_planning)
    plans = await house.database.read(plan_rows.list_plans, before=None, limit=_MOST_PLANS)
    found = await house.database.read(
        run_rows.list_runs, before=None, limit=_MOST_RUNS, kind="simulate", state="done"
    )
    runs = [run_json(each) for each in found]
    run = next((each for each in runs if str(each["id"]) == asked.get("run")), None)
    plan = _chosen(plans, asked.get("plan") or str(run["params"]["plan"] if run else ""))
    if plan is not None:
        runs = [each for each in runs if each["params"]["plan"] == plan.id]
    run = run if run in runs else next(iter(runs), None)
    teams = {name: planning.policy.teams[name].name for name in planning.policy.teams}
    measure = next((each for each in MEASURES if each.id == asked.get("show")), MEASURES[0])
    return render(
        request,
        who,
        "simulation.html",
        plans=plans,
        plan=plan,
        plan_words=plan_words,
        past=runs,
        run=run,
        asked_words=asked_words,
        result=_result(run["result"], plan, measure, asked.get("team", ""), teams) if run and plan else None,
        policies=await house.database.read(policies.list_policies, limit=_MOST_POLICIES),
        measures=MEASURES,
        measure=measure,
        teams=teams,
        runs=await newest_runs(house),
        may_plan="plans:write" in who.scopes,
    )


def plan_words(plan: PlanRow) -> str:
    """Return in words which plan it is."""
    week = date.fromisoformat(plan.week_on)
    return f"Week of {week.day} {week:%B %Y}, version {plan.version} ({plan.state})"


def asked_words(params: Mapping[str, Any]) -> str:
    """Return in words what a simulation was asked: what is different from the plan."""
    changes = [f"{name} {percent(params[key])}" for key, name in _FACTORS if params.get(key, 1.0) != 1.0]
    if params.get("absence") is not None:
        changes.append(f"absence {percent(params['absence'])}")
    if params.get("more_absence"):
        changes.append(f"absence besides {percent(params['more_absence'])}")
    if params.get("policy") is not None:
        changes.append(f"policy version {params['policy']}")
    return ", ".join(changes) or "as planned"


def said(measure: Measure, value: float | None) -> str:
    """Return a figure as a table shows it: `89.7 %` or `0:12`."""
    return percent(value, 1) if measure.is_share else duration(value)


def change_said(measure: Measure, value: float | None) -> str:
    """Return how much a figure changes: `-4.7 points` or `+0:06`."""
    if value is None:
        return NONE
    sign = "+" if value >= 0 else "\N{MINUS SIGN}"
    return sign + (f"{abs(100 * value):.1f} points" if measure.is_share else duration(abs(value)))


def bounds_said(measure: Measure, each: Mapping[str, float | None]) -> str:
    """Return the bounds of a figure, cut at nothing (and at everything for shares); a dash for none."""
    low, high = each.get("low"), each.get("high")
    if low is None or high is None:
        return NONE
    top = 1.0 if measure.is_share else high
    return f"{said(measure, max(low, 0.0))} to {said(measure, min(high, top))}"


def misses(measure: Measure, value: float | None, target: float | None) -> bool:
    """Return whether a figure lies on the wrong side of its target."""
    if value is None or target is None:
        return False
    return value < target if measure.more_is_better else value > target


def _chosen(plans: Sequence[PlanRow], asked: str) -> PlanRow | None:
    """Return the plan asked for, else the newest published one, else the newest."""
    wanted = [each for each in plans if str(each.id) == asked]
    return next(iter(wanted or [each for each in plans if each.state == "published"] or plans), None)


def _result(
    result: dict[str, Any], plan: PlanRow, measure: Measure, asked: str, names: dict[str, str]
) -> dict[str, Any]:
    sides = [("As planned", result)]
    if result.get("changed"):
        sides.append(("With the change", result["changed"]))
    teams = [team for team in names if team in result["teams"]]
    team = asked if asked in teams else _worst(sides[-1][1], teams)
    target = plan.data["teams"].get(team, {}).get("targets", {}).get(measure.target)
    columns = [by_interval(side, measure.id, team) for _, side in sides]
    return {
        "replications": result["replications"],
        "absence": result["absence"],
        "rows": [(each, _rows(result, sides, each, plan)) for each in teams],
        "team": team,
        "charted": any(value is not None for column in columns for value in column["value"]),
        "bounded": any(value is not None for column in columns for value in column["low"]),
        "plot": week_chart.measure_plot(columns, target=target, shares=measure.is_share),
        "target": said(measure, target) if target is not None else "",
        "marks": _marks(result["intervals"], plan.data["zone"]),
        "figures": _figures(result["intervals"], plan.data["zone"], measure, sides, columns),
    }


def _worst(side: Mapping[str, Any], teams: Sequence[str]) -> str:
    levels = {team: side["teams"][team]["service_level"]["value"] for team in teams}
    return min(teams, key=lambda team: 2.0 if levels[team] is None else levels[team], default="")


def _rows(
    result: Mapping[str, Any], sides: Sequence[tuple[str, Any]], team: str, plan: PlanRow
) -> list[tuple[str, list[dict[str, Any]]]]:
    rows = [_row(name, side, team, plan) for name, side in sides]
    difference = result.get("changed", {}).get("difference")
    return [*rows, _change_row(difference, team)] if difference else rows


def _row(name: str, side: Mapping[str, Any], team: str, plan: PlanRow) -> tuple[str, list[dict[str, Any]]]:
    targets = plan.data["teams"].get(team, {}).get("targets", {})
    cells = []
    for measure in MEASURES:
        each = side["teams"][team][measure.id]
        cells.append(
            {
                "name": measure.name,
                "value": said(measure, each["value"]),
                "bounds": bounds_said(measure, each),
                "misses": misses(measure, each["value"], targets.get(measure.target)),
            }
        )
    return name, cells


def _change_row(difference: Mapping[str, Any], team: str) -> tuple[str, list[dict[str, Any]]]:
    """Return the row of what the change does, over the same weeks: bounds without zero show an effect."""
    cells = []
    for measure in MEASURES:
        each = difference[team][measure.id]
        known = each["low"] is not None and each["high"] is not None
        bounds = " to ".join(change_said(measure, each[name]) for name in ("low", "high"))
        cells.append(
            {
                "name": measure.name,
                "value": change_said(measure, each["value"]),
                "bounds": bounds if known else NONE,
                "misses": False,
            }
        )
    return "Difference", cells


def by_interval(side: Mapping[str, Any], measure: str, team: str) -> dict[str, Values]:
    """Return the columns `value`, `low` and `high` of a figure; a run may know the value alone, or none."""
    found = side.get("by_interval", {}).get(team, {}).get(measure)
    if found is None:
        found = {"value": side["service_level"][team]} if measure == "service_level" else {"value": []}
    unknown: Values = [None] * len(found["value"])
    return {name: found.get(name, unknown) for name in ("value", "low", "high")}


def _marks(intervals: Sequence[str], zone: str) -> list[tuple[float, str, str]]:
    """Return the marks of the time axis at the beginning of each day: (percent, label, no link)."""
    clocks = [datetime.fromisoformat(text).astimezone(ZoneInfo(zone)) for text in intervals]
    return [
        (100 * i / len(clocks), f"{clock:%a} {clock.day}", "")
        for i, clock in enumerate(clocks)
        if i == 0 or clock.date() != clocks[i - 1].date()
    ]


def _figures(
    intervals: Sequence[str],
    zone: str,
    measure: Measure,
    sides: Sequence[tuple[str, Any]],
    columns: Sequence[Mapping[str, Values]],
) -> dict[str, Any]:
    """Return what the chart tells under the pointer, in words."""
    clocks = [datetime.fromisoformat(text).astimezone(ZoneInfo(zone)) for text in intervals]
    told = []
    for i in range(len(clocks)):
        words = []
        for (name, _), column in zip(sides, columns, strict=True):
            each = {key: values[i] if i < len(values) else None for key, values in column.items()}
            bounds = bounds_said(measure, each)
            words.append(
                f"{name.lower()} {said(measure, each['value'])}" + (f" ({bounds})" if bounds != NONE else "")
            )
        told.append(", ".join(words))
    return {
        "labels": [f"{clock:%a} {clock.day} {clock:%b %H:%M}" for clock in clocks],
        "said": told,
    }
