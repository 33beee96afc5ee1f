"""A team that shares agents with others keeps its share of them, however long those are overloaded."""

from __future__ import annotations

import heapq
import random
from typing import Any

import pytest

from routing.commands import Accept
from routing.events import OfferMade
from routing.policy import Policy, lint
from routing.why import explain
from tests.builders import NOON, Rig, make_agent, make_policy, make_team

HANDLE_S = 120.0
HOUR_S = 3600.0
PATIENT = {"voice": 40 * HOUR_S}


def teams_with(targets_s: dict[str, float], *, claims: bool = True, **weights: float) -> Policy:
    teams = [
        make_team(name, target_s=target_s, weight=weights.get(name, 1.0), wrap_up_s=0.0, max_wait_s=PATIENT)
        for name, target_s in targets_s.items()
    ]
    return make_policy(*teams, share_after_targets=3.0 if claims else None)


def waits_by_team(policy: Policy, loads: dict[str, float], agents: int, *, hours: float = 3.0) -> Any:
    """Serve calls of one length, coming at random, by agents who work for all teams of `loads`.

    Returns the waits (s) by team, in the order of coming, of all who came within the hours.
    """
    names = [f"agent{number}" for number in range(agents)]
    rig = Rig(policy, *(make_agent(name, teams=tuple(loads)) for name in names))
    rig.available(*names)
    coming, ends = arrivals(loads, hours), list[tuple[float, int]]()
    came: dict[int, tuple[str, float]] = {}
    waits: dict[int, float] = {}
    while len(waits) < len(came) or coming:
        if coming and (not ends or coming[-1][0] <= ends[0][0]):
            rig.now, team = coming.pop()
            came[rig.receive(team_id=team)] = team, rig.now
            events = rig.log[-2:]
        else:
            rig.now, contact_id = heapq.heappop(ends)
            events = rig.complete(contact_id)
        for made in [event for event in events if isinstance(event, OfferMade)]:
            rig.do(Accept(actor="agent", offer_id=made.offer.id))
            waits[made.offer.contact_id] = rig.now - came[made.offer.contact_id][1]
            heapq.heappush(ends, (rig.now + HANDLE_S, made.offer.contact_id))
    return {team: [waits[each] for each in sorted(came) if came[each][0] == team] for team in loads}


def arrivals(loads: dict[str, float], hours: float) -> list[tuple[float, str]]:
    """Return when calls come and for which team, the last first; the same for a team whatever the others."""
    found = []
    for team, load in loads.items():
        chance, at = random.Random(team), NOON
        while (at := at + chance.expovariate(load / HANDLE_S)) < NOON + hours * HOUR_S:
            found.append((at, team))
    return sorted(found, reverse=True)


