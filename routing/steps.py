"""How far who may take a contact has been relaxed: the steps that are due, and when the next one is."""

from __future__ import annotations

from typing import Final

from routing.model import NEVER, Contact
from routing.policy import TeamPolicy

OVERFLOW_CLOSED: Final = "overflow_closed"
"""The reason of a step that would have passed a contact on to a team that is closed."""


class Scope:
    """Who may take a contact at one step: teams, skill levels forgone, whether language counts."""

    __slots__ = ("any_language", "skill_slack", "teams")

    def __init__(self, teams: tuple[str, ...], skill_slack: int, *, any_language: bool) -> None:
        self.teams = teams
        self.skill_slack = skill_slack
        self.any_language = any_language


def scope(team: TeamPolicy, step: int) -> Scope:
    """Return what holds at `step`: 0 is the team itself, n the first n relaxation steps together."""
    done = team.steps[: max(step, 0)]
    teams = dict.fromkeys((team.id, *(other for each in done for other in each.teams)))
    return Scope(
        tuple(teams),
        max((each.skill_slack for each in done), default=0),
        any_language=any(each.any_language for each in done),
    )


def due_step(team: TeamPolicy, contact: Contact, now: float) -> int:
    """Return the step that is due at `now` for a contact that is past its preferred agent."""
    return sum(1 for step in team.steps if contact.segment_at + step.after_s <= now)


def open_step(team: TeamPolicy, contact: Contact, now: float) -> int:
    """Return the step that a waiting contact may be put at now: what is due, short of an overflow.

    An overflow is more than a step (it ends the segment); its timer carries it out.
    """
    step = due_step(team, contact, now)
    return step - 1 if step and team.steps[step - 1].overflow_to is not None else step


def next_step_at(team: TeamPolicy, contact: Contact) -> float:
    """Return when the next step falls due, or NEVER after the last."""
    if contact.step < 0:
        return contact.preferred_until
    if contact.step < len(team.steps):
        return contact.segment_at + team.steps[contact.step].after_s
    return NEVER


def next_widening_at(team: TeamPolicy, contact: Contact) -> float:
    """Return when the next step that is not an overflow falls due: what a ringing contact still follows."""
    if contact.step < len(team.steps) and team.steps[contact.step].overflow_to is not None:
        return NEVER
    return next_step_at(team, contact)
