"""An agent is asked: accepts, declines, lets it ring; and has the time to wrap up."""

import pytest

from routing.commands import (
    Abandon,
    Accept,
    Assign,
    Complete,
    Decline,
    ExtendWrapUp,
    FinishWrapUp,
    MissOffer,
    PublishPolicy,
    Revoke,
    Tick,
)
from routing.events import AgentNotResponding, OfferEnded, OfferMade
from routing.model import AgentState, Channel, ContactState, OfferState, Presence, SkillNeed
from routing.policy import Step
from routing.refused import Code
from tests.builders import Rig, make_agent, make_policy, make_team


def rig_with_ann(**changes):
    rig = Rig(make_policy(make_team(**changes)))
    rig.available("ann")
    return rig


def test_free_agent_is_asked_at_once():
    rig = rig_with_ann()
    assert rig.asked(rig.receive()) == ["ann"]


def test_accepting_connects():
    rig = rig_with_ann()
    contact = rig.answered()
    assert (rig.state(contact), rig.agent_state("ann")) == (ContactState.CONNECTED, AgentState.BUSY)


def test_offer_that_ran_out_can_not_be_accepted():
    rig = rig_with_ann()
    offer = rig.pending(rig.receive())[0]
    rig.now += 20.5
    assert rig.refused(Accept(actor="ann", offer_id=offer)).code is Code.OFFER_GONE


def test_offer_to_another_agent_can_not_be_accepted():
    rig = rig_with_ann()
    offer = rig.pending(rig.receive())[0]
    assert rig.refused(Accept(actor="bob", offer_id=offer, agent_id="bob")).code is Code.NOT_YOURS


def test_offer_can_not_be_accepted_twice():
    rig = rig_with_ann()
    offer = rig.pending(rig.receive())[0]
    rig.do(Accept(actor="ann", offer_id=offer))
    assert rig.refused(Accept(actor="ann", offer_id=offer)).code is Code.OFFER_GONE


def test_declined_contact_goes_to_the_next_agent_with_its_reason_kept():
    rig = Rig(None, make_agent("ann"), make_agent("bob"))
    rig.available("ann")
    rig.now += 1.0
    rig.available("bob")
    contact = rig.receive()
    rig.do(Decline(actor="ann", offer_id=rig.pending(contact)[0], reason="needs a lawyer"))
    assert rig.asked(contact) == ["bob"]
    ended = rig.happened(OfferEnded)[0]
    assert (ended.state, ended.reason) == (OfferState.DECLINED, "needs a lawyer")


def test_agent_who_declined_is_asked_again_after_the_retry_time():
    rig = rig_with_ann(decline_retry_s=120.0)
    contact = rig.receive()
    rig.do(Decline(actor="ann", offer_id=rig.pending(contact)[0]))
    rig.wait(119.0)
    assert rig.asked(contact) == []
    rig.wait(1.0)
    assert rig.asked(contact) == ["ann"]


def test_agent_who_declined_gets_the_next_contact_meanwhile():
    rig = rig_with_ann()
    first = rig.receive()
    rig.do(Decline(actor="ann", offer_id=rig.pending(first)[0]))
    assert rig.asked(rig.receive()) == ["ann"]


def test_contact_returns_to_its_place_when_its_offer_runs_out():
    rig = Rig(None, make_agent("ann"), make_agent("bob"))
    rig.available("ann")
    first = rig.receive()
    rig.now += 1.0
    second = rig.receive()
    rig.wait(20.0)
    rig.available("bob")
    assert (rig.asked(first), rig.asked(second)) == (["bob"], [])


def test_agent_who_lets_it_ring_is_not_responding():
    rig = rig_with_ann()
    rig.receive()
    rig.wait(20.0)
    assert rig.agent_state("ann") is AgentState.NOT_RESPONDING


def test_phone_not_answered_is_the_same_as_letting_it_ring():
    rig = rig_with_ann()
    contact = rig.receive()
    rig.do(MissOffer(actor="pbx", offer_id=rig.pending(contact)[0]))
    assert rig.agent_state("ann") is AgentState.NOT_RESPONDING
    assert rig.state(contact) is ContactState.QUEUED


