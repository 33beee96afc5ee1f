"""Decides who works when: the best roster found, its price, and the proven bound of that price."""

from collections.abc import Callable

import numpy as np

from staffing.rostering.check import costs
from staffing.rostering.counted import run_counted
from staffing.rostering.cover import build_model
from staffing.rostering.findings import require_known_references
from staffing.rostering.linear import matrix
from staffing.rostering.model import Conflict, Progress, Roster, RosterProblem
from staffing.rostering.placing import place
from staffing.rostering.portfolio import run
from staffing.rostering.race import Race


def solve_roster(
    problem: RosterProblem,
    *,
    clock: Callable[[], float],
    seed: int = 0,
    time_limit_s: float = 30.0,
    workers: int = 1,
    repeatable: bool = False,
    on_conflicts: Callable[[tuple[Conflict, ...]], None] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Roster:
    """Return the best roster found.

    There always is one: cover is priced, and rules that can't all hold are given up by as little as possible
    and named in `conflicts`. With one worker, or where `repeatable` is asked for, the answer depends on
    problem, seed and time limit alone: the search counts its steps, fewer than the time allows, and the clock
    is only an outer bound. Should it end the search before its last step, the roster says so
    (`Roster.repeatable`).

    Args:
        problem: Agents, rules, requirement and prices.
        clock: Seconds that pass, for the time limit: the core reads no clock itself.
        seed: Seed of the search.
        time_limit_s: Wall time after which the best roster so far is returned.
        workers: Threads.
        repeatable: Whether seed and time limit alone are to decide, whatever the threads and the machine's
            load; it searches less in the same time.
        on_conflicts: Called before the search with the rules that can't all hold.
        on_progress: Called when a better roster or bound is known.
        should_stop: Asked now and then; the search ends with the best roster so far when it says yes.

    Raises:
        ValueError: When the problem speaks of an agent, contract, kind of shift or day that it lacks.
    """
    require_known_references(problem)
    began = clock()
    model = build_model(problem)
    if on_conflicts is not None:
        on_conflicts(tuple(model.conflicts))
    race = Race(
        matrix(model.scope.model),
        time_limit_s,
        lambda: clock() - began,
        on_progress or (lambda progress: None),
        should_stop or (lambda: False),
    )
    counted = repeatable or workers == 1
    search = run_counted if counted else run
    solution = search(race, model, seed=seed, workers=workers)
    assignments = place(model, solution.values)
    prices = costs(problem, assignments)
    objective = sum(prices.values())
    return Roster(
        assignments,
        objective,
        min(float(objective), float(np.ceil(race.bound - 1e-6))),
        prices,
        _status(race),
        tuple(model.conflicts),
        seed,
        race.elapsed_s(),
        counted and not race.ran_out and not race.cancelled(),
        race.ran_out,
    )


def _status(race: Race) -> str:
    if race.proven():
        return "optimal"
    return "stopped" if race.cancelled() else "feasible"
