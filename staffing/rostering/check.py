"""Decides whether a roster keeps the rules and what it costs, without any solver: also for edits by hand."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

from staffing.rostering.model import (
    Agent,
    Assignment,
    Contract,
    Limits,
    PeriodPart,
    RosterProblem,
    Wish,
)
from staffing.rostering.timeline import WEEK_DAYS, Timeline
from staffing.shifts import ShiftKind

_HOUR_S = 3600


@dataclass(frozen=True, slots=True)
class Breach:
    """A rule that shifts break.

    Attributes:
        text: The breach in words.
        rule: The rule in words, the same however far it is broken.
        excess: How far it is broken, in the rule's own unit; 0 where it has none.
    """

    text: str
    rule: str
    excess: float = 0.0


def broken_rules(problem: RosterProblem, assignments: Iterable[Assignment]) -> list[str]:
    """Return every rule that a roster breaks, in words that begin with the agent's id; empty when none."""
    by_agent: dict[str, list[Assignment]] = {agent.id: [] for agent in problem.agents}
    for shift in assignments:
        by_agent[shift.agent_id].append(shift)
    return [
        f"{agent.id}: {text}"
        for agent in problem.agents
        for text in broken_rules_of(problem, agent, by_agent[agent.id])
    ]


def broken_rules_of(problem: RosterProblem, agent: Agent, shifts: Iterable[Assignment]) -> list[str]:
    """Return every rule that one agent's shifts break, in words; empty when none."""
    return [breach.text for breach in breaches_of(problem, agent, shifts)]


def breaches_of(problem: RosterProblem, agent: Agent, shifts: Iterable[Assignment]) -> list[Breach]:
    """Return every breach of a rule by one agent's shifts; empty when none."""
    contract = next(c for c in problem.contracts if c.id == agent.contract_id)
    ordered = sorted(shifts, key=lambda shift: shift.day)
    found = _broken(Timeline(problem), agent, contract, ordered)
    return [Breach(each, each) if isinstance(each, str) else each for each in found]


def costs(problem: RosterProblem, assignments: Sequence[Assignment]) -> dict[str, int]:
    """Return the price of a roster by heading; the sum is its objective.

    Headings: "under" and "over" (agents by team and slot), "shifts" (agents by kind of shift), "wishes",
    "changes" (against the published roster), "fairness", "hours" (paid hours).
    """
    kind_of = {(shift.agent_id, shift.day): shift.kind_id for shift in assignments}
    under, over = _slot_costs(problem, assignments)
    return {
        "under": under,
        "over": over,
        "shifts": _shift_costs(problem, assignments),
        "wishes": sum(wish.cost for wish in problem.wishes if not _granted(wish, kind_of)),
        "changes": problem.change_cost * _count_changes(problem, kind_of),
        "fairness": problem.fairness_cost * _unfair_points(problem, assignments),
        "hours": _hour_costs(problem, assignments),
    }


def staffed(problem: RosterProblem, assignments: Iterable[Assignment]) -> dict[str, list[int]]:
    """Return the agents who work for each team in each slot of the period."""
    timeline = Timeline(problem)
    teams = {requirement.team for requirement in problem.requirements}
    count = {team: [0] * timeline.slots for team in sorted(teams)}
    for shift in assignments:
        for spell in shift.work:
            for slot in timeline.slots_between(spell.since, spell.until):
                count[spell.activity][slot] += 1
    return count


def _slot_costs(problem: RosterProblem, assignments: Sequence[Assignment]) -> tuple[int, int]:
    count = staffed(problem, assignments)
    under = over = 0
    for requirement in problem.requirements:
        for required, present in zip(requirement.required, count[requirement.team], strict=False):
            under += requirement.under_cost * max(0, required - present)
            over += requirement.over_cost * max(0, present - required)
    return under, over


def _shift_costs(problem: RosterProblem, assignments: Sequence[Assignment]) -> int:
    price = 0
    for want in problem.shift_requirements:
        present = sum((shift.day, shift.kind_id) == (want.day, want.kind_id) for shift in assignments)
        price += want.under_cost * max(0, want.required - present)
        price += want.over_cost * max(0, present - want.required)
    return price


def _granted(wish: Wish, kind_of: dict[tuple[str, int], str]) -> bool:
    worked = kind_of.get((wish.agent_id, wish.day))
    wished = worked is not None if wish.kind_id is None else worked == wish.kind_id
    return wished is wish.on


