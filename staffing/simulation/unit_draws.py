"""Decides the random numbers of runs at a level rate: times of mean 1, drawn once and stretched by case."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincinv

from staffing.simulation.durations import Duration, Exponential, Fixed, with_mean

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_UNIT = Exponential(1.0)
_STRIDE = 7


class UnitDraws:
    """Rows of contacts: when each comes, whose it is, how long it takes and waits, all with a mean of 1.

    The same row serves every staffing of a case, so that staffings differ by what was changed alone; other
    cases begin at other rows.

    Args:
        contacts: Contacts of a row that count.
        warm_up: Contacts before them that don't.
        rows: Rows.
        handle: Law of handle times of each team; stretched to a mean of 1.
        patience: Law of patience of each team, the same.
        seed: Seed.
    """

    def __init__(
        self,
        *,
        contacts: int,
        warm_up: int,
        rows: int,
        handle: Sequence[Duration],
        patience: Sequence[Duration],
        seed: int,
    ) -> None:
        self.contacts, self.warm_up, self.rows, self.seed = contacts + warm_up, warm_up, rows, seed
        shape = (rows, self.contacts)
        arrivals, ranks, handling, patient = (_stream(seed, purpose) for purpose in range(4))
        self.arrive = np.cumsum(arrivals.standard_exponential(shape), axis=1)
        self.arrive_flat = self.arrive.ravel()
        self.rank = ranks.random(shape)
        self._handle, self._handle_of = _drawn(handle, handling, shape)
        self._patience, self._patience_of = _drawn(patience, patient, shape)

    def rows_of(self, case: int, replications: int) -> Integers:
        """Return the row of each replication of a case."""
        return (np.arange(replications, dtype=np.int64) + _STRIDE * case) % self.rows

    def handle_of(self, team: Integers, place: Integers) -> Floats:
        """Return unit handle times of contacts of teams at places (row x contacts + number)."""
        return np.asarray(self._handle.take(self._handle_of[team] + place))

    def patience_of(self, team: Integers, place: Integers) -> Floats:
        """Return unit patience of contacts, as `handle_of`."""
        return np.asarray(self._patience.take(self._patience_of[team] + place))

    def busyness(self, variation: Floats, rows: Integers) -> Floats:
        """Return factors on the rates, gamma-distributed with a mean of 1, of shape (rows, teams).

        Whatever rows stand side by side, their factors spread evenly over the law (Weyl 1916).

        Args:
            variation: Coefficient of variation of each team's rate.
            rows: The rows.
        """
        steps = np.sqrt(np.array([2, 3, 5, 7, 11, 13, 17, 19, 23, 29], dtype=np.float64))
        rank = (0.5 + rows[:, None] * steps[: len(variation)]) % 1.0
        some = variation > 1e-6
        shape = 1 / np.where(some, variation, 1.0) ** 2
        return np.asarray(np.where(some, gammaincinv(shape, rank) / shape, 1.0))

    def start(self, agents: int) -> tuple[Floats, Floats]:
        """Return for each agent and row whether it is at work at the begin (a share) and for how long."""
        rng = _stream(self.seed, 4)
        shape = (agents, self.rows)
        return rng.random(shape), rng.standard_exponential(shape)


def _drawn(
    laws: Sequence[Duration], rng: np.random.Generator, shape: tuple[int, int]
) -> tuple[Floats, Integers]:
    """Return unit times of each different law, flat, and where those of each team begin."""
    different = list(dict.fromkeys(laws))
    tables = [_unit(law).draw(rng, shape).ravel() for law in different]
    size = shape[0] * shape[1]
    return np.concatenate(tables), np.array([different.index(law) * size for law in laws], dtype=np.int64)


def _unit(law: Duration) -> Duration:
    return Fixed(1.0) if np.isinf(law.mean_s) else with_mean(law, 1.0)


def _stream(seed: int, purpose: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(purpose,)))
