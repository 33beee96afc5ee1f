"""Opening hours that close on public holidays: the dates come from the calendar of the site's country."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from typing import Final

import structlog
from msgspec.structs import replace

from app.db.engine import FAILURES
from app.errors import AppError, InvalidPolicyError
from app.house import House
from app.keeping import keeping
from app.republishing import republish
from routing.hours import Hours
from routing.policy import Policy, Site
from staffing.special_days import holidays_between

log = structlog.get_logger()

YEARS: Final = 5
"""So many years after the present one are filled in at every publication."""
_LEFT: Final = 2
"""So many must be left, or more are filled in: an opening is looked for a year ahead."""
_DAY_S: Final = 86_400.0


def with_public_holidays(policy: Policy, now: float) -> Policy:
    """Return `policy` with the holidays of its site in all hours that keep them, from this year on.

    Raises InvalidPolicyError where the site's country or its part is not known to have any.
    """
    return _with_dates(policy, _dates(policy.site, now)) if _keeping(policy) else policy


def runs_out(policy: Policy, now: float) -> bool:
    """Return whether hours that keep public holidays know of fewer years to come than they should."""
    needed = f"{_year(now) + _LEFT}"
    return any(not hours.calendar or hours.calendar[-1][:4] < needed for hours in _keeping(policy))


async def keep_holidays(house: House) -> None:
    """Publish the policy in force with more years of holidays where they run out."""
    now, site = house.clock.now(), house.switchboard.policy.site
    if not runs_out(house.switchboard.policy, now):
        return
    # Which days they are takes a moment to find out: not in the event loop.
    dates = await asyncio.to_thread(_dates, site, now)

    def with_more(policy: Policy) -> Policy:
        if policy.site != site or not runs_out(policy, now):
            return policy
        more = _with_dates(policy, dates)
        return more if more != policy else policy

    await republish(house, "scheduler", with_more, reason=f"public holidays until {dates[-1]}")


@asynccontextmanager
async def keeping_holidays(house: House) -> AsyncIterator[None]:
    """See to it that the holidays never run out, from before the first contact until the block ends."""
    failed = ""

    async def look() -> None:
        nonlocal failed
        failed = await _try(house, failed)

    await look()
    async with keeping("public holidays", look, at_once=False):
        yield


async def _try(house: House, failed: str) -> str:
    """Fill in what runs out unless that `failed` already; return what fails now, by version and year."""
    now = house.clock.now()
    wanted = f"{house.switchboard.policy.version} {_year(now)}"
    if wanted == failed:
        return failed
    try:
        await keep_holidays(house)
    except FAILURES as error:
        log.warning("holidays_not_kept", error=type(error).__name__)
        return failed
    except AppError as error:
        log.error("holidays_not_kept", error=type(error).__name__)
        return wanted
    # Of some countries nobody knows the holidays so far ahead: the next year may bring them.
    version = house.switchboard.policy.version
    return f"{version} {_year(now)}" if runs_out(house.switchboard.policy, now) else ""


def _with_dates(policy: Policy, dates: tuple[str, ...]) -> Policy:
    def filled(hours: Hours | None) -> Hours | None:
        keeps = hours is not None and hours.public_holidays
        return replace(hours, calendar=dates) if hours is not None and keeps else hours

    return replace(
        policy,
        teams={key: replace(team, hours=filled(team.hours)) for key, team in policy.teams.items()},
        rules=tuple(replace(rule, hours=filled(rule.hours)) for rule in policy.rules),
    )


def _dates(site: Site, now: float) -> tuple[str, ...]:
    # Wherever the site is: its year may have begun already, or not have ended yet.
    first, last = date(_year(now - _DAY_S), 1, 1), date(_year(now + _DAY_S) + YEARS, 12, 31)
    try:
        found = holidays_between(site.country or "", first, last, subdivision=site.subdivision)
    except ValueError:
        part = f", {site.subdivision!r}" if site.subdivision else ""
        detail = f"No public holidays are known of the country {site.country!r}{part}."
        raise InvalidPolicyError(detail, errors=[{"pointer": "/site/country", "detail": detail}]) from None
    if not found:
        raise InvalidPolicyError(f"No public holidays of {site.country} are known so far ahead.")
    return tuple(day.isoformat() for day in found)


def _keeping(policy: Policy) -> list[Hours]:
    all_hours = [team.hours for team in policy.teams.values()] + [rule.hours for rule in policy.rules]
    return [hours for hours in all_hours if hours is not None and hours.public_holidays]


def _year(at: float) -> int:
    return datetime.fromtimestamp(at, UTC).year
