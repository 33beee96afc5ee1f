"""A callback keeps the caller's place; the customer is dialled only while an agent is held for it."""

import pytest

from routing.commands import Abandon, CallbackMissed, Complete, ConvertToCallback, PublishPolicy
from routing.events import ContactReceived, OfferEnded
from routing.hours import Hours, Span
from routing.model import AgentState, Channel, ContactState, TicketState
from routing.refused import Code
from tests.builders import NOON, Rig, make_agent, make_policy, make_team

# NOON is Monday, 2 February 2026, 02:40 UTC.
NIGHT = Hours(time_zone="UTC", week=((Span("02:00", "03:00"),),) * 7)
TOMORROW_AT_TWO = NOON + 86_400.0 - 40 * 60


def convert(rig, contact, **terms):
    """Turn the contact into a callback and return the callback's id."""
    rig.do(ConvertToCallback(actor="pbx", contact_id=contact, **terms))
    return rig.happened(ContactReceived)[-1].contact.id


def test_callback_keeps_the_place_of_the_call():
    rig = Rig()
    call = rig.receive()
    rig.now += 30.0
    later = rig.receive()
    rig.now += 30.0
    callback = convert(rig, call)
    rig.available("ann")
    assert (rig.asked(callback), rig.asked(later)) == (["ann"], [])
    assert rig.state(call) is ContactState.CONVERTED


def test_callback_belongs_to_the_ticket_of_the_call():
    rig = Rig()
    call = rig.receive()
    callback = convert(rig, call)
    assert rig.contact(callback).ticket_id == rig.contact(call).ticket_id


def test_callback_for_a_chosen_time_does_not_jump_ahead_of_those_who_wait():
    rig = Rig()
    callback = convert(rig, rig.receive(), scheduled_at=NOON + 600.0)
    rig.now += 300.0
    waiting = rig.receive()
    rig.wait(400.0)
    rig.available("ann")
    assert (rig.asked(waiting), rig.asked(callback)) == (["ann"], [])


def test_callback_at_a_chosen_time_goes_to_the_agent_who_was_asked_for():
    rig = Rig(None, make_agent("ann"), make_agent("bob"))
    rig.available("ann", "bob")
    callback = rig.receive(channel=Channel.CALLBACK, scheduled_at=NOON + 600.0, preferred_agent_id="bob")
    rig.wait(600.0)
    assert rig.asked(callback) == ["bob"]


def test_callback_at_a_chosen_time_goes_to_the_owner_of_the_ticket_for_a_while():
    rig = Rig(make_policy(make_team(owner_preferred_s=60.0)), make_agent("ann"), make_agent("bob"))
    rig.available("ann", "bob")
    first = rig.receive(customer_id=4711)
    owner = rig.asked(first)[0]
    rig.accept(first)
    rig.do(Complete(actor=owner, contact_id=first, ticket_state=TicketState.OPEN))
    ticket = rig.ticket(first)
    callback = rig.receive(
        channel=Channel.CALLBACK, scheduled_at=NOON + 600.0, customer_id=4711, tickets=(ticket,)
    )
    rig.wait(590.0)
    for _ in range(2):
        rig.answered()
    rig.wait(20.0)
    assert (rig.contact(callback).preferred_agent_id, rig.asked(callback)) == (owner, [])
    rig.wait(60.0)
    assert rig.contact(callback).step == 0


def test_retried_callback_goes_to_the_owner_who_has_tried_before():
    rig = Rig(make_policy(callback_retry_s=900.0), make_agent("ann"), make_agent("bob"))
    rig.available("ann", "bob")
    callback = rig.answered(channel=Channel.CALLBACK)
    owner = rig.contact(callback).agent_id
    rig.do(CallbackMissed(actor=owner, contact_id=callback))
    rig.wait(900.0)
    assert rig.asked(callback) == [owner]


def test_callback_is_kept_for_whom_the_caller_waited_for():
    rig = Rig(make_policy(make_team(owner_preferred_s=60.0)), make_agent("ann"), make_agent("bob"))
    rig.available("ann")
    busy = rig.answered()
    call = rig.receive(preferred_agent_id="ann")
    rig.now += 20.0
    callback = convert(rig, call)
    rig.available("bob")
    assert rig.asked(callback) == []
    rig.finish(busy)
    assert rig.asked(callback) == ["ann"]


