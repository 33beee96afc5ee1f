"""What planners decide: targets, shrinkage, kinds of shift, contracts; the policy fills what they leave."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Annotated, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from app.db.engine import Connection
from app.db.forecasts import read_settings
from app.db.staff import read_policy
from app.errors import CannotPlanError, UnknownReferenceError
from app.planning.params import day_of
from routing.model import CAPACITY_FULL, Channel
from routing.policy import Policy
from staffing.intervals import Grid, week_start_on
from staffing.performance import Targets

ClockText = Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
Share = Annotated[float, Field(ge=0, lt=1)]
Hours = Annotated[float, Field(ge=0, le=24)]
WeekHours = Annotated[float, Field(ge=0, le=168)]
PeriodHours = Annotated[float, Field(ge=0, le=672)]
PeriodDays = Annotated[int, Field(ge=0, le=28)]


Deferrable = Literal["callback", "email", "web"]
"""Channels whose contacts are worked off when it is quiet."""
WITHIN_HOURS: Final[dict[Deferrable, float]] = {"callback": 2.0, "email": 24.0, "web": 24.0}


class Terms(BaseModel):
    """Base of what planners set."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TeamTerms(Terms):
    """What a team promises and what its people's time is worth; None takes the policy's or no value."""

    service_level: Annotated[float, Field(gt=0, lt=1)] | None = None
    answer_within_s: Annotated[float, Field(gt=0, le=86_400)] | None = None
    asa_s: Annotated[float, Field(gt=0, le=86_400)] | None = None
    abandonment: Annotated[float, Field(gt=0, lt=1)] | None = None
    max_occupancy: Annotated[float, Field(gt=0, le=1)] | None = 0.9
    min_agents: Annotated[int, Field(ge=0, le=1000)] = 0
    patience_s: Annotated[float, Field(gt=0, le=86_400)] | None = None
    patience_by: Annotated[
        Literal["exponential", "kaplan_meier"],
        Field(description="How patience is estimated from waits, most of which ended in an answer."),
    ] = "exponential"
    chat_concurrency: Annotated[
        int | None, Field(ge=1, le=20, description="Chats of an agent at a time; none: as the policy allows.")
    ] = None
    chat_slowdown: Annotated[
        float, Field(ge=0, le=2, description="How much longer a chat takes for each other one beside it.")
    ] = 0.0
    within_hours: Annotated[
        dict[Deferrable, Annotated[float, Field(gt=0, le=168)]],
        Field(description="Time in which work that can wait has to be done, by channel."),
    ] = WITHIN_HOURS
    door_minutes: Annotated[
        float,
        Field(ge=0, le=240, description="How long before opening who comes waits; as the history tells."),
    ] = 60.0
    waiting_at_opening: Annotated[
        float | None,
        Field(ge=0, le=10_000, description="Contacts at the door at opening; none: as the history tells."),
    ] = None
    handle_s: Annotated[
        float, Field(gt=0, le=86_400, description="Used where no handle time was ever recorded.")
    ] = 300.0
    shrinkage: Annotated[
        dict[str, Share], Field(max_length=20, description="Share of paid time by kind, without breaks.")
    ] = {"absence": 0.05, "meetings": 0.03, "training": 0.02}
    allow_for_uncertainty: Annotated[
        bool, Field(description="Staff for the rates that may come, not for the expected one alone.")
    ] = True
    least_volume: Annotated[
        float, Field(ge=0, le=1000, description="Fewer contacts in an interval need min_agents only.")
    ] = 0.2
    forecast_weeks: Annotated[int, Field(ge=1, le=18)] = 6

    def within(self, channel: str) -> float:
        """Return the hours in which work of a channel has to be done."""
        return {**WITHIN_HOURS, **self.within_hours}[channel]  # type: ignore[index]  # a stored key


