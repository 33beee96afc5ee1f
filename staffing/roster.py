"""Decides who works when: the best roster found, its price, and the proven bound of that price."""

import time
from collections.abc import Callable

from staffing.rostering.check import costs
from staffing.rostering.cover import build_model
from staffing.rostering.linear import matrix
from staffing.rostering.model import Progress, Roster, RosterProblem
from staffing.rostering.placing import place
from staffing.rostering.solvers import relax, search


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
    numbers = matrix(model.scope.model)
    tell = on_progress or (lambda progress: None)
    root = relax(numbers, time_limit_s=time_limit_s / 2, threads=workers)
    tell(Progress("relaxation", clock() - began, None, root.bound))
    answer = search(
        numbers,
        time_limit_s=max(1.0, time_limit_s - (clock() - began)),
        seed=seed,
        workers=workers,
        should_stop=should_stop,
        on_solution=lambda price, bound: tell(
            Progress("search", clock() - began, round(price), max(bound, root.bound))
        ),
    )
    if answer.values is None:
        raise ValueError("no roster keeps all rules of every agent")
    assignments = place(model, answer.values)
    prices = costs(problem, assignments)
    objective = sum(prices.values())
    return Roster(
        assignments,
        objective,
        min(float(objective), max(answer.bound, root.bound)),
        prices,
        "optimal" if answer.proven else "feasible",
        seed=seed,
        elapsed_s=clock() - began,
    )
