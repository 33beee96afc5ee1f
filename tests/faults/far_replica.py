"""The command line as on a machine of its own, where no door of another replica is reached."""

from __future__ import annotations

import app.relay
from app.cli import main


def elsewhere(name: str, _: str) -> None:
    """Stand for a passage to another machine."""
    raise ConnectionRefusedError(name)


def stand_far() -> None:
    """Let no door be reached by this process from now on."""
    app.relay.Passage = elsewhere  # type: ignore[assignment, misc]


if __name__ == "__main__":
    stand_far()
    main()
