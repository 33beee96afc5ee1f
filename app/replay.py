"""Play recorded contacts against a running service over its public API and say what became of them."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from app.auth import ROLES
from app.db.migrate import migrate
from app.demonstration import child
from app.demonstration.accounting import Account, quantile, recorded_waits, take_account, wait_figures
from app.demonstration.api import Api, connected
from app.demonstration.people import Ledger, People
from app.demonstration.records import Record
from app.demonstration.script import Script, moved, write_script
from app.main import open_house
from app.settings import Settings
from routing.model import Channel
from routing.policy import DEFAULT_CHANNELS, Policy, Site, TeamPolicy

_LEAD: Final = "replay.lead"
_DRAIN_S: Final = 3 * 3600.0
"""Recorded time after the last call within which every contact should have ended."""
_PRIORITY_CREDIT_S: Final = 90.0
"""How far a caller of priority 1 is moved ahead: the bank's rule for its better customers."""
_OFFER_REAL_S: Final = 2.0
"""An agent's answer travels in wall-clock time, so no offer runs out before that much of it has passed."""


class UnknownTeamsError(Exception):
    """The service has no such teams."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to play.

    Args:
        speed: Recorded seconds per second of the wall clock.
        target_s: Target wait of the figures, and of the policy of a service of our own.
        agents: How many agents are always there, instead of those of the recording.
        seed: Of every draw.
        time_zone: Of a service of our own, so that its days are those of the recording.
    """

    speed: float = 60.0
    target_s: float = 20.0
    agents: int | None = None
    seed: int = 1
    time_zone: str = "UTC"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a replay found; `recorded` and `replayed` are figures in recorded seconds."""

    recorded: Mapping[str, Any]
    replayed: Mapping[str, Any]
    account: Account
    ledger: Ledger
    agents: int
    mean_patience_s: float
    clock_speed: float
    pace: float
    retries: int

    @property
    def answer_way_s(self) -> float:
        """Mean recorded time an agent's answer was under way: what the machine adds to each wait."""
        ways = self.ledger.answer_ways_s
        return self.pace * sum(ways) / len(ways) if ways else 0.0

    def as_json(self) -> dict[str, Any]:
        """Return the report as plain data."""
        lags = self.ledger.lags_s
        return {
            "recorded": dict(self.recorded),
            "replayed": dict(self.replayed),
            "service": self.account.own,
            "states": dict(self.account.states),
            "nothing_lost": self.account.holds,
            "checks": [
                {"claim": each.claim, "holds": each.holds, "detail": each.detail}
                for each in self.account.checks
            ],
            "agents": self.agents,
            "mean_patience_s": self.mean_patience_s,
            "clock_speed": self.clock_speed,
            "pace": self.pace,
            "lag_s": {"p50": quantile(lags, 0.5), "p99": quantile(lags, 0.99), "max": quantile(lags, 1.0)},
            "mean_answer_way_s": self.answer_way_s,
            "retries": self.retries,
            "offers_missed": self.ledger.missed,
            "stream_resumed": self.ledger.resumed,
            "refused": self.ledger.refused[:20],
        }


async def replay_on_own(
    records: Sequence[Record],
    options: Options,
    ledger: Ledger,
    settings: Settings,
    *,
    log_path: Path,
    lead_in_s: float = 6.0,
) -> Report:
    """Play `records` on a service of our own with the database of `settings`, which lives in recorded time.

    Its clock runs at `options.speed` and begins `lead_in_s` seconds of the wall clock before the first call;
    if it starts more slowly than that, everything comes later by as much. Its teams are those of the records.
    Raises what `replay` raises and NotStartedError.
    """
    script = write_script(records, run="", agents=options.agents)
    start = datetime.fromtimestamp(script.begins_at - lead_in_s * options.speed, UTC)
    chosen = settings.model_copy(
        update={
            "clock_speed": options.speed,
            "clock_start_at": start,
            "port": child.free_port(settings.host),
            "worker": "off",
            "scheduler": False,
        }
    )
    async with _own_service(chosen, log_path) as api:
        await _put_policy(api, script, options)
        return await replay(api, records, options, ledger, not_before=script.begins_at)


