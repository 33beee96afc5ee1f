"""A contact comes in: whose it is, which concern it belongs to, and whether it may wait."""

import pytest

from routing.commands import ChangeTicket, Identity, Receive
from routing.events import ContactEnded, ContactReceived, CustomerAdded
from routing.hours import Hours, Span
from routing.model import Channel, ContactState, Presence, SkillNeed, TicketState
from routing.refused import Code
from tests.builders import NOON, Rig, make_agent, make_policy, make_team

CUSTOMER = 900
NEVER_OPEN = Hours(time_zone="UTC", week=((),) * 7)
# NOON is Monday, 2 February 2026, 02:40 UTC.
DAYTIME = Hours(time_zone="UTC", week=((Span("09:00", "17:00"),),) * 7)
NINE = NOON + 6 * 3600 + 20 * 60


def make_call(**values):
    return Receive(actor="pbx", channel=Channel.VOICE, identity=Identity(), **values)


def two_teams(**changes):
    return make_policy(make_team("general"), make_team("orders"), **changes)


def test_unknown_customer_gets_a_record():
    rig = Rig()
    contact = rig.receive(identity=Identity(phone="+442079460000"))
    added = rig.happened(CustomerAdded)[0]
    assert added.identity.phone == "+442079460000"
    assert rig.contact(contact).customer_id == added.customer_id


def test_known_customer_is_not_added_again():
    rig = Rig()
    rig.receive(customer_id=CUSTOMER)
    assert rig.happened(CustomerAdded) == []


def test_ticket_is_the_leads_until_an_agent_accepts():
    rig = Rig()
    contact = rig.receive()
    assert (rig.ticket(contact).owner_id, rig.ticket(contact).accepted) == ("lead", False)


def test_ticket_is_the_agents_who_accepts_first():
    rig = Rig()
    rig.available("ann")
    contact = rig.answered()
    assert (rig.ticket(contact).owner_id, rig.ticket(contact).accepted) == ("ann", True)


def test_repeat_contact_joins_the_open_ticket():
    rig = Rig()
    first = rig.receive(customer_id=CUSTOMER)
    second = rig.receive(customer_id=CUSTOMER, tickets=(rig.ticket(first),))
    assert rig.contact(second).ticket_id == rig.contact(first).ticket_id


def test_repeat_contact_joins_a_ticket_that_the_caller_had_not_read_yet():
    rig = Rig()
    first = rig.receive(customer_id=CUSTOMER)
    second = rig.receive(customer_id=CUSTOMER)
    assert rig.contact(second).ticket_id == rig.contact(first).ticket_id


def test_repeat_contact_reopens_a_ticket_that_was_resolved_lately():
    rig = Rig(make_policy(reopen_s=3600.0))
    rig.available("ann")
    first = rig.answered(customer_id=CUSTOMER)
    rig.finish(first)
    rig.wait(3600.0)
    second = rig.receive(customer_id=CUSTOMER, tickets=(rig.ticket(first),))
    assert rig.contact(second).ticket_id == rig.contact(first).ticket_id
    assert (rig.ticket(second).state, rig.ticket(second).reopened) == (TicketState.OPEN, 1)


def test_repeat_contact_opens_a_new_ticket_when_the_last_was_resolved_long_ago():
    rig = Rig(make_policy(reopen_s=3600.0))
    rig.available("ann")
    first = rig.answered(customer_id=CUSTOMER)
    rig.finish(first)
    rig.wait(3601.0)
    second = rig.receive(customer_id=CUSTOMER, tickets=(rig.ticket(first),))
    assert rig.contact(second).ticket_id != rig.contact(first).ticket_id


def test_closing_a_resolved_ticket_keeps_the_time_it_was_resolved():
    rig = Rig()
    rig.available("ann")
    contact = rig.answered()
    rig.complete(contact)
    resolved_at = rig.now
    rig.now += 10.0
    rig.do(ChangeTicket(actor="ann", ticket=rig.ticket(contact), state=TicketState.CLOSED))
    ticket = rig.ticket(contact)
    assert (ticket.resolved_at, ticket.closed_at) == (resolved_at, rig.now)


