"""Decides which searches run for a roster, in which order and beside which, and when to stop."""

import threading
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from staffing.rostering.cover import RosterModel
from staffing.rostering.guide import follow_relaxation
from staffing.rostering.improve import Part, Solution, improve
from staffing.rostering.linear import Floats, Matrix
from staffing.rostering.published import keep_published
from staffing.rostering.race import Race
from staffing.rostering.rebuild import compose, grain, rebuild
from staffing.rostering.response import Block, make_blocks
from staffing.rostering.solvers import branch, relax
from staffing.rostering.sweep import sweep

REBUILDS = 600.0
"""Rebuilds in a second for one day of period, on one core of a server of 2020."""
_PARTS = 2.0
"""Parts solved exactly in a second, likewise."""
_POLL_S = 0.05
NODES = 200
"""Nodes of branch and bound in a second, likewise."""
_SLOT_PARTS = (Part(1, 8.0, 1.0, on_shift=True), Part(1, 20.0, 3.0))
"""Parts where cover counts by slot: breaks and teams make even one day large."""
_BRANCH_ROWS = 16_000
"""Above this size branch and bound hardly leaves its root within the time of a roster."""
_FOLLOW_UNTIL = 0.7
"""Share of the time after which a relaxation comes too late to be followed."""
_FOLLOW_SHARE = 0.25
"""Largest share of the time in which agents choose anew to follow it more closely."""
REBUILD_SHARE = {"slots": 0.4, "few slots": 0.2, "kinds": 0.03}
"""Share of the time in which agents are rebuilt one by one, before parts are solved exactly."""


def run(race: Race, model: RosterModel, *, seed: int, workers: int) -> Solution:
    """Search until the time is over, the price is proven or all steps are done; return the best solution.

    The relaxation and branch and bound run in a thread beside the others, and whatever is better counts: the
    clock and the threads' turns decide which roster it is.

    Raises:
        ValueError: When no roster was found in time.
    """
    _run_beside(race, model, make_blocks(model, race.matrix), seed, workers)
    return race.winner()


def count_variables(model: RosterModel, matrix: Matrix) -> NDArray[np.bool_]:
    """Return which variables count agents who have started or begun a break."""
    counts = np.zeros(matrix.shape[1], dtype=np.bool_)
    for steps in (*model.starts.values(), *(begun for pauses in model.breaks.values() for begun in pauses)):
        counts[steps.variables] = True
    return counts


def keep(race: Race, model: RosterModel, blocks: list[Block], seed: int) -> None:
    """Begin with what is published, where something is."""
    kept = keep_published(model, race.matrix, blocks, seed=seed, on_late=race.note_late)
    if kept is not None:
        race.offer(kept, phase="published roster kept")


def _run_beside(race: Race, model: RosterModel, blocks: list[Block], seed: int, workers: int) -> None:
    def relaxed() -> bool:
        return _sweeps(race, model) and race.relaxed is not None

    beside = threading.Thread(target=_bound, args=(race, model, seed))
    beside.start()
    try:
        keep(race, model, blocks, seed)
        _rebuild(race, model, blocks, seed, relaxed)
        if _sweeps(race, model):
            _improve(race, model, seed, lambda: race.over() or relaxed() or _too_late(race))
            if relaxed() and not _too_late(race):
                _follow(race, model, blocks, seed, workers)
        race.swept.set()
        _improve(race, model, seed, race.over)
        while beside.is_alive() and not race.over():
            beside.join(_POLL_S)
    finally:
        race.done = True
        beside.join()


def _bound(race: Race, model: RosterModel, seed: int) -> None:
    _relax(race)
    if branches(race.matrix):
        if not race.over():
            _branch(race, seed, until_s=race.limit_s)
        return
    while not (race.swept.is_set() and race.best is not None) and not race.over():
        race.swept.wait(_POLL_S)
    _improve(race, model, seed + 1, race.over)


def _sweeps(race: Race, model: RosterModel) -> bool:
    """Return whether the relaxation is worth following: cover counts by slot, not by kind of shift."""
    return size(race.matrix, model) != "kinds"


def _too_late(race: Race) -> bool:
    return race.elapsed_s() > _FOLLOW_UNTIL * race.limit_s


