"""Queues: what waits for each team now, and the day's figures."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, NamedTuple
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query, Request

from app.api.bodies import Closing, Instant
from app.auth import Principal, requires
from app.clock import isoformat
from app.closing import close_team, open_team, shut_now
from app.db import stats
from app.db.batch_writes import TIME_COLUMNS
from app.errors import MalformedRequestError, NotFoundError
from app.house import House, house_of
from app.insight import Sums, figures
from app.projection import INTERVAL_S, add_span, interval_of
from routing.floor import Floor
from routing.hours import is_open, next_opening
from routing.model import NEVER, AgentState, Channel, Presence
from routing.occupancy import running
from routing.policy import TeamPolicy, target_s
from routing.spread import COVERAGE
from routing.wait import QueueBook

router = APIRouter(prefix="/v1/queues", tags=["queues"])

_MOST_S = 31 * 86_400

OneChannel = Annotated[
    Channel | None,
    Query(
        description="Only this channel: who waits, the longest wait, the target and the figures. Agents and "
        "their time are those of all channels."
    ),
]


def day_start(now: float, time_zone: str) -> float:
    """Return the instant at which the local day of `now` began."""
    zone = ZoneInfo(time_zone)
    local = datetime.fromtimestamp(now, zone)
    return datetime(local.year, local.month, local.day, tzinfo=zone).astimezone(UTC).timestamp()


def still_waiting(
    floor: Floor, team: TeamPolicy, now: float, channel: Channel | None = None
) -> dict[int, list[int]]:
    """Return by interval how many segments that began in it wait for `team`, and how many of them are younger
    than their target; on all channels or one.
    """
    found: dict[int, list[int]] = {}
    for contact_id in floor.queues.waiting.get(team.id, ()):
        contact = floor.contacts[contact_id]
        if channel is None or contact.channel is channel:
            counts = found.setdefault(interval_of(contact.segment_at), [0, 0])
            counts[0] += 1
            counts[1] += now - contact.segment_at < target_s(floor.policy, team, contact.channel)
    return found


def add_waiting(sums: Sums, waiting: dict[int, list[int]], *, since: float, until: float = NEVER) -> None:
    """Add to `sums` what of `waiting` began in the intervals of [since, until)."""
    for starts_at, (count, young) in waiting.items():
        if since <= starts_at < until:
            sums.waiting += count
            sums.waiting_young += young


class Longest(NamedTuple):
    """The longest wait that counts for a queue."""

    since: float | None
    """The instant at which it began; None where nobody waits."""
    target_s: float


def longest_wait(aim_s: float, channels: dict[Channel, dict[str, Any]]) -> Longest:
    """Return the longest wait of a queue by `waiting_by_channel`: that of the most urgent channels.

    Those are the channels of the shortest target: a mail of an hour hides no caller of a minute. `aim_s` is
    told as the target where nobody waits.
    """
    oldest: dict[float, float] = {}
    for found in channels.values():
        oldest[found["target_s"]] = min(found["since"], oldest.get(found["target_s"], found["since"]))
    aim_s = min(oldest, default=aim_s)
    return Longest(oldest.get(aim_s), aim_s)


def waiting_by_channel(floor: Floor, team: TeamPolicy) -> dict[Channel, dict[str, Any]]:
    """Return how many wait for a queue on each channel on which somebody does, since when, and the target."""
    found: dict[Channel, dict[str, Any]] = {}
    for contact_id, since in floor.queues.waiting.get(team.id, {}).items():
        channel = floor.contacts[contact_id].channel
        if channel not in found:
            aim_s = target_s(floor.policy, team, channel)
            found[channel] = {"waiting": 0, "since": since, "target_s": aim_s}
        found[channel]["waiting"] += 1
        found[channel]["since"] = min(found[channel]["since"], since)
    return found


def opening(team: TeamPolicy, now: float) -> dict[str, Any]:
    """Return whether a team is open, when it opens, and what closes it by hand, in the API's words."""
    open_now, shut = is_open(team.hours, now), shut_now(team, now)
    return {
        "open": open_now,
        "opens_at": None if open_now else isoformat(next_opening(team.hours, now)),
        "closed_by_hand": {"until": isoformat(shut.until), "by": shut.by, "reason": shut.reason}
        if shut is not None
        else None,
    }


def queue_now(floor: Floor, team: TeamPolicy, now: float, channel: Channel | None = None) -> dict[str, Any]:
    """Return what waits for `team` at `now`, on all channels or one, and what its agents do."""
    channels = waiting_by_channel(floor, team)
    aim_s = team.target_s
    if channel is not None:
        channels = {channel: channels[channel]} if channel in channels else {}
        aim_s = target_s(floor.policy, team, channel)
    longest = longest_wait(aim_s, channels)
    agents = [agent for agent in floor.agents.values() if agent.active and team.id in agent.teams]
    present = [agent for agent in agents if agent.presence is Presence.AVAILABLE]
    return {
        "team": team.id,
        "name": team.name,
        "lead": team.lead_id,
        **opening(team, now),
        "target_s": aim_s,
        "target_share": team.target_share,
        "waiting": sum(each["waiting"] for each in channels.values()),
        "longest_wait_s": _age(longest.since, now),
        "longest_wait_target_s": longest.target_s,
        "channels": {
            channel.value: {
                "waiting": each["waiting"],
                "longest_wait_s": _age(each["since"], now),
                "target_s": each["target_s"],
            }
            for channel, each in channels.items()
        },
        "agents": {
            "members": len(agents),
            "available": len(present),
            **{state.value: sum(agent.state is state for agent in present) for state in AgentState},
        },
    }