def test_callback_waits_for_its_time():
    rig = Rig()
    rig.available("ann")
    callback = rig.receive(channel=Channel.CALLBACK, scheduled_at=NOON + 600.0)
    rig.wait(599.0)
    assert rig.state(callback) is ContactState.SCHEDULED
    rig.wait(1.0)
    assert rig.asked(callback) == ["ann"]


def test_callback_asked_for_when_closed_waits_for_the_opening():
    rig = Rig(make_policy(make_team(hours=NIGHT)), now=NOON + 3600.0)
    callback = rig.receive(channel=Channel.CALLBACK)
    assert rig.contact(callback).scheduled_at == TOMORROW_AT_TWO


def test_callback_for_a_time_when_closed_waits_for_the_opening_after_it():
    rig = Rig(make_policy(make_team(hours=NIGHT)))
    callback = rig.receive(channel=Channel.CALLBACK, scheduled_at=NOON + 7200.0)
    assert rig.contact(callback).scheduled_at == TOMORROW_AT_TWO


def test_callback_is_turned_away_where_there_is_no_opening_at_all():
    closed = Hours(time_zone="UTC", week=((),) * 7)
    rig = Rig(make_policy(make_team(hours=closed)))
    assert rig.state(rig.receive(channel=Channel.CALLBACK)) is ContactState.REJECTED


def test_call_becomes_no_callback_where_there_is_no_opening_at_all():
    closed = Hours(time_zone="UTC", week=((),) * 7)
    rig = Rig()
    call = rig.receive()
    rig.do(PublishPolicy(actor="admin", policy=make_policy(make_team(hours=closed), version=2)))
    outcome = rig.refused(ConvertToCallback(actor="pbx", contact_id=call))
    assert outcome.code is Code.WRONG_STATE


def test_customer_who_did_not_answer_is_called_again_later():
    rig = Rig(make_policy(callback_retry_s=900.0, callback_attempts=3))
    rig.available("ann")
    callback = rig.answered(channel=Channel.CALLBACK)
    rig.do(CallbackMissed(actor="pbx", contact_id=callback))
    assert rig.agent_state("ann") is AgentState.WRAP_UP
    rig.wait(899.0)
    assert rig.state(callback) is ContactState.SCHEDULED
    rig.wait(1.0)
    assert (rig.asked(callback), rig.contact(callback).attempts) == (["ann"], 1)


def test_customer_is_not_called_again_when_the_team_has_closed():
    rig = Rig(make_policy(make_team(hours=NIGHT), callback_retry_s=1800.0))
    rig.available("ann")
    callback = rig.answered(channel=Channel.CALLBACK)
    rig.do(CallbackMissed(actor="pbx", contact_id=callback))
    assert rig.contact(callback).scheduled_at == TOMORROW_AT_TWO


def test_callback_is_given_up_after_the_policys_attempts():
    rig = Rig(make_policy(make_team(wrap_up_s=0.0), callback_retry_s=900.0, callback_attempts=2))
    rig.available("ann")
    callback = rig.answered(channel=Channel.CALLBACK)
    rig.do(CallbackMissed(actor="pbx", contact_id=callback))
    rig.wait(900.0)
    rig.accept(callback)
    rig.do(CallbackMissed(actor="pbx", contact_id=callback))
    assert (rig.state(callback), rig.contact(callback).end_reason) == (ContactState.EXPIRED, "unreachable")
    assert rig.agent_state("ann") is AgentState.IDLE


def test_each_attempt_is_a_segment():
    rig = Rig(make_policy(make_team(wrap_up_s=0.0)))
    rig.available("ann")
    callback = rig.answered(channel=Channel.CALLBACK)
    rig.do(CallbackMissed(actor="pbx", contact_id=callback))
    rig.wait(900.0)
    rig.accept(callback)
    rig.finish(callback)
    assert rig.segments_of(callback) == [("general", "answered"), ("general", "answered")]


