"""Decides how HiGHS and CP-SAT are fed with a linear model, and reads back what they found."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from ortools.sat.python import cp_model  # must be loaded before highspy

import highspy  # isort: skip

from staffing.rostering.linear import Floats, Matrix

_NEVER = 1e30
_MANY = 2**31 - 1
_POLL_S = 0.1
_FEW_CUTS = 100
"""Cuts that are kept where a thousandth from the optimum is enough: more of them cost more than they gain."""
_INTERIOR_ROWS = 10_000
"""From this size on the interior-point method beats the simplex method on rosters by slots."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a solver found.

    Attributes:
        values: Best solution, or None.
        objective: Its price, offset included; infinite without a solution.
        bound: Proven lower bound of the price, offset included.
        proven: Whether the solution is optimal.
        infeasible: Whether it was proven that there is no solution.
        prices: Dual price of each row, of a relaxation only.
        timed_out: Whether the clock ended the search.
        effort: Deterministic seconds that CP-SAT counted; 0 for others.
    """

    values: Floats | None
    objective: float
    bound: float
    proven: bool = False
    infeasible: bool = False
    prices: Floats | None = None
    timed_out: bool = False
    effort: float = 0.0


def relax(
    matrix: Matrix,
    *,
    time_limit_s: float,
    corner: bool = False,
    should_stop: Callable[[], bool] | None = None,
) -> Answer:
    """Return the solution of the model without whole numbers: its price is a bound (HiGHS).

    Args:
        matrix: The model.
        time_limit_s: Wall time after which it gives up.
        corner: Whether the solution has to be a corner of what is allowed, where few numbers are not whole.
        should_stop: Asked now and then; the search ends without an answer when it says yes.
    """
    highs = load(matrix, whole=False)
    if matrix.shape[0] > _INTERIOR_ROWS and not corner:
        highs.setOptionValue("solver", "ipm")
        highs.setOptionValue("run_crossover", "off")
    highs.setOptionValue("time_limit", float(time_limit_s))
    with _stopped_by(highs, should_stop):
        highs.run()
    if highs.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        late = highs.getModelStatus() == highspy.HighsModelStatus.kTimeLimit
        return Answer(None, float("inf"), -float("inf"), timed_out=late)
    price, solution = highs.getInfo().objective_function_value, highs.getSolution()
    return Answer(np.array(solution.col_value), price, price, prices=np.array(solution.row_dual))


def contradiction(matrix: Matrix) -> Floats | None:
    """Return weights of the rows whose sum no values satisfy, whole or not; None when some values do."""
    highs = load(matrix, whole=False)
    highs.setOptionValue("presolve", "off")
    highs.run()
    if highs.getModelStatus() != highspy.HighsModelStatus.kInfeasible:
        return None
    _status, exists, weights = highs.getDualRay()
    return np.array(weights) if exists else None


def branch(
    matrix: Matrix,
    *,
    time_limit_s: float,
    nodes: int = _MANY,
    seed: int = 0,
    start: Floats | None = None,
    exact: bool = True,
    on_progress: Callable[[float, float, Floats | None], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Answer:
    """Return the answer of HiGHS' branch and bound.

    Args:
        matrix: The model.
        time_limit_s: Wall time after which it gives up.
        nodes: Nodes of its tree after which it gives up.
        seed: Its random seed.
        start: A solution to begin with.
        exact: Whether to go on to the proven optimum; else a thousandth from it is enough.
        on_progress: Called with objective, bound and a new solution or None.
        should_stop: Asked now and then; the search ends when it says yes.
    """
    highs = load(matrix, whole=True)
    highs.setOptionValue("time_limit", float(time_limit_s))
    highs.setOptionValue("mip_max_nodes", nodes)
    highs.setOptionValue("random_seed", seed)
    highs.setOptionValue("mip_rel_gap", 0.0 if exact else 1e-3)
    if not exact:
        highs.setOptionValue("mip_pool_soft_limit", _FEW_CUTS)
    highs.setOptionValue("mip_abs_gap", 0.999 if _is_whole(matrix) else 1e-6)
    if start is not None:
        highs.setSolution(_solution(start))
    if on_progress is not None:
        _listen(highs, on_progress)
    with _stopped_by(highs, should_stop):
        highs.run()
    info, status = highs.getInfo(), highs.getModelStatus()
    late = status == highspy.HighsModelStatus.kTimeLimit
    if info.primal_solution_status != highspy.SolutionStatus.kSolutionStatusFeasible:
        infeasible = status == highspy.HighsModelStatus.kInfeasible
        return Answer(None, float("inf"), info.mip_dual_bound, infeasible=infeasible, timed_out=late)
    values = np.array(highs.getSolution().col_value)
    proven = status == highspy.HighsModelStatus.kOptimal
    return Answer(values, info.objective_function_value, info.mip_dual_bound, proven, timed_out=late)


def search(
    matrix: Matrix,
    *,
    time_limit_s: float,
    effort: float = _NEVER,
    seed: int = 0,
    workers: int = 1,
    hint: Floats | None = None,
    better_than: float | None = None,
    should_stop: Callable[[], bool] | None = None,
    on_solution: Callable[[float, float], None] | None = None,
) -> Answer:
    """Return the answer of CP-SAT.

    Args:
        matrix: The model.
        time_limit_s: Wall time after which it gives up.
        effort: The same in the solver's own deterministic time.
        seed: Its random seed.
        workers: Threads; with one the answer depends on seed and effort alone.
        hint: Values to try first.
        better_than: Only solutions cheaper than this are of interest.
        should_stop: Asked at each solution and now and then; the search ends when it says yes.
        on_solution: Called with price and bound at each solution.
    """
    model, variables = _cp_model(matrix, better_than)
    if hint is not None:
        for variable, value in zip(variables, hint, strict=True):
            model.add_hint(variable, round(value))
    solver = cp_model.CpSolver()
    parameters = solver.parameters
    parameters.max_time_in_seconds = time_limit_s
    parameters.max_deterministic_time = effort
    parameters.random_seed = seed
    parameters.num_workers = workers
    parameters.linearization_level = 2
    parameters.catch_sigint_signal = False  # it would leave the process without Python's own handler
    bounds = [-float("inf")]
    solver.best_bound_callback = bounds.append
    with _watched(should_stop, solver.stop_search):
        status = solver.solve(model, _Listener(matrix.offset, on_solution, should_stop))
    spent, late = solver.deterministic_time, status != cp_model.OPTIMAL and solver.wall_time >= time_limit_s
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        known, infeasible = max(bounds) + matrix.offset, status == cp_model.INFEASIBLE
        return Answer(
            None, float("inf"), known, infeasible=infeasible, timed_out=late and not infeasible, effort=spent
        )
    bound = solver.best_objective_bound + matrix.offset
    values = np.array(solver.values(variables), dtype=np.float64)
    price = float(matrix.cost @ values) + matrix.offset
    return Answer(values, price, bound, status == cp_model.OPTIMAL, timed_out=late, effort=spent)


class _Listener(cp_model.CpSolverSolutionCallback):  # type: ignore[misc]
    def __init__(
        self,
        offset: float,
        on_solution: Callable[[float, float], None] | None,
        should_stop: Callable[[], bool] | None,
    ) -> None:
        super().__init__()
        self._offset, self._on_solution, self._should_stop = offset, on_solution, should_stop

    def on_solution_callback(self) -> None:
        """Tell about a better solution and end the search when asked to."""
        if self._on_solution is not None:
            self._on_solution(self.objective_value + self._offset, self.best_objective_bound + self._offset)
        if self._should_stop is not None and self._should_stop():
            self.stop_search()


def _is_whole(matrix: Matrix) -> bool:
    return bool(np.all(matrix.cost == np.round(matrix.cost)))


def load(matrix: Matrix, *, whole: bool) -> highspy.Highs:
    """Return HiGHS with a model, as whole numbers or relaxed."""
    highs = _Quiet()
    highs.setOptionValue("threads", 1)  # one number for the whole process: HiGHS refuses a second one
    lp = highspy.HighsLp()
    lp.num_row_, lp.num_col_ = matrix.shape
    lp.col_cost_, lp.offset_ = matrix.cost, matrix.offset
    lp.col_lower_, lp.col_upper_ = matrix.lower, matrix.upper
    lp.row_lower_, lp.row_upper_ = matrix.row_lower, matrix.row_upper
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_ = matrix.rows.indptr
    lp.a_matrix_.index_ = matrix.rows.indices
    lp.a_matrix_.value_ = matrix.rows.data
    if whole:
        kinds = (highspy.HighsVarType.kInteger, highspy.HighsVarType.kContinuous)
        lp.integrality_ = [kinds[int(implied)] for implied in matrix.implied]
    highs.passModel(lp)
    return highs


class _Quiet(highspy.Highs):  # type: ignore[misc]
    """HiGHS without its banner on standard output, which would spoil what the command line prints."""

    def enableCallbacks(self) -> None:  # noqa: N802 - HiGHS' own name; it is where the banner is printed
        self.setOptionValue("output_flag", False)
        super().enableCallbacks()


def _solution(values: Floats) -> highspy.HighsSolution:
    solution = highspy.HighsSolution()
    solution.col_value = list(values)
    return solution


def _listen(highs: highspy.Highs, on_progress: Callable[[float, float, Floats | None], None]) -> None:
    highs.cbMipImprovingSolution.subscribe(
        lambda event: on_progress(
            event.data_out.objective_function_value,
            event.data_out.mip_dual_bound,
            np.array(event.data_out.mip_solution),
        )
    )
    highs.cbMipLogging.subscribe(
        lambda event: on_progress(event.data_out.mip_primal_bound, event.data_out.mip_dual_bound, None)
    )


@contextmanager
def _stopped_by(highs: highspy.Highs, should_stop: Callable[[], bool] | None) -> Iterator[None]:
    """Interrupt HiGHS when it is time.

    HiGHS asks whether to stop thousands of times in a second, and each time an answer in Python waits for the
    interpreter's lock, which makes it several times slower beside a busy thread. So a watcher asks, and HiGHS
    is made to listen only once the answer is yes.
    """
    if should_stop is None:
        yield
        return
    interrupts = (highs.cbMipInterrupt, highs.cbSimplexInterrupt, highs.cbIpmInterrupt)
    for interrupt in interrupts:
        interrupt.subscribe(lambda event: event.interrupt())
        highs.stopCallback(interrupt.callback_type)

    def listen() -> None:
        for interrupt in interrupts:
            highs.startCallback(interrupt.callback_type)

    with _watched(should_stop, listen):
        yield


@contextmanager
def _watched(should_stop: Callable[[], bool] | None, stop: Callable[[], None]) -> Iterator[None]:
    """Ask from a thread of its own whether it is time, and call `stop` again and again once it is."""
    if should_stop is None:
        yield
        return
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(_POLL_S):
            if should_stop():
                stop()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()


def _cp_model(matrix: Matrix, better_than: float | None) -> tuple[cp_model.CpModel, list[cp_model.IntVar]]:
    model = cp_model.CpModel()
    lower, upper = matrix.lower.astype(int).tolist(), matrix.upper.astype(int).tolist()
    variables = [model.new_int_var(low, high, "") for low, high in zip(lower, upper, strict=True)]
    infinite = 1 << 50
    row_lower = np.maximum(matrix.row_lower, -infinite).astype(int).tolist()
    row_upper = np.minimum(matrix.row_upper, infinite).astype(int).tolist()
    indices, data = matrix.rows.indices.tolist(), matrix.rows.data.astype(int).tolist()
    pointers = matrix.rows.indptr.tolist()
    for row, (low, high) in enumerate(zip(row_lower, row_upper, strict=True)):
        span = slice(pointers[row], pointers[row + 1])
        terms = [variables[i] for i in indices[span]]
        model.add_linear_constraint(cp_model.LinearExpr.weighted_sum(terms, data[span]), low, high)
    priced = np.flatnonzero(matrix.cost).tolist()
    price = cp_model.LinearExpr.weighted_sum(
        [variables[i] for i in priced], matrix.cost[priced].astype(int).tolist()
    )
    if better_than is not None:
        model.add(price <= int(np.ceil(better_than - matrix.offset)) - 1)
    model.minimize(price)
    return model, variables
