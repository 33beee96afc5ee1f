"""When a team is open, in the intervals that it is planned in."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from routing.hours import Hours, is_open
from staffing.intervals import Starts

_LOOK_S: Final = 900
"""Opening hours are looked at in quarters of an hour."""


def open_intervals(hours: Hours | None, starts: Starts, *, step_s: int) -> NDArray[np.bool_]:
    """Return whether the team is open in any quarter of an hour of each interval."""
    looks = range(0, step_s, _LOOK_S)
    return np.array(
        [any(is_open(hours, float(at + later)) for later in looks) for at in starts.tolist()], dtype=np.bool_
    )