def test_customer_dialled_first_who_did_not_answer_costs_the_agent_nothing():
    rig = Rig()
    rig.available("ann")
    callback = rig.receive(channel=Channel.CALLBACK)
    rig.do(CallbackMissed(actor="pbx", contact_id=callback))
    ended = rig.happened(OfferEnded)[-1]
    assert (ended.reason, ended.customer_gone) == ("no_answer", True)
    assert (rig.agent_state("ann"), rig.agent("ann").missed) == (AgentState.IDLE, 0)
    assert (rig.state(callback), rig.contact(callback).attempts) == (ContactState.SCHEDULED, 1)


@pytest.mark.parametrize("agents", [1, 2, 3])
def test_never_more_customers_may_be_dialled_first_than_agents_are_free(agents):
    rig = Rig(None, *(make_agent(f"agent{number}") for number in range(agents)))
    rig.available(*(f"agent{number}" for number in range(agents)))
    callbacks = [rig.receive(channel=Channel.CALLBACK) for _ in range(5)]
    may_dial = [each for each in callbacks if rig.state(each) is ContactState.OFFERED]
    assert len(may_dial) == agents


def test_only_a_callback_can_be_missed_by_the_customer():
    rig = Rig()
    rig.available("ann")
    call = rig.answered()
    assert rig.refused(CallbackMissed(actor="pbx", contact_id=call)).code is Code.WRONG_STATE


def test_only_a_call_becomes_a_callback():
    rig = Rig()
    chat = rig.receive(channel=Channel.CHAT)
    assert rig.refused(ConvertToCallback(actor="pbx", contact_id=chat)).code is Code.WRONG_STATE


def test_customer_may_call_off_a_scheduled_callback():
    rig = Rig()
    callback = rig.receive(channel=Channel.CALLBACK, scheduled_at=NOON + 600.0)
    rig.do(Abandon(actor="customer", contact_id=callback))
    assert rig.state(callback) is ContactState.CANCELLED


def test_converting_while_it_rings_frees_the_agent_for_the_callback():
    rig = Rig()
    rig.available("ann")
    call = rig.receive()
    assert rig.asked(convert(rig, call)) == ["ann"]


def test_caller_who_calls_again_stands_at_the_place_of_the_callback_which_ends():
    rig = Rig()
    call = rig.receive(customer_id=4711)
    rig.now += 10.0
    other = rig.receive()
    callback = convert(rig, call)
    rig.now += 300.0
    again = rig.receive(customer_id=4711)
    assert (rig.state(callback), rig.contact(callback).end_reason) == (ContactState.CANCELLED, "called_again")
    assert [rig.floor.position(rig.contact(each)) for each in (again, other)] == [1, 2]


def test_customer_who_saw_the_missed_callback_and_calls_is_not_called_once_more():
    rig = Rig(None, make_agent("ann"), make_agent("bob"))
    rig.available("ann")
    callback = rig.answered(channel=Channel.CALLBACK, customer_id=4711)
    rig.do(CallbackMissed(actor="ann", contact_id=callback))
    rig.wait(60.0)
    again = rig.receive(customer_id=4711)
    assert (rig.state(callback), rig.asked(again)) == (ContactState.CANCELLED, ["ann"])


def test_callback_that_rings_goes_over_to_its_customer_who_calls():
    rig = Rig()
    rig.available("ann")
    callback = rig.receive(channel=Channel.CALLBACK, customer_id=4711)
    again = rig.receive(customer_id=4711)
    assert (rig.state(callback), rig.asked(again)) == (ContactState.CANCELLED, ["ann"])
    assert rig.agent("ann").asked == {"made": 2}


def test_callback_at_a_time_the_customer_chose_stays_when_the_customer_calls_before():
    rig = Rig()
    callback = rig.receive(channel=Channel.CALLBACK, customer_id=4711, scheduled_at=NOON + 3600.0)
    rig.receive(customer_id=4711)
    assert rig.state(callback) is ContactState.SCHEDULED


def test_mail_of_a_customer_who_waits_for_a_callback_leaves_the_callback_alone():
    rig = Rig()
    callback = rig.receive(channel=Channel.CALLBACK, customer_id=4711)
    rig.receive(channel=Channel.EMAIL, customer_id=4711)
    assert rig.state(callback) is ContactState.QUEUED
