"""A forecast and the requirement as a planner reads them: busy map, backtest, intervals, shared teams."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from fastapi import Request

from app.api.forecasts import list_requirements
from app.auth import Principal
from app.planning.simulated_words import simulated_words
from app.planning.terms import Planning
from app.web.words import clock_labels

_REQUIRED: Final = (
    "volume",
    "handle_s",
    "load",
    "required",
    "deferred",
    "rostered",
    "service_level",
    "asa_s",
    "occupancy",
    "binding",
)
_NAIVE: Final = "naive"
MODELS: Final = {
    "naive": "seasonal naive",
    "ar_profile": "AR x profile",
    "svd_ar": "SVD + AR",
    "average": "mean of both",
}
"""Names of models where they are not plain words."""


def busy_map(planning: Planning, forecast: dict[str, Any]) -> dict[str, Any]:
    """Return a team's week as rows of classes: the hours that are open on any day."""
    open_at = {item["clock"] for item in forecast["items"] if item["busyness"] != "closed"}
    clocks = sorted({item["clock"] for item in forecast["items"]})
    if open_at:
        clocks = [clock for clock in clocks if min(open_at) <= clock <= max(open_at)]
    cells = {(item["on"], item["clock"]): item for item in forecast["items"]}
    days = sorted({item["on"] for item in forecast["items"]})
    return {
        "team": forecast["team"],
        "name": planning.policy.teams[forecast["team"]].name,
        "clocks": clocks,
        "rows": [(date.fromisoformat(on), [cells.get((on, clock)) for clock in clocks]) for on in days],
        "counts": {
            name: sum(item["busyness"] == name for item in forecast["items"])
            for name in ("quiet", "normal", "busy", "peak")
        },
    }


def backtest_of(forecast: dict[str, Any]) -> dict[str, Any]:
    """Return the errors of every model (rows) at every distance (columns), and which one was taken."""
    scores = forecast["backtest"]["scores"]
    chosen = {
        (each["first_day"], each["last_day"], each["model"]) for each in forecast["backtest"]["choices"]
    }
    spans = sorted({(each["first_day"], each["last_day"]) for each in scores})
    wape = {(each["first_day"], each["last_day"], each["model"]): each["wape"] for each in scores}
    naive = [wape.get((*span, _NAIVE)) for span in spans]
    taken = [next((wape[key] for key in chosen if key[:2] == span and key in wape), None) for span in spans]
    return {
        "spans": [f"Day {first}" if first == last else f"Day {first}–{last}" for first, last in spans],
        "rows": [
            (
                MODELS.get(model, model.replace("_", " ")),
                [(wape.get((*span, model)), (*span, model) in chosen) for span in spans],
            )
            for model in dict.fromkeys(each["model"] for each in scores)
        ],
        "gains": [
            1 - mine / theirs if mine is not None and theirs else None
            for mine, theirs in zip(taken, naive, strict=True)
        ],
    }


async def requirement_of(
    request: Request, who: Principal, planning: Planning, day: date, team: str
) -> dict[str, Any] | None:
    """Return a team's requirement of a day, a row for each open interval; None while there is none."""
    found = await list_requirements(request, who, day.isoformat())
    columns = found["teams"].get(team)
    if columns is None:
        return None
    zone = ZoneInfo(planning.grid.zone)
    clocks = [datetime.fromisoformat(text).astimezone(zone) for text in found["intervals"]]
    today = [i for i, clock in enumerate(clocks) if clock.date() == day]
    labels = clock_labels([clock.timestamp() for clock in clocks], zone)
    rows = [
        {"clock": labels[i]} | {name: columns[name][i] for name in _REQUIRED if columns.get(name)}
        for i in today
        if columns["rostered"][i]
    ]
    return {
        "rows": rows,
        **{name: columns[name] for name in ("targets", "shrinkage", "patience_s", "patience_from")},
        "simulated": simulated_words(columns["simulated"], today) if columns.get("simulated") else [],
    }


def _verified(
    planning: Planning, found: dict[str, Any], pool: dict[str, Any], each: dict[str, Any]
) -> dict[str, Any]:
    """Return an interval that the routing judged, with its agents and levels in the order of the teams."""
    at = datetime.fromisoformat(found["intervals"][each["interval"]]).astimezone(ZoneInfo(planning.grid.zone))
    levels = [each["levels"][team] for team in pool["teams"]]
    return {
        "clock": f"{at:%a %H:%M}",
        "agents": sum(group["agents"][each["interval"]] for group in pool["groups"]),
        "least": pool["least"][each["interval"]],
        "levels": [(level["value"], level["half_width"]) for level in levels],
        "added": each["added"],
        "kept": each["kept"],
    }


async def pools_of(
    request: Request, who: Principal, planning: Planning, week_on: date, team: str
) -> list[dict[str, Any]]:
    """Return the sets of teams that share agents (those with `team`), with hours of the week."""
    found = await list_requirements(request, who, week_on.isoformat())
    names = {each.id: each.name for each in planning.policy.teams.values()}
    hour = 60 / found["minutes"]
    return [
        {
            "names": [names.get(each, each) for each in pool["teams"]],
            "groups": [
                ([names.get(each, each) for each in group["teams"]], group["people"])
                for group in pool["groups"]
            ],
            "hours": {name: sum(pool[name]) / hour for name in ("separate", "together", "least", "short")},
            "simulated": pool["simulated_share"],
            "unreached": pool.get("unreached", 0),
            "unverified": pool.get("unverified", 0),
            "not_followed": {
                planning.policy.teams[team].name: words
                for team, words in pool.get("not_followed", {}).items()
                if team in planning.policy.teams
            },
            "corrected": sum(each != 0 for each in pool.get("corrected", [])),
            "cuts": pool["cuts"],
            "missing": sum(pool.get("missing", [])),
            "verified": [_verified(planning, found, pool, each) for each in pool.get("verified", [])],
        }
        for pool in found["pools"]
        if not team or team in pool["teams"]
    ]
