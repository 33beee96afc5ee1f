"""Decides what a roster costs: cover by team and slot with breaks, wishes, fairness, changes."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from staffing.rostering.alike import Group, families, groups
from staffing.rostering.breaks import Steps, at_work, break_counts, start_counts
from staffing.rostering.conflicts import Concession, concede_all
from staffing.rostering.linear import LinearModel, Term
from staffing.rostering.model import Agent, Conflict, RosterProblem, TeamRequirement
from staffing.rostering.rules import AgentDays, Scope, add_agent, new_scope
from staffing.rostering.timeline import Timeline
from staffing.shifts import ShiftKind

_HOUR_S = 3600


@dataclass(frozen=True, slots=True)
class Miss:
    """Variables of agents too few and too many for a team in a slot, or on a kind of shift on a day.

    Attributes:
        what: Team, or id of the kind of shift.
        at: Slot, or day.
        required: Agents wanted.
        under: Variable of agents too few.
        over: Variable of agents too many.
    """

    what: str
    at: int
    required: int
    under: int
    over: int


@dataclass(slots=True)
class RosterModel:
    """The linear model of a problem and where its variables are.

    Attributes:
        agents: Variables of each agent, by id.
        starts: For (group, day, number of the family) how many agents have started by each slot.
        breaks: For the same, how many agents have begun each break by each slot.
        serves: For (group, slot) the agents who work for each team; only for groups with several teams.
        slot_misses: Agents too few and too many by team and slot.
        kind_misses: The same by kind of shift and day.
        conflicts: Rules that can't all hold; the model keeps them as far as possible.
        level: The common level of points of unpopular shifts, -1 for none.
        fairness: For the number of an agent the points above and below that level.
    """

    scope: Scope
    agents: dict[str, AgentDays] = field(default_factory=dict)
    starts: dict[tuple[Group, int, int], Steps] = field(default_factory=dict)
    breaks: dict[tuple[Group, int, int], list[Steps]] = field(default_factory=dict)
    serves: dict[tuple[Group, int], dict[str, int]] = field(default_factory=dict)
    slot_misses: list[Miss] = field(default_factory=list)
    kind_misses: list[Miss] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)
    level: int = -1
    fairness: dict[int, tuple[int, int]] = field(default_factory=dict)


def build_model(problem: RosterProblem) -> RosterModel:
    """Return the linear model of a roster problem: hard rules of the agents, everything else priced."""
    model = RosterModel(new_scope(problem))
    answers = concede_all(problem)
    for agent, (concession, conflicts) in zip(problem.agents, answers, strict=True):
        rows, fixes = len(model.scope.model.rows), len(model.scope.model.fixes)
        model.agents[agent.id] = add_agent(model.scope, agent)
        _widen(model.scope.model, concession, rows, fixes)
        model.conflicts.extend(conflicts)
    _price_days(model)
    _price_fairness(model)
    _price_kinds(model)
    if problem.requirements:
        _price_slots(model)
    return model


def _widen(linear: LinearModel, concession: Concession, rows: int, fixes: int) -> None:
    """Apply a concession to the agent's part of the model, which begins at these rows and fixes."""
    for number, limits in concession.rows.items():
        linear.row_lower[rows + number], linear.row_upper[rows + number] = limits
    for number in sorted(concession.fixes, reverse=True):
        del linear.fixes[fixes + number], linear.fix_where[fixes + number]


def _price_days(model: RosterModel) -> None:
    """Add the prices of paid hours, wishes and changes to the variables of shifts and worked days."""
    scope, problem = model.scope, model.scope.problem
    for days in model.agents.values():
        for day in range(problem.days):
            for kind_id, variable in days.shift[day].items():
                paid_s = scope.kinds[kind_id].paid_s
                scope.model.cost[variable] += round(paid_s * days.contract.hour_cost / _HOUR_S)
            if problem.published:
                published = problem.published.get((days.agent.id, day))
                _price(scope.model, days, day, published, cost=problem.change_cost, on=published is not None)
    for wish in problem.wishes:
        days = model.agents[wish.agent_id]
        _price(scope.model, days, wish.day, wish.kind_id, cost=wish.cost, on=wish.on)


def _price(
    model: LinearModel, days: AgentDays, day: int, kind_id: str | None, *, cost: int, on: bool
) -> None:
    """Price not working (`on`) or working a kind of shift, or any shift, on a day."""
    variable = days.works[day] if kind_id is None else days.shift[day].get(kind_id)
    if on:
        model.offset += cost
    if variable is not None:
        model.cost[variable] += -cost if on else cost


def _price_fairness(model: RosterModel) -> None:
    """Price the distance of each agent's points of unpopular shifts from a common level."""
    scope, cost = model.scope, model.scope.problem.fairness_cost
    loads = [(days, _points(scope, days)) for days in model.agents.values()]
    loads = [(days, terms) for days, terms in loads if terms]
    if not cost or len(loads) < 2:
        return
    most = max(days.agent.points_before + sum(c for _v, c in terms) for days, terms in loads)
    level = model.level = scope.model.variable(most)
    for days, terms in loads:
        over = scope.model.variable(most, cost=cost, implied=True, agent=days.number)
        under = scope.model.variable(most, cost=cost, implied=True, agent=days.number)
        before = days.agent.points_before
        model.fairness[days.number] = (over, under)
        scope.model.row([*terms, (level, -1), (over, -1), (under, 1)], -before, -before)


