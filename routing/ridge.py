"""Ridge regression that learns one observation at a time and slowly forgets the old ones."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Final

import msgspec

_FORGET: Final = 0.995
_EVERY: Final = 8


class Ridge(msgspec.Struct, kw_only=True):
    """Weights drawn towards a prior, so that few observations change little.

    Solves min over w of sum of 0.995^age (y - x.w)^2 + sum of strength_k (w_k - prior_k)^2, the strengths
    in proportion to the mean square of each feature, so that its unit does not matter. Solved anew after
    every eighth observation.
    """

    prior: list[float]
    weights: list[float]
    gram: list[float]
    """The lower triangle of the weighted sum of x x', row by row."""
    moment: list[float]
    """The weighted sum of x times the residual of the prior."""
    seen: int = 0

    @classmethod
    def towards(cls, prior: Sequence[float]) -> Ridge:
        """Return a regression that predicts by `prior` until it has learnt."""
        size = len(prior)
        return cls(
            prior=list(prior),
            weights=list(prior),
            gram=[0.0] * (size * (size + 1) // 2),
            moment=[0.0] * size,
        )

    def predict(self, features: Sequence[float]) -> float:
        """Return the prediction for `features`."""
        return sum([w * x for w, x in zip(self.weights, features, strict=True)])

    def learn(self, features: Sequence[float], value: float) -> None:
        """Take in one observation."""
        residual = value - sum([w * x for w, x in zip(self.prior, features, strict=True)])
        self.moment = [_FORGET * old + x * residual for old, x in zip(self.moment, features, strict=True)]
        gram, at = self.gram, 0
        for row, x in enumerate(features):
            for column in range(row + 1):
                gram[at] = _FORGET * gram[at] + x * features[column]
                at += 1
        self.seen += 1
        if self.seen % _EVERY == 0:
            self.weights = self._solve()

    def _solve(self) -> list[float]:
        """Solve by Cholesky's method; the ridge keeps the matrix positive."""
        size = len(self.prior)
        start = [row * (row + 1) // 2 for row in range(size)]
        gram = self.gram
        root = [0.0] * len(gram)
        for row in range(size):
            base = start[row]
            for column in range(row + 1):
                other = start[column]
                total = gram[base + column] - sum([root[base + k] * root[other + k] for k in range(column)])
                if row == column:
                    total += _RIDGE * gram[base + row] + _TINY
                    root[base + row] = sqrt(max(total, _TINY))
                else:
                    root[base + column] = total / root[other + column]
        down: list[float] = []
        for row in range(size):
            known = sum([root[start[row] + k] * down[k] for k in range(row)])
            down.append((self.moment[row] - known) / root[start[row] + row])
        up = [0.0] * size
        for row in reversed(range(size)):
            known = sum([root[start[k] + row] * up[k] for k in range(row + 1, size)])
            up[row] = (down[row] - known) / root[start[row] + row]
        return [base + change for base, change in zip(self.prior, up, strict=True)]


_RIDGE: Final = 0.02
_TINY: Final = 1e-6
