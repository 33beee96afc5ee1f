"""Decides what is doubtful or wrong about a roster problem before it is solved, each finding by name."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from staffing.rostering.model import Contract, RosterProblem
from staffing.rostering.rules import may_work
from staffing.rostering.timeline import Timeline

_HOUR_S = 3600


class Severity(StrEnum):
    """How much a finding matters: an error makes the problem senseless, a warning costs, the rest is news."""

    INFORMATION = "information"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about a roster problem that its planner should know.

    Args:
        name: Stable name of the kind of finding, such as "unknown_contract".
        severity: How much it matters.
        subject: The agent, contract, team, shift or wish it is about.
        text: The finding in words.
    """

    name: str
    severity: Severity
    subject: str
    text: str


def find_findings(problem: RosterProblem) -> tuple[Finding, ...]:
    """Return what is doubtful or wrong, errors first; rules that conflict are found by `find_conflicts`."""
    references = tuple(_unknown_references(problem))
    if references:
        return references
    found = [finding for look in _LOOKS for finding in look(problem)]
    order = [Severity.ERROR, Severity.WARNING, Severity.INFORMATION]
    return tuple(sorted(found, key=lambda finding: order.index(finding.severity)))


def require_known_references(problem: RosterProblem) -> None:
    """Raise ValueError when a problem speaks of an agent, contract, kind of shift or day that it lacks."""
    unknown = [finding.text for finding in _unknown_references(problem)]
    if unknown:
        raise ValueError("; ".join(unknown[:5]))


def _unknown_references(problem: RosterProblem) -> Iterator[Finding]:
    contracts = {contract.id for contract in problem.contracts}
    kinds, past = ({kind.id for kind in each} for each in (problem.kinds, problem.past_kinds))
    agents = {agent.id for agent in problem.agents}
    for name, ids in (
        ("agent", [a.id for a in problem.agents]),
        ("shift", [k.id for k in (*problem.kinds, *problem.past_kinds)]),
        ("contract", [c.id for c in problem.contracts]),
    ):
        for twice in sorted({i for i in ids if ids.count(i) > 1}) if len(set(ids)) < len(ids) else []:
            yield _error(f"{name}_twice", twice, f"{name} {twice} is there twice")
    for agent in problem.agents:
        if agent.contract_id not in contracts:
            yield _error("unknown_contract", agent.id, f"{agent.id} has an unknown contract")
        if agent.windows and len(agent.windows) != 7:
            yield _error("windows_not_a_week", agent.id, f"{agent.id} has not seven days of availability")
        for kind_id in sorted({k for k in agent.worked_before if k is not None} - kinds - past):
            yield _error("unknown_shift", agent.id, f"{agent.id} worked an unknown shift {kind_id}")
    known = [off.agent_id for off in problem.time_off] + [away.agent_id for away in problem.absences]
    known += [wish.agent_id for wish in problem.wishes] + [lock.agent_id for lock in problem.locks]
    for agent_id in sorted(set(known) - agents):
        yield _error("unknown_agent", agent_id, f"{agent_id} is no agent of this roster")
    places: list[tuple[int, str | None]] = [(want.day, want.kind_id) for want in problem.shift_requirements]
    places += [(wish.day, wish.kind_id) for wish in problem.wishes]
    places += [(lock.day, lock.kind_id) for lock in problem.locks]
    yield from _unknown_places(problem, places, kinds)


def _unknown_places(
    problem: RosterProblem, places: Iterable[tuple[int, str | None]], kinds: set[str]
) -> Iterator[Finding]:
    for day, kind_id in places:
        if not 0 <= day < problem.days:
            yield _error("day_outside_period", str(day), f"day {day + 1} is not in the period")
        if kind_id is not None and kind_id not in kinds:
            yield _error("unknown_shift", kind_id, f"{kind_id} is no shift of this roster")


def _slots_missing(problem: RosterProblem) -> Iterator[Finding]:
    slots = Timeline(problem).slots
    for requirement in problem.requirements:
        if len(requirement.required) != slots:
            text = f"{requirement.team} has {len(requirement.required)} slots, the period has {slots}"
            yield _error("requirement_length", requirement.team, text)


def _off_the_raster(problem: RosterProblem) -> Iterator[Finding]:
    step_s = problem.grid.step_s
    for kind in problem.kinds if problem.requirements else ():
        times = [kind.start_s, kind.length_s, *(pause.length_s for pause in kind.breaks)]
        if any(value % step_s for value in times):
            text = f"{kind.id} or a break of it is no multiple of {step_s // 60} minutes"
            yield _error("shift_off_raster", kind.id, text)


