"""`benchmarks.support.rondo_server` as on a machine of its own: no door of another replica is reached."""

from __future__ import annotations

import sys

from benchmarks.support.rondo_server import run
from tests.faults.far_replica import stand_far

if __name__ == "__main__":
    stand_far()
    run(sys.argv)
