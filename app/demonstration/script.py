"""Decides what a replay plays: who calls when and how patient he is, and who is there to answer."""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final, NamedTuple

from app.demonstration.people import Caller, Turn
from app.demonstration.records import Record
from routing.model import Presence
from staffing.patience import exponential_patience

BREAK_S: Final = 1800.0
"""An agent without a call for longer than this was not there."""
WRAP_UP_MOST_S: Final = 300.0
"""An agent who did nothing for longer than this while somebody waited was in a pause, not in wrap-up."""
_PREFIX: Final = "replay."


class _Service(NamedTuple):
    begun: float
    ended: float
    record_id: str
    team: str


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
    censored. A caller who was not served gets a service time drawn from those of the team. Agents are
    those of the recording, there from their first to their last service, for the teams they served; or
    `agents` people who are always there, for every team. Where somebody waited whom an agent could have
    served while he did nothing, he was in an unknown wrap-up, or in a pause if that took over five minutes.

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
    teams = tuple(sorted({each.team for each in records}))
    work = _recorded_work(records)
    absences = _absences(records, work)
    wrap_ups = {
        name: ended - begun for name, (begun, ended) in absences.items() if ended - begun <= WRAP_UP_MOST_S
    }
    callers = tuple(
        _caller(each, run, rng, fit.mean_s, services, wrap_ups.get(each.id, 0.0)) for each in records
    )
    if agents is not None:
        people = {f"{_PREFIX}agent-{number:03}": teams for number in range(1, agents + 1)}
        turns = [Turn(at=callers[0].at, agent_id=who, presence=Presence.AVAILABLE) for who in people]
    else:
        people = _recorded_agents(work, teams)
        turns = [turn for who in people for turn in _turns(who, work[who], absences)]
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
    wrap_up_s: float,
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
        wrap_up_s=record.wrap_up_s if record.wrap_up_s is not None else wrap_up_s,
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


def _recorded_work(records: Sequence[Record]) -> dict[str, list[_Service]]:
    """Return each agent's services in the order of their time, by agent id."""
    work: dict[str, list[_Service]] = {}
    for record in records:
        if record.agent is not None:
            begun = record.at + (record.wait_s or 0.0)
            service = _Service(begun, begun + (record.service_s or 0.0), record.id, record.team)
            work.setdefault(_agent_id(record.agent), []).append(service)
    return {who: sorted(work[who]) for who in sorted(work)}


def _recorded_agents(
    work: Mapping[str, Sequence[_Service]], teams: tuple[str, ...]
) -> dict[str, tuple[str, ...]]:
    if not work:
        raise ValueError("the records name no agents; say how many there are (--agents)")
    served = {who: {each.team for each in services} for who, services in work.items()}
    nobodys = set(teams) - set().union(*served.values())
    return {who: tuple(sorted(served[who] | nobodys)) for who in work}


def _absences(
    records: Sequence[Record], work: Mapping[str, Sequence[_Service]]
) -> dict[str, tuple[float, float]]:
    """Return from when until when an agent was not there after a service, by its record id.

    Nobody idles while a customer waits whom he could serve: from the end of a service to the last instant
    before the next at which somebody waited for one of his teams, he was not there. Without a call for over
    half an hour he was not there at all.
    """
    waits: dict[str, list[tuple[float, float]]] = {}
    for record in records:
        if record.wait_s:
            waits.setdefault(record.team, []).append((record.at, record.at + record.wait_s))
    longest_s = max((record.wait_s or 0.0 for record in records), default=0.0)
    found = {}
    for services in work.values():
        mine = [sorted(waits[team]) for team in {each.team for each in services} if team in waits]
        for before, after in pairwise(services):
            start, until = before.ended, after.begun
            if until - start <= BREAK_S:
                until = max((_last_waiting(each, start, until, longest_s) for each in mine), default=start)
            if until > start:
                found[before.record_id] = start, until
    return found


def _last_waiting(waits: Sequence[tuple[float, float]], start: float, end: float, longest_s: float) -> float:
    """Return the last instant in [start, end] at which somebody waited, or `start`; waits are in order."""
    first, behind = bisect_left(waits, (start - longest_s,)), bisect_left(waits, (end,))
    last = max((ended for _, ended in waits[first:behind]), default=start)
    return min(max(last, start), end)


def _turns(
    agent_id: str, work: Sequence[_Service], absences: Mapping[str, tuple[float, float]]
) -> list[Turn]:
    """Return when an agent comes, rests and goes, from his services in order."""
    turns = [Turn(at=work[0].begun, agent_id=agent_id, presence=Presence.AVAILABLE)]
    for each in work:
        begun, ended = absences.get(each.record_id, (0.0, 0.0))
        if ended - begun > WRAP_UP_MOST_S:
            turns.append(Turn(at=begun, agent_id=agent_id, presence=Presence.BREAK, reason="pause"))
            turns.append(Turn(at=ended, agent_id=agent_id, presence=Presence.AVAILABLE))
    until = max(each.ended for each in work)
    return [*turns, Turn(at=until, agent_id=agent_id, presence=Presence.OFFLINE)]


def _agent_id(name: str) -> str:
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in name.lower())
    return f"{_PREFIX}{plain}"[:64]
