"""Traps found in the sources of other systems: one test each, by its number."""

from routing import events as ev
from routing.commands import (
    Accept,
    PublishPolicy,
)
from routing.events import ContactQueued
from routing.model import Channel, ContactState, Presence, SkillNeed
from routing.policy import Step
from routing.refused import Code
from tests.builders import NOON, Rig, make_agent, make_policy, make_team
from tests.routing.test_complaints import staffed


def test_trap_1_rules_are_not_frozen_at_entry():
    rig = Rig(make_policy(make_team("general"), make_team("orders")), make_agent(teams=("orders",)))
    rig.available("ann")
    contact = rig.receive(team_id="general")
    rig.wait(10.0)
    helped = make_team("general", steps=(Step(after_s=10.0, teams=("orders",)),))
    rig.do(PublishPolicy(actor="admin", policy=make_policy(helped, make_team("orders"), version=2)))
    assert rig.asked(contact) == ["ann"]


def test_trap_1_answer_counts_when_it_happens_not_at_the_hang_up():
    rig = staffed("ann")
    rig.receive()
    offer = next(iter(rig.floor.offers))
    events = rig.do(Accept(actor="ann", offer_id=offer))
    assert isinstance(events[0], ev.ContactConnected)


def test_trap_2_heavier_queue_that_may_not_use_an_agent_does_not_block_the_agent():
    policy = make_policy(make_team("general"), make_team("vip", weight=100.0))
    rig = Rig(policy, make_agent(teams=("general", "vip")))
    rig.receive(team_id="vip", skills=(SkillNeed("contracts", 5),))
    rig.now += 500.0
    plain = rig.receive(team_id="general")
    rig.available("ann")
    assert rig.asked(plain) == ["ann"]


def test_trap_3_coming_back_after_a_week_does_not_make_an_agent_the_longest_idle():
    rig = Rig(None, make_agent("ann"), make_agent("bob"))
    rig.available("bob")
    rig.now += 7 * 86_400.0
    rig.leaves("bob")
    rig.available("bob")
    rig.now += 1.0
    rig.available("ann")
    assert rig.asked(rig.receive()) == ["bob"]


def test_trap_4_offer_is_claimed_in_one_step_and_the_loser_is_told():
    rig = staffed("ann", "bob", broadcast=2)
    first, second = rig.pending(rig.receive())
    rig.do(Accept(actor="ann", offer_id=first))
    assert rig.refused(Accept(actor="bob", offer_id=second)).code is Code.OFFER_GONE


def test_trap_5_ringing_an_absent_minded_expert_does_not_hold_up_the_relaxation():
    policy = make_policy(
        make_team("general", steps=(Step(after_s=15.0, teams=("orders",)),)), make_team("orders")
    )
    rig = Rig(policy, make_agent("ann"), make_agent("bob", teams=("orders",)))
    rig.available("ann", "bob")
    contact = rig.receive(team_id="general")
    rig.wait(20.0)
    assert rig.asked(contact) == ["bob"]


def test_trap_6_missed_chat_does_not_sign_the_agent_off():
    rig = staffed("ann", not_responding_s=60.0)
    rig.receive(channel=Channel.CHAT)
    rig.wait(30.0)
    assert rig.agent("ann").presence is Presence.AVAILABLE
    rig.wait(60.0)
    assert not rig.agent("ann").not_responding


def test_trap_9_callback_neither_jumps_nor_falls_when_it_is_created():
    rig = Rig()
    rig.now += 100.0
    waiting = rig.receive()
    rig.now += 100.0
    callback = rig.receive(channel=Channel.CALLBACK)
    later = rig.receive()
    places = [rig.floor.position(rig.contact(each)) for each in (waiting, callback, later)]
    assert places == [1, 2, 3]
    assert rig.happened(ContactQueued)[1].enqueued_at == NOON + 200.0


def test_trap_10_assignment_is_always_an_offer_that_must_be_answered():
    rig = staffed("ann")
    contact = rig.receive()
    assert (rig.state(contact), rig.contact(contact).agent_id) == (ContactState.OFFERED, None)