async def replay(
    api: Api, records: Sequence[Record], options: Options, ledger: Ledger, *, not_before: float = 0.0
) -> Report:
    """Play `records`, in the order of their time, against the service behind `api`.

    The service's clock decides: recorded time is moved onto it, and where its speed is not `options.speed`
    all durations of the recording are stretched or pressed alike. `ledger` may be watched meanwhile.

    Raises:
        UnknownTeamsError: When the service has not all teams of the records; nothing was posted.
        ValueError: When the records name no agents and `options.agents` does not.
        RefusedError, UnreachableError: When the service does not let us in or goes away; while calls run,
            inside an ExceptionGroup.
    """
    script = write_script(
        records, run=f"replay-{secrets.token_hex(4)}", seed=options.seed, agents=options.agents
    )
    await _check_teams(api, script.teams)
    await _put_agents(api, script)
    clock = await api.clock()
    pace = options.speed / clock.speed
    begin = max(not_before, clock.now() + clock.speed)
    played = moved(script, to=begin, pace=pace)
    people = People(api, clock, agent_ids=played.agents, ledger=ledger, rng=random.Random(options.seed))
    try:
        await people.live(played.callers, played.turns, drain_s=_DRAIN_S / pace)
    finally:
        await _send_home(api, script)
    account = await take_account(
        api, ledger, planned=len(records), teams=script.teams, start=begin, end=clock.now() + 1
    )
    waits = [replace(wait, wait_s=wait.wait_s * pace) for wait in account.waits]
    return Report(
        recorded=wait_figures(recorded_waits(records), target_s=options.target_s),
        replayed=wait_figures(waits, target_s=options.target_s),
        account=account,
        ledger=ledger,
        agents=len(script.agents),
        mean_patience_s=script.mean_patience_s,
        clock_speed=clock.speed,
        pace=pace,
        retries=api.retries,
    )


@asynccontextmanager
async def _own_service(settings: Settings, log_path: Path) -> AsyncIterator[Api]:
    await asyncio.to_thread(migrate, settings.database_url)
    async with open_house(settings) as house:
        _, key = await house.keyring.create_key("replay", ROLES["admin"])
    async with child.service(settings, log_path) as url, connected(url, key) as api:
        yield api


async def _put_policy(api: Api, script: Script, options: Options) -> None:
    """Give a new service the teams of the records, and rules that are as near as can be to theirs."""
    await api.send("PUT", f"/v1/agents/{_LEAD}", {"name": "Lead of the replay"})
    teams = {
        team: TeamPolicy(
            id=team,
            name=team,
            lead_id=_LEAD,
            target_s=options.target_s,
            priority_credit_s=_PRIORITY_CREDIT_S,
            wrap_up_s=max(each.wrap_up_s for each in script.callers),
            owner_preferred_s=0.0,
        )
        for team in script.teams
    }
    least_s = _OFFER_REAL_S * options.speed
    channels: dict[Channel, Any] = {
        name: msgspec.structs.replace(channel, offer_s=max(channel.offer_s, least_s))
        for name, channel in DEFAULT_CHANNELS.items()
    }
    policy = Policy(
        version=1,
        teams=teams,
        fallback_team=min(teams),
        channels=channels,
        site=Site(name="replay", time_zone=options.time_zone),
    )
    await api.send("POST", "/v1/policies", policy)


async def _check_teams(api: Api, teams: Sequence[str]) -> None:
    known = (await api.get("/v1/policies/current"))["teams"]
    missing = [team for team in teams if team not in known]
    if missing:
        raise UnknownTeamsError(
            f"the service has no team {', '.join(missing)}; it has {', '.join(sorted(known)) or 'none'}"
        )


async def _put_agents(api: Api, script: Script) -> None:
    for agent_id, teams in script.agents.items():
        record = {"name": agent_id, "teams": teams, "skills": dict.fromkeys(teams, 3)}
        await api.send("PUT", f"/v1/agents/{agent_id}", record)


async def _send_home(api: Api, script: Script) -> None:
    """Leave no agent behind who is shown as available though nobody answers for him."""
    for agent_id in script.agents:
        await api.send("PUT", f"/v1/agents/{agent_id}/presence", {"presence": "offline"})
