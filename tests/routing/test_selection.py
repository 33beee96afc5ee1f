"""Which of several free agents gets a contact, by the strategy of its team."""

import pytest

from routing.commands import Abandon, Decline, Revoke
from routing.model import Channel, Presence, SkillNeed
from tests.builders import Rig, make_agent, make_policy, make_team


def make_rig(strategy, *agents, **changes):
    return Rig(make_policy(make_team(strategy=strategy, **changes)), *agents)


def come_one_by_one(rig, *agent_ids):
    for agent_id in agent_ids:
        rig.available(agent_id)
        rig.now += 10.0


@pytest.mark.parametrize("agents", [2, 40])
def test_longest_idle_goes_first(agents):
    names = [f"agent{number:02}" for number in range(agents)]
    rig = make_rig("longest_idle", *(make_agent(name) for name in names))
    come_one_by_one(rig, *reversed(names))
    assert rig.asked(rig.receive()) == [names[-1]]


def test_longest_idle_agent_with_work_goes_after_one_without():
    rig = make_rig("longest_idle", make_agent("ann"), make_agent("bob"))
    come_one_by_one(rig, "ann")
    rig.answered(channel=Channel.CHAT)
    come_one_by_one(rig, "bob")
    assert rig.asked(rig.receive(channel=Channel.CHAT)) == ["bob"]


def test_signing_in_again_does_not_put_an_agent_first():
    rig = make_rig("longest_idle", make_agent("ann"), make_agent("bob"))
    come_one_by_one(rig, "ann", "bob")
    rig.leaves("ann")
    rig.now += 5.0
    rig.available("ann")
    rig.now += 5.0
    assert rig.asked(rig.receive()) == ["bob"]


def test_best_skilled_goes_first():
    rig = make_rig(
        "best_skilled",
        make_agent("ann", skills={"contracts": 3}),
        make_agent("bob", skills={"contracts": 5, "other": 1}),
    )
    come_one_by_one(rig, "ann", "bob")
    assert rig.asked(rig.receive(skills=(SkillNeed("contracts", 2),))) == ["bob"]


def test_equally_skilled_are_taken_by_idle_time():
    rig = make_rig(
        "best_skilled",
        make_agent("ann", skills={"contracts": 3}),
        make_agent("bob", skills={"contracts": 3}),
    )
    come_one_by_one(rig, "bob", "ann")
    assert rig.asked(rig.receive(skills=(SkillNeed("contracts", 2),))) == ["bob"]


def test_least_occupied_goes_first():
    rig = make_rig("least_occupied", make_agent("ann"), make_agent("bob"))
    come_one_by_one(rig, "ann", "bob")
    busy = rig.answered()
    assert rig.contact(busy).agent_id == "ann"
    rig.now += 100.0
    rig.finish(busy)
    rig.now += 100.0
    assert rig.asked(rig.receive()) == ["bob"]


def served(rig, agent, seconds):
    """Have the only agent there serve one contact for so long."""
    contact = rig.answered()
    assert rig.contact(contact).agent_id == agent
    rig.now += seconds
    rig.finish(contact)


def test_least_occupied_does_not_forget_over_a_pause_offline():
    rig = make_rig("least_occupied", make_agent("ann"), make_agent("bob"))
    rig.available("ann")
    served(rig, "ann", 3600.0)
    rig.leaves("ann", Presence.OFFLINE)
    rig.available("bob")
    served(rig, "bob", 600.0)
    rig.available("ann")
    assert rig.asked(rig.receive()) == ["bob"]


def test_least_occupied_who_comes_late_shares_from_then_on():
    rig = make_rig("least_occupied", make_agent("bob"), make_agent("ann"), wrap_up_s=0.0)
    rig.available("bob")
    served(rig, "bob", 3600.0)
    rig.available("ann")
    taken = []
    for _ in range(6):
        contact = rig.answered()
        taken.append(rig.contact(contact).agent_id)
        rig.now += 60.0
        rig.complete(contact)
    assert sorted(taken) == ["ann"] * 3 + ["bob"] * 3


def test_least_occupied_begins_the_day_like_everybody_whatever_the_day_before():
    rig = make_rig("least_occupied", make_agent("ann"), make_agent("bob"))
    rig.available("ann")
    served(rig, "ann", 3600.0)
    rig.leaves("ann", Presence.OFFLINE)
    rig.now += 12 * 3600.0
    rig.available("bob", "ann")
    assert rig.asked(rig.receive()) == ["ann"]


@pytest.mark.parametrize("end", ["customer left", "declined", "taken back"])
def test_offer_that_came_to_nothing_does_not_cost_the_agent_the_turn(end):
    rig = make_rig("longest_idle", make_agent("ann"), make_agent("bob"))
    come_one_by_one(rig, "ann", "bob")
    contact = rig.receive()
    offer = rig.pending(contact)[0]
    ends = {
        "customer left": Abandon(actor="pbx", contact_id=contact),
        "declined": Decline(actor="ann", offer_id=offer),
        "taken back": Revoke(actor="lead", offer_id=offer, reason="line"),
    }
    rig.do(ends[end])
    if end != "customer left":
        rig.do(Abandon(actor="pbx", contact_id=contact))
    rig.now += 1.0
    assert rig.asked(rig.receive()) == ["ann"]


def test_least_occupied_goes_by_the_share_of_capacity():
    rig = make_rig("least_occupied", make_agent("ann", capacity=60), make_agent("bob", capacity=200))
    rig.available("ann", "bob")
    for _ in range(2):
        rig.answered(channel=Channel.CHAT)
    assert rig.agent("ann").used == rig.agent("bob").used == 30
    assert rig.asked(rig.receive(channel=Channel.CHAT)) == ["bob"]


def test_round_robin_goes_through_all():
    rig = make_rig("round_robin", *(make_agent(name) for name in ("ann", "bob", "cid")), wrap_up_s=0.0)
    come_one_by_one(rig, "ann", "bob", "cid")
    order = []
    for _ in range(6):
        contact = rig.receive()
        order += rig.asked(contact)
        rig.accept(contact)
        rig.complete(contact)
        rig.now += 1.0
    assert order == ["ann", "bob", "cid"] * 2


def test_ties_end_with_the_agents_id():
    rig = make_rig("longest_idle", make_agent("bob"), make_agent("ann"))
    rig.available("bob", "ann")
    assert rig.asked(rig.receive()) == ["ann"]
