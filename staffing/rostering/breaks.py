"""Decides how breaks become numbers: counts of agents who have begun them, not breaks of persons."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from staffing.rostering.linear import Floats, LinearModel, Term
from staffing.shifts import Break, ShiftKind


@dataclass(frozen=True, slots=True)
class Steps:
    """A count that only grows: from each of `times` on it is the value of the variable beside it."""

    times: list[int]
    variables: list[int]

    def at(self, time: int, *, sign: int = 1) -> list[Term]:
        """Return the count at a time as a sum, times `sign`."""
        index = bisect_right(self.times, time) - 1
        return [(self.variables[index], sign)] if index >= 0 else []


def break_starts(pause: Break, step_s: int) -> range:
    """Return where a break may start, seconds after the start of the shift, on the slots' raster."""
    return range(-(-pause.earliest_s // step_s) * step_s, pause.latest_s + 1, step_s)


def start_counts(linear: LinearModel, by_slot: Mapping[int, list[int]], *, day: int = -1) -> Steps:
    """Return how many agents have started by each slot."""
    times = sorted(by_slot)
    counts: list[int] = []
    for slot in times:
        many = sum(linear.upper[v] for v in by_slot[slot]) + (linear.upper[counts[-1]] if counts else 0)
        count = linear.variable(many, implied=True, day=day)
        earlier = [(counts[-1], 1)] if counts else []
        linear.row([*((v, 1) for v in by_slot[slot]), *earlier, (count, -1)], 0, 0)
        counts.append(count)
    return Steps(times, counts)


def break_counts(
    linear: LinearModel, kind: ShiftKind, started: Steps, step_s: int, *, day: int = -1
) -> list[Steps]:
    """Return for each break how many agents have begun it by each slot.

    Who starts first takes each break first. So sums say it all: by each slot no more agents have begun a
    break than have started long enough before, and no fewer than have to; the same between two breaks.
    """
    found: list[Steps] = []
    for number, pause in enumerate(kind.breaks):
        window = break_starts(pause, step_s)
        early, late = window[0] // step_s, window[-1] // step_s
        times = list(range(started.times[0] + early, started.times[-1] + late + 1))
        many = linear.upper[started.variables[-1]]
        begun = Steps(times, [linear.variable(many, day=day) for _ in times])
        for one, next_one in pairwise(begun.variables):
            linear.row([(next_one, 1), (one, -1)], lower=0)
        _lag(linear, started, begun, least=early, most=late)
        if number:
            before = kind.breaks[number - 1]
            least = -(-(before.length_s + kind.min_work_s) // step_s)
            longest_s = kind.length_s if kind.max_work_s is None else kind.max_work_s
            most = (before.length_s + longest_s) // step_s
            earlier = break_starts(before, step_s)
            # What the windows alone make sure of needs no rows.
            _lag(
                linear,
                found[-1],
                begun,
                least=least if earlier[-1] // step_s + least > early else None,
                most=most if earlier[0] // step_s + most < late else None,
            )
        found.append(begun)
    return found


def at_work(
    kind: ShiftKind, started: Steps, pauses: Sequence[Steps], step_s: int
) -> Iterator[tuple[int, list[Term]]]:
    """Yield each slot that the shifts cover with the sum of those at work in it: on shift, not on a break."""
    length = kind.length_s // step_s
    for slot in range(started.times[0], started.times[-1] + length):
        terms = started.at(slot) + started.at(slot - length, sign=-1)
        for pause, begun in zip(kind.breaks, pauses, strict=True):
            terms += begun.at(slot, sign=-1) + begun.at(slot - pause.length_s // step_s)
        yield slot, terms


def begun_slot(begun: Steps, values: Floats, rank: int) -> int:
    """Return the slot in which the agent who started as number `rank` (from 0) takes a break."""
    counts = values[begun.variables]
    return begun.times[int(np.flatnonzero(counts > rank + 0.5)[0])]


def _lag(linear: LinearModel, first: Steps, second: Steps, *, least: int | None, most: int | None) -> None:
    """Demand that everybody does the second thing at least and at most so many slots after the first."""
    for slot, count in zip(second.times, second.variables, strict=True):
        if least is not None:
            linear.row([(count, 1), *first.at(slot - least, sign=-1)], upper=0)
        due = [] if most is None else first.at(slot - most, sign=-1)
        if due:
            linear.row([(count, 1), *due], lower=0)
