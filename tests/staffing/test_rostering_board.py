import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from staffing.rostering.board import Shift, add, new_board, remove, restore, shift_prices, snapshot
from staffing.rostering.model import TeamRequirement
from tests.staffing.rosters import EARLY, hours, make_kind, make_pause, make_problem

TEAMS = ("a", "b", "c")
GROUPS = tuple(frozenset(group) for group in ("a", "b", "ab", "bc", "ac"))


def make_board(required, under, over):
    needs = tuple(
        TeamRequirement(team, (need, *(0,) * 23), under_cost=low, over_cost=high)
        for team, need, low, high in zip(TEAMS, required, under, over, strict=True)
    )
    return new_board(make_problem(12, days=1, requirements=needs), GROUPS)


def cheapest(present, required, under, over):
    """Return the least price of sharing agents out to teams in one slot, by linear programming."""
    pairs = [(g, t) for g, group in enumerate(GROUPS) for t, team in enumerate(TEAMS) if team in group]
    cost = [0.0] * len(pairs) + list(under) + list(over)
    rows = [[float(g == h) for h, _t in pairs] + [0.0] * 6 for g in range(len(GROUPS))]
    for t in range(3):
        misses = [float(t == u) for u in range(3)]
        rows.append([float(t == u) for _g, u in pairs] + misses + [-miss for miss in misses])
    return linprog(cost, A_eq=rows, b_eq=[*present, *required]).fun


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 4), min_size=3, max_size=3),
    st.lists(st.integers(1, 9), min_size=3, max_size=3),
    st.lists(st.integers(0, 5), min_size=3, max_size=3),
    st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=12),
)
def test_price_stays_that_of_the_best_sharing_out_as_agents_come_and_go(required, under, over, moves):
    board = make_board(required, under, over)
    slot = Shift(0, 0, np.array([0]), 0, ())
    present, price = [0] * len(GROUPS), float(np.dot(required, under))
    for group, comes in moves:
        if not comes and not present[group]:
            continue
        price += (add if comes else remove)(board, group, [slot])
        present[group] += 1 if comes else -1
        assert abs(price - cheapest(present, required, under, over)) < 1e-6
        assert board.serving[:, :, 0].sum(axis=1).tolist() == present


def test_board_goes_back_to_what_it_was():
    board = make_board([1, 1, 1], [5, 5, 5], [1, 1, 1])
    saved = snapshot(board)
    add(board, 2, [Shift(0, 0, np.array([0]), 0, ())])
    restore(board, saved)
    assert board.serving.sum() == 0
    assert board.gains[2, 0] == -5


def test_shift_is_worth_the_shortage_that_it_ends_less_its_breaks():
    kind = make_kind("day", 6, breaks=(make_pause("meal", 60, 3, 5),))
    problem = make_problem(1, kinds=[kind, EARLY], need=hours(6, 10), days=1)
    board = new_board(problem, [frozenset({"care"})])
    prices, _best = shift_prices(board, 0)
    assert prices.tolist() == [[-4 * 100 + 3 * 10, -4 * 100 + 4 * 10]]
