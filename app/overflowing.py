"""Overflow for a while: the policy lets another team take what waits here, until that is ended or over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec
import structlog

from app.db import day_changes
from app.db.day_changes import DayChange
from app.db.engine import FAILURES
from app.errors import AppError, InvalidPolicyError, WrongStateError
from app.house import House
from routing import commands as cmd
from routing.policy import Policy, Step, TeamPolicy

log = structlog.get_logger()

_TRIES: Final = 3
_LOOK_S: Final = 20.0
"""How often to look for overflows whose time is up, on the wall clock."""


async def begin_overflow(house: House, values: dict[str, Any]) -> DayChange:
    """Let `to_team_id` take what waits for `team_id` past its target; `values` are those of the change."""
    team, to = values["team_id"], values["to_team_id"]
    after_s = _opening(house.switchboard.policy.teams[team])
    if _widens(house.switchboard.policy.teams[team], to):
        raise WrongStateError(f"Contacts that wait for {team} may be taken by {to} already.")
    # Recorded first: what is in force must be known, so that it ends.
    change_id = await house.database.tx(day_changes.add_change, values | {"after_s": after_s})
    try:
        await _publish(house, values["made_by"], lambda policy: with_overflow(policy, team, to, after_s))
    except AppError:
        await house.database.tx(day_changes.drop_change, change_id)
        raise
    found = await house.database.read(day_changes.find_change, change_id)
    assert found is not None  # noqa: S101  it was stored above
    return found


async def end_overflow(house: House, change: DayChange, *, actor: str) -> None:
    """Put the policy back to what it would be without an overflow; raises WrongStateError if it has ended."""
    team, to, after_s = change.team_id, change.to_team_id or "", change.after_s or 0.0
    await _publish(house, actor, lambda policy: without_overflow(policy, team, to, after_s))
    now = house.clock.now()
    if not await house.database.tx(day_changes.end_change, change.id, now=now, actor=actor):
        raise WrongStateError("This overflow has ended already.")


@asynccontextmanager
async def ending_overflows(house: House) -> AsyncIterator[None]:
    """End overflows when their time is up, until the block ends."""
    closing = asyncio.Event()
    task = asyncio.create_task(_end_in_time(house, closing), name="overflows")
    try:
        yield
    finally:
        # Not cancelled: that could hit a transaction half way.
        closing.set()
        await task


async def end_due(house: House) -> None:
    """End the overflows whose time is up."""
    now = house.clock.now()
    since_on = (datetime.fromtimestamp(now, UTC) - timedelta(days=7)).date().isoformat()
    for change in await house.database.read(day_changes.open_overflows, since_on):
        if change.ends_at <= now:
            with suppress(WrongStateError):  # another replica was faster
                await end_overflow(house, change, actor="scheduler")


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


async def _publish(house: House, actor: str, change: Callable[[Policy], Policy]) -> None:
    """Publish the policy as `change` makes it, also where somebody else publishes one at the same time."""
    for attempt in range(_TRIES):
        now = await house.switchboard.read(lambda floor: floor.policy)
        new = change(now)
        if new is now:
            return
        numbered = msgspec.structs.replace(new, version=now.version + 1)
        try:
            await house.switchboard.submit(cmd.PublishPolicy(actor=actor, policy=numbered), lambda *_: None)
        except InvalidPolicyError:
            if attempt + 1 == _TRIES:
                raise
        else:
            return


async def _end_in_time(house: House, closing: asyncio.Event) -> None:
    while not closing.is_set():
        try:
            await end_due(house)
        except (AppError, *FAILURES) as error:
            log.warning("overflow_not_ended", error=type(error).__name__)
        with suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_S):
                await closing.wait()
