"""Decides what an agent may work: each rule of a contract as rows over the agent's days, all linear."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

from staffing.rostering.linear import FREE, LinearModel, Rule, Term
from staffing.rostering.model import Agent, Contract, Limits, RosterProblem
from staffing.rostering.timeline import WEEK_DAYS, Timeline
from staffing.shifts import ShiftKind

_LAW, _PROMISE, _RHYTHM, _HOURS = 1000, 500, 50, 10
_HOUR_S = 3600
_REST_REACH_DAYS = 3


@dataclass(slots=True)
class AgentDays:
    """The variables of one agent, by day; days before the period (negative) are fixed to what was worked.

    Attributes:
        shift: For each day the variable of each kind of shift, by kind's id.
        works: Whether the agent works on the day.
        starts_run: Whether the day is the first of a run of worked days.
        number: Number of the agent in the problem.
        first: Earliest day known.
    """

    agent: Agent
    contract: Contract
    number: int
    first: int
    shift: dict[int, dict[str, int]] = field(default_factory=dict)
    works: dict[int, int] = field(default_factory=dict)
    starts_run: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scope:
    """What a rule needs to see.

    Attributes:
        model: The model it adds rows to.
        problem: The problem.
        timeline: When shifts are.
        kinds: Kinds of shift by id.
        numbers: Numbers of agents by id.
        forbidden: Kinds of shift of two days that exclude each other, as far as looked up.
    """

    model: LinearModel
    problem: RosterProblem
    timeline: Timeline
    kinds: dict[str, ShiftKind]
    numbers: dict[str, int]
    forbidden: dict[object, list[tuple[list[str], list[str]]]]


def new_scope(problem: RosterProblem, *, timeline: Timeline | None = None) -> Scope:
    """Return a scope with an empty model; a timeline of the same problem saves looking up its clock again."""
    kinds = {kind.id: kind for kind in (*problem.kinds, *problem.past_kinds)}
    numbers = {agent.id: number for number, agent in enumerate(problem.agents)}
    return Scope(LinearModel(), problem, timeline or Timeline(problem), kinds, numbers, {})


def add_agent(scope: Scope, agent: Agent) -> AgentDays:
    """Add the variables and all rules of one agent to the scope's model and return the variables."""
    contract = next(c for c in scope.problem.contracts if c.id == agent.contract_id)
    days = _variables(scope, agent, contract)
    for rule in RULES:
        rule(scope, days)
    return days


def may_work(agent: Agent, contract: Contract, kind: ShiftKind) -> bool:
    """Return whether a kind of shift is open to an agent at all: by its kind and its paid hours."""
    if agent.kind_ids is not None and kind.id not in agent.kind_ids:
        return False
    return contract.day_s is None or contract.day_s[0] <= kind.paid_s <= contract.day_s[1]


def forbid_what_cannot_be(scope: Scope, days: AgentDays) -> None:
    """Rule out shifts against availability and absences."""
    agent = days.agent
    for day in range(scope.problem.days):
        for kind_id, variable in days.shift[day].items():
            kind = scope.kinds[kind_id]
            reason = _reason_against(scope, agent, kind, day)
            if reason:
                rule = Rule(agent.id, reason, _PROMISE)
                scope.model.fix(variable, 0, rule=rule, where=f"day {day + 1}")


def grant_time_off(scope: Scope, days: AgentDays) -> None:
    """Keep granted days off free."""
    for off in scope.problem.time_off:
        if off.agent_id == days.agent.id:
            for day in range(max(0, off.first_day), min(off.last_day + 1, scope.problem.days)):
                rule = Rule(days.agent.id, f"time off on day {day + 1}", _PROMISE)
                scope.model.fix(days.works[day], 0, rule=rule)


def keep_locks(scope: Scope, days: AgentDays) -> None:
    """Keep locked assignments."""
    for lock in scope.problem.locks:
        if lock.agent_id != days.agent.id:
            continue
        shift = days.shift[lock.day]
        what = lock.kind_id or "day off"
        rule = Rule(days.agent.id, f"locked {what} on day {lock.day + 1}", _PROMISE)
        if lock.kind_id is None:
            scope.model.fix(days.works[lock.day], 0, rule=rule)
        elif lock.kind_id in shift:
            scope.model.fix(shift[lock.kind_id], 1, rule=rule)
        else:
            scope.model.row([], 1, rule=rule)


def rest_between_shifts(scope: Scope, days: AgentDays) -> None:
    """Keep the rest between two shifts, and kinds apart that may not follow one another."""
    rest_s = days.contract.min_rest_s
    rule = Rule(days.agent.id, f"{rest_s / _HOUR_S:g} h rest between shifts", _LAW)
    for day in range(days.first, scope.problem.days - 1):
        for later in range(max(0, day + 1), min(day + 3, scope.problem.days)):
            where = f"day {day + 1} to {later + 1}"
            for before, after in _forbidden_pairs(scope, days, day, later, rest_s):
                scope.model.row(_ones(before + after), upper=1, rule=rule, where=where)