class BreakTerms(Terms):
    """A pause of a shift, as minutes after its start within which it begins."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=40)] = "meal"
    minutes: Annotated[int, Field(ge=5, le=240)] = 30
    earliest_min: Annotated[int, Field(ge=0, le=1440)] = 150
    latest_min: Annotated[int, Field(ge=0, le=1440)] = 300
    paid: bool = False
    for_shifts_from_hours: Annotated[float, Field(ge=0, le=24)] = 6.25

    @model_validator(mode="after")
    def _in_order(self) -> BreakTerms:
        if self.latest_min < self.earliest_min:
            raise ValueError("latest_min lies before earliest_min")
        return self


class SiteTerms(Terms):
    """How the site plans: its interval, its week, its kinds of shift, its prices."""

    interval_minutes: Literal[15, 30, 60] = 30
    week_starts_on: Annotated[int, Field(ge=0, le=6)] = 0
    shift_starts: Annotated[
        tuple[ClockText, ...],
        Field(max_length=48, description="Empty: every hour at which the requirement allows a start."),
    ] = ()
    shift_hours: Annotated[
        tuple[Annotated[float, Field(ge=1, le=16)], ...], Field(min_length=1, max_length=8)
    ] = (
        8.5,
        6.0,
    )
    breaks: Annotated[tuple[BreakTerms, ...], Field(max_length=6)] = (BreakTerms(),)
    pooling: Annotated[
        Literal["off", "shown", "staffed"],
        Field(description="Teams that share agents: counted together, shown, or staffed for together."),
    ] = "shown"
    pooling_s: Annotated[
        float, Field(ge=0, le=3600, description="Seconds of simulation for it at most; 0: the bounds alone.")
    ] = 30.0
    under_cost: Annotated[int, Field(ge=0, le=100_000)] = 100
    over_cost: Annotated[int, Field(ge=0, le=100_000)] = 10
    change_cost: Annotated[int, Field(ge=0, le=100_000)] = 50
    fairness_cost: Annotated[int, Field(ge=0, le=100_000)] = 5
    hour_cost: Annotated[int, Field(ge=0, le=100_000)] = 0


class DayWindow(Terms):
    """When an agent can work on a weekday, local clock; `until` at or before `from_` is the next day."""

    start: ClockText
    end: Annotated[str, StringConstraints(pattern=r"^(([01]\d|2[0-3]):[0-5]\d|24:00)$")]


class ShiftLimits(Terms):
    """Least and most shifts of a kind in a period; None for any number."""

    least: PeriodDays = 0
    most: PeriodDays | None = None

    @model_validator(mode="after")
    def _in_order(self) -> ShiftLimits:
        if self.most is not None and self.least > self.most:
            raise ValueError("the fewest shifts exceed the most")
        return self


class ContractTerms(Terms):
    """What an agent has agreed to; the preset is a full-time contract of 30 to 40 hours."""

    week_hours_min: WeekHours = 30.0
    week_hours_max: WeekHours = 40.0
    day_hours_min: Hours = 0.0
    day_hours_max: Hours = 10.0
    week_days_min: Annotated[int, Field(ge=0, le=7)] = 0
    week_days_max: Annotated[int, Field(ge=0, le=7)] = 5
    period_weeks: Annotated[
        int,
        Field(ge=1, le=4, description="Length of a period, for the `period_` terms and `max_weekends`."),
    ] = 4
    period_from: Annotated[
        date | None,
        Field(description="A date of a period's first week; none: as if one began on 1 January 2024."),
    ] = None
    period_hours_min: PeriodHours | None = None
    period_hours_max: PeriodHours | None = None
    period_days_off_min: PeriodDays | None = None
    period_days_off_max: PeriodDays | None = None
    period_shifts: Annotated[
        dict[Annotated[str, StringConstraints(min_length=1, max_length=40)], ShiftLimits],
        Field(max_length=40, description="Least and most shifts of a kind in a period, by kind."),
    ] = {}
    max_days_in_row: Annotated[int, Field(ge=1, le=31)] = 6
    min_days_in_row: Annotated[int, Field(ge=1, le=14)] = 1
    min_days_off_in_row: Annotated[int, Field(ge=1, le=14)] = 1
    min_rest_hours: Hours = 11.0
    week_rest_hours: Annotated[float, Field(ge=0, le=168)] | None = None
    start_variance_hours: Annotated[
        float | None,
        Field(
            ge=0, le=24, description="Most hours between the earliest and latest start of a week's shifts."
        ),
    ] = None
    max_weekends: Annotated[
        int | None, Field(ge=0, le=10, description="Most weekends of a period with work on them.")
    ] = None
    max_weekends_in_row: Annotated[int, Field(ge=0, le=10)] | None = None
    whole_weekends: bool = False
    availability: Annotated[
        tuple[DayWindow | None, ...],
        Field(max_length=7, description="Seven windows, Monday first, null for never; empty for always."),
    ] = ()
    shifts: Annotated[
        tuple[str, ...] | None, Field(max_length=100, description="Kinds of shift the agent takes.")
    ] = None
    rostered: bool = True

    @model_validator(mode="after")
    def _in_order(self) -> ContractTerms:
        if self.week_hours_min > self.week_hours_max or self.day_hours_min > self.day_hours_max:
            raise ValueError("the fewest hours exceed the most")
        if self.availability and len(self.availability) != 7:
            raise ValueError("availability needs seven windows, Monday first")
        if self.week_days_min > self.week_days_max:
            raise ValueError("the fewest days of a week exceed the most")
        if self.min_days_in_row > self.max_days_in_row:
            raise ValueError("the fewest days in a row exceed the most")
        return self

    @model_validator(mode="after")
    def _period_is_possible(self) -> ContractTerms:
        if self.period_hours is not None:
            least, most = self.period_hours
            if least > most:
                raise ValueError("the period's fewest hours exceed the most that it or its weeks allow")
            if most < self.period_weeks * self.week_hours_min:
                raise ValueError("the period's most hours are less than its weeks need")
        if self.period_days_off is not None and self.period_days_off[0] > self.period_days_off[1]:
            raise ValueError("the period's fewest days off exceed the most, or its days")
        return self

    @property
    def period_hours(self) -> tuple[float, float] | None:
        """Least and most hours of a period, where one was agreed; the weeks bound the other."""
        if self.period_hours_min is None and self.period_hours_max is None:
            return None
        by_weeks = self.period_weeks * self.week_hours_max
        most = by_weeks if self.period_hours_max is None else min(self.period_hours_max, by_weeks)
        return self.period_hours_min or 0.0, most

    @property
    def period_days_off(self) -> tuple[int, int] | None:
        """Least and most days off of a period, where one was agreed; its days bound the other."""
        if self.period_days_off_min is None and self.period_days_off_max is None:
            return None
        days = 7 * self.period_weeks
        most = days if self.period_days_off_max is None else min(self.period_days_off_max, days)
        return self.period_days_off_min or 0, most


@dataclass(frozen=True, slots=True)
class Planning:
    """The policy in force and what the planners have set, read together."""

    policy: Policy
    site: SiteTerms
    teams: dict[str, TeamTerms]

    @property
    def grid(self) -> Grid:
        """The intervals in which the site plans."""
        zone = self.policy.site.time_zone
        return Grid(zone, self.site.interval_minutes, self.site.week_starts_on)

    def team(self, team_id: str) -> TeamTerms:
        """Return a team's terms with the policy's promise where planners made none."""
        given = self.teams.get(team_id, TeamTerms())
        policy = self.policy.teams[team_id]
        filled = {
            "service_level": given.service_level if _promised(given) else min(policy.target_share, 0.999),
            "answer_within_s": given.answer_within_s or policy.target_s,
        }
        return given.model_copy(update=filled)

    def concurrency(self, team_id: str) -> int:
        """Return how many chats an agent of a team has at a time."""
        chat = self.policy.channels.get(Channel.CHAT)
        allowed = min(chat.cap, CAPACITY_FULL // max(chat.cost, 1)) if chat is not None else 1
        return self.team(team_id).chat_concurrency or max(allowed, 1)

    def check_team(self, team_id: str) -> None:
        """Raise UnknownReferenceError unless the policy has the team."""
        if team_id not in self.policy.teams:
            raise UnknownReferenceError(f"There is no team {team_id!r}.", known=sorted(self.policy.teams))


def read_planning(conn: Connection) -> Planning:
    """Return policy and planners' settings; raises CannotPlanError where no organisation is set up."""
    policy = read_policy(conn)
    if policy is None or not policy.teams:
        raise CannotPlanError("No policy with teams is published yet; `rondo init` sets up a ready one.")
    stored = read_settings(conn)
    site = SiteTerms.model_validate_json(stored.get("site", "{}"))
    teams = {
        team: TeamTerms.model_validate_json(stored[f"team:{team}"])
        for team in policy.teams
        if f"team:{team}" in stored
    }
    return Planning(policy, site, teams)


def targets_of(terms: TeamTerms, short_abandon_s: float, *, min_agents: int | NDArray[np.int64]) -> Targets:
    """Return the promise of filled-in terms as staffing needs it, with so many agents at least."""
    return Targets(
        service_level=terms.service_level,
        answer_within_s=terms.answer_within_s or 20.0,
        short_abandon_s=short_abandon_s,
        asa_s=terms.asa_s,
        abandonment=terms.abandonment,
        max_occupancy=terms.max_occupancy,
        min_agents=min_agents,
    )


def week_of(grid: Grid, text: str) -> date:
    """Return the first date of the site's week named by a date in it or by `2026-W48`; else ValueError."""
    return week_start_on(grid, day_of(text))


def _promised(terms: TeamTerms) -> bool:
    """Whether the planners promise something that sizes the staff by itself."""
    return any(each is not None for each in (terms.service_level, terms.asa_s, terms.abandonment))
