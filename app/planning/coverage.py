"""How well a roster covers its requirement."""

from __future__ import annotations

from collections.abc import Sequence


def hours_short_and_over(
    rostered: Sequence[int], staffed: Sequence[int], minutes: int
) -> tuple[float, float]:
    """Return the hours of work missing and to spare, interval by interval, never set off."""
    gaps = [have - want for want, have in zip(rostered, staffed, strict=True)]
    short = -sum(gap for gap in gaps if gap < 0) * minutes / 60
    over = sum(gap for gap in gaps if gap > 0) * minutes / 60
    return round(short, 2), round(over, 2)
