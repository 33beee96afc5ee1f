"""One command being carried out: the events so far, each applied to the floor as it is emitted."""

from __future__ import annotations

from routing.events import Event
from routing.floor import APPLY, Floor


class Turn:
    """The floor, the instant and the actor of one command, and what has happened in it."""

    __slots__ = ("actor", "events", "floor", "now")

    def __init__(self, floor: Floor, actor: str, now: float) -> None:
        self.floor = floor
        self.actor = actor
        self.now = now
        self.events: list[Event] = []

    def emit(self, event: Event) -> None:
        """Apply `event` to the floor (as `Floor.apply` does, without the call) and keep it."""
        APPLY[type(event)](self.floor, event)
        self.floor.seq += 1
        self.events.append(event)
