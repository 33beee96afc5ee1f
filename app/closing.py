"""A lead closes a team by hand for a while, and opens it again: each a version of the policy."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from app.errors import MalformedRequestError, NotFoundError, WrongStateError
from app.house import House
from app.republishing import republish
from routing.hours import ALWAYS, Hours, Shut, lasting
from routing.policy import Policy, TeamPolicy

_LONGEST_S = 31 * 86_400.0


async def close_team(house: House, actor: str, team_id: str, *, until: float | None, reason: str) -> None:
    """Close a team from now until `until`, by default to the end of its local day.

    Customers who are there now are turned away as closed, callbacks are put off, mails wait; who waits
    already is still served. Closing again moves the end. Raises NotFoundError for an unknown team and
    MalformedRequestError for an end that is past or more than 31 days away.
    """
    now = house.clock.now()

    def shut(policy: Policy) -> Policy:
        team = _team(policy, team_id)
        hours = team.hours or Hours(time_zone=policy.site.time_zone, week=ALWAYS)
        ends_at = until if until is not None else _midnight_after(now, hours.time_zone)
        running = shut_now(team, now)
        since = running.since if running is not None else now
        anytime = lasting(team.hours) is None
        by_hand = Shut(since=since, until=ends_at, by=actor, reason=reason, anytime=anytime)
        return _with_hours(policy, team, replace(hours, shut=by_hand))

    if until is not None and not now < until <= now + _LONGEST_S:
        detail = "A team is closed by hand until an instant to come, within 31 days."
        raise MalformedRequestError(detail, errors=[{"pointer": "/until", "detail": detail}])
    await republish(house, actor, shut, reason=f"{team_id} closed" + (f": {reason}" if reason else ""))


async def open_team(house: House, actor: str, team_id: str) -> None:
    """Let a team's hours hold again; raises WrongStateError unless it is closed by hand."""
    now = house.clock.now()

    def opened(policy: Policy) -> Policy:
        team = _team(policy, team_id)
        if shut_now(team, now) is None:
            raise WrongStateError(
                f"{team.name} is not closed by hand; when it opens, its hours in the policy say."
            )
        return _with_hours(policy, team, lasting(team.hours))

    await republish(house, actor, opened, reason=f"{team_id} opened")


def shut_now(team: TeamPolicy, now: float) -> Shut | None:
    """Return the closing by hand that holds at `now`, or None."""
    shut = team.hours.shut if team.hours is not None else None
    return shut if shut is not None and shut.since <= now < shut.until else None


def _team(policy: Policy, team_id: str) -> TeamPolicy:
    if team_id not in policy.teams:
        raise NotFoundError(f"There is no team {team_id!r}.", known=sorted(policy.teams))
    return policy.teams[team_id]


def _with_hours(policy: Policy, team: TeamPolicy, hours: Hours | None) -> Policy:
    return replace(policy, teams=policy.teams | {team.id: replace(team, hours=hours)})


def _midnight_after(now: float, time_zone: str) -> float:
    zone = ZoneInfo(time_zone)
    tomorrow = datetime.fromtimestamp(now, zone).date() + timedelta(days=1)
    return datetime.combine(tomorrow, time(), zone).timestamp()
