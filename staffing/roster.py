"""Decides who works when: the best roster found, its price, and the proven bound of that price."""

import time
from collections.abc import Callable

import numpy as np

from staffing.rostering.check import costs
from staffing.rostering.cover import build_model
from staffing.rostering.linear import matrix
from staffing.rostering.model import Progress, Roster, RosterProblem
from staffing.rostering.placing import place
from staffing.rostering.portfolio import Race, run


def solve_roster(
    problem: RosterProblem,
    *,
    seed: int = 0,
    time_limit_s: float = 30.0,
    workers: int = 1,
    on_progress: Callable[[Progress], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Roster:
    """Return the best roster found.

    With one worker the answer depends on problem and seed alone, as long as the search ends by itself and
    not by the clock.

    Args:
        problem: Agents, rules, requirement and prices.
        seed: Seed of the search.
        time_limit_s: Wall time after which the best roster so far is returned.
        workers: Threads.
        on_progress: Called when a better roster or bound is known.
        should_stop: Asked now and then; the search ends with the best roster so far when it says yes.
        clock: Seconds that pass, for the time limit.
    """
    began = clock()
    model = build_model(problem)
    race = Race(
        matrix(model.scope.model),
        time_limit_s,
        lambda: clock() - began,
        on_progress or (lambda progress: None),
        should_stop or (lambda: False),
    )
    solution = run(race, model, seed=seed, workers=workers)
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
    )


def _status(race: Race) -> str:
    if race.proven():
        return "optimal"
    return "stopped" if race.cancelled() else "feasible"
