"""Decides which rules of an agent can't all hold, names them, and gives up as little as possible."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np
from ortools.sat.python import cp_model

from staffing.rostering.linear import FREE, LinearModel, Rule, matrix
from staffing.rostering.model import Absence, Agent, Conflict, Lock, RosterProblem, TimeOff
from staffing.rostering.rules import Scope, add_agent, new_scope
from staffing.rostering.solvers import contradiction

_UNITS = 3600
_EFFORT = 5.0
_WEIGHT = 1e-9


@dataclass(frozen=True, slots=True)
class Concession:
    """How far the rules of one agent are widened so that they can hold.

    Attributes:
        rows: New limits of rows, by number of the row within the agent's part of the model.
        fixes: Numbers of the agent's fixes that are lifted.
    """

    rows: dict[int, tuple[int, int]] = field(default_factory=dict)
    fixes: frozenset[int] = frozenset()


def find_conflicts(problem: RosterProblem) -> tuple[Conflict, ...]:
    """Return the rules that can't all hold, agent by agent; empty when all rules can.

    Rules bind one agent at a time (everything shared is priced), so this is complete: without conflicts
    a roster exists.
    """
    return tuple(conflict for _concession, found in concede_all(problem) for conflict in found)


def concede_all(problem: RosterProblem) -> list[tuple[Concession, tuple[Conflict, ...]]]:
    """Return for each agent how rules are widened by as little as possible, and the conflicts behind it."""
    scope, known = new_scope(problem), dict[str, tuple[Concession, tuple[Conflict, ...]]]()
    found = []
    for agent, alike in zip(problem.agents, _alike(problem), strict=True):
        if alike not in known:
            known[alike] = _concede(scope, agent)
        concession, conflicts = known[alike]
        found.append((concession, tuple(replace(each, agent_id=agent.id) for each in conflicts)))
    return found


def _alike(problem: RosterProblem) -> list[str]:
    """Return for each agent a text that is equal for agents with the same rules, names aside."""
    contracts = {contract.id: repr(replace(contract, id="", hour_cost=0)) for contract in problem.contracts}
    own: dict[str, list[str]] = {agent.id: [] for agent in problem.agents}
    entries: tuple[TimeOff | Absence | Lock, ...] = (*problem.time_off, *problem.absences, *problem.locks)
    for entry in entries:
        own[entry.agent_id].append(repr(replace(entry, agent_id="")))
    return [
        repr(
            (
                contracts[agent.contract_id],
                None if agent.kind_ids is None else sorted(agent.kind_ids),
                agent.windows,
                agent.worked_before,
                own[agent.id],
            )
        )
        for agent in problem.agents
    ]


def _concede(scope: Scope, agent: Agent) -> tuple[Concession, tuple[Conflict, ...]]:
    """Return how an agent's rules are widened; the scope gives what all agents share, its model is left."""
    model = LinearModel()
    add_agent(replace(scope, model=model), agent)
    if _possible(model, set(_rules(model))):
        return Concession(), ()
    concession, given_up = _least_breach(model)
    kept = [rule for rule in _rules(model) if rule not in given_up]
    conflicts = []
    for rule in given_up:
        core = _smallest(model, [*kept, rule])
        rows = [model.row_where[number] for number in concession.rows if model.row_rule[number] == rule]
        fixes = [model.fix_where[number] for number in concession.fixes if model.fixes[number][2] == rule]
        given = tuple(f"{rule.text}, {where}" if where else rule.text for where in sorted({*rows, *fixes}))
        conflicts.append(Conflict(agent.id, tuple(r.text for r in core), given))
    return concession, tuple(conflicts)


def _rules(model: LinearModel) -> dict[Rule, None]:
    """Return the rules of a model in the order in which they were added."""
    found = dict.fromkeys(rule for rule in model.row_rule if rule is not None)
    return found | dict.fromkeys(rule for _v, _value, rule in model.fixes if rule is not None)


def _possible(model: LinearModel, kept: Iterable[Rule]) -> bool:
    """Return whether the rules can all hold."""
    cp, variables = _variables(model)
    wanted = set(kept)
    for terms, lower, upper, rule in _rows(model):
        if rule is None or rule in wanted:
            cp.add_linear_constraint(_sum(variables, terms), lower, upper)
    for variable, value, rule in model.fixes:
        if rule is None or rule in wanted:
            cp.add(variables[variable] == value)
    return bool(_solver(presolve=False).solve(cp) in (cp_model.OPTIMAL, cp_model.FEASIBLE))