@pytest.mark.parametrize(("join", "joins"), [("same_concern", False), ("always", True), ("never", False)])
def test_contact_that_names_another_team_joins_only_when_the_policy_says_always(join, joins):
    rig = Rig(two_teams(join=join))
    first = rig.receive(customer_id=CUSTOMER, team_id="general")
    second = rig.receive(customer_id=CUSTOMER, team_id="orders")
    assert (rig.contact(second).ticket_id == rig.contact(first).ticket_id) is joins


def test_repeat_contact_joins_the_ticket_of_its_concern_though_another_is_newer():
    rig = Rig(two_teams())
    first = rig.receive(customer_id=CUSTOMER, team_id="general")
    rig.receive(customer_id=CUSTOMER, team_id="orders")
    again = rig.receive(customer_id=CUSTOMER, team_id="general")
    assert rig.contact(again).ticket_id == rig.contact(first).ticket_id


def test_repeat_contact_joins_the_open_ticket_though_a_newer_one_was_resolved_lately():
    rig = Rig(two_teams(), make_agent("ann", teams=("orders",)))
    rig.available("ann")
    waiting = rig.receive(customer_id=CUSTOMER, team_id="general")
    done = rig.answered(customer_id=CUSTOMER, team_id="orders")
    rig.finish(done)
    again = rig.receive(customer_id=CUSTOMER, tickets=(rig.ticket(done), rig.ticket(waiting)))
    assert rig.contact(again).ticket_id == rig.contact(waiting).ticket_id


def test_contact_joins_the_ticket_it_names_whatever_its_team():
    rig = Rig(two_teams())
    first = rig.receive(customer_id=CUSTOMER, team_id="general")
    ticket = rig.ticket(first)
    second = rig.receive(customer_id=CUSTOMER, team_id="orders", ticket_id=ticket.id, tickets=(ticket,))
    assert (rig.contact(second).ticket_id, rig.contact(second).team_id) == (ticket.id, "orders")


def test_ticket_of_another_customer_is_refused():
    rig = Rig()
    assert rig.refused(make_call(customer_id=CUSTOMER, ticket_id=4711)).code is Code.UNKNOWN_TICKET


def test_repeat_contact_waits_for_the_owner_first():
    rig = Rig(None, make_agent("ann"), make_agent("bob"))
    rig.available("ann")
    first = rig.answered(customer_id=CUSTOMER)
    rig.available("bob")
    second = rig.receive(customer_id=CUSTOMER, tickets=(rig.ticket(first),))
    assert rig.asked(second) == []
    rig.finish(first)
    assert rig.asked(second) == ["ann"]


def test_repeat_contact_is_open_to_anyone_when_the_owners_time_is_over():
    rig = Rig(make_policy(make_team(owner_preferred_s=60.0)), make_agent("ann"), make_agent("bob"))
    rig.available("ann")
    first = rig.answered(customer_id=CUSTOMER)
    rig.available("bob")
    second = rig.receive(customer_id=CUSTOMER, tickets=(rig.ticket(first),))
    rig.wait(59.0)
    assert rig.asked(second) == []
    rig.wait(1.0)
    assert rig.asked(second) == ["bob"]


def test_repeat_contact_goes_to_anyone_at_once_when_the_owner_is_away():
    rig = Rig(None, make_agent("ann"), make_agent("bob"))
    rig.available("ann")
    first = rig.answered(customer_id=CUSTOMER)
    rig.finish(first)
    rig.leaves("ann", Presence.MEAL)
    rig.available("bob")
    second = rig.receive(customer_id=CUSTOMER, tickets=(rig.ticket(first),))
    assert rig.asked(second) == ["bob"]


@pytest.mark.parametrize("channel", [Channel.VOICE, Channel.CHAT])
def test_customer_who_is_there_now_is_turned_away_when_closed(channel):
    rig = Rig(make_policy(make_team(hours=DAYTIME)))
    contact = rig.receive(channel=channel)
    assert rig.happened(ContactEnded)[0].reason == "closed"
    assert rig.state(contact) is ContactState.REJECTED


def test_contact_turned_away_leaves_a_ticket_with_an_owner():
    rig = Rig(make_policy(make_team(hours=DAYTIME)))
    ticket = rig.ticket(rig.receive())
    assert (ticket.state, ticket.owner_id) == (TicketState.OPEN, "lead")


