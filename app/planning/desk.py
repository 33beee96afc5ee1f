"""What a staffing run works with: the database, the clock's instant, and a place to compute."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from app.db.engine import Connection, Database
from app.db.runs import Run

Save = Callable[[Connection], dict[str, Any]]


class CancelledRunError(Exception):
    """The run was asked to stop."""


class Report(Protocol):
    """How a computation says how far it is; calling it raises CancelledRunError when it is to stop."""

    def __call__(self, share: float, message: str) -> None:
        """Tell that `share` (0 to 1) of the computation is done."""

    def cancelled(self) -> bool:
        """Return whether it is to stop, without raising."""


class Compute(Protocol):
    """Runs `f(report, *args)` outside the event loop; its progress fills the given part of the run's."""

    def __call__(
        self, f: Callable[..., Any], *args: Any, part: tuple[float, float] = (0.0, 1.0)
    ) -> Awaitable[Any]:
        """Return what `f` returned."""


@dataclass(frozen=True, slots=True)
class Desk:
    """One run at work. `now` is the service's clock when it was claimed, `threads` those of a search.

    `tell(share, message)` says how far the run is; it raises what ends the run where it is to stop.
    """

    database: Database
    run: Run
    now: float
    compute: Compute
    tell: Callable[[float, str], None]
    threads: int = 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run comes to: `save` is carried out in the transaction that ends it and adds to `result`."""

    result: dict[str, Any] = field(default_factory=dict)
    save: Save | None = None
