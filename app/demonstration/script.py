"""Decides what a replay plays: who calls when and how patient he is, and who is there to answer."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from app.demonstration.people import Caller, Turn
from app.demonstration.records import Record
from routing.model import Presence
from staffing.patience import exponential_patience

BREAK_S: Final = 1800.0
"""An agent without a call for longer than this was not there."""
_PREFIX: Final = "replay."


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A replay, in recorded time (epoch seconds).

    Args:
        callers: In the order of their time.
        turns: When agents come and go, in the order of their time.
        agents: The teams each agent answers for, by agent id.
        teams: Every team that is called.
        mean_patience_s: Mean of the exponential law that served callers' unknown patience is drawn from.
    """

    callers: tuple[Caller, ...]
    turns: tuple[Turn, ...]
    agents: Mapping[str, tuple[str, ...]]
    teams: tuple[str, ...]
    mean_patience_s: float

    @property
    def begins_at(self) -> float:
        """When the first thing happens."""
        return min(self.callers[0].at, *(turn.at for turn in self.turns[:1]))


def write_script(records: Sequence[Record], *, run: str, seed: int = 1, agents: int | None = None) -> Script:
    """Return the script for `records`, which must not be empty.

    A recorded abandonment's patience is its wait. A served caller's is at least the recorded wait; what
    comes beyond it is exponential with the mean fitted to all waits of the recording, answered ones taken as
    censored. A caller who was not served gets a service time drawn from those of the team. Agents are those
    of the recording, there from their first to their last service less pauses of over half an hour,
    for the teams they served; or `agents` people who are always there, for every team.

    Args:
        records: In the order of their time.
        agents: How many agents there are instead of the recorded ones.
        run: A name that sets this run's calls apart from those of other runs.
        seed: Of the draws.

    Raises:
        ValueError: When the recording names no agents and `agents` is not given.
    """
    rng = random.Random(seed)
    fit = exponential_patience(
        [each.wait_s or 0.0 for each in records], [not each.answered for each in records]
    )
    services = _service_times(records)
    callers = tuple(_caller(each, run, rng, fit.mean_s, services) for each in records)
    teams = tuple(sorted({each.team for each in records}))
    if agents is not None:
        people = {f"{_PREFIX}agent-{number:03}": teams for number in range(1, agents + 1)}
        turns = [Turn(at=callers[0].at, agent_id=who, presence=Presence.AVAILABLE) for who in people]
    else:
        people, turns = _recorded_agents(records, teams)
    return Script(
        callers=callers,
        turns=tuple(sorted(turns, key=lambda turn: (turn.at, turn.agent_id))),
        agents=people,
        teams=teams,
        mean_patience_s=fit.mean_s,
    )


def moved(script: Script, *, to: float, pace: float = 1.0) -> Script:
    """Return the script with its beginning at `to` and all durations divided by `pace`."""
    begin = script.begins_at

    def at(recorded: float) -> float:
        return to + (recorded - begin) / pace

    return replace(
        script,
        callers=tuple(
            replace(
                each,
                at=at(each.at),
                talk_s=each.talk_s / pace,
                wrap_up_s=each.wrap_up_s / pace,
                patience_s=each.patience_s / pace,
            )
            for each in script.callers
        ),
        turns=tuple(replace(each, at=at(each.at)) for each in script.turns),
    )


def _caller(
    record: Record,
    run: str,
    rng: random.Random,
    mean_patience_s: float,
    services: Mapping[str, Sequence[float]],
) -> Caller:
    # Both are drawn for every caller, so that one record's content never moves the draws of the others.
    beyond, service = rng.expovariate(1.0), rng.random()
    patience_s = record.patience_s
    if patience_s is None:
        patience_s = (record.wait_s or 0.0) + beyond * mean_patience_s
    talk_s = record.service_s
    if talk_s is None:
        known = services.get(record.team) or services[""]
        talk_s = known[int(service * len(known))]
    sender = {"external_id": f"record-{record.customer}"} if record.customer is not None else {}
    body: dict[str, Any] = {
        "channel": record.channel,
        "team": record.team,
        "from": sender,
        "priority": record.priority,
        "details": {"record": record.id},
    }
    return Caller(
        call_id=f"{run}-{record.id}",
        at=record.at,
        body=body,
        talk_s=talk_s,
        wrap_up_s=record.wrap_up_s,
        patience_s=patience_s,
    )


def _service_times(records: Sequence[Record]) -> dict[str, list[float]]:
    """Return the known service times by team, and all of them under the empty name."""
    found: dict[str, list[float]] = {"": []}
    for record in records:
        if record.service_s is not None:
            found.setdefault(record.team, []).append(record.service_s)
            found[""].append(record.service_s)
    found[""] = found[""] or [180.0]
    return found


def _recorded_agents(
    records: Sequence[Record], teams: tuple[str, ...]
) -> tuple[dict[str, tuple[str, ...]], list[Turn]]:
    work: dict[str, list[tuple[float, float]]] = {}
    served: dict[str, set[str]] = {}
    for record in records:
        if record.agent is not None:
            agent_id = _agent_id(record.agent)
            begun = record.at + (record.wait_s or 0.0)
            work.setdefault(agent_id, []).append((begun, begun + (record.service_s or 0.0)))
            served.setdefault(agent_id, set()).add(record.team)
    if not work:
        raise ValueError("the records name no agents; say how many there are")
    nobodys = set(teams) - set().union(*served.values())
    agents = {who: tuple(sorted(served[who] | nobodys)) for who in sorted(work)}
    turns = [turn for who in agents for turn in _turns(who, sorted(work[who]))]
    return agents, turns


def _turns(agent_id: str, work: Sequence[tuple[float, float]]) -> list[Turn]:
    """Return when an agent comes and goes, from the times of his services in order."""
    turns = [Turn(at=work[0][0], agent_id=agent_id, presence=Presence.AVAILABLE)]
    until = work[0][1]
    for begun, ended in work[1:]:
        if begun - until > BREAK_S:
            turns.append(Turn(at=until, agent_id=agent_id, presence=Presence.BREAK, reason="pause"))
            turns.append(Turn(at=begun, agent_id=agent_id, presence=Presence.AVAILABLE))
        until = max(until, ended)
    return [*turns, Turn(at=until, agent_id=agent_id, presence=Presence.OFFLINE)]


def _agent_id(name: str) -> str:
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in name.lower())
    return f"{_PREFIX}{plain}"[:64]
