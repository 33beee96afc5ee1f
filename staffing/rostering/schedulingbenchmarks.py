"""Reads shift-scheduling instances in the text format of Curtois and Qu (schedulingbenchmarks.org)."""

from collections.abc import Iterator
from datetime import date

from staffing.intervals import Grid
from staffing.rostering.model import (
    Agent,
    Contract,
    RosterProblem,
    ShiftRequirement,
    TimeOff,
    Wish,
)
from staffing.shifts import ShiftKind

_MONDAY = date(2024, 1, 1)
_MINUTE_S = 60


def read_instance(text: str) -> RosterProblem:
    """Return the roster problem of an instance, with the same objective as its published costs.

    Shifts have no clock times in this format: all start at midnight, there is no rest rule, and what may not
    follow what is taken from the file.

    Args:
        text: Content of an instance file.

    Raises:
        ValueError: When a section is missing or a line has too few fields.
    """
    sections = _sections(text)
    try:
        return _problem(sections)
    except (KeyError, IndexError) as error:
        raise ValueError(f"not a complete instance: {error!r}") from error


def _problem(sections: dict[str, list[list[str]]]) -> RosterProblem:
    days = int(sections["HORIZON"][0][0])
    kinds = tuple(_kind(fields) for fields in sections["SHIFTS"])
    staff = sections["STAFF"]
    return RosterProblem(
        grid=Grid("UTC", 60),
        starts_on=_MONDAY,
        days=days,
        kinds=kinds,
        contracts=tuple(_contract(fields) for fields in staff),
        agents=tuple(Agent(fields[0], fields[0], frozenset()) for fields in staff),
        shift_requirements=tuple(_cover(fields) for fields in sections["COVER"]),
        time_off=tuple(_days_off(sections["DAYS_OFF"])),
        wishes=(
            *(_wish(fields, on=True) for fields in sections["SHIFT_ON_REQUESTS"]),
            *(_wish(fields, on=False) for fields in sections["SHIFT_OFF_REQUESTS"]),
        ),
    )


def _sections(text: str) -> dict[str, list[list[str]]]:
    sections: dict[str, list[list[str]]] = {}
    name = ""
    for line in (raw.strip() for raw in text.splitlines()):
        if line.startswith("SECTION_"):
            name = line.removeprefix("SECTION_")
            sections[name] = []
        elif line and not line.startswith("#"):
            sections[name].append(line.split(","))
    return sections


def _kind(fields: list[str]) -> ShiftKind:
    banned = frozenset(name for name in fields[2].split("|") if name)
    return ShiftKind(fields[0], 0, int(fields[1]) * _MINUTE_S, not_followed_by=banned)


def _contract(fields: list[str]) -> Contract:
    limits = (entry.split("=") for entry in fields[1].split("|"))
    most_min, least_min, max_run, min_run, min_off, weekends = map(int, fields[2:8])
    return Contract(
        fields[0],
        period_s=(least_min * _MINUTE_S, most_min * _MINUTE_S),
        min_rest_s=0,
        max_days_in_row=max_run,
        min_days_in_row=min_run,
        min_days_off_in_row=min_off,
        max_weekends=weekends,
        shift_limits={kind_id: (0, int(most)) for kind_id, most in limits},
    )


def _cover(fields: list[str]) -> ShiftRequirement:
    day, required, under_cost, over_cost = (int(fields[i]) for i in (0, 2, 3, 4))
    return ShiftRequirement(day, fields[1], required, under_cost=under_cost, over_cost=over_cost)


def _days_off(rows: list[list[str]]) -> Iterator[TimeOff]:
    for agent_id, *days in rows:
        for day in days:
            yield TimeOff(agent_id, int(day), int(day))


def _wish(fields: list[str], *, on: bool) -> Wish:
    agent_id, day, kind_id, cost = fields
    return Wish(agent_id, int(day), int(cost), on=on, kind_id=kind_id)