def test_agent_who_let_it_ring_gets_work_again_after_a_rest():
    rig = rig_with_ann(not_responding_s=300.0)
    contact = rig.receive()
    rig.wait(20.0 + 299.0)
    assert rig.asked(contact) == []
    rig.wait(1.0)
    assert rig.asked(contact) == ["ann"]


def test_agent_who_says_so_gets_work_again_at_once():
    rig = rig_with_ann()
    contact = rig.receive()
    rig.wait(20.0)
    rig.available("ann")
    assert rig.asked(contact) == ["ann"]


def test_third_miss_in_a_row_rests_the_agent_until_he_answers_for_himself():
    rig = rig_with_ann(not_responding_s=100.0)
    contact = rig.receive()
    rig.wait(3000.0)
    assert len(rig.happened(AgentNotResponding)) == 3
    assert rig.asked(contact) == []
    rig.available("ann")
    assert rig.asked(contact) == ["ann"]


def test_misses_are_forgotten_when_the_agent_accepts():
    rig = rig_with_ann(not_responding_s=100.0)
    contact = rig.receive()
    rig.wait(20.0 + 100.0)
    rig.accept(contact)
    assert rig.agent("ann").missed == 0


def test_missed_chat_leaves_running_chats_alone():
    rig = rig_with_ann()
    running = rig.answered(channel=Channel.CHAT)
    rig.receive(channel=Channel.CHAT)
    rig.wait(30.0)
    assert rig.agent("ann").not_responding
    assert rig.state(running) is ContactState.CONNECTED


def test_offers_are_taken_back_without_blame_when_another_of_the_agent_was_missed():
    rig = rig_with_ann()
    first, second = rig.receive(channel=Channel.CHAT), rig.receive(channel=Channel.CHAT)
    rig.do(MissOffer(actor="pbx", offer_id=rig.pending(first)[0]))
    assert rig.happened(OfferEnded)[-1].state is OfferState.REVOKED
    assert rig.asked(second) == []
    assert rig.agent("ann").missed == 1


def test_offer_taken_back_by_us_is_nobodys_fault_and_rings_elsewhere():
    rig = Rig(None, make_agent("ann"), make_agent("bob"))
    rig.available("ann", "bob")
    contact = rig.receive()
    rig.do(Revoke(actor="pbx", offer_id=rig.pending(contact)[0], reason="line_failed"))
    assert (rig.asked(contact), rig.agent_state("ann")) == (["bob"], AgentState.IDLE)
    ended = rig.happened(OfferEnded)[0]
    assert (ended.state, ended.reason) == (OfferState.REVOKED, "line_failed")


def test_customer_who_left_while_it_rang_does_not_count_against_the_agent():
    rig = rig_with_ann()
    contact = rig.receive()
    rig.do(Abandon(actor="pbx", contact_id=contact))
    ended = rig.happened(OfferEnded)[0]
    assert (ended.state, ended.customer_gone) == (OfferState.REVOKED, True)
    assert (rig.agent("ann").missed, rig.agent_state("ann")) == (0, AgentState.IDLE)


def test_offers_are_counted_by_what_became_of_them_until_the_agent_signs_on_anew():
    rig = rig_with_ann(decline_retry_s=1000.0, not_responding_s=10.0)
    declined = rig.receive()
    rig.do(Decline(actor="ann", offer_id=rig.pending(declined)[0]))
    rig.do(Abandon(actor="pbx", contact_id=declined))
    rig.do(Abandon(actor="pbx", contact_id=rig.receive()))
    contact = rig.receive()
    rig.wait(30.0)
    rig.accept(contact)
    assert rig.agent("ann").asked == {
        "made": 4, "declined": 1, "customer_gone": 1, "unanswered": 1, "accepted": 1
    }  # fmt: skip
    rig.finish(contact)
    rig.leaves("ann", Presence.OFFLINE)
    rig.available("ann")
    assert rig.agent("ann").asked == {}


def test_broadcast_that_somebody_else_won_counts_for_nothing_against_the_agent():
    rig = Rig(make_policy(make_team(broadcast=2)), make_agent("ann"), make_agent("bob"))
    rig.available("ann", "bob")
    ann, _ = rig.pending(rig.receive())
    rig.do(Accept(actor="ann", offer_id=ann))
    assert rig.agent("bob").asked == {"made": 1}


