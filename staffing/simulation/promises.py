"""Decides what a team promises in a simulation, and how far each simulated interval is from it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from staffing.simulation.confidence import Ratio
from staffing.simulation.single_team import Waits

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

SERVICE_LEVEL, ASA, ABANDONMENT, OCCUPANCY = "service_level", "asa", "abandonment", "occupancy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What an interval promises in the simulation; None for what is not promised.

    Args:
        service_level: Share answered in time, short abandons left out; one number or one per interval.
        answer_within_s: The time.
        short_abandon_s: Abandons before this wait are left out.
        asa_s: Longest mean queue wait of the answered.
        abandonment: Largest share that hangs up.
        max_occupancy: Largest share of the agents' time that is handling.
        slack: By how much the mean service level may fall short, and occupancy be above.
        asa_slack: By which share of `asa_s` the mean wait may be longer.
        abandonment_slack: By how much more may hang up.
        least_contacts: Intervals that expect no more contacts than this promise nothing by themselves.
        together: Whether such small intervals are judged together with the small ones beside them, as soon
            as they expect more than that in all.
    """

    service_level: ArrayLike | None = None
    answer_within_s: float = 20.0
    short_abandon_s: float = 0.0
    asa_s: float | None = None
    abandonment: float | None = None
    max_occupancy: float | None = None
    slack: float = 0.01
    asa_slack: float = 0.1
    abandonment_slack: float = 0.01
    least_contacts: float = 20.0
    together: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """What is promised."""
        given = {
            SERVICE_LEVEL: self.service_level,
            ASA: self.asa_s,
            ABANDONMENT: self.abandonment,
            OCCUPANCY: self.max_occupancy,
        }
        return tuple(name for name, value in given.items() if value is not None)

    def slack_of(self, name: str) -> float:
        """Return how far off a mean may be, in the unit of `excess`."""
        return {ASA: self.asa_slack, ABANDONMENT: self.abandonment_slack}.get(name, self.slack)

    def excess(self, name: str, value: Floats, groups: Integers) -> Floats:
        """Return by how much simulated values miss a promise, below 0 where they keep it.

        Shares in points; the mean wait as a share of the promised one. 0 where nothing was seen.

        Args:
            name: The promise.
            value: Simulated values, one for each group of intervals.
            groups: The first interval of each group, for a service level given for each interval.
        """
        if name == SERVICE_LEVEL:
            wanted = np.asarray(self.service_level, dtype=np.float64)
            missed = (wanted if wanted.ndim == 0 else wanted[groups]) - value
        elif name == ASA:
            missed = value / (self.asa_s or 1.0) - 1.0
        else:
            missed = value - float((self.abandonment if name == ABANDONMENT else self.max_occupancy) or 0.0)
        return np.nan_to_num(np.asarray(missed), nan=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One simulated replication: what became of its contacts, and where the agents were.

    Attributes:
        arrive_at: Instants of the arrivals.
        handle_s: Handle time of each contact.
        waits: What became of them.
        interval: Interval of each arrival, -1 for none.
    """

    arrive_at: Floats
    handle_s: Floats
    waits: Waits
    interval: Integers


def counts_of(
    promise: Promise, seen: Seen, starts: Integers, step_s: float, places: Integers
) -> Mapping[str, tuple[Floats, Floats]]:
    """Return what is promised as something counted over something else, by interval.

    Contacts count in the interval of their arrival, handling in that in which it happens.

    Args:
        promise: What is promised.
        seen: The replication.
        starts: Ascending interval starts.
        step_s: Length of an interval.
        places: Contacts that can be handled at a time in each interval.
    """
    waits, inside = seen.waits, seen.interval >= 0

    def per_interval(values: NDArray[np.float64] | NDArray[np.bool_]) -> Floats:
        counted = np.bincount(seen.interval[inside], weights=values[inside], minlength=len(starts))
        return np.asarray(counted, dtype=np.float64)

    found: dict[str, tuple[Floats, Floats]] = {}
    if SERVICE_LEVEL in promise.names:
        in_time = waits.answered & (waits.wait_s <= promise.answer_within_s)
        counted = waits.answered | (waits.wait_s >= promise.short_abandon_s)
        found[SERVICE_LEVEL] = per_interval(in_time), per_interval(counted)
    if ASA in promise.names:
        waited = np.where(waits.answered, waits.wait_s, 0.0)
        found[ASA] = per_interval(waited), per_interval(waits.answered)
    if ABANDONMENT in promise.names:
        found[ABANDONMENT] = per_interval(~waits.answered), per_interval(np.ones(len(inside)))
    if OCCUPANCY in promise.names:
        begin_at = (seen.arrive_at + waits.wait_s)[waits.answered]
        busy_s = handling_s(begin_at, seen.handle_s[waits.answered], starts, step_s)
        found[OCCUPANCY] = busy_s, np.maximum(places * step_s, busy_s)
    return found


def handling_s(begin_at: Floats, handle_s: Floats, starts: Integers, step_s: float) -> Floats:
    """Return the seconds of handling that fall into each interval."""

    def begun_before(at: Floats, edges: Floats) -> Floats:
        """Return for each edge the sum of its distances from the earlier instants."""
        ordered = np.sort(at)
        many = np.searchsorted(ordered, edges)
        return np.asarray(many * edges - np.append(0.0, np.cumsum(ordered))[many])

    origin = float(starts[0]) if len(starts) else 0.0
    begin, end = begin_at - origin, begin_at + handle_s - origin
    edges = np.asarray(starts, dtype=np.float64) - origin
    early, late = (begun_before(begin, each) - begun_before(end, each) for each in (edges, edges + step_s))
    return np.asarray(late - early)


def groups_of(promise: Promise, expected: Floats, starts: Integers, step_s: float) -> Integers:
    """Return for each interval the group in which it is judged, -1 for those too small to be told.

    Groups are numbered by their first interval. A large interval is one by itself; small ones that follow
    one another are joined until they are large enough, what is left at the end to the ones before.
    """
    groups = np.full(len(starts), -1, dtype=np.int64)
    run: list[int] = []
    before = -1
    many = 0.0
    for index, contacts in enumerate(expected.tolist()):
        follows = index > 0 and starts[index] - starts[index - 1] <= step_s
        if contacts > promise.least_contacts or not follows:
            groups[run] = before
            run, many, before = [], 0.0, -1
        if contacts > promise.least_contacts:
            groups[index] = index
        elif promise.together:
            run.append(index)
            many += contacts
            if many > promise.least_contacts:
                before = run[0]
                groups[run] = before
                run, many = [], 0.0
    groups[run] = before
    return groups


def in_groups(ratio: Ratio, groups: Integers, firsts: Integers) -> Ratio:
    """Return a figure by group instead of by interval; `firsts` are the groups' numbers."""
    members = (groups[:, None] == firsts).astype(np.float64)
    return Ratio(ratio.above @ members, ratio.below @ members)
