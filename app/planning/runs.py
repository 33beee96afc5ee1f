"""What kinds of staffing run there are, and how each is carried out. Read on in the step's own file."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from app.planning.designing import design_week
from app.planning.desk import Desk, Outcome
from app.planning.forecasting import forecast_teams
from app.planning.housekeeping import keep_house
from app.planning.importing import import_history
from app.planning.intraday import look_at_day
from app.planning.params import (
    DesignParams,
    ForecastParams,
    HousekeepingParams,
    ImportParams,
    IntradayParams,
    Params,
    RequireParams,
    RosterParams,
    SimulateParams,
    TrainParams,
)
from app.planning.requiring import require_week
from app.planning.rostering import roster_weeks
from app.planning.simulating import simulate_plan
from app.planning.training import train_classifier


class Kind(NamedTuple):
    """A kind of run: what it may be told, and what it does."""

    params: type[Params]
    carry_out: Callable[[Desk], Awaitable[Outcome]]


KINDS: Final[dict[str, Kind]] = {
    "import": Kind(ImportParams, import_history),
    "forecast": Kind(ForecastParams, forecast_teams),
    "require": Kind(RequireParams, require_week),
    "design": Kind(DesignParams, design_week),
    "roster": Kind(RosterParams, roster_weeks),
    "simulate": Kind(SimulateParams, simulate_plan),
    "intraday": Kind(IntradayParams, look_at_day),
    "train": Kind(TrainParams, train_classifier),
    "housekeeping": Kind(HousekeepingParams, keep_house),
}
