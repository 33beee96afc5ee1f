"""Bodies about planning: runs, plans, time off, wishes, corrections, special days."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from app.api.bodies import Body, Instant, Short, Slug
from app.planning.params import (
    Day,
    DesignParams,
    ForecastParams,
    IntradayParams,
    Params,
    RequireParams,
    RosterParams,
    SimulateParams,
    TrainParams,
)
from app.planning.terms import ContractTerms

_MOST_DAYS_OFF = 366


class NewForecastRun(Body):
    """Forecast one team or all."""

    kind: Literal["forecast"]
    params: ForecastParams = ForecastParams()


class NewRequireRun(Body):
    """Work out how many agents each interval of a week needs."""

    kind: Literal["require"]
    params: RequireParams = RequireParams()


class NewRosterRun(Body):
    """Make a draft roster of one week or a few."""

    kind: Literal["roster"]
    params: RosterParams = RosterParams()


class NewTrainRun(Body):
    """Learn the text classifier from the newest resolved tickets."""

    kind: Literal["train"]
    params: TrainParams = TrainParams()


class NewHousekeepingRun(Body):
    """Throw away old answers to idempotency keys and dead sessions, as every night."""

    kind: Literal["housekeeping"]
    params: Params = Params()


class NewIntradayRun(Body):
    """Look at today: what came, what will come, the gaps and what to do."""

    kind: Literal["intraday"]
    params: IntradayParams = IntradayParams()


class NewDesignRun(Body):
    """Work out which kinds of shift cover a week's requirement with the least surplus."""

    kind: Literal["design"]
    params: DesignParams = DesignParams()


class NewSimulateRun(Body):
    """Let a plan's people meet its forecast through the routing; what if volume or handle time differ."""

    kind: Literal["simulate"]
    params: SimulateParams


NewRun = Annotated[
    NewForecastRun
    | NewRequireRun
    | NewDesignRun
    | NewRosterRun
    | NewSimulateRun
    | NewIntradayRun
    | NewTrainRun
    | NewHousekeepingRun,
    Field(discriminator="kind"),
]


class Days(Body):
    """Local dates, both included."""

    first_on: Day
    last_on: Day

    @model_validator(mode="after")
    def _in_order(self) -> Days:
        if not 0 <= (self.last_on - self.first_on).days < _MOST_DAYS_OFF:
            raise ValueError("last_on must not come before first_on, nor a year after it")
        return self


class Contract(Body):
    """An agent and the terms of the contract; terms that are left out are the preset's."""

    agent: Slug
    terms: ContractTerms


class Contracts(Body):
    """Contracts, agreed together."""

    items: Annotated[tuple[Contract, ...], Field(min_length=1, max_length=10_000)]

    @model_validator(mode="after")
    def _each_once(self) -> Contracts:
        twice = [agent for agent, many in Counter(each.agent for each in self.items).items() if many > 1]
        if twice:
            raise ValueError(f"named twice: {', '.join(twice[:20])}")
        return self


class NewTimeOff(Days):
    """Days off for an agent; a key of the agent's own asks, one that may plan grants at once."""

    agent: Slug
    kind: Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,40}$")] = "holiday"
    note: Short = ""
    state: Literal["requested", "granted"] = "granted"


class ShiftChange(Body):
    """An agent's day as the planner wants it: a kind of shift, or null for a day off; maybe locked."""

    agent: Slug
    on: Day
    shift: Annotated[str, StringConstraints(max_length=40)] | None = None
    locked: bool = True


class PlanChanges(Body):
    """Changes of a plan, carried out together."""

    changes: Annotated[tuple[ShiftChange, ...], Field(min_length=1, max_length=200)]


class Decision(Body):
    """Why something that was asked for is granted or refused."""

    reason: Short = ""


class CarryOut(Decision):
    """Why a proposal of the day is carried out, and for whom where it leaves the choice."""

    agent: Slug | None = None


class NewSwap(Body):
    """A swap: `agent` gives the shift of `on` to `other_agent`, for that one's shift of `other_on`."""

    agent: Slug
    on: Day
    other_agent: Slug
    other_on: Annotated[Day | None, Field(description="None: the same date.")] = None
    note: Short = ""

    @model_validator(mode="after")
    def _of_two(self) -> NewSwap:
        if self.agent == self.other_agent:
            raise ValueError("other_agent must be another agent")
        return self


class NewWish(Body):
    """What an agent would like on a date: to work (maybe a certain shift), or not to."""

    agent: Slug
    on: Day
    works: bool
    shift: Annotated[str, StringConstraints(max_length=40)] | None = None
    weight: Annotated[int, Field(ge=1, le=10)] = 1


class NewSpecialDay(Days):
    """Days of which the planner knows something; the same name lets later ones learn from earlier ones."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=80)]
    effect: Annotated[
        float | None, Field(ge=0, le=10, description="Factor on an ordinary day; none: learnt.")
    ] = None
    team: Slug | None = None


class NewOverride(Body):
    """A correction of a forecast from `since` until before `until`; it survives the next forecast."""

    team: Slug
    since: Instant
    until: Instant
    factor: Annotated[float, Field(ge=0, le=100)] | None = None
    value: Annotated[float, Field(ge=0, le=1_000_000)] | None = None
    handle_s: Annotated[float, Field(gt=0, le=86_400)] | None = None
    reason: Short = ""

    @model_validator(mode="after")
    def _says_one_thing(self) -> NewOverride:
        if self.until <= self.since:
            raise ValueError("until must come after since")
        if self.factor is not None and self.value is not None:
            raise ValueError("give a factor or a value, not both")
        if self.factor is None and self.value is None and self.handle_s is None:
            raise ValueError("give a factor, a value or handle_s")
        return self