def _smallest(model: LinearModel, rules: list[Rule]) -> list[Rule]:
    """Return rules that can't all hold although all but any one of them can: fewer are left out each time."""
    core = _weighed(model, rules) or rules
    size = len(core)
    while size > 1:
        size //= 2
        first = 0
        while first < len(core):
            others = core[:first] + core[first + size :]
            if _possible(model, others):
                first += size
            else:
                core = others
    return core


def _weighed(model: LinearModel, rules: list[Rule]) -> list[Rule]:
    """Return rules that have weight in a proof that not all can hold, none without such a proof.

    The proof is a sum of rows that no values of the variables can satisfy, whole or not (lemma of Farkas).
    It is found within milliseconds, but some rules clash in whole numbers only.
    """
    wanted = set(rules)
    kept = [rule is None or rule in wanted for rule in model.row_rule]
    whole = matrix(replace(model, fixes=[fix for fix in model.fixes if fix[2] is None or fix[2] in wanted]))
    part = replace(
        whole,
        row_lower=np.where(kept, whole.row_lower, -np.inf),
        row_upper=np.where(kept, whole.row_upper, np.inf),
    )
    weights = contradiction(part)
    if weights is None:
        return []
    heavy = {model.row_rule[number] for number in np.flatnonzero(np.abs(weights) > _WEIGHT)}
    touched = np.abs(whole.rows.T @ weights) > _WEIGHT
    heavy |= {rule for variable, _value, rule in model.fixes if touched[variable]}
    return [rule for rule in rules if rule in heavy]


def _least_breach(model: LinearModel) -> tuple[Concession, list[Rule]]:
    """Return the cheapest widening of the rules and the rules that are widened, the lightest first."""
    cp, variables = _variables(model)
    slacks: list[tuple[int, cp_model.IntVar, int]] = []
    lifted: list[tuple[int, cp_model.IntVar]] = []
    price: list[tuple[cp_model.IntVar, int]] = []
    for number, (terms, lower, upper, rule) in enumerate(_rows(model)):
        total = _sum(variables, terms)
        if rule is None:
            cp.add_linear_constraint(total, lower, upper)
            continue
        for sign, limited in ((-1, upper < FREE), (1, lower > -FREE)):
            if limited:
                slack = cp.new_int_var(0, 10_000_000, "")
                slacks.append((number, slack, sign))
                price.append((slack, rule.weight * _UNITS // rule.unit))
                cp.add(total - slack <= upper) if sign < 0 else cp.add(total + slack >= lower)
    for number, (variable, value, rule) in enumerate(model.fixes):
        if rule is None:
            cp.add(variables[variable] == value)
            continue
        lift = cp.new_bool_var("")
        lifted.append((number, lift))
        price.append((lift, rule.weight * _UNITS))
        cp.add(variables[variable] == value).only_enforce_if(~lift)
    cp.minimize(_sum([v for v, _c in price], [(i, c) for i, (_v, c) in enumerate(price)]))
    solver = _solver()
    solver.solve(cp)
    rows: dict[int, tuple[int, int]] = {}
    for number, slack, sign in slacks:
        amount = solver.value(slack)
        if amount:
            lower, upper = rows.get(number, (model.row_lower[number], model.row_upper[number]))
            rows[number] = (lower, upper + amount) if sign < 0 else (lower - amount, upper)
    fixes = frozenset(number for number, lift in lifted if solver.value(lift))
    broken = {model.row_rule[number] for number in rows} | {model.fixes[number][2] for number in fixes}
    return Concession(rows, fixes), [rule for rule in _rules(model) if rule in broken]


def _rows(model: LinearModel) -> Iterable[tuple[list[tuple[int, int]], int, int, Rule | None]]:
    return zip(model.rows, model.row_lower, model.row_upper, model.row_rule, strict=True)


def _variables(model: LinearModel) -> tuple[cp_model.CpModel, list[cp_model.IntVar]]:
    cp = cp_model.CpModel()
    limits = zip(model.lower, model.upper, strict=True)
    return cp, [cp.new_int_var(low, high, "") for low, high in limits]


def _sum(variables: list[cp_model.IntVar], terms: list[tuple[int, int]]) -> cp_model.LinearExpr:
    return cp_model.LinearExpr.weighted_sum([variables[v] for v, _c in terms], [c for _v, c in terms])


def _solver(*, presolve: bool = True) -> cp_model.CpSolver:
    """Return a solver; to look for any solution of one agent takes less time than to simplify it first."""
    solver = cp_model.CpSolver()
    solver.parameters.cp_model_presolve = presolve
    solver.parameters.num_workers = 1
    solver.parameters.catch_sigint_signal = False  # see solvers.search
    solver.parameters.max_deterministic_time = _EFFORT
    return solver
