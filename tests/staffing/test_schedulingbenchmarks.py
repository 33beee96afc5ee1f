import time
from pathlib import Path

import pytest

from staffing.roster import solve_roster
from staffing.rostering.check import broken_rules
from staffing.rostering.schedulingbenchmarks import read_instance

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "rostering"

TINY = """
SECTION_HORIZON
7
SECTION_SHIFTS
E,480,
L,480,E
SECTION_STAFF
A,E=7|L=1,2400,960,5,1,2,1
B,E=7|L=7,2400,960,5,2,2,1
SECTION_DAYS_OFF
A,0
SECTION_SHIFT_ON_REQUESTS
A,2,E,3
SECTION_SHIFT_OFF_REQUESTS
B,3,L,2
SECTION_COVER
1,E,1,100,1
2,L,1,100,1
"""


def test_instance_becomes_a_problem_of_the_ordinary_model():
    problem = read_instance(TINY)
    contract = problem.contracts[0]
    assert (problem.days, len(problem.agents)) == (7, 2)
    assert contract.period_s == (960 * 60, 2400 * 60)
    assert contract.shift_limits == {"E": (0, 7), "L": (0, 1)}
    assert problem.kinds[1].not_followed_by == {"E"}


def test_incomplete_instance_is_refused():
    with pytest.raises(ValueError, match="instance"):
        read_instance("SECTION_HORIZON\n7\n")


def test_first_instance_is_solved_to_its_published_optimum():
    if not DATA.exists():
        pytest.skip("../shared/data/rostering is absent")
    problem = read_instance((DATA / "Instance1.txt").read_text())
    roster = solve_roster(problem, clock=time.monotonic, time_limit_s=20, workers=2)
    assert (roster.objective, roster.status) == (607, "optimal")
    assert broken_rules(problem, roster.assignments) == []