def _count_changes(problem: RosterProblem, kind_of: dict[tuple[str, int], str]) -> int:
    if not problem.published:
        return 0
    days = ((agent.id, day) for agent in problem.agents for day in range(problem.days))
    return sum(problem.published.get(key) != kind_of.get(key) for key in days)


def _hour_costs(problem: RosterProblem, assignments: Iterable[Assignment]) -> int:
    kinds = {kind.id: kind for kind in problem.kinds}
    rates = {contract.id: contract.hour_cost for contract in problem.contracts}
    cost_of = {agent.id: rates[agent.contract_id] for agent in problem.agents}
    return sum(round(kinds[s.kind_id].paid_s * cost_of[s.agent_id] / _HOUR_S) for s in assignments)


def unpopular_points(problem: RosterProblem, assignments: Iterable[Assignment]) -> dict[str, int]:
    """Return the points of unpopular shifts of each agent who can get such shifts, those before included."""
    points = {kind.id: kind.unpopularity for kind in problem.kinds}
    open_to = {
        agent.id: agent.points_before
        for agent in problem.agents
        if any(points[k] and (agent.kind_ids is None or k in agent.kind_ids) for k in points)
    }
    for shift in assignments:
        if shift.agent_id in open_to:
            open_to[shift.agent_id] += points[shift.kind_id]
    return open_to


