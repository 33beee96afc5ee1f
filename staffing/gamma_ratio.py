"""Decides two ratios of incomplete gamma functions that make up every Erlang formula, without underflow.

scipy's `gammainc` and `gammaincc` are exact to about 1e-14 near their middle but underflow, and for large
arguments lose all digits, in the tail; there a continued fraction converges in a few terms. Both ratios here
are sums of positive terms at least 1, so their logarithm has no cancellation.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammainc, gammaincc, gammaln

Floats = NDArray[np.float64]

_TAIL_SPREADS = 5.0  # distance from the middle, in square roots of the order, beyond which fractions are used
_TERMS = 30  # at that distance 20 terms give 2e-16 for every order up to 3e9 and load up to 3e4
_SMALL_ORDER = 30.0  # up to here the terms suffice for every mean below the order
_STIRLING_FROM = 16.0


def log_state_sum(order: Floats, mean: Floats) -> Floats:
    """Return log of M(1; s+1; m) = 1 + m/(s+1) + m^2/((s+1)(s+2)) + ..., less its `peak`.

    With s = agents x service rate / abandonment rate and m = arrival rate / abandonment rate it is the weight
    of all states in which all agents are busy, relative to the first of them (Erlang A). Without the peak,
    which grows with s, what is left is known to 1e-14 for every s.

    Args:
        order: s, at least 1.
        mean: m, at least 0, same shape.
    """
    fraction = mean < np.where(order < _SMALL_ORDER, order, order - _TAIL_SPREADS * np.sqrt(order))
    result = np.empty_like(order)
    s, m = order[fraction], mean[fraction]
    result[fraction] = np.log(_state_sum_fraction(s, m))
    below = ~fraction & (mean < order)
    s, m = order[below], mean[below]
    result[below] = np.log(gammainc(s, m)) - _log_poisson(s, m)
    above = ~fraction & ~below
    s, m = order[above], mean[above]
    result[above] = np.log(gammainc(s, m)) - _log_poisson(s, s)
    return result


def peak(order: Floats, mean: Floats) -> Floats:
    """Return the largest value of m(1 - exp(-u)) - s u over u >= 0: m - s - s log(m/s), or 0 where m <= s."""
    ratio = np.maximum(mean / order, 1.0)
    return np.asarray(order * (ratio - 1 - np.log(ratio)))


def log_inverse_blocking(load: Floats, agents: Floats) -> Floats:
    """Return log of 1/B(n, a) = 1 + n/a + n(n-1)/a^2 + ..., the inverse of Erlang's loss formula.

    Args:
        load: a in erlangs, above 0.
        agents: n, at least 0, same shape; need not be whole.
    """
    upper_tail = load > agents + 1 + _TAIL_SPREADS * np.sqrt(agents + 1)
    result = np.empty_like(load)
    a, n = load[upper_tail], agents[upper_tail]
    result[upper_tail] = np.log(_inverse_blocking_fraction(a, n))
    a, n = load[~upper_tail], agents[~upper_tail]
    result[~upper_tail] = np.log(gammaincc(n + 1, a)) - _log_poisson(n, a)
    return result


def _log_poisson(count: Floats, mean: Floats) -> Floats:
    """Return log of mean^count exp(-mean) / Gamma(count + 1), without the cancellation of large counts."""
    result = np.empty_like(count)
    small = count < _STIRLING_FROM
    s, m = count[small], mean[small]
    result[small] = s * np.log(m) - m - gammaln(s + 1)
    s, m = count[~small], mean[~small]
    excess = (m - s) / s
    result[~small] = s * (np.log1p(excess) - excess) - 0.5 * np.log(2 * np.pi * s) - _stirling_error(s)
    return result


def _stirling_error(count: Floats) -> Floats:
    square = 1 / (count * count)
    series = 1 / 12 - square * (1 / 360 - square * (1 / 1260 - square * (1 / 1680 - square / 1188)))
    return series / count


def _state_sum_fraction(s: Floats, m: Floats) -> Floats:
    # DLMF 8.9.1, Gauss' fraction of the lower incomplete gamma function, evaluated backwards.
    tail = s + 2.0 * _TERMS
    for k in range(_TERMS, 0, -1):
        tail = s + (2 * k - 1) + k * m / tail
        tail = s + (2 * k - 2) - (s + (k - 1)) * m / tail
    return np.asarray(s / tail)


def _inverse_blocking_fraction(a: Floats, n: Floats) -> Floats:
    # DLMF 8.9.2, Legendre's fraction of the upper incomplete gamma function, evaluated backwards.
    tail = a - n + 2.0 * _TERMS
    for k in range(_TERMS, 0, -1):
        tail = a - n + (2 * k - 2) - k * (k - 1 - n) / tail
    return np.asarray(a / tail)