def test_pending_offers_take_capacity():
    rig = rig_with_ann()
    rig.receive()
    assert rig.asked(rig.receive()) == []


def test_agent_takes_as_many_chats_as_capacity_allows():
    rig = rig_with_ann()
    chats = [rig.receive(channel=Channel.CHAT) for _ in range(4)]
    assert [rig.asked(chat) for chat in chats] == [["ann"], ["ann"], ["ann"], []]


def test_agent_in_a_chat_gets_no_call():
    rig = rig_with_ann()
    rig.answered(channel=Channel.CHAT)
    assert rig.asked(rig.receive()) == []


def test_own_cap_of_an_agent_goes_before_the_channels():
    rig = Rig(None, make_agent("ann", channel_caps={"chat": 1}))
    rig.available("ann")
    rig.receive(channel=Channel.CHAT)
    assert rig.asked(rig.receive(channel=Channel.CHAT)) == []


def test_broadcast_asks_several_agents_and_the_first_wins():
    rig = Rig(make_policy(make_team(broadcast=2)), *(make_agent(name) for name in ("ann", "bob", "cid")))
    rig.available("ann", "bob", "cid")
    contact = rig.receive()
    ann, bob = rig.pending(contact)
    rig.do(Accept(actor="bob", offer_id=bob))
    assert rig.contact(contact).agent_id == "bob"
    assert (rig.offers[ann].state, rig.offers[ann].end_reason) == (OfferState.REVOKED, "lost_race")
    assert rig.agent_state("ann") is AgentState.IDLE


def test_loser_of_a_broadcast_is_refused():
    rig = Rig(make_policy(make_team(broadcast=2)), make_agent("ann"), make_agent("bob"))
    rig.available("ann", "bob")
    ann, bob = rig.pending(rig.receive())
    rig.do(Accept(actor="bob", offer_id=bob))
    assert rig.refused(Accept(actor="ann", offer_id=ann)).code is Code.OFFER_GONE


def test_another_agent_is_asked_when_one_declines_a_broadcast():
    rig = Rig(make_policy(make_team(broadcast=2)), *(make_agent(name) for name in ("ann", "bob", "cid")))
    rig.available("ann", "bob", "cid")
    contact = rig.receive()
    rig.do(Decline(actor="ann", offer_id=rig.pending(contact)[0]))
    assert rig.asked(contact) == ["bob", "cid"]


def test_nobody_is_asked_twice_while_a_broadcast_goes_on():
    rig = Rig(make_policy(make_team(broadcast=2)), *(make_agent(name) for name in ("ann", "bob", "cid")))
    rig.available("ann", "bob", "cid")
    contact = rig.receive()
    for _ in range(2):
        rig.do(Decline(actor="lead", offer_id=rig.pending(contact)[0]))
    assert rig.asked(contact) == ["cid"]


def test_broadcast_goes_on_while_one_agent_is_still_asked():
    rig = Rig(make_policy(make_team(broadcast=2)), make_agent("ann"), make_agent("bob"))
    rig.available("ann", "bob")
    contact = rig.receive()
    rig.do(Decline(actor="ann", offer_id=rig.pending(contact)[0]))
    assert (rig.state(contact), rig.asked(contact)) == (ContactState.OFFERED, ["bob"])


def test_agents_freed_together_are_asked_together_under_broadcast():
    general, orders = make_team("general"), make_team("orders")
    rig = Rig(make_policy(general, orders), *(make_agent(name, teams=("orders",)) for name in ("ann", "bob")))
    rig.available("ann", "bob")
    contact = rig.receive(team_id="general")
    rig.now += 10.0
    helped = make_team("general", broadcast=2, steps=(Step(after_s=10.0, teams=("orders",)),))
    rig.do(PublishPolicy(actor="admin", policy=make_policy(helped, orders, version=2)))
    assert sorted(rig.asked(contact)) == ["ann", "bob"]


