"""A running contact is passed on, cold or warm: a new segment of the same contact, every clock right."""

import pytest

from routing.commands import Abandon, Complete, Decline, PutAgent, TakeBack, Transfer
from routing.hours import Hours, Span
from routing.model import AgentState, Channel, ContactState
from routing.refused import Code
from tests.builders import Rig, make_agent, make_policy, make_team


def make_rig(**changes):
    """Return a floor on which ann takes orders, bea and bob care."""
    policy = make_policy(make_team("orders", **changes), make_team("care", **changes))
    rig = Rig(
        policy,
        make_agent("ann", teams=("orders",)),
        make_agent("bob", teams=("care",)),
        make_agent("bea", teams=("care",)),
    )
    rig.available("ann", "bob")
    return rig


def passed_on(rig, *, warm, **target):
    """Return a contact that ann answered 10 s after it came and passed on 60 s later."""
    rig.leaves("ann")
    contact = rig.receive(team_id="orders")
    rig.now += 10.0
    rig.available("ann")
    rig.accept(contact)
    rig.now += 60.0
    terms = target or {"team_id": "care"}
    rig.do(Transfer(actor="ann", contact_id=contact, warm=warm, **terms))
    return contact


@pytest.mark.parametrize("warm", [True, False])
def test_transfer_asks_the_other_team(warm):
    rig = make_rig()
    assert rig.asked(passed_on(rig, warm=warm)) == ["bob"]


def test_cold_transfer_starts_the_givers_wrap_up():
    rig = make_rig()
    passed_on(rig, warm=False)
    assert rig.agent_state("ann") is AgentState.WRAP_UP


def test_warm_transfer_keeps_the_giver_with_the_customer_until_somebody_accepts():
    rig = make_rig()
    contact = passed_on(rig, warm=True)
    assert rig.agent_state("ann") is AgentState.BUSY
    rig.accept(contact)
    assert (rig.agent_state("ann"), rig.agent_state("bob")) == (AgentState.WRAP_UP, AgentState.BUSY)


def test_transferred_contact_keeps_its_place():
    rig = make_rig()
    rig.leaves("bob")
    contact = passed_on(rig, warm=False)
    rig.now -= 30.0
    later = rig.receive(team_id="care")
    rig.now += 30.0
    rig.available("bob")
    assert (rig.asked(contact), rig.asked(later)) == (["bob"], [])


def test_segments_of_a_transfer_follow_one_another():
    rig = make_rig()
    contact = passed_on(rig, warm=False)
    rig.now += 5.0
    rig.accept(contact)
    rig.now += 100.0
    rig.complete(contact)
    first, second = (each for each in rig.segments if each.contact_id == contact)
    assert (first.answered_at - first.queued_at, first.ended_at - first.answered_at) == (10.0, 60.0)
    assert second.queued_at == first.ended_at
    assert (second.answered_at - second.queued_at, second.ended_at - second.answered_at) == (5.0, 100.0)
    assert (first.agent_id, second.agent_id) == ("ann", "bob")


def test_ticket_stays_with_its_owner_over_a_transfer():
    rig = make_rig()
    contact = passed_on(rig, warm=False)
    rig.accept(contact)
    assert rig.ticket(contact).owner_id == "ann"


def test_transfer_to_an_agent_waits_for_that_agent_first():
    rig = make_rig(owner_preferred_s=60.0)
    rig.available("bea")
    contact = passed_on(rig, warm=False, agent_id="bea")
    assert rig.asked(contact) == ["bea"]
    assert rig.contact(contact).team_id == "care"


def test_transfer_to_an_agent_who_is_not_there_is_refused():
    rig = make_rig()
    contact = rig.answered(team_id="orders")
    refusal = rig.refused(Transfer(actor="ann", contact_id=contact, agent_id="bea"))
    assert (refusal.code, refusal.field) == (Code.NOT_ELIGIBLE, "agent")


def test_transfer_to_oneself_is_refused():
    rig = make_rig()
    contact = rig.answered(team_id="orders")
    assert rig.refused(Transfer(actor="ann", contact_id=contact, agent_id="ann")).code is Code.INVALID_VALUE


def test_transfer_without_a_target_is_refused():
    rig = make_rig()
    contact = rig.answered(team_id="orders")
    assert rig.refused(Transfer(actor="ann", contact_id=contact)).code is Code.INVALID_VALUE


def test_giver_is_not_asked_to_take_what_he_just_passed_on():
    rig = make_rig(wrap_up_s=0.0, decline_retry_s=120.0)
    rig.leaves("bob")
    contact = passed_on(rig, warm=False, team_id="orders")
    assert rig.asked(contact) == []
    rig.wait(120.0)
    assert rig.asked(contact) == ["ann"]


def test_giver_of_a_warm_transfer_with_room_left_is_not_asked_himself():
    rig = make_rig()
    rig.leaves("bob")
    contact = rig.answered(team_id="orders", channel=Channel.CHAT)
    rig.do(Transfer(actor="ann", contact_id=contact, team_id="orders", warm=True))
    rig.wait(600.0)
    assert rig.asked(contact) == []


def test_contact_passed_on_may_come_back_to_the_giver_from_the_receiver():
    rig = make_rig(wrap_up_s=0.0)
    contact = passed_on(rig, warm=True)
    rig.accept(contact)
    rig.do(Transfer(actor="bob", contact_id=contact, agent_id="ann"))
    assert rig.asked(contact) == ["ann"]


