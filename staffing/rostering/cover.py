"""Decides what a roster costs: cover by team and slot with breaks, wishes, fairness, changes."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from staffing.rostering.linear import LinearModel, Term
from staffing.rostering.model import Agent, RosterProblem, TeamRequirement
from staffing.rostering.rules import AgentDays, Scope, add_agent, new_scope
from staffing.shifts import Break, ShiftKind

Group = frozenset[str]
"""Agents who can work for the same teams; they are alike where breaks and cover are concerned."""

_HOUR_S = 3600


@dataclass(slots=True)
class RosterModel:
    """The linear model of a problem and where its variables are.

    Attributes:
        agents: Variables of each agent, by id.
        breaks: For (group, day, kind, number of the break) the agents who start it, by start in seconds
            after the start of the shift.
        serves: For (group, slot) the agents who work for each team; only for groups with several teams.
    """

    scope: Scope
    agents: dict[str, AgentDays] = field(default_factory=dict)
    breaks: dict[tuple[Group, int, str, int], dict[int, int]] = field(default_factory=dict)
    serves: dict[tuple[Group, int], dict[str, int]] = field(default_factory=dict)


def build_model(problem: RosterProblem) -> RosterModel:
    """Return the linear model of a roster problem: hard rules of the agents, everything else priced."""
    model = RosterModel(new_scope(problem))
    for agent in problem.agents:
        model.agents[agent.id] = add_agent(model.scope, agent)
    _price_days(model)
    _price_fairness(model)
    _price_kinds(model)
    if problem.requirements:
        _price_slots(model)
    return model


def groups(problem: RosterProblem) -> dict[Group, list[Agent]]:
    """Return the agents by the set of teams they can work for, as far as these have requirements."""
    wanted = {requirement.team for requirement in problem.requirements}
    found: dict[Group, list[Agent]] = {}
    for agent in problem.agents:
        found.setdefault(agent.teams & wanted, []).append(agent)
    return found


def break_starts(pause: Break, step_s: int) -> range:
    """Return where a break may start, seconds after the start of the shift, on the slots' raster."""
    return range(-(-pause.earliest_s // step_s) * step_s, pause.latest_s + 1, step_s)


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
    level = scope.model.variable(most)
    for days, terms in loads:
        over = scope.model.variable(most, cost=cost, implied=True)
        under = scope.model.variable(most, cost=cost, implied=True)
        before = days.agent.points_before
        scope.model.row([*terms, (level, -1), (over, -1), (under, 1)], -before, -before)


def _points(scope: Scope, days: AgentDays) -> list[Term]:
    return [
        (variable, scope.kinds[kind_id].unpopularity)
        for day in range(scope.problem.days)
        for kind_id, variable in days.shift[day].items()
        if scope.kinds[kind_id].unpopularity and may_work(days.agent, kind_id)
    ]


def may_work(agent: Agent, kind_id: str) -> bool:
    """Return whether a kind of shift is open to an agent at all."""
    return agent.kind_ids is None or kind_id in agent.kind_ids


def _price_kinds(model: RosterModel) -> None:
    """Price agents too few and too many on a kind of shift."""
    linear, many = model.scope.model, len(model.agents)
    for want in model.scope.problem.shift_requirements:
        under = linear.variable(want.required, cost=want.under_cost, implied=True)
        over = linear.variable(many, cost=want.over_cost, implied=True)
        shifts = [days.shift[want.day].get(want.kind_id) for days in model.agents.values()]
        terms = [(v, 1) for v in shifts if v is not None]
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
        _price_team(scope, requirement, serving)


def _presence(model: RosterModel, group: Group, agents: list[Agent]) -> dict[int, list[Term]]:
    """Return for each slot the sum of the group's agents on shift and not on a break."""
    scope, present = model.scope, dict[int, list[Term]]()
    for day in range(scope.problem.days):
        for kind in scope.problem.kinds:
            shifts = [model.agents[a.id].shift[day].get(kind.id) for a in agents if may_work(a, kind.id)]
            variables = [v for v in shifts if v is not None]
            if variables:
                count = scope.model.variable(len(variables), implied=True)
                scope.model.row([*((v, 1) for v in variables), (count, -1)], 0, 0)
                _cover(model, present, (group, day, kind), count, len(variables))
    return present


def _cover(
    model: RosterModel,
    present: dict[int, list[Term]],
    where: tuple[Group, int, ShiftKind],
    count: int,
    many: int,
) -> None:
    """Add a count of agents on a shift to the slots it covers, less those on a break."""
    group, day, kind = where
    timeline, linear = model.scope.timeline, model.scope.model
    start, end = timeline.shift_at(kind, day)
    for slot in timeline.slots_between(start, end):
        present.setdefault(slot, []).append((count, 1))
    before: dict[int, int] = {}
    for number, pause in enumerate(kind.breaks):
        starts = break_starts(pause, timeline.problem.grid.step_s)
        chosen = {at: linear.variable(many) for at in starts}
        model.breaks[group, day, kind.id, number] = chosen
        linear.row([*((v, 1) for v in chosen.values()), (count, -1)], 0, 0)
        for at, variable in chosen.items():
            for slot in timeline.slots_between(start + at, start + at + pause.length_s):
                present.setdefault(slot, []).append((variable, -1))
        if number:
            _order_breaks(linear, kind, kind.breaks[number - 1].length_s, before, chosen)
        before = chosen


def _order_breaks(
    linear: LinearModel, kind: ShiftKind, length_s: int, before: Mapping[int, int], after: Mapping[int, int]
) -> None:
    """Demand enough and not too much work between two breaks.

    The i-th earliest first break goes with the i-th earliest second one, so that sums up to each start say
    it all: as many second breaks as have a first break long enough before, and the other way round.
    """
    least_s = length_s + kind.min_work_s
    if max(before) + least_s > min(after):
        for at in list(after)[:-1]:
            early = [(v, 1) for start, v in after.items() if start <= at]
            linear.row([*early, *((v, -1) for s, v in before.items() if s + least_s <= at)], upper=0)
        last = max(after)
        for start, variable in before.items():
            if start + least_s > last:
                linear.row([(variable, 1)], upper=0)
    if kind.max_work_s is not None and min(before) + length_s + kind.max_work_s < max(after):
        most_s = length_s + kind.max_work_s
        for at in before:
            late = [(v, 1) for start, v in after.items() if start <= at + most_s]
            linear.row([*late, *((v, -1) for s, v in before.items() if s <= at)], lower=0)


def _serve(
    model: RosterModel, group: Group, slot: int, terms: list[Term], many: int
) -> list[tuple[str, list[Term]]]:
    """Return what each team gets of a group in a slot: all of it, or a share that is to be decided."""
    if len(group) == 1:
        return [(team, terms) for team in group]
    linear = model.scope.model
    shares = {team: linear.variable(many, implied=True) for team in sorted(group)}
    model.serves[group, slot] = shares
    linear.row([*terms, *((v, -1) for v in shares.values())], 0, 0)
    return [(team, [(variable, 1)]) for team, variable in shares.items()]


def _price_team(
    scope: Scope, requirement: TeamRequirement, serving: Mapping[tuple[str, int], list[Term]]
) -> None:
    linear, many = scope.model, len(scope.problem.agents)
    for slot, required in enumerate(requirement.required):
        terms = serving.get((requirement.team, slot), [])
        if not terms:
            linear.offset += required * requirement.under_cost
            continue
        under = linear.variable(required, cost=requirement.under_cost, implied=True)
        over = linear.variable(many, cost=requirement.over_cost, implied=True)
        linear.row([*terms, (under, 1), (over, -1)], required, required)