@pytest.mark.parametrize(
    "targets_s",
    [{"heavy": 20.0, "light": 20.0}, {"heavy": 20.0, "light": 120.0}, {"heavy": 120.0, "light": 20.0}],
)
@pytest.mark.parametrize("agents", [2, 5, 10])
def test_light_team_is_served_as_if_its_share_worked_for_it_alone(targets_s, agents):
    """The stated bound: three targets, one call until agents come free, and what the share would take."""
    loads = {"heavy": 1.5 * agents, "light": 0.3 * agents}
    policy = teams_with(targets_s)
    light = waits_by_team(policy, loads, agents)["light"]
    alone = waits_by_team(policy, {"light": loads["light"]}, agents // 2)["light"]
    patience_s = 3.0 * targets_s["light"]
    assert all(
        wait_s <= patience_s + HANDLE_S + alone_s + 1e-6 for wait_s, alone_s in zip(light, alone, strict=True)
    )


def test_without_claims_the_light_team_waits_as_long_as_the_heavy_one():
    loads = {"heavy": 7.5, "light": 1.5}
    policy = teams_with({"heavy": 20.0, "light": 20.0}, claims=False)
    assert max(waits_by_team(policy, loads, 5)["light"]) > HOUR_S


def test_share_follows_the_weights_of_the_teams():
    policy = teams_with({"first": 20.0, "second": 20.0}, first=2.0)
    rig = Rig(policy, *(make_agent(name, teams=("first", "second")) for name in "abcdef"))
    rig.available(*"abcdef")
    late_calls(rig, first=20, second=20)
    work_off(rig, calls=18)
    assert at_work(rig) == {"first": 4, "second": 2}


def test_agents_of_one_team_are_their_teams_share_alone():
    policy = teams_with({"first": 20.0, "second": 20.0})
    both, one = ("first", "second"), ("second",)
    rig = Rig(policy, make_agent("a", teams=both), make_agent("b", teams=both), make_agent("c", teams=one))
    rig.available(*"abc")
    shares = rig.floor.shares
    assert (shares.share("first"), shares.share("second")) == (100.0, 200.0)
    rig.leaves("c")
    assert (shares.share("first"), shares.share("second")) == (100.0, 100.0)


def test_one_agent_serves_teams_that_wait_too_long_in_turns():
    policy = teams_with({"heavy": 20.0, "heavier": 20.0, "light": 20.0})
    rig = Rig(policy, make_agent("ann", teams=tuple(policy.teams)))
    rig.available("ann")
    rig.answered(team_id="heavy")
    for _ in range(4):
        rig.receive(team_id="heavy")
        rig.receive(team_id="heavier")
    rig.now += 10_000.0
    rig.receive(team_id="light")
    rig.now += 61.0
    served = [work_off(rig, calls=1) for _ in range(4)]
    assert served.count("light") == 1
    assert served.index("light") < 3


def test_short_peak_is_shared_by_urgency_alone():
    rig = busy_rig()
    urgent = rig.receive(team_id="heavy", priority=3)
    light = rig.receive(team_id="light")
    rig.now += 59.0
    rig.complete(rig.running[0])
    assert (rig.asked(urgent), rig.asked(light)) == (["ann"], [])


def test_team_that_waits_too_long_goes_before_more_urgent_contacts_of_a_team_with_its_share():
    rig = busy_rig()
    urgent = rig.receive(team_id="heavy", priority=3)
    light = rig.receive(team_id="light")
    rig.now += 61.0
    said = explain(rig.floor, rig.contact(urgent), rig.log, rig.now).sentences
    assert (
        "Agents who come free go first to Light: its contacts wait too long while 0.0 agents work for it, "
        "whose share is 1.0." in said
    )
    rig.complete(rig.running[0])
    assert rig.asked(light) == ["ann"]
    decisions = explain(rig.floor, rig.contact(light), events_of(rig, light), rig.now).decisions
    assert decisions[-1].sentence == (
        "After 61 s Ann became free and was asked: it had waited 3.0 times its target while 0.0 agents "
        f"worked for Light, whose share is 1.0, so it went before contact {urgent} with its urgency of "
        "903.00."
    )


def test_team_with_its_share_claims_no_more():
    rig = busy_rig()
    first, second = rig.receive(team_id="light"), rig.receive(team_id="light")
    rig.now += 1.0
    urgent = rig.receive(team_id="heavy", priority=3)
    rig.now += 61.0
    rig.complete(rig.running[0])
    rig.accept(first)
    said = explain(rig.floor, rig.contact(urgent), rig.log, rig.now).sentences
    assert not [each for each in said if "go first" in each]
    rig.complete(rig.running[1])
    assert (rig.asked(urgent), rig.asked(second)) == (["bob"], [])


def test_only_agents_of_the_team_are_claimed():
    """A contact that others may take by a step claims nothing of them: they are no part of its share."""
    policy = teams_with({"heavy": 20.0, "light": 20.0})
    rig = Rig(policy, make_agent("ann", teams=("heavy",)), make_agent("bob", teams=("light",)))
    rig.available("ann", "bob")
    agent = rig.agent("ann")
    assert rig.floor.shares.claim(agent, "light") == (1.0, 0)
    assert rig.floor.shares.claim(agent, "heavy") == (0.0, 0)


@pytest.mark.parametrize("after", [0.0, -1.0])
def test_wait_for_a_claim_must_be_above_zero(after):
    policy = make_policy(share_after_targets=after)
    assert [each.path for each in lint(policy, {"lead"})] == ["share_after_targets"]


def busy_rig() -> Any:
    """Return a floor whose two agents, of both teams, talk to callers of the heavy one."""
    policy = teams_with({"heavy": 20.0, "light": 20.0})
    both = ("heavy", "light")
    rig: Any = Rig(policy, make_agent("ann", teams=both), make_agent("bob", teams=both))
    rig.available("ann")
    rig.running = [rig.answered(team_id="heavy")]
    rig.available("bob")
    rig.running.append(rig.answered(team_id="heavy"))
    return rig


def late_calls(rig: Rig, **numbers: int) -> None:
    """Have calls come for all teams, those that find an agent be taken, and the others wait too long."""
    for team, number in numbers.items():
        for _ in range(number):
            contact = rig.receive(team_id=team)
            if rig.pending(contact):
                rig.accept(contact)
    rig.now += 300.0


def work_off(rig: Rig, *, calls: int) -> str:
    """End calls, the longest first, have what is offered then accepted, and return the last one's team."""
    team = ""
    for _ in range(calls):
        offers = [each for each in rig.floor.offers.values() if each.accepted_at is not None]
        if not offers:
            break
        rig.now += 1.0
        oldest = min(offers, key=lambda each: (each.accepted_at, each.id))
        for event in rig.complete(oldest.contact_id):
            if isinstance(event, OfferMade):
                team = event.offer.team_id
                rig.do(Accept(actor="agent", offer_id=event.offer.id))
    return team


def at_work(rig: Rig) -> dict[str, int]:
    """Return how many agents work for each team at the moment."""
    teams = [each.team_id for each in rig.floor.offers.values()]
    return {team: teams.count(team) for team in rig.floor.policy.teams}


def events_of(rig: Rig, contact_id: int) -> list[Any]:
    return [
        each for each in rig.log if isinstance(each, OfferMade) and each.decision.contact_id == contact_id
    ]