def _points(scope: Scope, days: AgentDays) -> list[Term]:
    return [
        (variable, scope.kinds[kind_id].unpopularity)
        for day in range(scope.problem.days)
        for kind_id, variable in days.shift[day].items()
        if scope.kinds[kind_id].unpopularity
    ]


def _price_kinds(model: RosterModel) -> None:
    """Price agents too few and too many on a kind of shift."""
    linear, many = model.scope.model, len(model.agents)
    for want in model.scope.problem.shift_requirements:
        under = linear.variable(want.required, cost=want.under_cost, implied=True, day=want.day)
        over = linear.variable(many, cost=want.over_cost, implied=True, day=want.day)
        shifts = [days.shift[want.day].get(want.kind_id) for days in model.agents.values()]
        terms = [(v, 1) for v in shifts if v is not None]
        model.kind_misses.append(Miss(want.kind_id, want.day, want.required, under, over))
        linear.row([*terms, (under, 1), (over, -1)], want.required, want.required)


def _price_slots(model: RosterModel) -> None:
    """Price agents too few and too many of each team in each slot; nobody counts twice."""
    scope = model.scope
    serving: dict[tuple[str, int], list[Term]] = {}
    for group, agents in groups(scope.problem).items():
        if not group:
            continue
        present = _presence(model, group, agents)
        for slot, terms in present.items():
            for team, term in _serve(model, group, slot, terms, len(agents)):
                serving.setdefault((team, slot), []).extend(term)
    for requirement in scope.problem.requirements:
        _price_team(model, requirement, serving)


def _presence(model: RosterModel, group: Group, agents: list[Agent]) -> dict[int, list[Term]]:
    """Return for each slot the sum of the group's agents on shift and not on a break."""
    present: dict[int, list[Term]] = {}
    for day in range(model.scope.problem.days):
        for number, family in enumerate(families(model.scope.problem)):
            by_slot: dict[int, list[int]] = {}
            for kind in family:
                shifts = [model.agents[a.id].shift[day].get(kind.id) for a in agents]
                variables = [v for v in shifts if v is not None]
                if variables:
                    by_slot.setdefault(_start_slot(model.scope.timeline, kind, day), []).extend(variables)
            if by_slot:
                _cover(model, present, (group, day, number), by_slot)
    return present


def _cover(
    model: RosterModel,
    present: dict[int, list[Term]],
    where: tuple[Group, int, int],
    by_slot: Mapping[int, list[int]],
) -> None:
    """Add the agents on shifts of a family to the slots they cover, less those on a break."""
    timeline = model.scope.timeline
    step_s = timeline.problem.grid.step_s
    kind = families(timeline.problem)[where[2]][0]
    started = model.starts[where] = start_counts(model.scope.model, by_slot, day=where[1])
    pauses = model.breaks[where] = break_counts(model.scope.model, kind, started, step_s, day=where[1])
    for slot, terms in at_work(kind, started, pauses, step_s):
        if 0 <= slot < timeline.slots:
            present.setdefault(slot, []).extend(terms)


def _start_slot(timeline: Timeline, kind: ShiftKind, day: int) -> int:
    """Return the slot in which a shift starts; it may lie outside the period."""
    return int(-(-(timeline.shift_at(kind, day)[0] - timeline.starts_at) // timeline.problem.grid.step_s))


def _serve(
    model: RosterModel, group: Group, slot: int, terms: list[Term], many: int
) -> list[tuple[str, list[Term]]]:
    """Return what each team gets of a group in a slot: all of it, or a share that is to be decided."""
    if len(group) == 1:
        return [(team, terms) for team in group]
    linear, day = model.scope.model, model.scope.timeline.day_of(slot)
    shares = {team: linear.variable(many, implied=True, day=day) for team in sorted(group)}
    model.serves[group, slot] = shares
    linear.row([*terms, *((v, -1) for v in shares.values())], 0, 0)
    return [(team, [(variable, 1)]) for team, variable in shares.items()]


def _price_team(
    model: RosterModel, requirement: TeamRequirement, serving: Mapping[tuple[str, int], list[Term]]
) -> None:
    scope, linear, many = model.scope, model.scope.model, len(model.agents)
    for slot, required in enumerate(requirement.required):
        terms = serving.get((requirement.team, slot), [])
        if not terms:
            linear.offset += required * requirement.under_cost
            continue
        day = scope.timeline.day_of(slot)
        under = linear.variable(required, cost=requirement.under_cost, implied=True, day=day)
        over = linear.variable(many, cost=requirement.over_cost, implied=True, day=day)
        linear.row([*terms, (under, 1), (over, -1)], required, required)
        model.slot_misses.append(Miss(requirement.team, slot, required, under, over))
