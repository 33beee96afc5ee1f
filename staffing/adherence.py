"""Decides how closely an agent kept to the schedule: adherence and conformance, in their usual definitions.

Adherence is the share of scheduled time in which the agent did what was scheduled. Conformance is the time
worked over the time scheduled for work, whenever it was worked; it may exceed 1.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from staffing.rostering.model import Assignment, Spell

WORK = "work"
OFFLINE = "offline"

PRESENCES: Mapping[str, frozenset[str]] = {
    WORK: frozenset({"available"}),
    "break": frozenset({"break"}),
    "meal": frozenset({"meal", "break"}),
    "training": frozenset({"training"}),
}
"""Presences that satisfy each scheduled activity; an activity that is not listed is satisfied by its name."""


@dataclass(frozen=True, slots=True)
class Departure:
    """A stretch in which an agent did something else than was scheduled.

    Args:
        scheduled: The scheduled activity.
        actual: The presence.
        since: Start, epoch seconds.
        until: End, epoch seconds.
    """

    scheduled: str
    actual: str
    since: float
    until: float


@dataclass(frozen=True, slots=True)
class Adherence:
    """How closely a schedule was kept up to some instant.

    Args:
        scheduled_s: Scheduled time.
        adherent_s: Scheduled time in which the presence was the scheduled one, short departures included.
        scheduled_work_s: Time scheduled for work.
        worked_s: Time in a presence that counts as work, within the schedule or not.
        departures: Stretches against the schedule that were longer than the grace, in order.
    """

    scheduled_s: float
    adherent_s: float
    scheduled_work_s: float
    worked_s: float
    departures: tuple[Departure, ...]

    @property
    def adherence(self) -> float | None:
        """Share of scheduled time that was kept; None when nothing was scheduled."""
        return self.adherent_s / self.scheduled_s if self.scheduled_s else None

    @property
    def conformance(self) -> float | None:
        """Time worked over time scheduled for work; None when no work was scheduled."""
        return self.worked_s / self.scheduled_work_s if self.scheduled_work_s else None


def schedule(assignment: Assignment) -> tuple[Spell, ...]:
    """Return a shift as activities in order: "work" (for whatever team) and the names of its breaks."""
    spells: list[Spell] = []
    at = assignment.starts_at
    for pause in sorted(assignment.breaks, key=lambda spell: spell.since):
        if at < pause.since:
            spells.append(Spell(WORK, at, pause.since))
        spells.append(pause)
        at = pause.until
    if at < assignment.ends_at:
        spells.append(Spell(WORK, at, assignment.ends_at))
    return tuple(spells)


def adherence(
    scheduled: Sequence[Spell],
    actual: Sequence[Spell],
    *,
    until: float,
    grace_s: float = 0.0,
    presences: Mapping[str, frozenset[str]] = PRESENCES,
) -> Adherence:
    """Return how closely a schedule was kept before an instant.

    Args:
        scheduled: Activities that do not overlap.
        actual: Presences that do not overlap; the agent counts as "offline" in between.
        until: What lies after this is not looked at, epoch seconds.
        grace_s: Departures up to this length count as adherent.
        presences: Presences that satisfy each activity.

    Raises:
        ValueError: When activities or presences overlap.
    """
    plan, real = _cut(scheduled, until), _cut(actual, until)
    departures = tuple(d for d in _departures(plan, real, presences) if d.until - d.since > grace_s)
    scheduled_s = _length_s(plan)
    working = presences.get(WORK, frozenset({WORK}))
    return Adherence(
        scheduled_s,
        scheduled_s - sum(d.until - d.since for d in departures),
        _length_s(spell for spell in plan if spell.activity == WORK),
        _length_s(spell for spell in real if spell.activity in working),
        departures,
    )


def departure_at(
    scheduled: Sequence[Spell],
    actual: Sequence[Spell],
    now: float,
    *,
    presences: Mapping[str, frozenset[str]] = PRESENCES,
) -> Departure | None:
    """Return how an agent departs from the schedule at this instant and since when, or None.

    The presence of the last spell is taken to go on.
    """
    open_ended = [*actual[:-1], _lasting(actual[-1], now)] if actual else []
    departures = _departures(_cut(scheduled, now), _cut(open_ended, now), presences)
    return next((d for d in departures if d.until >= now), None)


def _lasting(spell: Spell, now: float) -> Spell:
    return Spell(spell.activity, spell.since, max(spell.until, now))


def _cut(spells: Iterable[Spell], until: float) -> list[Spell]:
    """Return the spells before an instant in order."""
    kept = sorted((spell for spell in spells if spell.since < until), key=lambda spell: spell.since)
    if any(one.until > other.since for one, other in pairwise(kept)):
        raise ValueError("two spells overlap")
    return [Spell(spell.activity, spell.since, min(spell.until, until)) for spell in kept]


def _departures(
    plan: Sequence[Spell], real: Sequence[Spell], presences: Mapping[str, frozenset[str]]
) -> list[Departure]:
    """Return the stretches against the schedule, neighbours of the same kind joined."""
    found: list[Departure] = []
    for spell in plan:
        allowed = presences.get(spell.activity, frozenset({spell.activity}))
        for presence in _within(real, spell.since, spell.until):
            if presence.activity in allowed:
                continue
            departure = Departure(spell.activity, presence.activity, presence.since, presence.until)
            last = found[-1] if found else None
            if last is not None and _continues(last, departure):
                found[-1] = Departure(last.scheduled, last.actual, last.since, departure.until)
            else:
                found.append(departure)
    return found


def _continues(one: Departure, other: Departure) -> bool:
    return (one.scheduled, one.actual, one.until) == (other.scheduled, other.actual, other.since)


def _within(real: Sequence[Spell], since: float, until: float) -> Iterable[Spell]:
    """Yield the presences between two instants, "offline" where there is none."""
    at = since
    for spell in real:
        if spell.until <= since or spell.since >= until:
            continue
        if spell.since > at:
            yield Spell(OFFLINE, at, spell.since)
        yield Spell(spell.activity, max(spell.since, since), min(spell.until, until))
        at = min(spell.until, until)
    if at < until:
        yield Spell(OFFLINE, at, until)


def _length_s(spells: Iterable[Spell]) -> float:
    return sum(spell.until - spell.since for spell in spells)