def _age(since: float | None, now: float) -> float | None:
    return None if since is None else round(max(now - since, 0.0), 3)


def times_running(floor: Floor, now: float) -> dict[tuple[str, int], list[float]]:
    """Return by team and interval how agents have spent the time that no change has closed yet.

    Busy, idle, capacity used, capacity there (s each), as `agent_stat` sums them.
    """
    times: dict[tuple[str, int], list[float]] = {}
    for agent in floor.agents.values():
        span = running(agent, now)
        if span is not None:
            add_span(times, span)
    return times


def add_times(sums: Sums, times: Iterable[float]) -> None:
    """Add to `sums` what agents did in the columns of `agent_stat`."""
    for name, value in zip(TIME_COLUMNS, times, strict=True):
        setattr(sums, name, getattr(sums, name) + value)


async def queues_today(house: House, channel: Channel | None = None) -> list[dict[str, Any]]:
    """Return every queue as it stands, with the figures of its local day, of all channels or one."""
    now = house.clock.now()
    start = day_start(now, house.switchboard.policy.site.time_zone)

    def view(floor: Floor) -> tuple[list[dict[str, Any]], dict[tuple[str, int], list[float]]]:
        queues = [
            queue_now(floor, team, now, channel) | {"today": still_waiting(floor, team, now, channel)}
            for team in floor.policy.teams.values()
        ]
        return queues, times_running(floor, now)

    queues: list[dict[str, Any]]
    queues, times = await house.switchboard.read(view)
    sums = await house.database.read(stats.sums_by_team, start, now + 1, channel=channel)
    for queue in queues:
        day = sums.get(queue["team"], Sums())
        for (team_id, starts_at), spent in times.items():
            if team_id == queue["team"] and starts_at >= start:
                add_times(day, spent)
        add_waiting(day, queue["today"], since=start)
        queue["today"] = figures(day)
    return queues


@router.get("", summary="Every queue: waiting, longest wait, agents, the day's figures.")
async def list_queues(
    request: Request,
    _: Annotated[Principal, Depends(requires("queues:read"))],
    channel: OneChannel = None,
) -> dict[str, Any]:
    """List the queues in the order of the policy.

    `channel` narrows to one channel who waits, the longest wait, the target and the day's figures; not the
    agents and their time (`agents`, `occupancy`): nobody is there for one channel alone.
    """
    house = house_of(request)
    return {"at": isoformat(house.clock.now()), "items": await queues_today(house, channel), "next": None}


@router.get("/{team}", summary="One queue.")
async def get_queue(
    request: Request,
    team: str,
    _: Annotated[Principal, Depends(requires("queues:read"))],
    channel: OneChannel = None,
) -> dict[str, Any]:
    """Return one queue; `channel` narrows it to one channel, as in the list of queues."""
    for queue in await queues_today(house_of(request), channel):
        if queue["team"] == team:
            return queue
    raise NotFoundError(f"There is no team {team!r}.")


@router.post("/{team}/close", summary="Close a team by hand for a while.")
async def close(
    request: Request,
    team: str,
    given: Closing,
    who: Annotated[Principal, Depends(requires("floor:lead"))],
) -> dict[str, Any]:
    """Close a team from now until `until`, by default to the end of its local day; the answer is its queue.

    Calls and chats that come are turned away as closed, callbacks are put off to the opening, mails and web
    forms wait. Who waits already is still served, and agents stay as they are. It is a version of the policy;
    one published later decides anew.
    """
    house = house_of(request)
    until = given.until.timestamp() if given.until is not None else None
    await close_team(house, who.actor, team, until=until, reason=given.reason)
    return await get_queue(request, team, who)


@router.post("/{team}/open", summary="Open a team that was closed by hand.")
async def open_(
    request: Request, team: str, who: Annotated[Principal, Depends(requires("floor:lead"))]
) -> dict[str, Any]:
    """Let the team's hours hold again; the answer is its queue. 409 unless it is closed by hand."""
    house = house_of(request)
    await open_team(house, who.actor, team)
    return await get_queue(request, team, who)


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
        "intervals": {
            "meant": COVERAGE,
            "judged": book.judged,
            "coverage": book.coverage,
            "mean_width_s": book.mean_width_s,
        },
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
    channel: OneChannel = None,
) -> dict[str, Any]:
    """Return the figures of the intervals that begin in [start, end), by default one day, of all channels or
    one.
    """
    house = house_of(request)
    known = house.switchboard.policy.teams.get(team)
    if known is None:
        raise NotFoundError(f"There is no team {team!r}.")
    last = end or start + timedelta(days=1)
    if not 0 < (last - start).total_seconds() <= _MOST_S:
        detail = "end must come after start, by 31 days at most."
        raise MalformedRequestError(detail, errors=[{"pointer": "/end", "detail": detail}])
    now, since, until = house.clock.now(), start.timestamp(), last.timestamp()
    waiting, times = await house.switchboard.read(
        lambda floor: (still_waiting(floor, known, now, channel), times_running(floor, now))
    )
    found = dict(await house.database.read(stats.sums_by_interval, team, since, until, channel=channel))
    for (team_id, starts_at), spent in times.items():
        if team_id == team and since <= starts_at < until:
            add_times(found.setdefault(starts_at, Sums()), spent)
    for starts_at in waiting:
        if since <= starts_at < until:
            add_waiting(
                found.setdefault(starts_at, Sums()), waiting, since=starts_at, until=starts_at + INTERVAL_S
            )
    items = [{"starts_at": isoformat(at)} | figures(sums) for at, sums in sorted(found.items())]
    return {"items": items, "next": None}
