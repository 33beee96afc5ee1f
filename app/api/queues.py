"""Queues: what waits for each team now, and the day's figures."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Request

from app.api.bodies import Instant
from app.auth import Principal, requires
from app.clock import isoformat
from app.db import stats
from app.db.batch_writes import TIME_COLUMNS
from app.errors import MalformedRequestError, NotFoundError
from app.house import House, house_of
from app.insight import Sums, figures
from app.projection import add_span
from routing.floor import Floor
from routing.model import AgentState, Presence
from routing.occupancy import running
from routing.policy import TeamPolicy
from routing.wait import COVERAGE, QueueBook

router = APIRouter(prefix="/v1/queues", tags=["queues"])

_MOST_S = 31 * 86_400


def day_start(now: float, time_zone: str) -> float:
    """Return the instant at which the local day of `now` began."""
    zone = ZoneInfo(time_zone)
    local = datetime.fromtimestamp(now, zone)
    return datetime(local.year, local.month, local.day, tzinfo=zone).astimezone(UTC).timestamp()


def queue_now(floor: Floor, team: TeamPolicy, now: float) -> dict[str, Any]:
    """Return what waits for `team` at `now` and what its agents do."""
    waits = [now - at for at in floor.queues.waiting.get(team.id, {}).values()]
    agents = [agent for agent in floor.agents.values() if agent.active and team.id in agent.teams]
    present = [agent for agent in agents if agent.presence is Presence.AVAILABLE]
    return {
        "team": team.id,
        "name": team.name,
        "lead": team.lead_id,
        "target_s": team.target_s,
        "target_share": team.target_share,
        "waiting": len(waits),
        "waiting_young": sum(wait < team.target_s for wait in waits),
        "longest_wait_s": round(max(waits), 3) if waits else None,
        "agents": {
            "members": len(agents),
            "available": len(present),
            **{state.value: sum(agent.state is state for agent in present) for state in AgentState},
        },
    }


def times_running(floor: Floor, now: float, *, since: float) -> dict[str, list[float]]:
    """Return by team how agents have spent the time that no change has closed yet, from `since` on.

    Busy, idle, capacity used, capacity there (s each), as `interval_stat`'s neighbours sum them.
    """
    times: dict[tuple[str, int], list[float]] = {}
    for agent in floor.agents.values():
        span = running(agent, now)
        if span is not None:
            add_span(times, span)
    found: dict[str, list[float]] = {}
    for (team_id, start), values in times.items():
        if start >= since:
            sums = found.setdefault(team_id, [0.0] * len(values))
            found[team_id] = [a + b for a, b in zip(sums, values, strict=True)]
    return found


async def queues_today(house: House) -> list[dict[str, Any]]:
    """Return every queue as it stands, with the figures of its local day."""
    now = house.clock.now()
    start = day_start(now, house.switchboard.policy.site.time_zone)

    def view(floor: Floor) -> tuple[list[dict[str, Any]], dict[str, list[float]]]:
        queues = [queue_now(floor, team, now) for team in floor.policy.teams.values()]
        return queues, times_running(floor, now, since=start)

    queues: list[dict[str, Any]]
    queues, times = await house.switchboard.read(view)
    sums = await house.database.read(stats.sums_by_team, start, now + 1)
    for queue in queues:
        day = sums.get(queue["team"], Sums())
        for name, value in zip(TIME_COLUMNS, times.get(queue["team"], ()), strict=False):
            setattr(day, name, getattr(day, name) + value)
        day.waiting, day.waiting_young = queue["waiting"], queue.pop("waiting_young")
        queue["today"] = figures(day)
    return queues


@router.get("", summary="Every queue: waiting, longest wait, agents, the day's figures.")
async def list_queues(
    request: Request, _: Annotated[Principal, Depends(requires("queues:read"))]
) -> dict[str, Any]:
    """List the queues in the order of the policy."""
    house = house_of(request)
    return {"at": isoformat(house.clock.now()), "items": await queues_today(house), "next": None}


@router.get("/{team}", summary="One queue.")
async def get_queue(
    request: Request, team: str, _: Annotated[Principal, Depends(requires("queues:read"))]
) -> dict[str, Any]:
    """Return one queue."""
    for queue in await queues_today(house_of(request)):
        if queue["team"] == team:
            return queue
    raise NotFoundError(f"There is no team {team!r}.")


@router.get("/{team}/estimates", summary="How well the wait of a queue is foretold.")
async def estimate_scores(
    request: Request, team: str, _: Annotated[Principal, Depends(requires("queues:read"))]
) -> dict[str, Any]:
    """Return, for each channel, every predictor's error, the one served, and the intervals' coverage."""
    house = house_of(request)
    if team not in house.switchboard.policy.teams:
        raise NotFoundError(f"There is no team {team!r}.")
    board = house.switchboard

    def view(_: Floor) -> list[dict[str, Any]]:
        return [
            book_json(queue.partition("/")[2], book)
            for queue, book in sorted(board.scores().items())
            if queue.partition("/")[0] == team
        ]

    return {"items": await board.read(view), "next": None}


def book_json(channel: str, book: QueueBook) -> dict[str, Any]:
    """Return what is known of the waits of one channel of a queue."""
    return {
        "channel": channel,
        "served": book.best,
        "mean_handle_s": round(book.handle_s, 1),
        "intervals": {"meant": COVERAGE, "judged": book.judged, "coverage": book.coverage},
        "left_unanswered": book.abandoned,
        "predictors": {
            name: {
                "answered": score.count,
                "mean_absolute_error_s": score.mean_absolute_error_s,
                "mean_squared_error_s2": score.mean_squared_error_s2,
                "recent_error_s": round(score.recent_s, 2),
            }
            for name, score in book.scores.items()
        },
    }


@router.get("/{team}/intervals", summary="A queue's figures per quarter of an hour.")
async def list_intervals(
    request: Request,
    team: str,
    start: Instant,
    _: Annotated[Principal, Depends(requires("queues:read"))],
    end: Instant | None = None,
) -> dict[str, Any]:
    """Return the figures of the intervals that begin in [start, end), by default one day."""
    house = house_of(request)
    if team not in house.switchboard.policy.teams:
        raise NotFoundError(f"There is no team {team!r}.")
    last = end or start + timedelta(days=1)
    if not 0 < (last - start).total_seconds() <= _MOST_S:
        detail = "end must come after start, by 31 days at most."
        raise MalformedRequestError(detail, errors=[{"pointer": "end", "detail": detail}])
    found = await house.database.read(stats.sums_by_interval, team, start.timestamp(), last.timestamp())
    return {"items": [{"starts_at": isoformat(at)} | figures(sums) for at, sums in found], "next": None}
