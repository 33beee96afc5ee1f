"""What changed from one plan of a week to another, person by person."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from app.db.plans import AssignmentRow


@dataclass(frozen=True, slots=True)
class Differing:
    """An agent's day that is another one.

    Args:
        before: The shift as it was, None for a day off.
        after: The shift as it is, None for a day off.
        changed: What differs: `shift` (another kind, or none), `times`, `breaks`, `teams`.
    """

    agent_id: str
    on: str
    before: AssignmentRow | None
    after: AssignmentRow | None
    changed: tuple[str, ...]


def difference(before: Iterable[AssignmentRow], after: Iterable[AssignmentRow]) -> list[Differing]:
    """Return the agents' days on which anything differs, by date and agent."""
    old = {(each.on, each.agent_id): each for each in before}
    new = {(each.on, each.agent_id): each for each in after}
    days = sorted(old.keys() | new.keys())
    found = (Differing(agent, on, *_pair(old.get((on, agent)), new.get((on, agent)))) for on, agent in days)
    return [each for each in found if each.changed]


_LOOKED_AT: Final = (
    ("shift", lambda each: each.shift),
    ("times", lambda each: (each.starts_at, each.ends_at)),
    ("breaks", lambda each: sorted(map(tuple, each.breaks))),
    ("teams", lambda each: sorted(map(tuple, each.work))),
)


def _pair(
    old: AssignmentRow | None, new: AssignmentRow | None
) -> tuple[AssignmentRow | None, AssignmentRow | None, tuple[str, ...]]:
    if old is None or new is None:
        return old, new, ("shift",)
    return old, new, tuple(name for name, of in _LOOKED_AT if of(old) != of(new))