def _breaks_that_cannot_be(problem: RosterProblem) -> Iterator[Finding]:
    for kind in problem.kinds:
        for one, other in zip(kind.breaks, kind.breaks[1:], strict=False):
            work_s = other.latest_s - one.earliest_s - one.length_s
            if work_s < kind.min_work_s:
                text = f"{kind.id}: {other.name} cannot lie {kind.min_work_s // 60} minutes after {one.name}"
                yield _error("breaks_too_close", kind.id, text)
            if kind.max_work_s is not None:
                least_s = other.earliest_s - one.latest_s - one.length_s
                if least_s > kind.max_work_s:
                    text = f"{kind.id}: more than {kind.max_work_s // 60} minutes of work before {other.name}"
                    yield _error("breaks_too_far", kind.id, text)


def _teams_without_agents(problem: RosterProblem) -> Iterator[Finding]:
    for requirement in problem.requirements:
        if any(requirement.required) and not any(requirement.team in a.teams for a in problem.agents):
            yield Finding(
                "team_without_agents",
                Severity.WARNING,
                requirement.team,
                f"nobody can work for {requirement.team}",
            )


def _agents_without_work(problem: RosterProblem) -> Iterator[Finding]:
    contracts = {contract.id: contract for contract in problem.contracts}
    teams = {requirement.team for requirement in problem.requirements}
    for agent in problem.agents:
        contract = contracts[agent.contract_id]
        if not any(may_work(agent, contract, kind) for kind in problem.kinds):
            text = f"no shift is open to {agent.id}"
            yield Finding("agent_without_shifts", Severity.WARNING, agent.id, text)
        elif teams and not agent.teams & teams:
            text = f"{agent.id} can work for no team that is required"
            yield Finding("agent_without_team", Severity.WARNING, agent.id, text)


def _hours_out_of_reach(problem: RosterProblem) -> Iterator[Finding]:
    """Look for contracts whose weekly hours no number of worked days can give."""
    for contract in problem.contracts:
        if contract.week_s is None:
            continue
        least, most = contract.week_s
        paid = sorted({kind.paid_s for kind in problem.kinds if _allowed(contract, kind.paid_s)})
        low, high = contract.week_days or (0, 7)
        if paid and not _reachable(paid, low, high, least, most):
            hours = f"{least / _HOUR_S:g} to {most / _HOUR_S:g}"
            text = f"{contract.id}: no {low} to {high} shifts give {hours} hours a week"
            yield _error("week_hours_out_of_reach", contract.id, text)


def _allowed(contract: Contract, paid_s: int) -> bool:
    return contract.day_s is None or contract.day_s[0] <= paid_s <= contract.day_s[1]


def _reachable(paid: list[int], low: int, high: int, least: int, most: int) -> bool:
    sums = {0}
    for count in range(high + 1):
        if count >= low and any(least <= total <= most for total in sums):
            return True
        sums = {total + one for total in sums for one in paid if total + one <= most}
    return False


def _capacity(problem: RosterProblem) -> Iterator[Finding]:
    """Compare the hours required with the hours that contracts give, time off aside."""
    contracts = {contract.id: contract for contract in problem.contracts}
    weeks = problem.days / 7
    most_s = sum(_most_s(contracts[agent.contract_id], weeks) for agent in problem.agents)
    needed_s = sum(sum(r.required) for r in problem.requirements) * problem.grid.step_s
    if needed_s > most_s:
        needed, most = round(needed_s / _HOUR_S), round(most_s / _HOUR_S)
        text = f"{needed} hours are required, contracts give at most {most}"
        yield Finding("too_few_hours", Severity.INFORMATION, "roster", text)


def _most_s(contract: Contract, weeks: float) -> float:
    day_s = (contract.week_s[1] if contract.week_s is not None else 7 * 24 * _HOUR_S) / 7
    limited = [part for part in contract.parts if part.paid_s is not None]
    most_s = day_s * (7 * weeks - sum(len(part.days) for part in limited))
    most_s += sum(min(part.paid_s[1], day_s * len(part.days)) for part in limited if part.paid_s)
    return min(most_s, contract.period_s[1]) if contract.period_s is not None else most_s


def _wishes_against_time_off(problem: RosterProblem) -> Iterator[Finding]:
    off = {
        (entry.agent_id, day)
        for entry in problem.time_off
        for day in range(entry.first_day, entry.last_day + 1)
    }
    for wish in problem.wishes:
        if wish.on and (wish.agent_id, wish.day) in off:
            text = f"{wish.agent_id} wishes to work on day {wish.day + 1} and has it off"
            yield Finding("wish_on_time_off", Severity.WARNING, wish.agent_id, text)


def _error(name: str, subject: str, text: str) -> Finding:
    return Finding(name, Severity.ERROR, subject, text)


_LOOKS: tuple[Callable[[RosterProblem], Iterator[Finding]], ...] = (
    _slots_missing,
    _off_the_raster,
    _breaks_that_cannot_be,
    _teams_without_agents,
    _agents_without_work,
    _hours_out_of_reach,
    _capacity,
    _wishes_against_time_off,
)
