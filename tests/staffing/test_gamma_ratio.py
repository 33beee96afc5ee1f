import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from staffing.gamma_ratio import log_inverse_blocking, log_state_sum, peak


def state_sum(order: float, mean: float) -> float:
    """Return log M(1; s+1; m) less its peak, by adding terms in 30 digits."""
    with mp.workdps(30):
        s, m = mp.mpf(order), mp.mpf(mean)
        term = total = mp.mpf(1)
        step = 0
        while term > total * mp.mpf(10) ** -25 or s + step < m:
            step += 1
            term *= m / (s + step)
            total += term
        highest = m - s - s * mp.log(m / s) if m > s else mp.mpf(0)
        return float(mp.log(total) - highest)


@pytest.mark.parametrize("order", [1.0, 7.5, 29.9, 30.1, 1e3, 1e5])
@pytest.mark.parametrize("spreads", [-20.0, -6.0, -5.0, -4.9, -1.0, 0.0, 0.5, 3.0])
def test_state_sum_is_exact_on_both_sides_of_each_method(order: float, spreads: float) -> None:
    mean = order + spreads * order**0.5
    if mean <= 0:
        mean = order / 100
    got = log_state_sum(np.array([order]), np.array([mean]))[0]
    assert got == pytest.approx(state_sum(order, mean), rel=2e-13, abs=2e-13)


def test_state_sum_is_right_where_the_library_loses_all_digits() -> None:
    # Six spreads below the middle of s = 3e9 scipy's gammainc has no correct digit; here it is near s/(s-m).
    order = np.array([3e9])
    mean = order - 40 * np.sqrt(order)
    spare = float(1 - (mean / order)[0])
    expected = np.log(1 / spare) - 1 / (float(order[0]) * spare**2)
    assert log_state_sum(order, mean) == pytest.approx(expected, rel=1e-6)


@given(st.floats(min_value=1, max_value=1e9), st.floats(min_value=1e-3, max_value=30))
def test_peak_is_the_largest_exponent(order: float, ratio: float) -> None:
    s, m = np.array([order]), np.array([order * ratio])
    u = np.linspace(0, 5, 200)
    assert (m * -np.expm1(-u) - s * u <= peak(s, m) + 1e-9 * order).all()


@pytest.mark.parametrize("agents", [0, 1, 12, 300, 4000])
@pytest.mark.parametrize("spreads", [-10.0, -2.0, 0.0, 4.9, 5.1, 30.0])
def test_inverse_blocking_is_the_recursion(agents: int, spreads: float) -> None:
    load = max(agents + 1 + spreads * (agents + 1) ** 0.5, 0.05)
    with mp.workdps(30):
        inverse = mp.mpf(1)
        for n in range(1, agents + 1):
            inverse = 1 + n / mp.mpf(load) * inverse
        expected = float(mp.log(inverse))
    got = log_inverse_blocking(np.array([load]), np.array([float(agents)]))[0]
    assert got == pytest.approx(expected, rel=1e-12, abs=5e-14)
