"""Decides what a roster problem and a finished roster are: values only, no solving."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from staffing.intervals import Grid
from staffing.shifts import DAY_S, ShiftKind

Limits = tuple[int, int]
"""Least and most, both allowed; equal for an exact value."""

REST_S = 11 * 3600
"""Daily rest of the EU working-time directive (2003/88/EC, article 3)."""


@dataclass(frozen=True, slots=True)
class PeriodPart:
    """Days of a problem that belong to one period of a contract, and what is left of its limits for them.

    Args:
        first_day: First day, from 0.
        last_day: Last day, inclusive.
        name: The part in words, as messages end: "in the period".
        paid_s: Least and most paid seconds of these days.
        days_off: Least and most days off among them; granted ones come on top of the most.
        max_weekends: Most weekends with work on a Saturday or Sunday among them.
        shifts: Least and most shifts of a kind among them, by kind.
    """

    first_day: int
    last_day: int
    name: str = "in the period"
    paid_s: Limits | None = None
    days_off: Limits | None = None
    max_weekends: int | None = None
    shifts: Mapping[str, Limits] = field(default_factory=dict)

    @property
    def days(self) -> range:
        """The days."""
        return range(self.first_day, self.last_day + 1)


@dataclass(frozen=True, slots=True)
class Contract:
    """Work rules that an agent has agreed to. None means that there is no such rule.

    Hours are paid seconds (see `ShiftKind.paid_s`); weeks are blocks of seven days from the first day of
    the period. A rule about rest or about runs of days or weekends ignores what lies outside the period,
    except for days told by `Agent.worked_before`. Granted days off are taken from the fewest worked days of
    a week and come on top of the most days off of the period.

    Args:
        id: Name, unique within a problem.
        day_s: Least and most paid seconds of one worked day.
        week_s: Least and most paid seconds of each whole week.
        period_s: Least and most paid seconds of the whole period.
        min_rest_s: Least time from the end of a shift to the start of the next.
        week_rest_s: Least unbroken time off that must lie within each whole week.
        week_days: Least and most worked days of each whole week.
        max_days_in_row: Most worked days in a row.
        min_days_in_row: Fewest worked days in a row.
        min_days_off_in_row: Fewest days off in a row.
        period_days_off: Least and most days off in the period.
        max_weekends: Most weekends of the period with work on Saturday or Sunday.
        max_weekends_in_row: Most such weekends in a row.
        whole_weekends: Whether Saturday and Sunday are both worked or both free.
        start_variance_s: Largest difference of shift starts on the local clock within a week.
        shift_limits: Least and most shifts of a kind in the period, by kind.
        parts: Limits of some days of the period on top of these.
        hour_cost: Price of a paid hour, in the units of the problem's other prices.
    """

    id: str
    day_s: Limits | None = None
    week_s: Limits | None = None
    period_s: Limits | None = None
    min_rest_s: int = REST_S
    week_rest_s: int | None = None
    week_days: Limits | None = None
    max_days_in_row: int | None = 6
    min_days_in_row: int = 1
    min_days_off_in_row: int = 1
    period_days_off: Limits | None = None
    max_weekends: int | None = None
    max_weekends_in_row: int | None = None
    whole_weekends: bool = False
    start_variance_s: int | None = None
    shift_limits: Mapping[str, Limits] = field(default_factory=dict)
    parts: tuple[PeriodPart, ...] = ()
    hour_cost: int = 0

    def all_parts(self, days: int) -> tuple[PeriodPart, ...]:
        """Return the limits of the whole period, of so many days, as a part of its own before the others."""
        limits = (self.period_s, self.period_days_off, self.max_weekends, self.shift_limits)
        return (PeriodPart(0, days - 1, "in the period", *limits), *self.parts)


@dataclass(frozen=True, slots=True)
class Agent:
    """A person who can be rostered.

    Args:
        id: Name, unique within a problem.
        contract_id: The contract whose rules hold.
        teams: Teams whose work the agent can do; at least one.
        kind_ids: Kinds of shift the agent may get; None for all.
        windows: For each weekday (0 Monday) the earliest start and latest end on the local clock in seconds
            after midnight, or None when not available; empty for always available.
        worked_before: Kind of shift of each day before the period, None for a day off, latest day last;
            empty when not known. As many days as the rules of the contract look back.
        points_before: Points of unpopular shifts carried over from earlier periods.
    """

    id: str
    contract_id: str
    teams: frozenset[str]
    kind_ids: frozenset[str] | None = None
    windows: tuple[Limits | None, ...] = ()
    worked_before: tuple[str | None, ...] = ()
    points_before: int = 0


@dataclass(frozen=True, slots=True)
class TeamRequirement:
    """Agents that a team needs in each slot of the period, and the prices of missing it.

    Args:
        team: The team.
        required: Agents needed, one entry for each slot of the problem's grid.
        under_cost: Price of one agent too few during one slot.
        over_cost: Price of one agent too many during one slot.
    """

    team: str
    required: tuple[int, ...]
    under_cost: int = 100
    over_cost: int = 10


@dataclass(frozen=True, slots=True)
class ShiftRequirement:
    """Number of agents wanted on a kind of shift on a day, whatever their team.

    Args:
        day: Day of the period, from 0.
        kind_id: The kind of shift.
        required: Agents wanted.
        under_cost: Price of each one too few.
        over_cost: Price of each one too many.
    """

    day: int
    kind_id: str
    required: int
    under_cost: int = 100
    over_cost: int = 1


@dataclass(frozen=True, slots=True)
class TimeOff:
    """Days on which an agent must not work.

    Args:
        agent_id: The agent.
        first_day: First day off, from 0.
        last_day: Last day off, inclusive.
        credit_s: Paid seconds that each day counts towards the contract's hours.
    """

    agent_id: str
    first_day: int
    last_day: int
    credit_s: int = 0


@dataclass(frozen=True, slots=True)
class Absence:
    """A stretch of time (training, a doctor's visit) in which an agent cannot be on shift, epoch seconds."""

    agent_id: str
    since: float
    until: float


@dataclass(frozen=True, slots=True)
class Wish:
    """What an agent would like on a day, and the price of not granting it.

    Args:
        agent_id: The agent.
        day: Day of the period, from 0.
        cost: Price when the wish is not granted.
        on: True to work, False not to work.
        kind_id: The kind of shift wished or unwished; None for any.
    """

    agent_id: str
    day: int
    cost: int
    on: bool
    kind_id: str | None = None


@dataclass(frozen=True, slots=True)
class Lock:
    """An assignment that must stay: this kind of shift on this day, or None for a day off."""

    agent_id: str
    day: int
    kind_id: str | None


@dataclass(frozen=True, slots=True)
class RosterProblem:
    """Everything that a roster is made from.

    Args:
        grid: The site's grid; its intervals are the slots in which cover is counted and breaks are placed.
        starts_on: First local date of the period.
        days: Number of days.
        kinds: Kinds of shift.
        contracts: Contracts that agents refer to.
        agents: The people.
        requirements: Agents needed, by team and slot; a team may have several.
        shift_requirements: Agents wanted by kind of shift.
        time_off: Days off that have been granted.
        absences: Times at which agents cannot be on shift.
        wishes: Requests that are priced, not promised.
        locks: Assignments that must stay.
        published: Kind of shift by agent and day of the roster already published; empty for none.
        change_cost: Price of each agent's day that differs from the published roster.
        fairness_cost: Price of each point of unpopular shifts away from the agents' common level.
        past_kinds: Kinds of shift that were worked before the period and are none of its kinds.
    """

    grid: Grid
    starts_on: date
    days: int
    kinds: tuple[ShiftKind, ...]
    contracts: tuple[Contract, ...]
    agents: tuple[Agent, ...]
    requirements: tuple[TeamRequirement, ...] = ()
    shift_requirements: tuple[ShiftRequirement, ...] = ()
    time_off: tuple[TimeOff, ...] = ()
    absences: tuple[Absence, ...] = ()
    wishes: tuple[Wish, ...] = ()
    locks: tuple[Lock, ...] = ()
    published: Mapping[tuple[str, int], str] = field(default_factory=dict)
    change_cost: int = 0
    fairness_cost: int = 0
    past_kinds: tuple[ShiftKind, ...] = ()

    @property
    def overnight(self) -> bool:
        """Whether shifts cover slots of the next day."""
        return any(kind.end_s > DAY_S for kind in self.kinds)


@dataclass(frozen=True, slots=True)
class Spell:
    """A stretch of a shift: work for a team or a pause, epoch seconds."""

    activity: str
    since: float
    until: float


@dataclass(frozen=True, slots=True)
class Assignment:
    """One agent's shift on one day.

    Args:
        agent_id: The agent.
        day: Day of the period, from 0.
        kind_id: The kind of shift.
        starts_at: Start, epoch seconds.
        ends_at: End, epoch seconds.
        breaks: Pauses in order; `activity` is the break's name.
        work: Stretches of work in order; `activity` is the team. Empty where no requirement by slot exists.
    """

    agent_id: str
    day: int
    kind_id: str
    starts_at: float
    ends_at: float
    breaks: tuple[Spell, ...] = ()
    work: tuple[Spell, ...] = ()


@dataclass(frozen=True, slots=True)
class Conflict:
    """Rules of an agent that can't all hold; without any one of them the others can.

    Args:
        agent_id: The agent.
        rules: The rules in words.
        given_up: Those that the roster breaks, by as little as possible.
    """

    agent_id: str
    rules: tuple[str, ...]
    given_up: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a search has come: prices of the best roster and of the proven bound, None before the first."""

    phase: str
    elapsed_s: float
    objective: int | None
    bound: float | None

    @property
    def gap(self) -> float | None:
        """Share of the objective that might still be saved; None while a side is missing."""
        if self.objective is None or self.bound is None:
            return None
        return relative_gap(self.objective, self.bound)


@dataclass(frozen=True, slots=True)
class Roster:
    """A finished roster.

    Args:
        assignments: Shifts, ordered by agent and day.
        objective: Price of the roster.
        bound: Proven: no roster under the same rules costs less.
        costs: The objective by heading ("under", "over", "wishes", "fairness", "changes", "hours", "shifts").
        status: "optimal" when proven, "stopped" when cancelled, else "feasible".
        conflicts: Rules that could not all hold.
        seed: Seed of the search.
        elapsed_s: Time the search took.
        repeatable: Whether the same problem, seed and time limit give this roster again, with any number of
            threads and under any load: steps were counted and the clock ended nothing. Other versions of the
            solvers, or another kind of processor, may still give another.
        cut_short: Whether the clock ended a search before its last step.
    """

    assignments: tuple[Assignment, ...]
    objective: int
    bound: float
    costs: Mapping[str, int]
    status: str
    conflicts: tuple[Conflict, ...] = ()
    seed: int = 0
    elapsed_s: float = 0.0
    repeatable: bool = False
    cut_short: bool = False

    @property
    def gap(self) -> float:
        """Share of the objective that might still be saved: (objective - bound) / objective."""
        return relative_gap(self.objective, self.bound)


def relative_gap(objective: float, bound: float) -> float:
    """Return (objective - bound) / objective, 0 when they are equal."""
    if objective - bound <= 1e-9:
        return 0.0
    return (objective - bound) / abs(objective) if objective else float("inf")
