"""What changed from one plan of a week to another, person by person."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from app.db.plans import AssignmentRow


def difference(
    before: Iterable[AssignmentRow], after: Iterable[AssignmentRow], names: dict[str, str]
) -> list[dict[str, Any]]:
    """Return the agents' days on which the shift is another one, by date and agent; None for a day off."""
    old = {(each.on, each.agent_id): each.shift for each in before}
    new = {(each.on, each.agent_id): each.shift for each in after}
    return [
        {
            "agent": agent,
            "name": names.get(agent, agent),
            "on": on,
            "before": old.get((on, agent)),
            "after": new.get((on, agent)),
        }
        for on, agent in sorted(old.keys() | new.keys())
        if old.get((on, agent)) != new.get((on, agent))
    ]
