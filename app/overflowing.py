"""Overflow for a while: the policy lets another team take what waits here, until that is ended or over."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import structlog

from app.db import day_changes
from app.db.day_changes import DayChange
from app.db.engine import FAILURES
from app.errors import AppError, WrongStateError
from app.house import House
from app.keeping import keeping
from app.republishing import republish
from routing.policy import Policy, Step, TeamPolicy

log = structlog.get_logger()


async def plan_overflow(house: House, values: dict[str, Any]) -> DayChange:
    """Let `to_team_id` take what waits for `team_id` past its target from `starts_at` until `ends_at`.

    `values` are those of the change. It begins now where `starts_at` is past, else by itself.
    """
    team, to = values["team_id"], values["to_team_id"]
    since_on = _week_before(values["made_at"])
    for other in await house.database.read(day_changes.open_overflows, since_on):
        apart = other.ends_at <= values["starts_at"] or values["ends_at"] <= other.starts_at
        if (other.team_id, other.to_team_id) == (team, to) and not apart:
            raise WrongStateError(f"This overflow was begun or planned already by {other.made_by}.")
    if _widens(house.switchboard.policy.teams[team], to):
        raise WrongStateError(f"Contacts that wait for {team} may be taken by {to} already.")
    # Recorded first: what is in force must be known, so that it ends.
    change_id = await house.database.tx(day_changes.add_change, values)
    change = await _found(house, change_id)
    if change.starts_at <= values["made_at"]:
        try:
            await _begin(house, change, actor=change.made_by)
        except AppError:
            await house.database.tx(day_changes.drop_change, change_id)
            raise
    return await _found(house, change_id)


async def end_overflow(house: House, change: DayChange, *, actor: str) -> None:
    """Put the policy back to what it would be without an overflow; raises WrongStateError if it has ended."""
    team, to, after_s = change.team_id, change.to_team_id or "", change.after_s
    if after_s is not None:
        await republish(house, actor, lambda policy: without_overflow(policy, team, to, after_s))
    now = house.clock.now()
    if not await house.database.tx(day_changes.end_change, change.id, now=now, actor=actor):
        raise WrongStateError("This overflow has ended already.")


@asynccontextmanager
async def keeping_overflows(house: House) -> AsyncIterator[None]:
    """Begin and end overflows when their time has come, until the block ends."""

    async def look() -> None:
        try:
            await keep_time(house)
        except (AppError, *FAILURES) as error:
            log.warning("overflows_not_kept", error=type(error).__name__)

    async with keeping("overflows", look):
        yield


async def keep_time(house: House) -> None:
    """Begin the overflows whose time has come, and end those whose time is up."""
    now = house.clock.now()
    for change in await house.database.read(day_changes.open_overflows, _week_before(now)):
        with suppress(WrongStateError):  # another replica was faster
            if change.ends_at <= now:
                await end_overflow(house, change, actor="scheduler")
            elif change.after_s is None and change.starts_at <= now:
                await _begin(house, change, actor="scheduler")


def with_overflow(policy: Policy, team_id: str, to: str, after_s: float) -> Policy:
    """Return a policy in which `to` may take what has waited `after_s` for `team_id`."""
    team = policy.teams[team_id]
    present = next((step for step in team.steps if step.after_s == after_s), Step(after_s=after_s))
    step = msgspec.structs.replace(present, teams=(*present.teams, to))
    others = [each for each in team.steps if each.after_s != after_s]
    return _with_steps(policy, team, [*others, step])


def without_overflow(policy: Policy, team_id: str, to: str, after_s: float) -> Policy:
    """Return a policy without what `with_overflow` adds; the same where that is not there."""
    team = policy.teams.get(team_id)
    if team is None:
        return policy
    steps = []
    for step in team.steps:
        if step.after_s == after_s and to in step.teams:
            step = msgspec.structs.replace(step, teams=tuple(each for each in step.teams if each != to))
            if not (step.teams or step.skill_slack or step.any_language or step.overflow_to):
                continue
        steps.append(step)
    return policy if steps == list(team.steps) else _with_steps(policy, team, steps)


async def _begin(house: House, change: DayChange, *, actor: str) -> None:
    team, to = change.team_id, change.to_team_id or ""
    if _widens(house.switchboard.policy.teams[team], to):
        # Another policy lets them by now; ending this must not take that away.
        await end_overflow(house, change, actor=actor)
        return
    after_s = _opening(house.switchboard.policy.teams[team])
    if not await house.database.tx(day_changes.begin_change, change.id, after_s):
        raise WrongStateError("This overflow has begun already.")
    try:
        await republish(house, actor, lambda policy: with_overflow(policy, team, to, after_s))
    except AppError:
        await house.database.tx(day_changes.unbegin_change, change.id)
        raise


async def _found(house: House, change_id: int) -> DayChange:
    found = await house.database.read(day_changes.find_change, change_id)
    assert found is not None  # noqa: S101  it was stored above
    return found


def _week_before(now: float) -> str:
    return (datetime.fromtimestamp(now, UTC) - timedelta(days=7)).date().isoformat()


def _with_steps(policy: Policy, team: TeamPolicy, steps: list[Step]) -> Policy:
    ordered = tuple(sorted(steps, key=lambda step: step.after_s))
    new = msgspec.structs.replace(team, steps=ordered)
    return msgspec.structs.replace(policy, teams=policy.teams | {team.id: new})


def _opening(team: TeamPolicy) -> float:
    """Return the wait from which an overflow helps: the target, or before contacts leave the team."""
    last = team.steps[-1] if team.steps else None
    if last is not None and last.overflow_to is not None and last.after_s <= team.target_s:
        return last.after_s / 2
    return team.target_s


def _widens(team: TeamPolicy, to: str) -> bool:
    return any(to in step.teams and step.after_s <= _opening(team) for step in team.steps)
