"""Decides what service teams that share agents give: thousands of short runs at once, in lock-step.

Each lane is one replication of one staffing at a level rate. In every step each lane does what comes next in
it: a contact arrives, an agent who is free takes the most urgent contact, or a contact may from now on be
taken by other teams too. Selection and order are those of `routing.decide` with one contact at a time: the
agent who is idle longest, the head that is most urgent. `shared_agents` says what of a policy is followed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from staffing.simulation.unit_draws import UnitDraws

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Bools = NDArray[np.bool_]

_NEVER = 1e300
_SOON = 1e299
"""Instants below this come; `_NEVER` added to one stays above it."""
_BEGIN_AT = 1e4
_SLOT_BITS = (1 << 12) - 1
MOST_AGENTS = _SLOT_BITS
"""An agent's number lives in the last bits of the instant it is free at: one minimum finds both."""
_LANES = 4096
_LOOK_EVERY = 48
MOST_WIDE_BITS = 16
"""Teams times stages of help: each set of them has an entry in a table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How contacts find agents; arrays by team, of shape (groups, teams), or with stages before these.

    A team's stages follow one another, and who may take a contact once still may later.

    Attributes:
        serves: Whether a group works for a team.
        weight: Weight of a team's urgency.
        target_s: Target that urgency is measured against.
        within_s: Wait within which an answer counts as in time.
        short_s: Abandons before this wait are not counted.
        widen_s: Wait after which other groups may take a contact too, of shape (stages, teams), ascending;
            infinity for never.
        widened: Whether a group may from then on take it, of shape (stages, groups, teams).

    Raises:
        ValueError: When there are more stages than can be told apart, `MOST_WIDE_BITS` over the teams.
    """

    serves: Bools
    weight: Floats
    target_s: Floats
    within_s: Floats
    short_s: Floats
    widen_s: Floats
    widened: Bools

    def __post_init__(self) -> None:
        if self.widen_s.size > MOST_WIDE_BITS:
            raise ValueError(f"at most {MOST_WIDE_BITS} stages of all teams can be told apart")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """What comes in each case; arrays of shape (cases, teams).

    Attributes:
        per_s: Arrivals per second; at least one team of each case has some.
        handle_s: Mean handle time.
        patience_s: Mean patience, infinity for endless.
        variation: Coefficient of variation of the rates; each replication draws its own.
    """

    per_s: Floats
    handle_s: Floats
    patience_s: Floats
    variation: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What was counted; arrays of shape (questions, replications, teams), warm-up left out.

    All runs have as many contacts, so each counts by how busy it is: a busy hour has more of them.

    Attributes:
        offered: Contacts.
        counted: Contacts less short abandons.
        within: Answered in time.
        abandoned: Contacts that hung up, short ones included.
        answered_wait_s: Wait of all who were answered.
    """

    offered: Floats
    counted: Floats
    within: Floats
    abandoned: Floats
    answered_wait_s: Floats

    @property
    def answered(self) -> Floats:
        """Contacts that were answered."""
        return self.offered - self.abandoned


def tally(
    rules: Rules,
    rates: Rates,
    draws: UnitDraws,
    case: Integers,
    agents: Integers,
    replications: int,
    asked: Callable[[], None] = lambda: None,
) -> Tally:
    """Return what was counted for each question: a case with so many agents of each group.

    Args:
        rules: How contacts find agents.
        rates: What comes, by case.
        draws: Random numbers; a case meets the same ones whatever its agents.
        case: Case of each question.
        agents: Agents of each group, of shape (questions, groups).
        replications: Runs of each question, each of all contacts of a row of `draws`.
        asked: Called many times in a second; may raise to end it.

    Raises:
        ValueError: When a question has more than `MOST_AGENTS`.
    """
    if len(agents) and int(agents.sum(axis=1).max()) > MOST_AGENTS:
        raise ValueError(f"at most {MOST_AGENTS} agents can be simulated together")
    teams = rates.per_s.shape[1]
    counts = np.zeros((4, teams, len(case) * replications))
    per_chunk = max(_LANES // replications, 1)
    order = np.argsort(agents.sum(axis=1), kind="stable")
    sequences = _Sequences(rates, draws, np.unique(case), replications)
    for begin in range(0, len(order), per_chunk):
        chunk = order[begin : begin + per_chunk]
        lanes = (chunk[:, None] * replications + np.arange(replications)).ravel()
        run = _Run(rules, rates, draws, sequences, case[chunk], agents[chunk], replications)
        run.to_the_end(asked)
        counts[:, :, lanes] = run.counts
    place = sequences.place[case]
    weight = (sequences.rate_per_s[place] / rates.per_s.sum(axis=1)[case][:, None])[:, :, None]
    late, short, gone, waited = weight * counts.reshape(4, teams, len(case), replications).transpose(
        0, 2, 3, 1
    )
    offered = weight * sequences.offered[place]
    counted = offered - short
    unserved = agents @ rules.serves.astype(np.int64) == 0
    within = np.where(unserved[:, None, :], 0.0, counted - late)
    return Tally(offered=offered, counted=counted, within=within, abandoned=gone, answered_wait_s=waited)


class _Sequences:
    """Whose contact is the n-th of each case and replication, how fast they come, how many are counted."""

    def __init__(self, rates: Rates, draws: UnitDraws, cases: Integers, replications: int) -> None:
        teams = rates.per_s.shape[1]
        self.rate_per_s = np.zeros((len(cases), replications))
        self.place = np.full(len(rates.per_s), -1, dtype=np.int64)
        self.place[cases] = np.arange(len(cases))
        self.team = np.zeros((len(cases), replications, draws.contacts), dtype=np.int8)
        for number, each in enumerate(cases.tolist()):
            rows = draws.rows_of(each, replications)
            rates_per_s = rates.per_s[each] * draws.busyness(rates.variation[each], rows)
            summed = np.cumsum(rates_per_s, axis=1)
            self.rate_per_s[number] = summed[:, -1]
            for team in range(teams - 1):
                self.team[number] += draws.rank[rows] * summed[:, -1:] >= summed[:, team : team + 1]
        counted = self.team[:, :, draws.warm_up :]
        self.offered = np.stack([(counted == team).sum(axis=2) for team in range(teams)], axis=2).astype(
            float
        )


class _Run:
    """Lanes that have not ended, side by side."""

    def __init__(
        self,
        rules: Rules,
        rates: Rates,
        draws: UnitDraws,
        sequences: _Sequences,
        case: Integers,
        agents: Integers,
        replications: int,
    ) -> None:
        self.rules, self.draws = rules, draws
        self.teams, lanes = rates.per_s.shape[1], len(case) * replications
        self.size = draws.contacts
        of = np.repeat(case, replications)
        rows = np.concatenate([draws.rows_of(each, replications) for each in case.tolist()])
        self.counts = np.zeros((4, self.teams, lanes))
        self.home = np.arange(lanes)
        self.row = rows * self.size
        self.sequence = (
            sequences.place[of] * replications + np.tile(np.arange(replications), len(case))
        ) * self.size
        self.team_of = sequences.team.ravel()
        self.gap_s = 1 / sequences.rate_per_s[sequences.place[case]].ravel()
        self.handle_s, self.patience_s = rates.handle_s[of].T.copy(), rates.patience_s[of].T.copy()
        self.next = np.zeros(lanes, dtype=np.int64)
        self.arrive_at = _BEGIN_AT + draws.arrive.ravel()[self.row] * self.gap_s
        self.now = np.full(lanes, _BEGIN_AT)
        self.link = np.zeros(lanes * self.size, dtype=np.int32)
        self.linked = np.arange(lanes) * self.size
        self.head = np.zeros((self.teams, lanes), dtype=np.int64)
        self.tail = np.zeros((self.teams, lanes), dtype=np.int64)
        self.head_at = np.full((self.teams, lanes), _NEVER)
        self.waiting = np.zeros(lanes, dtype=np.int64)
        self.stages = len(rules.widen_s)
        self.widens = bool(np.isfinite(rules.widen_s).any())
        self.wide = np.zeros(lanes, dtype=np.int64)
        self.stage = np.zeros((self.teams, lanes), dtype=np.int64)
        self.widen_at = np.full((self.teams, lanes), _NEVER)
        self._tables()
        self._people(rates, draws, case, agents, replications)

    def _tables(self) -> None:
        masks = np.arange(1 << self.teams)
        bits = (masks[:, None] >> np.arange(self.teams)) & 1
        self.takes = np.where(self.rules.serves.astype(np.int64) @ bits.T > 0, 0.0, _NEVER)
        self.barred = np.where(self.rules.serves, 0.0, _NEVER)
        self.own_mask = self.rules.serves.astype(np.int64) @ (1 << np.arange(self.teams))
        self.lowest = bits.argmax(axis=1)
        # A bit for each stage of each team, those of the first stage first.
        cells = self.stages * self.teams
        widened = self.rules.widened.transpose(1, 0, 2).reshape(-1, cells).astype(np.int64)
        wide_bits = (np.arange(1 << cells)[:, None] >> np.arange(cells)) & 1
        self.takes_wide = np.where(widened @ wide_bits.T > 0, 0.0, _NEVER)
        self.wide_mask = widened @ (1 << np.arange(cells))
        self.narrow = ~sum(
            (1 << (stage * self.teams + np.arange(self.teams)) for stage in range(self.stages)),
            start=np.zeros(self.teams, dtype=np.int64),
        )
        never = np.full((1, self.teams), np.inf)
        self.due_s = np.concatenate([self.rules.widen_s, never])

    def _people(
        self, rates: Rates, draws: UnitDraws, case: Integers, agents: Integers, replications: int
    ) -> None:
        """Set the agents: as many of them at work as the load keeps busy, the others idle."""
        most = agents.max(axis=0, initial=0)
        self.ends = np.cumsum(most)
        self.group_of = np.repeat(np.arange(len(most)), most)
        number = np.arange(int(most.sum())) - np.repeat(self.ends - most, most)
        there = np.repeat(number[:, None] < agents[:, self.group_of].T, replications, axis=1)
        load = (rates.per_s * rates.handle_s).sum(axis=1)[case]
        mean_s = load / rates.per_s.sum(axis=1)[case]
        busy = np.minimum(load / np.maximum(agents.sum(axis=1), 1), 0.98)
        chance, left = draws.start(there.shape[0])
        many = len(case)
        chance, left = (np.tile(each[:, :replications], (1, many)) for each in (chance, left))
        works = chance < np.repeat(busy, replications)
        at = _BEGIN_AT + np.where(works, left * np.repeat(mean_s, replications), -1.0 - 100.0 * chance)
        self.free_at = np.where(there, at, _NEVER)
        slot = np.arange(len(self.free_at))[:, None]
        bits = self.free_at.view(np.int64)
        bits &= ~_SLOT_BITS
        bits |= slot

    def to_the_end(self, asked: Callable[[], None]) -> None:
        """Let all contacts come and go, asking now and then."""
        step = 0
        while len(self.home):
            self.step()
            step += 1
            if step % _LOOK_EVERY == 0:
                asked()
                self._drop_ended()

    def step(self) -> None:
        """Do in each lane what comes next."""
        soonest = self._soonest()
        free = soonest + self.takes.take(self.waiting, axis=1)
        if self.widens:
            np.minimum(free, soonest + self.takes_wide.take(self.wide, axis=1), out=free)
        free_at = free.min(axis=0)
        served_at = np.maximum(free_at, self.now) if self.widens else free_at
        arrives = self.arrive_at <= served_at
        serves = ~arrives & (served_at < _SOON)
        if self.widens:
            widen_at = self.widen_at.min(axis=0)
            widens = (widen_at < self.arrive_at) & (widen_at < served_at) & (widen_at < _SOON)
            arrives &= ~widens
            serves &= ~widens
            self._widen(np.flatnonzero(widens), widen_at)
        arrives &= self.arrive_at < _SOON
        self._arrive(np.flatnonzero(arrives), soonest)
        lanes = np.flatnonzero(serves)
        self._serve(lanes, free_at[lanes], served_at[lanes])

    def _soonest(self) -> Floats:
        soonest = np.empty((len(self.ends), len(self.home)))
        begin = 0
        for group, end in enumerate(self.ends.tolist()):
            self.free_at[begin:end].min(axis=0, out=soonest[group], initial=_NEVER)
            begin = end
        return soonest

    def _arrive(self, lanes: Integers, soonest: Floats) -> None:
        at, contact = self.arrive_at[lanes], self.next[lanes]
        row = self.row[lanes] + contact
        team = self.team_of[self.sequence[lanes] + contact].astype(np.int64)
        self.now[lanes] = at
        self.next[lanes] = contact + 1
        more = contact + 1 < self.size
        following = self.draws.arrive_flat[row + more] * self.gap_s[lanes] + _BEGIN_AT
        self.arrive_at[lanes] = np.where(more, following, 2 * _NEVER)
        agent = (soonest.take(lanes, axis=1) + self.barred.take(team, axis=1)).min(axis=0)
        idle = agent <= at
        chosen = np.flatnonzero(idle)
        taken = lanes[chosen]
        self._begin(taken, agent[chosen], at[chosen], team[chosen], row[chosen])
        rest = np.flatnonzero(~idle)
        self._queue(lanes[rest], team[rest], contact[rest], at[rest])

    def _begin(self, lanes: Integers, agent: Floats, at: Floats, team: Integers, row: Integers) -> None:
        """Have agents work; `agent` carries their numbers."""
        slot = agent.view(np.int64) & _SLOT_BITS
        width = len(self.home)
        until = at + self.draws.handle_of(team, row) * self.handle_s.ravel()[team * width + lanes]
        bits = until.view(np.int64)
        bits &= ~_SLOT_BITS
        bits |= slot
        self.free_at.ravel()[slot * width + lanes] = until

    def _queue(self, lanes: Integers, team: Integers, contact: Integers, at: Floats) -> None:
        cell = team * len(self.home) + lanes
        behind = (self.waiting[lanes] >> team) & 1 > 0
        follows = np.flatnonzero(behind)
        self.link[self.linked[lanes[follows]] + self.tail.ravel()[cell[follows]]] = contact[follows]
        self.tail.ravel()[cell] = contact
        first = np.flatnonzero(~behind)
        self._lead(lanes[first], team[first], contact[first], at[first])

    def _lead(self, lanes: Integers, team: Integers, contact: Integers, at: Floats) -> None:
        """Note who is at the head of a team's queue."""
        cell = team * len(self.home) + lanes
        self.head.ravel()[cell] = contact
        self.head_at.ravel()[cell] = at
        self.waiting[lanes] |= 1 << team
        if self.widens:
            wide = self.wide[lanes] & self.narrow[team]
            due = np.zeros(len(lanes), dtype=np.int64)
            for stage in range(self.stages):
                is_due = at + self.due_s[stage, team] <= self.now[lanes]
                wide |= is_due << (stage * self.teams + team)
                due += is_due
            self.wide[lanes] = wide
            self.stage.ravel()[cell] = due
            self.widen_at.ravel()[cell] = np.minimum(at + self.due_s[due, team], _NEVER)

    def _widen(self, lanes: Integers, widen_at: Floats) -> None:
        team = self.widen_at[:, lanes].argmin(axis=0)
        self.now[lanes] = widen_at[lanes]
        stage = self.stage[team, lanes]
        self.wide[lanes] |= 1 << (stage * self.teams + team)
        self.stage[team, lanes] = stage + 1
        due_at = self.head_at[team, lanes] + self.due_s[stage + 1, team]
        self.widen_at[team, lanes] = np.minimum(due_at, _NEVER)

    def _serve(self, lanes: Integers, agent: Floats, at: Floats) -> None:
        """Have agents who are free take the most urgent contact; one who hung up meanwhile just goes."""
        width = len(self.home)
        self.now[lanes] = at
        team = self._most_urgent(lanes, self.group_of[agent.view(np.int64) & _SLOT_BITS], at)
        cell = team * width + lanes
        contact = self.head.ravel()[cell]
        row = self.row[lanes] + contact
        wait = at - self.head_at.ravel()[cell]
        patience = self.draws.patience_of(team, row) * self.patience_s.ravel()[cell]
        gone = wait > patience
        self._count(self.home[lanes], team, np.where(gone, patience, wait), gone, contact)
        stays = np.flatnonzero(~gone)
        self._begin(lanes[stays], agent[stays], at[stays], team[stays], row[stays])
        last = contact == self.tail.ravel()[cell]
        ends = np.flatnonzero(last)
        self.waiting[lanes[ends]] &= ~(1 << team[ends])
        self.head_at.ravel()[cell[ends]] = _NEVER
        if self.widens:
            self.wide[lanes[ends]] &= self.narrow[team[ends]]
            self.widen_at.ravel()[cell[ends]] = _NEVER
        goes_on = np.flatnonzero(~last)
        left = lanes[goes_on]
        following = self.link[self.linked[left] + contact[goes_on]].astype(np.int64)
        came_at = _BEGIN_AT + self.draws.arrive_flat[self.row[left] + following] * self.gap_s[left]
        self._lead(left, team[goes_on], following, came_at)

    def _most_urgent(self, lanes: Integers, group: Integers, at: Floats) -> Integers:
        """Return the team whose head an agent of each group takes; one that waits for the group always is."""
        may = self.waiting[lanes] & self.own_mask[group]
        if self.widens:
            wide = self.wide[lanes] & self.wide_mask[group]
            for stage in range(self.stages):
                may |= (wide >> (stage * self.teams)) & ((1 << self.teams) - 1)
        team = self.lowest[may]
        several = np.flatnonzero(may & (may - 1))
        if len(several):
            team[several] = self._rivals(lanes[several], may[several], at[several])
        return np.asarray(team)

    def _rivals(self, lanes: Integers, may: Integers, at: Floats) -> Integers:
        """Return the most urgent head's team among the teams of each mask."""
        came_at = self.head_at.take(lanes, axis=1)
        relative = np.clip((at - came_at) / self.rules.target_s[:, None], -1.0, 1e100)
        value = np.where(relative > 1, relative * relative, relative) * self.rules.weight[:, None]
        listed = (may >> np.arange(self.teams)[:, None]) & 1 > 0
        return np.asarray(np.where(listed, value, -np.inf).argmax(axis=0))

    def _count(self, home: Integers, team: Integers, wait: Floats, gone: Bools, contact: Integers) -> None:
        counted = contact >= self.draws.warm_up
        short = gone & (wait < self.rules.short_s[team])
        late = (gone & ~short) | (~gone & (wait > self.rules.within_s[team]))
        cell = team * self.counts.shape[2] + home
        for row, flags in enumerate((late, short, gone)):
            self.counts[row].ravel()[cell[np.flatnonzero(flags & counted)]] += 1
        answered = np.flatnonzero(~gone & counted)
        self.counts[3].ravel()[cell[answered]] += wait[answered]

    def _drop_ended(self) -> None:
        """Leave out the lanes in which nothing can happen any more, once they are many."""
        free_at = (self._soonest() + self.takes.take(self.waiting, axis=1)).min(axis=0)
        goes_on = (self.arrive_at < _SOON) | (free_at < _SOON)
        if goes_on.mean() > 0.75 and goes_on.any():
            return
        kept = np.flatnonzero(goes_on)
        for name in (
            "home",
            "row",
            "sequence",
            "gap_s",
            "next",
            "arrive_at",
            "now",
            "linked",
            "waiting",
            "wide",
        ):
            setattr(self, name, getattr(self, name)[kept])
        for name in ("handle_s", "patience_s", "head", "tail", "head_at", "widen_at", "stage", "free_at"):
            setattr(self, name, np.ascontiguousarray(getattr(self, name)[:, kept]))