def limit_runs(scope: Scope, days: AgentDays) -> None:
    """Limit worked days in a row and days off in a row."""
    contract, model, agent_id = days.contract, scope.model, days.agent.id
    longest, shortest, off = contract.max_days_in_row, contract.min_days_in_row, contract.min_days_off_in_row
    for day in range(scope.problem.days):
        where = f"day {day + 1}"
        if longest is not None and day - longest >= days.first:
            starts = [(days.starts_run[d], 1) for d in range(day - longest + 1, day + 1)]
            rule = Rule(agent_id, f"at most {longest} days in a row", _LAW)
            model.row([*starts, (days.works[day], -1)], lower=0, rule=rule, where=where)
        if shortest > 1:
            recent = range(max(days.first, day - shortest) + 1, day + 1)
            starts = [(days.starts_run[d], 1) for d in recent]
            rule = Rule(agent_id, f"at least {shortest} days in a row", _RHYTHM)
            model.row([*starts, (days.works[day], -1)], upper=0, rule=rule, where=where)
        if off > 1:
            recent = range(max(days.first, day - off) + 1, day + 1)
            ends = [term for d in recent for term in _ends_run(days, d)]
            rule = Rule(agent_id, f"at least {off} days off in a row", _RHYTHM)
            model.row([*ends, (days.works[day], 1)], upper=1, rule=rule, where=where)


def limit_hours(scope: Scope, days: AgentDays) -> None:
    """Limit paid hours of each week and of the period, less what granted time off counts."""
    contract = days.contract
    for part in contract.all_parts(scope.problem.days):
        if part.paid_s:
            _hours_row(scope, days, part.days, part.paid_s, part.name)
    for number, week in enumerate(scope.timeline.weeks, 1):
        if contract.week_s:
            least_s = contract.week_s[0] if len(week) == WEEK_DAYS else 0
            _hours_row(scope, days, week, (least_s, contract.week_s[1]), f"in week {number}")


def limit_days(scope: Scope, days: AgentDays) -> None:
    """Limit worked days of each week and days off in the period, granted time off aside."""
    contract = days.contract
    granted = partial(scope.timeline.granted_days, days.agent.id)
    for number, week in enumerate(scope.timeline.weeks, 1):
        if contract.week_days:
            least, most = contract.week_days
            least = least if len(week) == WEEK_DAYS else 0
            rule = Rule(days.agent.id, f"{_between(least, most)} days in week {number}")
            least = max(0, least - granted(week))
            scope.model.row([(days.works[d], 1) for d in week], least, most, rule=rule)
    for part in contract.all_parts(scope.problem.days):
        if part.days_off:
            least, most = part.days_off
            span = part.days
            rule = Rule(days.agent.id, f"{_between(least, most)} days off {part.name}")
            fewest = max(0, len(span) - most - granted(span))
            terms = [(days.works[d], 1) for d in span]
            scope.model.row(terms, fewest, max(0, len(span) - least), rule=rule)


def limit_weekends(scope: Scope, days: AgentDays) -> None:
    """Limit worked weekends of the period."""
    limited = [part for part in days.contract.all_parts(scope.problem.days) if part.max_weekends is not None]
    if not limited:
        return
    weekends = scope.timeline.weekends
    worked = [_worked_weekend(scope, days, weekend) for weekend in weekends]
    for part in limited:
        rule = Rule(days.agent.id, f"at most {part.max_weekends} worked weekends {part.name}")
        inside = [v for v, days_of in zip(worked, weekends, strict=True) if days_of[0] in part.days]
        scope.model.row(_ones(inside), upper=part.max_weekends or 0, rule=rule)


def limit_weekends_in_row(scope: Scope, days: AgentDays) -> None:
    """Limit worked weekends in a row, counted on from those before the period."""
    most = days.contract.max_weekends_in_row
    if most is None:
        return
    rule = Rule(days.agent.id, f"at most {most} worked weekends in a row")
    weekends = scope.timeline.weekends_since(days.first)
    done = [any(d < 0 and days.agent.worked_before[d] is not None for d in weekend) for weekend in weekends]
    own = [
        [] if known or weekend[-1] < 0 else [(_worked_weekend(scope, days, weekend), 1)]
        for known, weekend in zip(done, weekends, strict=True)
    ]
    for last in range(most, len(weekends)):
        terms = [term for each in own[last - most : last + 1] for term in each]
        if terms:
            scope.model.row(terms, upper=most - sum(done[last - most : last + 1]), rule=rule)


