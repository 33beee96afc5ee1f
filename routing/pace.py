"""How fast a line moves of late: seen at every answer, long before the wait of who joins now is known.

Where one agent after another comes free at the pace that handle times and places promise, the n-th in line
waits n such gaps. The pace that is seen differs: agents are shared with other teams, talks begin and end,
agents are on their way out. And of those ahead some leave. With answers at rate m, and each of those who
wait leaving at rate t, the n-th waits log(1 + n t / m) / t in the mean: the fluid limit of a queue with
impatient customers, as in the refined queue-length estimators of Ibrahim and Whitt (2009, 2011).

An estimate from past waits learns of a change only when somebody who met it has been answered: in a lasting
overload that is a whole, growing wait later.
"""

from __future__ import annotations

from math import log1p
from typing import Final

import msgspec

_RECENT: Final = 0.03
_RECENT_LEFT: Final = 0.01
_PRIOR: Final = 8
"""The handle time counts like so many gaps that were seen, and so many like waits that nobody left."""
_OUTLIER: Final = 10.0
"""No gap counts for more than so many that are usual: between the evening and the morning nobody is there."""
_TOGETHER_S: Final = 1.0
"""Who leaves so soon after another leaves with that one."""


class Pace(msgspec.Struct, kw_only=True):
    """What is known of the movement of one queue."""

    work_s: float = 0.0
    """Mean gap between answers of late, times the places at agents: what an answer takes of one of them."""
    answers: int = 0
    answered_at: float = 0.0
    waited_s: float = 0.0
    """Time waited by those whose waiting ended of late; what is older counts less."""
    left: float = 0.0
    """How many of them left unanswered, weighted alike."""
    left_at: float = 0.0
    """When the last one left."""

    def answered(self, at: float, *, began_at: float, places: int, handle_s: float) -> None:
        """Take in an answer to who waited since `began_at`, with so many places at agents who are there."""
        usual_s = self.turn_s(handle_s)
        seen_s = min((at - max(self.answered_at, began_at)) * places, _OUTLIER * usual_s)
        self.answers += 1
        self.answered_at = at
        self.work_s += (seen_s - self.work_s) / min(self.answers, 1 / _RECENT)

    def turn_s(self, handle_s: float) -> float:
        """Return what an answer takes of a place, s; the handle time before anything has been seen."""
        seen = min(self.answers, 1 / _RECENT)
        return (seen * self.work_s + _PRIOR * handle_s) / (seen + _PRIOR)

    def ended(self, wait_s: float, *, left: bool = False) -> None:
        """Take in that somebody waits no more after `wait_s`."""
        self.waited_s += wait_s - _RECENT_LEFT * self.waited_s
        self.left += left - _RECENT_LEFT * self.left

    def left_unanswered(self, at: float, *, wait_s: float) -> None:
        """Take in that somebody left; many in one moment, as where a trunk breaks, say of patience what one
        says.
        """
        together = at - self.left_at < _TOGETHER_S
        self.left_at = at
        if not together:
            self.ended(wait_s, left=True)

    def wait_s(self, turns: float, *, places: int, handle_s: float) -> float:
        """Return the wait to be expected behind `turns` answers."""
        answered_s = turns * self.turn_s(handle_s) / places
        if not self.left or not self.waited_s:
            return answered_s
        leave_per_s = self.left / (self.waited_s + _PRIOR * handle_s)
        return log1p(answered_s * leave_per_s) / leave_per_s