def test_warm_transfer_nobody_took_is_taken_back():
    rig = make_rig()
    contact = passed_on(rig, warm=True)
    rig.now += 15.0
    rig.do(TakeBack(actor="ann", contact_id=contact))
    assert (rig.state(contact), rig.contact(contact).agent_id) == (ContactState.CONNECTED, "ann")
    assert rig.agent_state("bob") is AgentState.IDLE


def test_segments_of_a_transfer_taken_back_count_one_answer():
    rig = make_rig()
    contact = passed_on(rig, warm=True)
    rig.now += 15.0
    rig.do(TakeBack(actor="ann", contact_id=contact))
    rig.now += 30.0
    rig.complete(contact)
    assert rig.segments_of(contact) == [("orders", "answered"), ("care", "flowed_out"), ("orders", "resumed")]


def test_taking_back_what_nobody_passes_on_is_refused():
    rig = make_rig()
    contact = rig.receive(team_id="orders")
    assert rig.refused(TakeBack(actor="ann", contact_id=contact)).code is Code.WRONG_STATE


def test_warm_transfer_that_waited_too_long_returns_to_the_giver():
    rig = make_rig(max_wait_s={"voice": 90.0})
    rig.leaves("bob")
    contact = passed_on(rig, warm=True)
    rig.wait(90.0)
    assert (rig.state(contact), rig.contact(contact).agent_id) == (ContactState.CONNECTED, "ann")


def test_declined_warm_transfer_goes_on_looking():
    rig = make_rig()
    contact = passed_on(rig, warm=True)
    rig.available("bea")
    rig.do(Decline(actor="bob", offer_id=rig.pending(contact)[0]))
    assert rig.asked(contact) == ["bea"]
    assert rig.agent_state("ann") is AgentState.BUSY


def test_customer_who_leaves_during_a_warm_transfer_frees_everybody():
    rig = make_rig()
    contact = passed_on(rig, warm=True)
    rig.do(Abandon(actor="pbx", contact_id=contact))
    assert rig.state(contact) is ContactState.ABANDONED
    assert (rig.agent_state("ann"), rig.agent_state("bob")) == (AgentState.WRAP_UP, AgentState.IDLE)


def test_contact_being_passed_on_can_not_be_completed():
    rig = make_rig()
    contact = passed_on(rig, warm=True)
    assert rig.refused(Complete(actor="ann", contact_id=contact)).code is Code.WRONG_STATE


def test_agent_who_is_named_is_asked_first_also_where_the_team_prefers_no_owners():
    rig = make_rig(owner_preferred_s=0.0)
    rig.available("bea")
    contact = passed_on(rig, warm=False, agent_id="bea")
    assert rig.asked(contact) == ["bea"]


def test_transfer_to_an_agent_who_never_takes_the_channel_is_refused():
    rig = make_rig()
    rig.do(PutAgent(actor="admin", agent=make_agent("bob", teams=("care",), channel_caps={"voice": 0})))
    contact = rig.answered(team_id="orders")
    refusal = rig.refused(Transfer(actor="ann", contact_id=contact, agent_id="bob"))
    assert (refusal.code, refusal.field) == (Code.NOT_ELIGIBLE, "agent")


# The clock of the tests begins at 02:40 UTC.
CLOSED = Hours(time_zone="UTC", week=((Span("08:00", "20:00"),),) * 7)


def with_closed_care():
    policy = make_policy(make_team("orders"), make_team("care", hours=CLOSED))
    rig = Rig(policy, make_agent("ann", teams=("orders",)), make_agent("bob", teams=("care",)))
    rig.available("ann")
    return rig


@pytest.mark.parametrize("warm", [True, False])
def test_customer_is_not_passed_on_to_a_closed_team_with_nobody_there(warm):
    rig = with_closed_care()
    contact = rig.answered(team_id="orders")
    refusal = rig.refused(Transfer(actor="ann", contact_id=contact, team_id="care", warm=warm))
    assert (refusal.code, refusal.field) == (Code.WRONG_STATE, "team")
    assert "opens on Monday 02 February at 08:00" in refusal.detail


def test_customer_is_passed_on_to_those_who_are_still_there_after_closing():
    rig = with_closed_care()
    rig.available("bob")
    contact = rig.answered(team_id="orders")
    rig.do(Transfer(actor="ann", contact_id=contact, team_id="care"))
    assert rig.asked(contact) == ["bob"]


def test_mail_is_passed_on_to_a_closed_team_and_waits_there():
    rig = with_closed_care()
    contact = rig.answered(team_id="orders", channel=Channel.EMAIL)
    rig.do(Transfer(actor="ann", contact_id=contact, team_id="care"))
    assert (rig.contact(contact).team_id, rig.state(contact)) == ("care", ContactState.QUEUED)


def test_contact_passed_on_warm_is_taken_back_before_it_is_ended_or_passed_on_again():
    rig = make_rig()
    contact = passed_on(rig, warm=True)
    for command in (
        Complete(actor="ann", contact_id=contact),
        Transfer(actor="ann", contact_id=contact, team_id="orders"),
    ):
        refused = rig.refused(command)
        assert (refused.code, "take it back first" in refused.detail) == (Code.WRONG_STATE, True)
    rig.do(TakeBack(actor="ann", contact_id=contact))
    rig.do(Complete(actor="ann", contact_id=contact))