def test_agent_who_has_room_again_joins_a_broadcast():
    policy = make_policy(make_team("orders", broadcast=2), make_team("care"))
    rig = Rig(policy, make_agent("ann", teams=("orders",)), make_agent("bob", teams=("orders", "care")))
    rig.available("bob")
    running = rig.answered(team_id="care", channel=Channel.CHAT)
    rig.available("ann")
    rig.receive(team_id="orders", channel=Channel.EMAIL)
    waiting = rig.receive(team_id="orders", channel=Channel.EMAIL)
    rig.finish(running)
    assert sorted(rig.asked(waiting)) == ["ann", "bob"]


def test_agent_who_comes_free_joins_a_broadcast_that_has_room():
    rig = Rig(make_policy(make_team(broadcast=2)), *(make_agent(name) for name in ("ann", "bob", "cid")))
    rig.available("ann")
    contact = rig.receive()
    rig.now += 5.0
    rig.available("bob", "cid")
    assert rig.asked(contact) == ["ann", "bob"]
    assert rig.happened(OfferMade)[-1].offer.expires_at == rig.now + 20.0


def test_agent_who_comes_free_takes_what_nobody_is_asked_for_before_joining_a_broadcast():
    rig = Rig(make_policy(make_team(broadcast=3)), *(make_agent(name) for name in ("ann", "bob")))
    rig.available("ann")
    broadcast = rig.receive()
    rig.now += 1.0
    unasked = rig.receive()
    rig.available("bob")
    assert (rig.asked(broadcast), rig.asked(unasked)) == (["ann"], ["bob"])


def test_agent_without_the_skill_does_not_join_a_broadcast():
    rig = Rig(
        make_policy(make_team(broadcast=3)),
        make_agent("ann", skills={"contracts": 3}),
        make_agent("bob", skills={"contracts": 2}),
    )
    rig.available("ann")
    contact = rig.receive(skills=(SkillNeed("contracts", 3),))
    rig.available("bob")
    assert rig.asked(contact) == ["ann"]


def test_broadcast_that_rings_at_one_is_widened_by_a_step_meanwhile():
    policy = make_policy(
        make_team(broadcast=2, steps=(Step(after_s=10.0, teams=("orders",)),)), make_team("orders")
    )
    rig = Rig(policy, make_agent("ann"), make_agent("bob", teams=("orders",)))
    rig.available("ann", "bob")
    contact = rig.receive()
    rig.wait(9.9)
    assert rig.asked(contact) == ["ann"]
    rig.wait(0.1)
    assert rig.asked(contact) == ["ann", "bob"]


def test_larger_broadcast_reaches_what_rings_already():
    rig = Rig(None, make_agent("ann"), make_agent("bob"))
    rig.available("ann", "bob")
    contact = rig.receive()
    rig.do(PublishPolicy(actor="admin", policy=make_policy(make_team(broadcast=2), version=2)))
    assert sorted(rig.asked(contact)) == ["ann", "bob"]


def test_contact_that_a_lead_gave_to_one_agent_rings_at_that_agent_alone():
    rig = Rig(make_policy(make_team(broadcast=3)), *(make_agent(name) for name in ("ann", "bob", "cid")))
    rig.available("ann", "bob")
    contact = rig.receive()
    for _ in range(2):
        rig.do(Decline(actor="agent", offer_id=rig.pending(contact)[0]))
    rig.do(Assign(actor="lead", contact_id=contact, agent_id="bob"))
    rig.available("cid")
    assert rig.asked(contact) == ["bob"]


def test_wrap_up_keeps_the_agent_until_it_is_over():
    rig = rig_with_ann(wrap_up_s=30.0)
    contact = rig.answered()
    waiting = rig.receive()
    rig.complete(contact)
    assert rig.agent_state("ann") is AgentState.WRAP_UP
    rig.wait(29.0)
    assert rig.asked(waiting) == []
    rig.wait(1.0)
    assert (rig.state(contact), rig.asked(waiting)) == (ContactState.COMPLETED, ["ann"])


def test_wrap_up_ends_when_the_agent_says_so():
    rig = rig_with_ann()
    contact = rig.answered()
    rig.complete(contact)
    rig.wrap_up(contact)
    assert (rig.state(contact), rig.agent_state("ann")) == (ContactState.COMPLETED, AgentState.IDLE)


