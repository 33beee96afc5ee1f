"""What a team's lead does by hand: move, prioritise, assign, cancel, change who owns a ticket."""

from routing.commands import Assign, Cancel, ChangeTicket, Decline, Move, Transfer
from routing.events import OfferMade
from routing.model import Channel, ContactState, SkillNeed, TicketState
from routing.refused import Code
from tests.builders import Rig, make_agent, make_policy, make_team


def make_rig():
    policy = make_policy(make_team("orders"), make_team("care"))
    rig = Rig(policy, make_agent("ann", teams=("orders",)), make_agent("bob", teams=("care",)))
    rig.available("ann", "bob")
    return rig


def test_moved_contact_is_offered_in_the_other_team_at_its_place():
    rig = make_rig()
    rig.answered(team_id="orders")
    contact = rig.receive(team_id="orders")
    came = rig.contact(contact).enqueued_at
    rig.now += 50.0
    rig.do(Move(actor="lead", contact_id=contact, team_id="care", reason="wrong team"))
    assert (rig.asked(contact), rig.contact(contact).enqueued_at) == (["bob"], came)
    assert rig.segments_of(contact) == [("orders", "flowed_out")]


def test_moving_takes_the_running_offer_back():
    rig = make_rig()
    contact = rig.receive(team_id="orders")
    rig.do(Move(actor="lead", contact_id=contact, team_id="care"))
    assert rig.agent("ann").used == 0


def test_moving_to_the_same_team_is_refused():
    rig = make_rig()
    contact = rig.receive(team_id="orders")
    refusal = rig.refused(Move(actor="lead", contact_id=contact, team_id="orders"))
    assert refusal.code is Code.WRONG_STATE


def test_lead_may_assign_across_teams_and_skills():
    rig = make_rig()
    contact = rig.receive(team_id="orders", skills=(SkillNeed("contracts", 5),))
    rig.do(Assign(actor="lead", contact_id=contact, agent_id="bob"))
    assert rig.asked(contact) == ["bob"]
    assert rig.happened(OfferMade)[-1].decision.trigger == "lead"


def test_lead_may_assign_ahead_of_the_order():
    rig = make_rig()
    rig.answered(team_id="orders")
    rig.receive(team_id="orders")
    second = rig.receive(team_id="orders")
    rig.do(Assign(actor="lead", contact_id=second, agent_id="bob"))
    assert rig.asked(second) == ["bob"]


def test_busy_agent_can_not_be_assigned_more():
    rig = make_rig()
    rig.answered(team_id="care")
    contact = rig.receive(team_id="care")
    refusal = rig.refused(Assign(actor="lead", contact_id=contact, agent_id="bob"))
    assert (refusal.code, refusal.members["refusal"]) == (Code.NOT_ELIGIBLE, "no_capacity")


def test_agent_who_is_asked_already_is_not_asked_twice():
    rig = make_rig()
    contact = rig.receive(team_id="orders", channel=Channel.CHAT)
    refusal = rig.refused(Assign(actor="lead", contact_id=contact, agent_id="ann"))
    assert refusal.code is Code.WRONG_STATE


def test_what_keeps_an_agent_is_told_and_not_the_skill_that_does_not_count():
    rig = make_rig()
    rig.answered(team_id="orders")
    rig.leaves("bob")
    contact = rig.receive(team_id="orders", skills=(SkillNeed("law", 3),))
    for agent, words, code in (
        ("ann", "Ann has no room for it", "no_capacity"),
        ("bob", "Bob is not there", "not_present"),
    ):
        refusal = rig.refused(Assign(actor="lead", contact_id=contact, agent_id=agent))
        assert (words in refusal.detail, refusal.members["refusal"]) == (True, code)


def test_agent_who_is_passing_a_contact_on_is_not_assigned_it():
    rig = make_rig()
    rig.answered(team_id="care")
    contact = rig.answered(team_id="orders", channel=Channel.CHAT)
    rig.do(Transfer(actor="ann", contact_id=contact, team_id="care", warm=True))
    refusal = rig.refused(Assign(actor="lead", contact_id=contact, agent_id="ann"))
    assert refusal.code is Code.NOT_ELIGIBLE


def test_assigning_overrules_an_earlier_refusal():
    rig = make_rig()
    contact = rig.receive(team_id="orders")
    rig.do(Decline(actor="ann", offer_id=rig.pending(contact)[0]))
    rig.do(Assign(actor="lead", contact_id=contact, agent_id="ann"))
    assert rig.asked(contact) == ["ann"]


def test_cancelled_contact_leaves_its_ticket_to_the_owner():
    rig = make_rig()
    contact = rig.receive(team_id="orders")
    rig.do(Cancel(actor="lead", contact_id=contact, reason="spam"))
    assert (rig.state(contact), rig.contact(contact).end_reason) == (ContactState.CANCELLED, "spam")
    assert rig.ticket(contact).owner_id == "lead"


def test_contact_in_conversation_can_not_be_cancelled():
    rig = make_rig()
    contact = rig.answered(team_id="orders")
    refusal = rig.refused(Cancel(actor="lead", contact_id=contact, reason="spam"))
    assert refusal.code is Code.WRONG_STATE


def test_ticket_changes_owner_and_state_on_the_floor():
    rig = make_rig()
    contact = rig.answered(team_id="orders")
    ticket = rig.ticket(contact)
    rig.do(ChangeTicket(actor="lead", ticket=ticket, owner_id="bob", state=TicketState.WAITING_INTERNAL))
    assert (rig.ticket(contact).owner_id, rig.ticket(contact).state) == ("bob", "waiting_internal")


def test_ticket_changes_owner_off_the_floor():
    rig = make_rig()
    contact = rig.answered(team_id="orders")
    rig.finish(contact)
    rig.do(ChangeTicket(actor="lead", ticket=rig.ticket(contact), owner_id="bob", state=TicketState.CLOSED))
    assert (rig.ticket(contact).owner_id, rig.ticket(contact).state) == ("bob", TicketState.CLOSED)


def test_ticket_can_not_go_to_somebody_unknown():
    rig = make_rig()
    contact = rig.answered(team_id="orders")
    refusal = rig.refused(ChangeTicket(actor="lead", ticket=rig.ticket(contact), owner_id="nobody"))
    assert refusal.code is Code.UNKNOWN_AGENT
