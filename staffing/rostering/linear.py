"""Decides how rules become numbers: one integer linear model that every solver is fed from."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

FREE = 1 << 40
"""Stands for no limit of a row."""

Term = tuple[int, int]
"""Index of a variable and its coefficient."""

_ROUNDING = 1e-6

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rule:
    """A work rule of one agent, as it is named to people.

    Args:
        agent_id: Whose rule.
        text: The rule in words.
        weight: How grave breaking it by one unit is; the gravest are given up last.
        unit: Size of one unit in the rule's own measure (3,600 for hours kept in seconds).
    """

    agent_id: str
    text: str
    weight: int = 100
    unit: int = 1


@dataclass(slots=True)
class LinearModel:
    """Variables, rows and prices under construction; minimise `offset` plus the priced variables."""

    lower: list[int] = field(default_factory=list)
    upper: list[int] = field(default_factory=list)
    cost: list[int] = field(default_factory=list)
    implied: list[bool] = field(default_factory=list)
    agent: list[int] = field(default_factory=list)
    day: list[int] = field(default_factory=list)
    rows: list[list[Term]] = field(default_factory=list)
    row_lower: list[int] = field(default_factory=list)
    row_upper: list[int] = field(default_factory=list)
    row_rule: list[Rule | None] = field(default_factory=list)
    row_where: list[str] = field(default_factory=list)
    fixes: list[tuple[int, int, Rule | None]] = field(default_factory=list)
    fix_where: list[str] = field(default_factory=list)
    offset: int = 0

    def variable(
        self, upper: int = 1, *, cost: int = 0, implied: bool = False, agent: int = -1, day: int = -1
    ) -> int:
        """Return the index of a new integer variable.

        Args:
            upper: Largest value.
            cost: Price of one unit.
            implied: Whether it is integer by itself as soon as the others are.
            agent: Number of the agent it is about, -1 for none.
            day: Day it is about, -1 for none.
        """
        self.lower.append(0)
        self.upper.append(upper)
        self.cost.append(cost)
        self.implied.append(implied)
        self.agent.append(agent)
        self.day.append(day)
        return len(self.lower) - 1

    def row(
        self,
        terms: Iterable[Term],
        lower: int = -FREE,
        upper: int = FREE,
        *,
        rule: Rule | None = None,
        where: str = "",
    ) -> None:
        """Demand that a sum of variables lies between two limits, for the sake of a rule, at a day."""
        self.rows.append(list(terms))
        self.row_lower.append(lower)
        self.row_upper.append(upper)
        self.row_rule.append(rule)
        self.row_where.append(where)

    def fix(self, variable: int, value: int, *, rule: Rule | None = None, where: str = "") -> None:
        """Demand a value of a variable, for the sake of a rule, at a day."""
        self.fixes.append((variable, value, rule))
        self.fix_where.append(where)


@dataclass(frozen=True, slots=True)
class Matrix:
    """A linear model as arrays: minimise offset + cost x, row_lower <= rows x <= row_upper, x integer.

    Attributes:
        rows: Sparse matrix, rows x variables.
        implied: Variables that are integer by themselves once the others are.
        agent: Number of the agent that a variable is about, -1 for none.
        day: Day that a variable is about, -1 for none. An agent's variables with a day are the choices, those
            without follow from them.
    """

    rows: sparse.csr_matrix
    row_lower: Floats
    row_upper: Floats
    lower: Floats
    upper: Floats
    cost: Floats
    implied: NDArray[np.bool_]
    agent: NDArray[np.int64]
    day: NDArray[np.int64]
    offset: float

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of rows and of variables."""
        return self.rows.shape[0], self.rows.shape[1]


def matrix(model: LinearModel) -> Matrix:
    """Return a model as arrays, its fixes applied as limits of the variables."""
    lower = np.array(model.lower, dtype=np.float64)
    upper = np.array(model.upper, dtype=np.float64)
    for variable, value, _rule in model.fixes:
        lower[variable] = upper[variable] = value
    counts = np.fromiter((len(row) for row in model.rows), dtype=np.int64, count=len(model.rows))
    flat = np.array([term for row in model.rows for term in row], dtype=np.int64).reshape(-1, 2)
    starts = np.concatenate(([0], np.cumsum(counts)))
    rows = sparse.csr_matrix(
        (flat[:, 1].astype(np.float64), flat[:, 0], starts), shape=(len(model.rows), len(lower))
    )
    rows.sum_duplicates()
    rows.eliminate_zeros()
    row_lower = np.array(model.row_lower, dtype=np.float64)
    row_upper = np.array(model.row_upper, dtype=np.float64)
    row_lower[row_lower <= -FREE] = -np.inf
    row_upper[row_upper >= FREE] = np.inf
    return Matrix(
        rows,
        row_lower,
        row_upper,
        lower,
        upper,
        np.array(model.cost, dtype=np.float64),
        np.array(model.implied, dtype=np.bool_),
        np.array(model.agent, dtype=np.int64),
        np.array(model.day, dtype=np.int64),
        float(model.offset),
    )


def holds(whole: Matrix, values: Floats) -> bool:
    """Return whether values keep every row of a model."""
    sums = whole.rows @ values
    return bool(np.all(sums >= whole.row_lower - _ROUNDING) and np.all(sums <= whole.row_upper + _ROUNDING))


def restrict(whole: Matrix, values: Floats, free: NDArray[np.bool_]) -> Matrix:
    """Return the model of the free variables when all others keep their values."""
    fixed = np.where(free, 0.0, values)
    rows = whole.rows.tocsc()[:, free].tocsr()
    used = np.diff(rows.indptr) > 0
    shift = whole.rows @ fixed
    return Matrix(
        rows[used],
        (whole.row_lower - shift)[used],
        (whole.row_upper - shift)[used],
        whole.lower[free],
        whole.upper[free],
        whole.cost[free],
        whole.implied[free],
        whole.agent[free],
        whole.day[free],
        whole.offset + float(whole.cost @ fixed),
    )