@pytest.mark.parametrize("channel", [Channel.EMAIL, Channel.WEB])
def test_written_contact_queues_when_closed(channel):
    rig = Rig(make_policy(make_team(hours=DAYTIME)))
    assert rig.state(rig.receive(channel=channel)) is ContactState.QUEUED


def test_caller_is_turned_away_when_the_queue_is_full():
    rig = Rig(make_policy(make_team(max_waiting=1)))
    rig.receive()
    rig.receive()
    assert rig.happened(ContactEnded)[0].reason == "full"


def test_written_contacts_do_not_fill_the_queue_of_callers():
    rig = Rig(make_policy(make_team(max_waiting=1)))
    rig.receive(channel=Channel.EMAIL)
    rig.receive(channel=Channel.EMAIL)
    assert rig.state(rig.receive()) is ContactState.QUEUED


def test_place_in_a_full_queue_is_free_again_when_somebody_is_answered():
    rig = Rig(make_policy(make_team(max_waiting=1)))
    first = rig.receive()
    rig.available("ann")
    rig.accept(first)
    assert rig.state(rig.receive()) is ContactState.QUEUED


def test_caller_is_turned_away_when_no_agent_is_there_and_the_team_wants_it_so():
    rig = Rig(make_policy(make_team(reject_without_agents=True)))
    rig.receive()
    assert rig.happened(ContactEnded)[0].reason == "no_agents"
    rig.available("ann")
    assert rig.state(rig.receive()) is ContactState.OFFERED


def test_age_before_intake_counts_for_the_place():
    rig = Rig()
    rig.receive()
    old = rig.receive(enqueued_at=NOON - 300.0)
    rig.available("ann")
    assert rig.asked(old) == ["ann"]


@pytest.mark.parametrize(
    ("values", "code", "field"),
    [
        ({"team_id": "nowhere"}, Code.UNKNOWN_TEAM, "team"),
        ({"preferred_agent_id": "nobody"}, Code.UNKNOWN_AGENT, "preferred_agent"),
        ({"priority": 6}, Code.INVALID_VALUE, "priority"),
        ({"skills": (SkillNeed("contracts", 0),)}, Code.INVALID_VALUE, "skills"),
        ({"enqueued_at": NOON + 1.0}, Code.INVALID_VALUE, "received_at"),
        ({"scheduled_at": NOON + 60.0}, Code.INVALID_VALUE, "scheduled_at"),
    ],
)
def test_contact_that_can_not_be_is_refused(values, code, field):
    refusal = Rig().refused(make_call(**values))
    assert (refusal.code, refusal.field) == (code, field)


def test_contact_keeps_how_it_was_classified():
    rig = Rig(two_teams())
    rig.receive(team_id="orders")
    said = rig.happened(ContactReceived)[0].classification
    assert (said.team_id, said.by) == ("orders", "request")


def test_caller_is_not_turned_away_as_full_while_an_agent_is_free():
    rig = Rig(make_policy(make_team(max_waiting=1)), make_agent("ann"), make_agent("bob"))
    rig.available("ann", "bob")
    ringing, second = rig.receive(), rig.receive()
    assert (rig.asked(ringing), rig.asked(second)) == (["ann"], ["bob"])
    assert rig.state(rig.receive()) is ContactState.REJECTED


def test_agents_whose_devices_have_gone_silent_are_nobody_there():
    team = make_team(reject_without_agents=True)
    rig = Rig(make_policy(team, heartbeat_s=30.0), make_agent("ann"))
    rig.available("ann")
    rig.wait(30.0)
    assert rig.state(rig.receive()) is ContactState.REJECTED


def test_agent_who_rests_after_a_miss_is_somebody_there():
    rig = Rig(make_policy(make_team(reject_without_agents=True)), make_agent("ann"))
    rig.available("ann")
    missed = rig.receive()
    rig.wait(20.0)
    assert [rig.state(each) for each in (missed, rig.receive())] == [ContactState.QUEUED] * 2


def test_contact_is_not_kept_for_an_agent_who_never_takes_its_channel():
    rig = Rig(None, make_agent("ann", channel_caps={"voice": 0}), make_agent("bob"))
    rig.available("ann", "bob")
    assert rig.asked(rig.receive(preferred_agent_id="ann")) == ["bob"]
