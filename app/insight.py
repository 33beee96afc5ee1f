"""Figures of queues as product defines them: computed from exact sums, no data is None and never 0."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

VERSION = 2


@dataclass(slots=True)
class Sums:
    """Exact counts and sums of some intervals; they add up."""

    offered: float = 0
    answered: float = 0
    answered_in_target: float = 0
    abandoned: float = 0
    abandoned_in_target: float = 0
    short_abandoned: float = 0
    flowed_out: float = 0
    converted_in_target: float = 0
    """Of the flowed out, those who chose a callback within the target."""
    wait_s: float = 0
    excess_s: float = 0
    abandon_wait_s: float = 0
    handled: float = 0
    handle_s: float = 0
    busy_s: float = 0
    idle_s: float = 0
    used_s: float = 0
    capacity_s: float = 0
    waiting: int = 0
    """Still waiting now; known for the present only."""
    waiting_young: int = 0
    """Of those, how many have not waited as long as the target."""

    waits: dict[int, int] = field(default_factory=dict)
    """How many were answered after so many whole seconds."""

    def add(self, other: Sums) -> None:
        """Add `other` to these sums."""
        for each in fields(self):
            if each.name != "waits":
                setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))
        for wait_s, count in other.waits.items():
            self.waits[wait_s] = self.waits.get(wait_s, 0) + count


def figures(sums: Sums) -> dict[str, Any]:
    """Return every figure of `sums` with the variants of service level by name."""
    return {
        "offered": int(sums.offered),
        "answered": int(sums.answered),
        "answered_in_target": int(sums.answered_in_target),
        "abandoned": int(sums.abandoned),
        "abandoned_in_target": int(sums.abandoned_in_target),
        "short_abandoned": int(sums.short_abandoned),
        "flowed_out": int(sums.flowed_out),
        "converted_in_target": int(sums.converted_in_target),
        "waiting": sums.waiting,
        "service_level": service_level(sums),
        "service_level_asterisk": share(sums.answered_in_target, sums.answered),
        "service_level_amazon": share(
            sums.answered_in_target + sums.abandoned_in_target + sums.converted_in_target, sums.offered
        ),
        "service_level_genesys": share(sums.answered_in_target, sums.answered + sums.abandoned),
        "asa_s": share(sums.wait_s, sums.answered),
        "wait_p50_s": quantile(sums.waits, 0.5),
        "wait_p90_s": quantile(sums.waits, 0.9),
        "wait_p95_s": quantile(sums.waits, 0.95),
        "wait_max_s": max(sums.waits, default=None),
        "mean_excess_s": share(sums.excess_s, sums.answered),
        "abandonment": share(sums.abandoned, sums.offered),
        "abandonment_without_short": share(
            sums.abandoned - sums.short_abandoned, sums.offered - sums.short_abandoned
        ),
        "mean_abandon_wait_s": share(sums.abandon_wait_s, sums.abandoned),
        "occupancy": share(sums.busy_s, sums.busy_s + sums.idle_s),
        "occupancy_by_capacity": share(sums.used_s, sums.capacity_s),
        "aht_s": share(sums.handle_s, sums.handled),
        "version": VERSION,
    }


def service_level(sums: Sums) -> float | None:
    """Return answered within the target / (offered - short abandons - flowed out - waiting younger)."""
    return share(
        sums.answered_in_target,
        sums.offered - sums.short_abandoned - sums.flowed_out - sums.waiting_young,
    )


def quantile(waits: dict[int, int], level: float) -> int | None:
    """Return the whole seconds within which a share `level` of the answered had been answered, or None."""
    left = level * sum(waits.values())
    for wait_s, count in sorted(waits.items()):
        left -= count
        if left <= 0:
            return wait_s
    return None


def share(part: float, whole: float) -> float | None:
    """Return part / whole, or None where there is nothing to speak of."""
    return part / whole if whole > 0 else None
