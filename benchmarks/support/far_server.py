"""`benchmarks.support.rondo_server` as on a machine of its own: no door of another replica is reached."""

from __future__ import annotations

import sys

import app.relay
from benchmarks.support.rondo_server import run


def elsewhere(name: str, _: str) -> None:
    """Stand for a passage to another machine."""
    raise ConnectionRefusedError(name)


if __name__ == "__main__":
    app.relay.Passage = elsewhere  # type: ignore[assignment, misc]
    run(sys.argv)