def _follow(race: Race, model: RosterModel, blocks: list[Block], seed: int, workers: int) -> bool:
    """Make a roster that follows the relaxation and sweep its days; return whether there was one."""
    if race.relaxed is None or race.relaxed.values is None:
        return False
    began_s = race.elapsed_s()

    def elapsed() -> float:
        share = (race.elapsed_s() - began_s) / (_FOLLOW_SHARE * race.limit_s)
        if share >= 1:
            race.note_late()
        return 1.0 if race.over() else share

    taken = follow_relaxation(
        model,
        race.matrix,
        blocks,
        race.relaxed,
        grain=grain(model),
        seed=seed,
        elapsed=elapsed,
        should_stop=race.over,
    )
    if taken is None:
        return False
    start = compose(model, race.matrix, blocks, taken, seed=seed)
    race.offer(start, phase="relaxation followed")
    on_time = sweep(
        race.matrix,
        start,
        count_variables(model, race.matrix),
        overnight=model.scope.problem.overnight,
        workers=workers,
        seed=seed,
        left_s=lambda: race.limit_s - race.elapsed_s(),
        offer=lambda better: race.offer(better, phase="sweep"),
        should_stop=race.over,
    )
    if not on_time:
        race.note_late()
    return True


def _relax(race: Race) -> None:
    answer = relax(race.matrix, time_limit_s=race.limit_s, should_stop=race.over)
    race.report("relaxation", bound=answer.bound)
    race.relaxed = answer


def _branch(race: Race, seed: int, *, until_s: float) -> None:
    def note(price: float, bound: float, values: Floats | None) -> None:
        if values is not None and price < race.price - 0.5:
            race.offer(Solution(np.round(values), price))
        race.report("branch and bound", bound=bound)

    answer = branch(
        race.matrix,
        time_limit_s=max(0.1, until_s - race.elapsed_s()),
        nodes=round(NODES * race.limit_s),
        seed=seed,
        start=race.best.values if race.best is not None else None,
        on_progress=note,
        should_stop=race.over,
    )
    if answer.values is not None:
        race.offer(Solution(np.round(answer.values), answer.objective))
    race.report("branch and bound", bound=answer.bound)
    if race.elapsed_s() >= until_s:
        race.note_late()


def branches(matrix: Matrix) -> bool:
    """Return whether branch and bound leaves its root within the time of a roster."""
    return matrix.shape[0] < _BRANCH_ROWS


def _rebuild(
    race: Race,
    model: RosterModel,
    blocks: list[Block],
    seed: int,
    enough: Callable[[], bool] = lambda: False,
) -> None:
    began_s = race.elapsed_s()
    share = REBUILD_SHARE[size(race.matrix, model)]
    until_s = began_s + share * (race.limit_s - began_s)

    def late() -> bool:
        if race.elapsed_s() >= until_s:
            race.note_late()
            return True
        return race.over() or enough()

    solution = rebuild(
        model,
        race.matrix,
        blocks,
        seed=seed,
        steps=max(20, round(REBUILDS / model.scope.problem.days * share * race.limit_s)),
        elapsed=lambda: (race.elapsed_s() - began_s) / max(1e-9, until_s - began_s),
        on_better=lambda better: race.offer(better, phase="rebuild"),
        should_stop=late,
    )
    race.offer(solution)


def size(matrix: Matrix, model: RosterModel) -> str:
    """Return what kind of problem it is: cover by many slots, by few slots, or by kind of shift alone."""
    if not model.scope.problem.requirements:
        return "kinds"
    return "few slots" if branches(matrix) else "slots"


def _improve(race: Race, model: RosterModel, seed: int, stop: Callable[[], bool]) -> None:
    """Solve parts exactly."""
    if race.best is None or stop():
        return
    first = race.best
    improve(
        race.matrix,
        parts_of(model),
        overnight=model.scope.problem.overnight,
        seed=seed,
        steps=max(5, round(_PARTS * race.limit_s)),
        busy=race.busy,
        best=lambda: race.best or first,
        offer=race.merge,
        left_s=lambda: race.limit_s - race.elapsed_s(),
        should_stop=stop,
    )


def parts_of(model: RosterModel) -> Sequence[Part]:
    """Return the kinds of part that are solved exactly."""
    days = model.scope.problem.days
    if model.scope.problem.requirements:
        return _SLOT_PARTS
    return [Part(span, 100.0, 2.0) for span in sorted({min(days, span) for span in (3, 5, 8, 14, days)})]