def keep_weekends_whole(scope: Scope, days: AgentDays) -> None:
    """Have both days of a weekend worked or none, also where the period begins between them."""
    if not days.contract.whole_weekends:
        return
    for saturday, sunday in (
        pair for pair in scope.timeline.weekends_since(max(-1, days.first)) if len(pair) == 2
    ):
        rule = Rule(days.agent.id, "both or no days of a weekend", _RHYTHM)
        terms = [(days.works[saturday], 1), (days.works[sunday], -1)]
        scope.model.row(terms, 0, 0, rule=rule, where=f"day {saturday + 1}")


def rest_each_week(scope: Scope, days: AgentDays) -> None:
    """Give each whole week a day off that lies inside a rest of the contract's length."""
    rest_s = days.contract.week_rest_s
    if rest_s is None:
        return
    for number, week in enumerate(scope.timeline.weeks, 1):
        if len(week) < WEEK_DAYS:
            continue
        rests = [_long_rest(scope, days, day, rest_s) for day in week]
        rule = Rule(days.agent.id, f"{rest_s / _HOUR_S:g} h rest in week {number}", _LAW)
        scope.model.row(_ones(rests), lower=1, rule=rule)


def limit_start_variance(scope: Scope, days: AgentDays) -> None:
    """Keep the shift starts of a week close together on the clock."""
    variance_s = days.contract.start_variance_s
    if variance_s is None:
        return
    bases = sorted({kind.start_s for kind in scope.problem.kinds})
    for number, week in enumerate(scope.timeline.weeks, 1):
        chosen = {base: scope.model.variable(agent=days.number) for base in bases}
        scope.model.row(_ones(chosen.values()), 1, 1)
        rule = Rule(days.agent.id, f"starts within {variance_s / _HOUR_S:g} h of each other in week {number}")
        for day in week:
            for start_s, shifts in _by_start(scope, days, day).items():
                fitting = [v for base, v in chosen.items() if base <= start_s <= base + variance_s]
                terms = [*_ones(shifts), *((v, -1) for v in fitting)]
                scope.model.row(terms, upper=0, rule=rule)


def limit_kinds(scope: Scope, days: AgentDays) -> None:
    """Limit the shifts of a kind in the period."""
    for part in days.contract.all_parts(scope.problem.days):
        for kind_id, (least, most) in part.shifts.items():
            shifts = [days.shift[d][kind_id] for d in part.days if kind_id in days.shift[d]]
            if least > 0 or most < len(shifts):
                rule = Rule(days.agent.id, f"{_between(least, most)} shifts {kind_id} {part.name}")
                scope.model.row(_ones(shifts), least, most, rule=rule)


RULES: tuple[Callable[[Scope, AgentDays], None], ...] = (
    forbid_what_cannot_be,
    grant_time_off,
    keep_locks,
    rest_between_shifts,
    limit_runs,
    limit_hours,
    limit_days,
    limit_weekends,
    limit_weekends_in_row,
    keep_weekends_whole,
    rest_each_week,
    limit_start_variance,
    limit_kinds,
)


def _variables(scope: Scope, agent: Agent, contract: Contract) -> AgentDays:
    model = scope.model
    number = scope.numbers[agent.id]
    days = AgentDays(agent, contract, number, -len(agent.worked_before))
    for day in range(days.first, scope.problem.days):
        if day < 0:
            worked = agent.worked_before[day]
            kinds = [] if worked is None else [worked]
        else:
            weekday = scope.timeline.weekday(day)
            kinds = [
                k.id for k in scope.problem.kinds if weekday in k.weekdays and may_work(agent, contract, k)
            ]
        days.shift[day] = {kind_id: model.variable(agent=number, day=max(day, 0)) for kind_id in kinds}
        days.works[day] = model.variable(implied=True, agent=days.number)
        model.row([*_ones(days.shift[day].values()), (days.works[day], -1)], 0, 0)
        _add_run_start(scope, days, day)
    for day in range(days.first, 0):
        for variable in days.shift[day].values():
            model.fix(variable, 1)
    return days


def _add_run_start(scope: Scope, days: AgentDays, day: int) -> None:
    model, works = scope.model, days.works
    start = days.starts_run[day] = model.variable(implied=True, agent=days.number)
    if day == days.first:
        model.row([(start, 1), (works[day], -1)], 0, 0)
        return
    model.row([(start, 1), (works[day], -1), (works[day - 1], 1)], lower=0)
    model.row([(start, 1), (works[day], -1)], upper=0)
    model.row([(start, 1), (works[day - 1], 1)], upper=1)


