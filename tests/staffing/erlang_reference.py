"""Erlang B, C and A by summing the states' weights in arbitrary precision: slow, and exact."""

from dataclasses import dataclass

import mpmath as mp


@dataclass(frozen=True)
class Exact:
    wait_probability: mp.mpf
    service_level: mp.mpf
    asa_s: mp.mpf
    abandonment: mp.mpf


def inverse_blocking(load: float, agents: int) -> mp.mpf:
    inverse = mp.mpf(1)
    for n in range(1, agents + 1):
        inverse = 1 + n / mp.mpf(load) * inverse
    return inverse


def erlang_c(load: float, agents: int, *, handle_time_s: float, answer_within_s: float) -> Exact:
    if agents <= load:
        return Exact(mp.mpf(1), mp.mpf(0), mp.inf, mp.mpf(0))
    a, spare = mp.mpf(load), agents - mp.mpf(load)
    waits = agents / (a + spare * inverse_blocking(load, agents))
    late = waits * mp.exp(-spare * mp.mpf(answer_within_s) / mp.mpf(handle_time_s))
    return Exact(waits, 1 - late, waits * mp.mpf(handle_time_s) / spare, mp.mpf(0))


def erlang_a(
    load: float, agents: int, *, handle_time_s: float, patience_s: float, answer_within_s: float
) -> Exact:
    """Sum over the queue's states: with j ahead an arrival is answered with probability r/(r+j+1).

    Its wait is then a sum of j + 1 exponential times, which is over within T with probability
    1 - I_x(r + 1, j + 1), x = exp(-T/patience), I being the regularised incomplete beta function.
    """
    a, h, patience = mp.mpf(load), mp.mpf(handle_time_s), mp.mpf(patience_s)
    r, eta = agents * patience / h, a * patience / h
    x = mp.exp(-mp.mpf(answer_within_s) / patience)
    weight = total = mp.mpf(1)
    lost = in_time = waited = stages = mp.mpf(0)
    # beta = I_x(r+1, j+1) and its increment, carried from j to j + 1
    beta = x ** (r + 1)
    term = beta
    j = 0
    while True:
        stages += 1 / (r + j + 1)
        answered = weight * r / (r + j + 1)
        lost += weight - answered
        in_time += answered * (1 - beta)
        waited += answered * stages * patience
        term *= (r + 1 + j) / mp.mpf(j + 1) * (1 - x)
        beta += term
        j += 1
        weight *= eta / (r + j)
        total += weight
        if weight < total * mp.mpf(10) ** (-mp.mp.dps) and r + j > eta:
            break
    scale = 1 / (inverse_blocking(load, agents) - 1 + total)
    waits = total * scale
    asa_s = waited * scale / (1 - lost * scale) if agents else mp.inf
    return Exact(waits, 1 - waits + in_time * scale, asa_s, lost * scale)