def _unfair_points(problem: RosterProblem, assignments: Iterable[Assignment]) -> int:
    points = sorted(unpopular_points(problem, assignments).values())
    if not problem.fairness_cost or len(points) < 2:
        return 0
    median = points[len(points) // 2]
    return sum(abs(value - median) for value in points)


def _broken(
    timeline: Timeline, agent: Agent, contract: Contract, shifts: Sequence[Assignment]
) -> Iterable[Breach | str]:
    problem = timeline.problem
    kinds = {kind.id: kind for kind in (*problem.kinds, *problem.past_kinds)}
    worked = [shift.day for shift in shifts]
    if len(set(worked)) < len(worked):
        yield "two shifts on a day"
    yield from _broken_days(timeline, agent, contract, shifts, kinds)
    yield from _broken_rest(timeline, agent, contract, shifts, kinds)
    yield from _broken_runs(problem, agent, contract, set(worked))
    yield from _broken_hours(timeline, agent, contract, shifts, kinds)
    yield from _broken_counts(timeline, agent, contract, shifts)
    yield from _broken_weeks(timeline, agent, contract, shifts, kinds)
    for shift in shifts:
        yield from _broken_breaks(timeline, agent, kinds[shift.kind_id], shift)


def _broken_days(
    timeline: Timeline,
    agent: Agent,
    contract: Contract,
    shifts: Sequence[Assignment],
    kinds: dict[str, ShiftKind],
) -> Iterable[str]:
    """Availability, time off, absences, kinds, locks."""
    problem = timeline.problem
    kind_of = {shift.day: shift.kind_id for shift in shifts}
    for shift in shifts:
        kind, weekday = kinds[shift.kind_id], timeline.weekday(shift.day)
        window = agent.windows[weekday] if agent.windows else (0, 2 * 86_400)
        if (shift.starts_at, shift.ends_at) != timeline.shift_at(kind, shift.day):
            yield f"shift of day {shift.day + 1} is not at its time"
        if weekday not in kind.weekdays or (agent.kind_ids is not None and kind.id not in agent.kind_ids):
            yield f"shift {kind.id} on day {shift.day + 1} is not allowed"
        if window is None or kind.start_s < window[0] or kind.end_s > window[1]:
            yield f"not available on day {shift.day + 1}"
        if contract.day_s and not _within(kind.paid_s, contract.day_s):
            yield f"hours of day {shift.day + 1}"
        for away in problem.absences:
            if away.agent_id == agent.id and shift.starts_at < away.until and away.since < shift.ends_at:
                yield f"absent on day {shift.day + 1}"
    for off in problem.time_off:
        if off.agent_id == agent.id:
            yield from (f"time off on day {d + 1}" for d in kind_of if off.first_day <= d <= off.last_day)
    for lock in problem.locks:
        if lock.agent_id == agent.id and kind_of.get(lock.day) != lock.kind_id:
            yield f"lock of day {lock.day + 1}"


def _broken_rest(
    timeline: Timeline,
    agent: Agent,
    contract: Contract,
    shifts: Sequence[Assignment],
    kinds: dict[str, ShiftKind],
) -> Iterable[str]:
    before = list(zip(range(-len(agent.worked_before), 0), agent.worked_before, strict=True))
    worked = [(day, kind_id) for day, kind_id in before if kind_id is not None]
    worked += [(shift.day, shift.kind_id) for shift in shifts]
    for (day, kind_id), (later, later_id) in pairwise(worked):
        rest_s = timeline.shift_at(kinds[later_id], later)[0] - timeline.shift_at(kinds[kind_id], day)[1]
        if later >= 0 and rest_s < contract.min_rest_s:
            yield f"rest of {rest_s / _HOUR_S:g} h before day {later + 1}"
        if later == day + 1 and later >= 0 and later_id in kinds[kind_id].not_followed_by:
            yield f"{later_id} after {kind_id} on day {later + 1}"


def _broken_runs(problem: RosterProblem, agent: Agent, contract: Contract, worked: set[int]) -> Iterable[str]:
    first = -len(agent.worked_before)
    before = {first + i for i, kind_id in enumerate(agent.worked_before) if kind_id is not None}
    for start, end, works in _runs([day in worked | before for day in range(first, problem.days)], first):
        inner = start > first and end < problem.days - 1
        length = end - start + 1
        if end < 0:
            continue
        if works and contract.max_days_in_row is not None and length > contract.max_days_in_row:
            yield f"{length} days in a row from day {start + 1}"
        if works and inner and length < contract.min_days_in_row:
            yield f"only {length} days in a row from day {start + 1}"
        if not works and inner and length < contract.min_days_off_in_row:
            yield f"only {length} days off in a row from day {start + 1}"


def _runs(worked: Sequence[bool], first: int) -> Iterable[tuple[int, int, bool]]:
    """Yield first day, last day and kind of each run of worked or free days."""
    start = 0
    for i in range(1, len(worked) + 1):
        if i == len(worked) or worked[i] != worked[start]:
            yield first + start, first + i - 1, worked[start]
            start = i


def _broken_hours(
    timeline: Timeline,
    agent: Agent,
    contract: Contract,
    shifts: Sequence[Assignment],
    kinds: dict[str, ShiftKind],
) -> Iterable[Breach | str]:
    spans: list[tuple[range, Limits | None, str]] = [
        (week, _least_if_whole(contract.week_s, week), f"in week {n}")
        for n, week in enumerate(timeline.weeks, 1)
    ]
    spans += [(part.days, part.paid_s, part.name) for part in contract.all_parts(timeline.problem.days)]
    for span, limits, where in spans:
        if limits is None:
            continue
        credit = sum(
            off.credit_s * sum(off.first_day <= day <= off.last_day for day in span)
            for off in timeline.problem.time_off
            if off.agent_id == agent.id
        )
        paid = sum(kinds[shift.kind_id].paid_s for shift in shifts if shift.day in span)
        least, most = (max(0, limit - credit) / _HOUR_S for limit in limits)
        yield from _outside(paid / _HOUR_S, (least, most), f"h {where}")


def _broken_counts(
    timeline: Timeline, agent: Agent, contract: Contract, shifts: Sequence[Assignment]
) -> Iterable[Breach | str]:
    worked = {shift.day for shift in shifts}
    granted = partial(timeline.granted_days, agent.id)
    for number, week in enumerate(timeline.weeks, 1):
        limits = _least_if_whole(contract.week_days, week)
        if limits and not max(0, limits[0] - granted(week)) <= len(worked & set(week)) <= limits[1]:
            yield f"days of week {number}"
    for part in contract.all_parts(timeline.problem.days):
        yield from _broken_part(timeline, part, shifts, granted(part.days))
    yield from _broken_weekends(timeline, agent, contract, worked)


def _broken_weekends(
    timeline: Timeline, agent: Agent, contract: Contract, worked: set[int]
) -> Iterable[Breach]:
    """Weekends in a row and half ones; what days before the period broke is no breach of this roster."""
    first, most = -len(agent.worked_before), contract.max_weekends_in_row
    past = {day for day in range(first, 0) if agent.worked_before[day] is not None}
    weekends = timeline.weekends_since(first)
    for start, end, works in _runs([bool((past | worked) & set(pair)) for pair in weekends], 0):
        length = end - start + 1
        own = sum(not past & set(pair) for pair in weekends[start : end + 1])
        if works and own and most is not None and length > most:
            yield Breach(
                f"{length} weekends in a row", f"most {most} weekends in a row", min(own, length - most)
            )
    own_pairs = [pair for pair in weekends if len(pair) == 2 and pair[-1] >= 0]
    halves = [pair for pair in own_pairs if len((past | worked) & set(pair)) == 1]
    if contract.whole_weekends and halves:
        yield Breach("half a weekend", "half a weekend")


def _broken_part(
    timeline: Timeline, part: PeriodPart, shifts: Sequence[Assignment], granted: int
) -> Iterable[Breach]:
    """Days off, weekends and kinds of shift of a part of the period."""
    inside = [shift for shift in shifts if shift.day in part.days]
    worked = {shift.day for shift in inside}
    free = len(part.days) - len(worked)
    if part.days_off:
        limits = part.days_off[0], part.days_off[1] + granted
        yield from _outside(free, limits, f"days off {part.name}")
    for kind_id, limits in part.shifts.items():
        many = sum(shift.kind_id == kind_id for shift in inside)
        yield from _outside(many, limits, f"shifts {kind_id} {part.name}")
    weekends = sum(pair[0] in part.days and bool(worked & set(pair)) for pair in timeline.weekends)
    if part.max_weekends is not None:
        yield from _outside(weekends, (0, part.max_weekends), f"worked weekends {part.name}")


def _outside(amount: float, limits: tuple[float, float], what: str) -> Iterable[Breach]:
    """Return the breach of an amount outside its limits, none inside."""
    if amount < limits[0]:
        text = f"{amount:g} {what}, at least {limits[0]:g} agreed"
        yield Breach(text, f"fewest {what}", limits[0] - amount)
    if amount > limits[1]:
        yield Breach(f"{amount:g} {what}, at most {limits[1]:g} agreed", f"most {what}", amount - limits[1])


def _broken_weeks(
    timeline: Timeline,
    agent: Agent,
    contract: Contract,
    shifts: Sequence[Assignment],
    kinds: dict[str, ShiftKind],
) -> Iterable[str]:
    """Weekly rest around a day off, and closeness of starts."""
    before = zip(range(-len(agent.worked_before), 0), agent.worked_before, strict=True)
    ends = [timeline.shift_at(kinds[k], day)[1] for day, k in before if k is not None]
    ends += [int(shift.ends_at) for shift in shifts]
    worked = {shift.day for shift in shifts}
    for number, week in enumerate(timeline.weeks, 1):
        starts = [kinds[shift.kind_id].start_s for shift in shifts if shift.day in week]
        variance_s = contract.start_variance_s
        if variance_s is not None and starts and max(starts) - min(starts) > variance_s:
            yield f"starts of week {number} lie too far apart"
        if contract.week_rest_s is None or len(week) < WEEK_DAYS:
            continue
        free = [day for day in week if day not in worked]
        if not any(_rest_around(timeline, day, ends, shifts) >= contract.week_rest_s for day in free):
            yield f"no long rest in week {number}"


def _rest_around(timeline: Timeline, day: int, ends: Sequence[int], shifts: Sequence[Assignment]) -> float:
    midnight = timeline.shift_at(ShiftKind("", 0, 1), day)[0]
    last_end = max((end for end in ends if end < midnight + 43_200), default=-float("inf"))
    next_start = min((s.starts_at for s in shifts if s.day > day), default=float("inf"))
    return next_start - last_end


def _broken_breaks(timeline: Timeline, agent: Agent, kind: ShiftKind, shift: Assignment) -> Iterable[str]:
    where = f"on day {shift.day + 1}"
    if [pause.activity for pause in shift.breaks] != [pause.name for pause in kind.breaks]:
        yield f"breaks missing {where}"
        return
    for pause, taken in zip(kind.breaks, shift.breaks, strict=True):
        at = taken.since - shift.starts_at
        if not pause.earliest_s <= at <= pause.latest_s or taken.until - taken.since != pause.length_s:
            yield f"{pause.name} outside its window {where}"
    for one, other in pairwise(shift.breaks):
        work_s = other.since - one.until
        if work_s < kind.min_work_s or (kind.max_work_s is not None and work_s > kind.max_work_s):
            yield f"{work_s / _HOUR_S:g} h of work between breaks {where}"
    pauses = {s for pause in shift.breaks for s in timeline.slots_between(pause.since, pause.until)}
    seen: set[int] = set()
    for spell in shift.work:
        slots = set(timeline.slots_between(spell.since, spell.until))
        if slots & (seen | pauses) or spell.activity not in agent.teams:
            yield f"works twice, in a break or for a foreign team {where}"
        seen |= slots


def _within(value: int, limits: Limits) -> bool:
    return limits[0] <= value <= limits[1]


def _least_if_whole(limits: Limits | None, week: Sequence[int]) -> Limits | None:
    if limits is None:
        return None
    return (limits[0] if len(week) == WEEK_DAYS else 0, limits[1])