def _worked_weekend(scope: Scope, days: AgentDays, weekend: Iterable[int]) -> int:
    """Return a variable that is 1 when a day of a weekend, as far as it lies in the period, is worked."""
    worked = scope.model.variable(implied=True, agent=days.number)
    for day in weekend:
        if day >= 0:
            scope.model.row([(worked, 1), (days.works[day], -1)], lower=0)
    return worked


def _reason_against(scope: Scope, agent: Agent, kind: ShiftKind, day: int) -> str | None:
    """Return why an agent never gets a kind of shift on a day, or None."""
    if agent.windows:
        window = agent.windows[scope.timeline.weekday(day)]
        if window is None or kind.start_s < window[0] or kind.end_s > window[1]:
            return "availability"
    start, end = scope.timeline.shift_at(kind, day)
    for absence in scope.problem.absences:
        if absence.agent_id == agent.id and start < absence.until and absence.since < end:
            return "absence"
    return None


def _forbidden_pairs(
    scope: Scope, days: AgentDays, day: int, later: int, rest_s: int
) -> list[tuple[list[int], list[int]]]:
    """Return largest sets of shifts of two days of which only one can be worked."""
    first, second = days.shift[day], days.shift[later]
    key = (day, later, rest_s, tuple(first), tuple(second))
    pairs = scope.forbidden.get(key)
    if pairs is None:
        pairs = scope.forbidden[key] = _forbidden_kinds(scope, day, later, rest_s, first, second)
    return [([first[k] for k in before], [second[k] for k in after]) for before, after in pairs]


def _forbidden_kinds(
    scope: Scope, day: int, later: int, rest_s: int, first: Iterable[str], second: Iterable[str]
) -> list[tuple[list[str], list[str]]]:
    after = {k: scope.timeline.shift_at(scope.kinds[k], later)[0] for k in second}
    closed: dict[str, frozenset[str]] = {}
    for kind_id in first:
        kind = scope.kinds[kind_id]
        end = scope.timeline.shift_at(kind, day)[1]
        banned = kind.not_followed_by if later == day + 1 else frozenset[str]()
        closed[kind_id] = frozenset(k for k, start in after.items() if start - end < rest_s or k in banned)
    return [
        ([k for k, banned in closed.items() if followers <= banned], sorted(followers))
        for followers in dict.fromkeys(closed.values())
        if followers
    ]


def _ends_run(days: AgentDays, day: int) -> list[Term]:
    """Return a sum that is 1 when the day is the first free one after a run, else 0."""
    return [(days.starts_run[day], 1), (days.works[day], -1), (days.works[day - 1], 1)]


def _hours_row(scope: Scope, days: AgentDays, span: Sequence[int], limits: Limits, where: str) -> None:
    credit = sum(_credits(scope, days.agent.id, span))
    terms = [(v, scope.kinds[k].paid_s) for d in span for k, v in days.shift[d].items()]
    least, most = max(0, limits[0] - credit), max(0, limits[1] - credit)
    rule = Rule(days.agent.id, f"{_hours(limits)} {where}", _HOURS, _HOUR_S)
    scope.model.row(terms, least or -FREE, most, rule=rule)


def _credits(scope: Scope, agent_id: str, span: Sequence[int]) -> Iterable[int]:
    for off in scope.problem.time_off:
        if off.agent_id == agent_id and off.credit_s:
            yield off.credit_s * sum(off.first_day <= day <= off.last_day for day in span)


def _long_rest(scope: Scope, days: AgentDays, day: int, rest_s: int) -> int:
    """Return a variable that is 1 only when a long rest lies around the day off `day`."""
    rest = scope.model.variable(agent=days.number)
    scope.model.row([(rest, 1), (days.works[day], 1)], upper=1)
    last = scope.problem.days - 1
    for before in range(max(days.first, day - _REST_REACH_DAYS), day):
        for after in range(day + 1, min(last, day + _REST_REACH_DAYS) + 1):
            for some, others in _forbidden_pairs(scope, days, before, after, rest_s):
                scope.model.row([*_ones(some + others), (rest, 1)], upper=2)
    return rest


def _by_start(scope: Scope, days: AgentDays, day: int) -> dict[int, list[int]]:
    shifts: dict[int, list[int]] = {}
    for kind_id, variable in days.shift[day].items():
        shifts.setdefault(scope.kinds[kind_id].start_s, []).append(variable)
    return shifts


def _ones(variables: Iterable[int]) -> list[Term]:
    return [(variable, 1) for variable in variables]


def _between(least: int, most: int) -> str:
    return f"exactly {least}" if least == most else f"{least} to {most}"


def _hours(limits: Limits) -> str:
    least, most = (f"{limit / _HOUR_S:g}" for limit in limits)
    return f"exactly {least} h" if least == most else f"{least} to {most} h"
