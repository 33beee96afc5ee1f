"""Opening hours that close on public holidays: the dates come from the calendar of the site's country."""

from __future__ import annotations

from datetime import UTC, date, datetime

from msgspec.structs import replace

from app.errors import InvalidPolicyError
from routing.hours import Hours
from routing.policy import Policy
from staffing.special_days import holidays_between

YEARS = 5
"""So many years after the present one are filled in; every publication begins anew."""


def with_public_holidays(policy: Policy, now: float) -> Policy:
    """Return `policy` with the holidays of its site in all hours that keep them, from this year on.

    Raises InvalidPolicyError where the site's country or its part is not known to have any.
    """
    if not any(hours is not None and hours.public_holidays for hours in _all_hours(policy)):
        return policy
    dates = _dates(policy, datetime.fromtimestamp(now, UTC).year)

    def filled(hours: Hours | None) -> Hours | None:
        keeps = hours is not None and hours.public_holidays
        return replace(hours, calendar=dates) if hours is not None and keeps else hours

    return replace(
        policy,
        teams={key: replace(team, hours=filled(team.hours)) for key, team in policy.teams.items()},
        rules=tuple(replace(rule, hours=filled(rule.hours)) for rule in policy.rules),
    )


def _dates(policy: Policy, year: int) -> tuple[str, ...]:
    site = policy.site
    try:
        found = holidays_between(
            site.country or "", date(year, 1, 1), date(year + YEARS, 12, 31), subdivision=site.subdivision
        )
    except ValueError:
        part = f", {site.subdivision!r}" if site.subdivision else ""
        detail = f"No public holidays are known of the country {site.country!r}{part}."
        raise InvalidPolicyError(detail, errors=[{"pointer": "/site.country", "detail": detail}]) from None
    return tuple(day.isoformat() for day in found)


def _all_hours(policy: Policy) -> list[Hours | None]:
    return [team.hours for team in policy.teams.values()] + [rule.hours for rule in policy.rules]