def test_wrap_up_is_extended_from_its_end_three_times_at_most():
    rig = rig_with_ann(wrap_up_s=300.0, wrap_up_extension_s=60.0)
    contact = rig.answered()
    rig.complete(contact)
    offer = rig.contact(contact).offer_id
    for _ in range(3):
        rig.do(ExtendWrapUp(actor="ann", offer_id=offer))
    assert rig.floor.offers[offer].wrap_up_until == rig.now + 480.0
    assert rig.refused(ExtendWrapUp(actor="ann", offer_id=offer)).code is Code.WRONG_STATE


def test_wrap_up_can_not_be_extended_in_a_team_that_allows_none():
    rig = rig_with_ann(wrap_up_extension_s=0.0)
    contact = rig.answered()
    rig.complete(contact)
    refusal = rig.refused(ExtendWrapUp(actor="ann", offer_id=rig.contact(contact).offer_id))
    assert refusal.code is Code.WRONG_STATE


def test_channel_without_wrap_up_frees_the_agent_at_once():
    rig = rig_with_ann()
    contact = rig.answered(channel=Channel.EMAIL)
    rig.complete(contact)
    assert (rig.state(contact), rig.agent_state("ann")) == (ContactState.COMPLETED, AgentState.IDLE)


def test_wrap_up_can_not_end_while_the_conversation_runs():
    rig = rig_with_ann()
    contact = rig.answered()
    refusal = rig.refused(FinishWrapUp(actor="ann", offer_id=rig.contact(contact).offer_id))
    assert refusal.code is Code.WRONG_STATE


def test_customer_hanging_up_in_conversation_starts_the_wrap_up():
    rig = rig_with_ann()
    contact = rig.answered()
    rig.do(Abandon(actor="pbx", contact_id=contact))
    assert (rig.state(contact), rig.segments_of(contact)) == (
        ContactState.WRAP_UP,
        [("general", "answered")],
    )


@pytest.mark.parametrize(("waited_s", "short"), [(4.9, True), (5.1, False)])
def test_customer_who_leaves_soon_is_a_short_abandon(waited_s, short):
    rig = Rig(make_policy(make_team(short_abandon_s=5.0)))
    contact = rig.receive()
    rig.now += waited_s
    rig.do(Abandon(actor="pbx", contact_id=contact))
    assert (rig.state(contact), rig.contact(contact).short) == (ContactState.ABANDONED, short)


def test_contact_expires_when_it_has_waited_its_longest():
    rig = Rig(make_policy(make_team(max_wait_s={"voice": 90.0})))
    contact = rig.receive()
    rig.wait(90.0)
    assert (rig.state(contact), rig.contact(contact).end_reason) == (ContactState.EXPIRED, "max_wait")


def test_completing_a_waiting_contact_is_refused():
    rig = Rig()
    contact = rig.receive()
    assert rig.refused(Complete(actor="ann", contact_id=contact)).code is Code.WRONG_STATE


def test_every_offer_has_the_decision_that_made_it():
    rig = rig_with_ann()
    rig.receive()
    made = rig.happened(OfferMade)[0]
    assert (made.decision.agent_id, made.decision.offer_id) == ("ann", made.offer.id)
    assert [each.agent_id for each in made.decision.candidates] == ["ann"]


@pytest.mark.parametrize("second", [Channel.VOICE, Channel.CALLBACK])
@pytest.mark.parametrize("first", [Channel.VOICE, Channel.CALLBACK])
def test_agent_on_the_phone_gets_no_other_call_however_large_the_capacity(first, second):
    rig = Rig(None, make_agent(capacity=300))
    rig.available("ann")
    rig.answered(channel=first)
    assert rig.asked(rig.receive(channel=second)) == []
    assert rig.asked(rig.receive(channel=Channel.CHAT)) == ["ann"]


def test_offer_that_ran_out_while_the_service_was_down_is_nobodys_fault():
    rig = Rig()
    rig.available("ann")
    contact = rig.receive()
    rig.now += 60.0  # no tick at the instant at which it was due
    rig.do(Tick())
    assert (rig.asked(contact), rig.agent_state("ann")) == (["ann"], AgentState.OFFERED)
    assert rig.agent("ann").asked == {"made": 2}
