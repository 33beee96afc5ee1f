import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from staffing.search import fewest_agents

cases = st.lists(
    st.tuples(st.integers(0, 5000), st.integers(0, 5000), st.integers(1, 50)), min_size=1, max_size=20
)


@given(cases)
def test_first_number_that_passes_is_found_from_any_guess(case: list[tuple[int, int, int]]) -> None:
    wanted, guess, step = (np.array(values, dtype=np.float64) for values in zip(*case, strict=True))
    found = fewest_agents(lambda where, agents: agents >= wanted[where], guess, step)
    assert found.tolist() == wanted.tolist()


def test_nothing_is_asked_when_there_are_no_intervals() -> None:
    none = np.zeros(0)
    assert fewest_agents(lambda where, agents: agents >= 0, none, none).tolist() == []
