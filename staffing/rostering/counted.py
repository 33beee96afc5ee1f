"""Decides a search whose every step is counted, so that problem, seed and limit alone decide the roster.

The clock only bounds it from outside, and threads only share out steps whose results are taken in a fixed
order. What runs beside it proves bounds: that ends the search early where nothing better can be found, but
never gives a roster of its own.
"""

import threading

from staffing.rostering.cover import RosterModel
from staffing.rostering.guide import follow_relaxation
from staffing.rostering.improve import Solution, improve_in_rounds
from staffing.rostering.linear import Floats
from staffing.rostering.portfolio import (
    NODES,
    REBUILD_SHARE,
    REBUILDS,
    branches,
    count_variables,
    keep,
    parts_of,
    size,
)
from staffing.rostering.race import Race
from staffing.rostering.rebuild import compose, grain, rebuild
from staffing.rostering.response import Block, make_blocks
from staffing.rostering.solvers import branch, relax
from staffing.rostering.sweep import sweep_in_waves

_WORK_SHARE = 0.6
"""Work as a share of the limit of time, on one core of a server of 2020: the rest is for slower ones."""
_EFFORT = {"slots": 0.3, "few slots": 0.6, "kinds": 0.6}
"""CP-SAT's deterministic seconds in a second of work; less where a sweep has left little to gain."""
_ENTRY_DAY_S = 2.5e-6
"""Seconds in which the relaxation is solved, for each entry of the model and day of the period, likewise."""
_RELAX_SHARE = 0.5
"""Share of the work that the relaxation may be expected to take; a longer one is not begun."""
_RELAX_LIMIT = 0.7
"""Share of the limit of time after which the relaxation is given up."""
_TURNS = 1600.0
"""Times in a second that a few agents choose anew for one day of period, likewise."""
_FOLLOW_SHARE = 0.3
"""Share of the work in which agents choose anew to follow the relaxation more closely."""
_POLL_S = 0.05


def run_counted(race: Race, model: RosterModel, *, seed: int, workers: int) -> Solution:
    """Return the roster that the counted steps lead to; `race.ran_out` tells when the clock cut them short.

    Where cover counts by slot: the relaxation, a roster that follows it, its days swept; else, or where the
    relaxation would take too long, agents rebuilt one by one. Then exact parts.

    Raises:
        ValueError: When no roster was found in time.
    """
    blocks = make_blocks(model, race.matrix)
    bounding = size(race.matrix, model) == "kinds" or branches(race.matrix)
    beside = threading.Thread(target=_prove, args=(race, model, seed)) if bounding and workers > 1 else None
    if beside is not None:
        beside.start()
    try:
        keep(race, model, blocks, seed)
        if not _relaxes(race, model) or not _follow(race, model, blocks, seed, workers):
            _rebuild(race, model, blocks, seed)
        _improve(race, model, seed, workers - (beside is not None))
        if beside is None and bounding:
            _prove(race, model, seed)
        while beside is not None and beside.is_alive() and not _ended(race, _WORK_SHARE):
            beside.join(_POLL_S)
    finally:
        race.done = True
        if beside is not None:
            beside.join()
    return race.winner()


def _work_s(race: Race) -> float:
    return _WORK_SHARE * race.limit_s


def _ended(race: Race, share: float = 1.0) -> bool:
    """Return whether proving is to end: all is done, cancelled, proven, or a share of the time is over."""
    return race.done or race.cancelled() or race.proven() or race.elapsed_s() >= share * race.limit_s


def _relaxes(race: Race, model: RosterModel) -> bool:
    """Return whether the relaxation is worth following and expected in time; no clock decides it."""
    expected_s = _ENTRY_DAY_S * race.matrix.rows.nnz * model.scope.problem.days
    return size(race.matrix, model) != "kinds" and expected_s <= _RELAX_SHARE * _work_s(race)


def _follow(race: Race, model: RosterModel, blocks: list[Block], seed: int, workers: int) -> bool:
    """Make a roster that follows the relaxation and sweep its days; return whether there was one."""
    relaxed = relax(race.matrix, time_limit_s=_RELAX_LIMIT * race.limit_s, should_stop=race.over)
    race.report("relaxation", bound=relaxed.bound)
    if relaxed.timed_out:
        race.note_late()
    if relaxed.values is None:
        return False
    taken = follow_relaxation(
        model,
        race.matrix,
        blocks,
        relaxed,
        grain=grain(model),
        seed=seed,
        elapsed=lambda: float(race.over()),
        should_stop=race.over,
        steps=round(_TURNS / model.scope.problem.days * _FOLLOW_SHARE * _work_s(race)),
    )
    if taken is None:
        return False
    start = compose(model, race.matrix, blocks, taken, seed=seed, on_late=race.note_late)
    race.offer(start, phase="relaxation followed")
    on_time = sweep_in_waves(
        race.matrix,
        start,
        count_variables(model, race.matrix),
        overnight=model.scope.problem.overnight,
        threads=workers,
        seed=seed,
        left_s=lambda: race.limit_s - race.elapsed_s(),
        offer=lambda better: race.offer(better, phase="sweep"),
        should_stop=race.over,
    )
    if not on_time:
        race.note_late()
    return True


def _rebuild(race: Race, model: RosterModel, blocks: list[Block], seed: int) -> None:
    share = REBUILD_SHARE[size(race.matrix, model)]
    solution = rebuild(
        model,
        race.matrix,
        blocks,
        seed=seed,
        steps=max(20, round(REBUILDS / model.scope.problem.days * share * _work_s(race))),
        elapsed=lambda: 0.0,
        on_better=lambda better: race.offer(better, phase="rebuild"),
        should_stop=race.over,
        on_late=race.note_late,
    )
    race.offer(solution)


def _improve(race: Race, model: RosterModel, seed: int, threads: int) -> None:
    if race.best is None or race.over():
        return
    first = race.best
    on_time = improve_in_rounds(
        race.matrix,
        parts_of(model),
        overnight=model.scope.problem.overnight,
        seed=seed,
        effort=_EFFORT[size(race.matrix, model)] * _work_s(race),
        threads=max(1, threads),
        best=lambda: race.best or first,
        offer=race.merge,
        left_s=lambda: race.limit_s - race.elapsed_s(),
        should_stop=race.over,
    )
    if not on_time:
        race.note_late()


def _prove(race: Race, model: RosterModel, seed: int) -> None:
    """Raise the bound while the roster is made, or after it; solutions found on the way are left out."""
    if size(race.matrix, model) == "kinds":
        answer = relax(race.matrix, time_limit_s=race.limit_s, should_stop=lambda: _ended(race))
        race.report("relaxation", bound=answer.bound)
    if not branches(race.matrix) or _ended(race):
        return

    def note(_price: float, bound: float, _values: Floats | None) -> None:
        race.report("branch and bound", bound=bound)

    answer = branch(
        race.matrix,
        time_limit_s=max(0.1, race.limit_s - race.elapsed_s()),
        nodes=round(NODES * race.limit_s),
        seed=seed,
        on_progress=note,
        should_stop=lambda: _ended(race),
    )
    race.report("branch and bound", bound=answer.bound)
