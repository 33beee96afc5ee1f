"""What a run of each kind may be told."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

Team = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]*$", max_length=64)]
FIRST_YEAR: Final = 1970
LAST_YEAR: Final = 2999
"""Years that can be planned: every calendar, zone and sum of dates still works around them."""
Day = Annotated[date, Field(ge=date(FIRST_YEAR, 1, 1), le=date(LAST_YEAR, 12, 31))]


def day_of(text: str) -> date:
    """Return a date, or the Monday of an ISO week as `2026-W48`; ValueError where it can't be planned."""
    year, _, week = text.upper().partition("-W")
    found = date.fromisocalendar(int(year), int(week), 1) if week else date.fromisoformat(text)
    if not FIRST_YEAR <= found.year <= LAST_YEAR:
        raise ValueError(f"{text} is not of a year from {FIRST_YEAR} to {LAST_YEAR}")
    return found


def _known_week(text: str) -> str:
    day_of(text)
    return text


Week = Annotated[
    str,
    StringConstraints(pattern=r"^\d{4}-([Ww](0[1-9]|[1-4]\d|5[0-3])|\d{2}-\d{2})$"),
    AfterValidator(_known_week),
    Field(description="A date of the week, or an ISO week as 2026-W48."),
]


class Params(BaseModel):
    """Base of all parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ImportParams(Params):
    """How a history file is read; the file itself is stored beside the run."""

    format: Literal["auto", "intervals", "calls", "queue_log"] = "auto"
    minutes: Annotated[
        Literal[15, 30, 60] | None, Field(description="Interval of an interval CSV; none: found out.")
    ] = None
    channel: Literal["voice", "chat", "callback", "email", "web"] = "voice"
    teams: Annotated[
        dict[Annotated[str, StringConstraints(max_length=100)], Team],
        Field(max_length=200, description="Our team for each name in the file that is not one."),
    ] = {}


class TrainParams(Params):
    """Nothing to choose: the newest resolved tickets are learnt from."""


class HousekeepingParams(Params):
    """How long the answer to an Idempotency-Key is kept; the service gives its own setting."""

    idempotency_hours: Annotated[int, Field(ge=1)] = 24


class ForecastParams(Params):
    """Which teams (none: all), from which day (none: today) and how far; None takes the team's setting."""

    team: Team | None = None
    first_on: Day | None = None
    weeks: Annotated[int, Field(ge=1, le=18)] | None = None


class RequireParams(Params):
    """Which week (none: the coming one) and which teams (none: all)."""

    week: Week | None = None
    team: Team | None = None
    reforecast: bool = False
    pooling_s: Annotated[
        float | None,
        Field(
            ge=0,
            le=3600,
            description="Most seconds of simulation for teams that share agents; none: the site's, 0: none.",
        ),
    ] = None


class RosterParams(Params):
    """Which weeks (from the coming one) and how hard to search."""

    week: Week | None = None
    weeks: Annotated[int, Field(ge=1, le=4)] = 1
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    time_limit_s: Annotated[float, Field(ge=0.5, le=3600)] = 30.0
    threads: Annotated[
        int | None,
        Field(ge=1, le=64, description="Threads of the search; none: the service's setting."),
    ] = None
    repeatable: Annotated[
        bool,
        Field(
            description="Count the steps of the search, so that the same input, seed and time limit give the "
            "same roster with any number of threads; it searches less. One thread always does."
        ),
    ] = False
    reforecast: bool = False
    check_only: Annotated[
        bool, Field(description="Name what is wrong with the rules and make no roster.")
    ] = False
    note: Annotated[str, StringConstraints(max_length=200)] = ""


class DesignParams(Params):
    """Which week's requirement (none: the coming one) is covered, with how many kinds of shift at most."""

    week: Week | None = None
    most_kinds: Annotated[int | None, Field(ge=1, le=40)] = 8
    time_limit_s: Annotated[float, Field(ge=0.5, le=600)] = 20.0
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0


class SimulateParams(Params):
    """Which plan is simulated, how often, and what is to be different (factors, absence, policy)."""

    plan: Annotated[int, Field(ge=1, lt=2**62)]
    replications: Annotated[int, Field(ge=2, le=100)] = 10
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    volume: Annotated[float, Field(gt=0, le=10)] = 1.0
    handle_time: Annotated[float, Field(gt=0, le=10)] = 1.0
    absence: Annotated[
        float | None, Field(ge=0, lt=1, description="Share of shifts that fall out; none: the shrinkage.")
    ] = None
    more_absence: Annotated[
        float, Field(ge=0, lt=1, description="What if: share of shifts that fall out besides.")
    ] = 0.0
    patience: Annotated[float, Field(gt=0, le=10)] = 1.0
    policy: Annotated[
        int | None, Field(ge=1, lt=2**62, description="What if: another version of the policy.")
    ] = None


class IntradayParams(Params):
    """Which team's day is looked at anew (none: all)."""

    team: Team | None = None
