"""What users of other systems complain about most: tests of each complaint, by its number."""

import sys

import pytest

from routing import events as ev
from routing.commands import (
    Abandon,
    Accept,
    Complete,
    ConvertToCallback,
    Decline,
    Drain,
    MissOffer,
    PublishPolicy,
    PutAgent,
    Reprioritise,
    TakeBack,
    Transfer,
)
from routing.decide import decide
from routing.events import ContactReceived, decode, encode
from routing.floor import Floor
from routing.hours import Hours, Span
from routing.model import AgentState, Channel, ContactState, Presence, SkillNeed
from routing.policy import Step
from routing.refused import Code, Refused
from tests.builders import NOON, START, Rig, make_agent, make_policy, make_team
from tests.routing.invariants import check_floor, find_missed_match, reload


def staffed(*names, **changes):
    """Return a floor with one team whose agents are all available."""
    rig = Rig(make_policy(make_team(**changes)), *(make_agent(name) for name in names))
    rig.available(*names)
    return rig


def test_1_waiting_work_is_picked_up_the_moment_somebody_is_free_and_nobody_overtakes_it():
    rig = staffed("ann")
    running = rig.answered()
    first = rig.receive()
    rig.now += 1.0
    second = rig.receive()
    rig.finish(running)
    assert (rig.asked(first), rig.asked(second)) == (["ann"], [])


BECOMING_FREE = {
    "comes to work": lambda rig: rig.available("ann"),
    "is back from a break": lambda rig: (rig.available("ann"), rig.leaves("ann"), rig.available("ann")),
    "joins the team": lambda rig: (rig.available("bob"), rig.do(put("bob", teams=("general",)))),
    "learns the language": lambda rig: (rig.available("cid"), rig.do(put("cid", languages=("de",)))),
    "is let in by a step": lambda rig: (rig.available("bob"), rig.wait(40.0)),
    "is let in by a new policy": lambda rig: (
        rig.available("bob"),
        rig.do(
            PublishPolicy(actor="admin", policy=two_teams(Step(after_s=1.0, teams=("orders",)), version=2))
        ),
    ),
    "is there again after missing an offer": lambda rig: (
        rig.available("ann"),
        rig.wait(20.0),
        rig.available("ann"),
    ),
}


def put(name, *, teams=("general",), **profile):
    return PutAgent(actor="admin", agent=make_agent(name, teams=teams, **profile))


def two_teams(*steps, version=1):
    return make_policy(make_team(steps=steps), make_team("orders"), version=version)


@pytest.mark.parametrize("way", BECOMING_FREE)
def test_1_waiting_work_is_picked_up_whatever_way_somebody_becomes_free(way):
    agents = (make_agent("ann"), make_agent("bob", teams=("orders",)), make_agent("cid"))
    rig = Rig(two_teams(Step(after_s=40.0, teams=("orders",))), *agents)
    terms = {"language": "de"} if way == "learns the language" else {}
    if terms:
        rig.do(put("ann", languages=("de",)))
    first = rig.receive(team_id="general", **terms)
    rig.now += 2.0
    second = rig.receive(team_id="general", **terms)
    BECOMING_FREE[way](rig)
    assert (len(rig.asked(first)), rig.asked(second)) == (1, [])


def test_2_agent_whose_call_died_without_a_word_is_freed_by_hand():
    rig = staffed("ann")
    contact = rig.answered()
    rig.wait(8 * 3600.0)
    rig.do(Complete(actor="lead", contact_id=contact))
    rig.wait(60.0)
    assert (rig.agent_state("ann"), rig.floor.offers) == (AgentState.IDLE, {})
    assert rig.asked(rig.receive()) == ["ann"]


@pytest.mark.parametrize("moment", ["ringing", "talking", "passing on", "wrapping up"])
def test_2_agent_is_never_stuck_when_the_call_has_died(moment):
    rig = staffed("ann", "bob")
    contact = rig.receive()
    name = rig.asked(contact)[0]
    if moment != "ringing":
        rig.accept(contact)
    if moment == "passing on":
        rig.do(Transfer(actor=name, contact_id=contact, team_id="general", warm=True))
    if moment == "wrapping up":
        rig.complete(contact)
    else:
        rig.do(Abandon(actor="pbx", contact_id=contact))
    rig.wait(60.0)
    assert [rig.agent_state(each) for each in ("ann", "bob")] == [AgentState.IDLE] * 2
    assert rig.floor.offers == {}


def test_3_assigned_and_ignored_work_comes_back_and_goes_to_the_next():
    rig = staffed("ann", "bob")
    contact = rig.receive()
    ignoring = rig.asked(contact)[0]
    rig.wait(20.0)
    assert rig.asked(contact) == [({"ann", "bob"} - {ignoring}).pop()]


def test_3_work_that_everybody_ignores_keeps_its_place_its_owner_and_a_running_clock():
    rig = staffed("ann", "bob", not_responding_s=60.0)
    ignored = rig.receive()
    rig.now += 1.0
    later = rig.receive()
    for _ in range(200):
        rig.wait(1.0)
        assert rig.floor.position(rig.contact(ignored)) == 1
        assert rig.floor.next_due() is not None
        assert rig.ticket(ignored).owner_id == "lead"
    assert len([e for e in rig.happened(ev.OfferMade) if e.offer.contact_id == ignored]) == 3
    assert rig.floor.position(rig.contact(later)) == 2


def test_4_work_is_spread_evenly_by_itself():
    names = [f"agent{number}" for number in range(5)]
    rig = staffed(*names, wrap_up_s=0.0)
    for _ in range(50):
        contact = rig.answered()
        rig.now += 30.0
        rig.complete(contact)
    assert [rig.agent(name).handled for name in names] == [10] * 5


def test_5_capacity_is_respected_and_chats_go_to_whoever_has_fewer():
    rig = staffed("ann", "bob")
    used = []
    for _ in range(8):
        rig.receive(channel=Channel.CHAT)
        rig.now += 1.0
        used.append(sorted(rig.agent(name).used for name in ("ann", "bob")))
    assert used[:4] == [[0, 30], [30, 30], [30, 60], [60, 60]]
    assert used[-1] == [90, 90]


def test_5_voice_takes_the_whole_agent_and_chats_leave_no_room_for_it():
    rig = staffed("ann")
    for _ in range(3):
        rig.answered(channel=Channel.CHAT)
    call = rig.receive()
    assert (rig.asked(call), rig.agent("ann").used) == ([], 90)
    for contact in [each.id for each in rig.floor.contacts.values() if each.channel is Channel.CHAT]:
        rig.finish(contact)
    rig.accept(call)
    assert rig.asked(rig.receive(channel=Channel.CHAT)) == []


def test_6_work_does_not_go_to_agents_who_are_not_there():
    rig = Rig(make_policy(heartbeat_s=60.0), *(make_agent(name) for name in ("ann", "bob", "cid", "dan")))
    rig.available("ann", "bob", "cid")
    rig.leaves("bob", Presence.OFFLINE)
    rig.do(Drain(actor="lead", agent_id="cid"))
    rig.wait(60.0)
    assert rig.asked(rig.receive()) == []


def test_6_agents_who_were_away_for_a_moment_are_not_thrown_out_for_ever():
    rig = staffed("ann", not_responding_s=300.0)
    contact = rig.receive()
    rig.wait(20.0 + 300.0)
    assert rig.asked(contact) == ["ann"]


def test_7_nobody_starves_under_a_stream_of_urgent_contacts():
    rig = staffed("ann", priority_credit_s=60.0, wrap_up_s=0.0)
    running = rig.answered()
    plain = rig.receive(priority=0)
    for _ in range(30):
        rig.now += 20.0
        rig.receive(priority=5)
        rig.complete(running)
        running = next(c.id for c in rig.floor.contacts.values() if c.offer_ids)
        rig.accept(running)
    assert rig.state(plain) is not ContactState.QUEUED
    assert rig.contact(plain).connected_at - NOON <= 60.0 * 5 + 20.0


def test_7_team_of_ten_times_the_weight_does_not_starve_the_other():
    heavy, light = make_team("vip", weight=10.0, wrap_up_s=0.0), make_team("general", wrap_up_s=0.0)
    rig = Rig(make_policy(heavy, light), make_agent(teams=("vip", "general")))
    rig.available("ann")
    running = rig.answered(team_id="vip")
    plain = rig.receive(team_id="general")
    waits = []
    for _ in range(4):
        rig.receive(team_id="vip")
    for _ in range(200):
        rig.receive(team_id="vip")  # as many as the one agent can serve, for ever
        rig.now += 30.0
        rig.complete(running)
        running = next(c.id for c in rig.floor.contacts.values() if c.offer_ids)
        waits.append(rig.now - rig.contact(running).enqueued_at)
        rig.accept(running)
        if running == plain:
            break
    assert running == plain
    # Urgency grows with the square of the age: who has waited the root of ten times as long goes first.
    assert waits[-1] <= 10.0**0.5 * max(waits[:-1]) + 30.0


def test_8_no_contact_waits_while_an_agent_it_may_have_is_free():
    rig = Rig(
        make_policy(
            make_team("general", steps=(Step(after_s=20.0, teams=("orders",)),)), make_team("orders")
        ),
        make_agent("ann", teams=("orders",)),
        make_agent("bob", teams=("general",), languages=("de",)),
    )
    rig.available("ann", "bob")
    for language in ("de", None, "fr"):
        rig.receive(team_id="general", language=language)
        assert find_missed_match(rig.floor) is None
    rig.wait(30.0)
    assert find_missed_match(rig.floor) is None


def test_9_callback_takes_the_callers_own_place_and_no_other():
    rig = Rig()
    before = rig.receive()
    rig.now += 1.0
    call = rig.receive()
    rig.now += 1.0
    after = rig.receive()
    rig.do(ConvertToCallback(actor="pbx", contact_id=call))
    callback = rig.happened(ContactReceived)[-1].contact.id
    assert [rig.floor.position(rig.contact(each)) for each in (before, callback, after)] == [1, 2, 3]


def test_9_there_are_never_more_callbacks_under_way_than_agents():
    rig = staffed("ann")
    rig.receive(channel=Channel.CALLBACK)
    second = rig.receive(channel=Channel.CALLBACK)
    assert rig.asked(second) == []


def test_10_wrap_up_of_one_team_keeps_the_agent_from_the_work_of_another():
    policy = make_policy(make_team("orders", wrap_up_s=60.0), make_team("care", wrap_up_s=5.0))
    rig = Rig(policy, make_agent(teams=("orders", "care")))
    rig.available("ann")
    contact = rig.answered(team_id="orders")
    rig.complete(contact)
    waiting = rig.receive(team_id="care")
    rig.wait(59.0)
    assert (rig.asked(waiting), rig.agent_state("ann")) == ([], AgentState.WRAP_UP)
    rig.wait(1.0)
    assert rig.asked(waiting) == ["ann"]


def test_10_wrap_up_neither_ends_nor_begins_anew_by_what_else_happens():
    rig = staffed("ann", wrap_up_s=60.0)
    contact = rig.answered()
    rig.complete(contact)
    (offer,) = rig.floor.offers.values()
    assert offer.wrap_up_until == rig.now + 60.0
    rig.wait(20.0)
    rig.leaves("ann")
    rig.available("ann")
    rig.do(PublishPolicy(actor="admin", policy=make_policy(make_team(wrap_up_s=300.0), version=2)))
    waiting = rig.receive()
    assert (rig.agent_state("ann"), offer.wrap_up_until) == (AgentState.WRAP_UP, rig.now + 40.0)
    rig.wait(39.0)
    assert rig.asked(waiting) == []
    rig.wait(1.0)
    assert rig.asked(waiting) == ["ann"]


def test_11_two_nodes_never_connect_one_contact_twice():
    rig = staffed("ann", "bob", broadcast=2)
    first, second = rig.pending(rig.receive())
    other = reload(rig.floor)
    here = decide(rig.floor, Accept(actor="ann", offer_id=first), rig.now)
    assert not isinstance(here, Refused)
    for event in here:
        other.apply(decode(encode(event)))
    other.settle()
    there = decide(other, Accept(actor="bob", offer_id=second), rig.now)
    assert isinstance(there, Refused)
    assert there.code is Code.OFFER_GONE


def steps_of(work):
    """Return how many steps the interpreter takes in `work()`: each turn of a loop counts."""
    count = 0

    def seen(frame, event, _argument):
        nonlocal count
        frame.f_trace_opcodes = True
        count += event == "opcode"
        return seen

    before = sys.gettrace()
    sys.settrace(seen)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def crowded(waiting, idle):
    """Return a floor where so many wait for one team, and as many agents of another are idle."""
    rig = Rig(
        make_policy(
            make_team("general", wrap_up_s=0.0), make_team("orders"), make_team("fast", wrap_up_s=0.0)
        ),
        make_agent("ann", teams=("fast", "general")),
        *(make_agent(f"agent{number:03}", teams=("orders",)) for number in range(idle)),
    )
    rig.available(*(f"agent{number:03}" for number in range(idle)))
    for _ in range(waiting):
        rig.receive(team_id="general")
    rig.available("ann")
    return rig


def one_call(rig):
    """Have the agent whom everybody waits for finish one call and be asked for the next; one more comes."""
    running = next(each.id for each in rig.floor.contacts.values() if each.offer_ids)
    rig.accept(running)
    rig.receive(team_id="general")
    rig.complete(running)


def test_12_one_command_costs_the_same_however_much_waits_and_whoever_is_there():
    # Counted, not timed: what collapses elsewhere scans every caller and every agent for each event.
    few, many = crowded(10, 5), crowded(3000, 300)
    costs = [steps_of(lambda rig=rig: one_call(rig)) for rig in (few, many)]
    assert costs[1] <= 1.3 * costs[0]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_12_commands_that_cross_are_one_turn_each_and_nothing_waits_for_a_lock(order):
    # What deadlocks there is one synchronous function here: every outcome is there when it returns.
    rig = staffed("ann", "bob")
    one, other = rig.answered(), rig.answered()
    takers = [rig.contact(each).agent_id for each in (one, other)]
    crossing = [
        Transfer(actor=takers[0], contact_id=one, agent_id=takers[1], warm=True),
        Transfer(actor=takers[1], contact_id=other, agent_id=takers[0], warm=True),
    ]
    for each in order:
        assert not isinstance(decide(rig.floor, crossing[each], rig.now), Refused)
    assert {rig.state(each) for each in (one, other)} == {ContactState.QUEUED}
    rig.wait(4 * 3600.0)  # each is waiting for the other: both calls go back to whoever holds them
    assert {rig.state(each) for each in (one, other)} == {ContactState.CONNECTED}
    check_floor(rig.floor)


def test_13_first_agent_is_not_charged_for_the_time_after_a_transfer():
    rig = staffed("ann", "bob", wrap_up_s=0.0)
    contact = rig.receive()
    first = rig.asked(contact)[0]
    rig.accept(contact)
    rig.now += 120.0
    rig.do(Transfer(actor=first, contact_id=contact, team_id="general"))
    rig.accept(contact)
    rig.now += 3600.0
    rig.complete(contact)
    second = ({"ann", "bob"} - {first}).pop()
    assert (rig.agent(first).served_s, rig.agent(second).served_s) == (120.0, 3600.0)


def test_13_segments_add_up_to_the_contact():
    rig = staffed("ann", "bob")
    contact = rig.answered()
    rig.now += 60.0
    giver = rig.contact(contact).agent_id
    rig.do(Transfer(actor=giver, contact_id=contact, team_id="general", warm=True))
    rig.now += 7.0
    rig.do(TakeBack(actor=giver, contact_id=contact))
    rig.now += 30.0
    rig.complete(contact)
    mine = [each for each in rig.segments if each.contact_id == contact]
    assert sum(each.ended_at - each.queued_at for each in mine) == rig.now - NOON


def test_14_everything_can_be_told_again_from_the_log():
    rig = staffed("ann", "bob")
    contact = rig.answered()
    rig.receive()
    rig.wait(25.0)
    rig.do(Abandon(actor="pbx", contact_id=contact))
    again = Floor(START)
    for event in rig.log:
        again.apply(decode(encode(event)))
    assert again.snapshot() == rig.floor.snapshot()


def test_14_abandoned_contact_is_counted_once_with_the_time_it_waited():
    rig = Rig()
    contact = rig.receive()
    rig.wait(42.0)
    rig.do(Abandon(actor="pbx", contact_id=contact))
    assert [(s.outcome, s.ended_at - s.queued_at) for s in rig.segments] == [("abandoned", 42.0)]


def test_15_agents_phone_stops_ringing_when_the_caller_has_left():
    rig = staffed("ann")
    contact = rig.receive()
    offer = rig.pending(contact)[0]
    rig.do(Abandon(actor="pbx", contact_id=contact))
    assert rig.refused(Accept(actor="ann", offer_id=offer)).code is Code.OFFER_GONE
    assert rig.agent("ann").offer_ids == ()


def test_15_one_agent_is_never_rung_twice_for_one_contact():
    rig = staffed("ann", "bob", broadcast=5)
    contact = rig.receive(channel=Channel.CHAT)  # each of them has room for three
    assert sorted(rig.asked(contact)) == ["ann", "bob"]
    rig.do(PutAgent(actor="admin", agent=make_agent("cid")))
    rig.available("cid", "ann")
    assert sorted(rig.asked(contact)) == ["ann", "bob", "cid"]


def test_15_agents_who_come_free_together_are_rung_once_each():
    rig = staffed("ann", "bob")
    contact = rig.receive(channel=Channel.CHAT, skills=(SkillNeed("contracts", 1),))
    helped = make_team(broadcast=5, steps=(Step(after_s=0.5, skill_slack=1),))
    rig.now += 1.0
    rig.do(PublishPolicy(actor="admin", policy=make_policy(helped, version=2)))
    assert sorted(rig.asked(contact)) == ["ann", "bob"]


def test_15_one_agent_hanging_up_does_not_drop_the_contact():
    rig = staffed("ann", "bob", broadcast=2)
    contact = rig.receive()
    rig.do(MissOffer(actor="pbx", offer_id=rig.pending(contact)[0]))
    assert rig.state(contact) is ContactState.OFFERED


def test_16_one_person_is_accountable_from_the_first_second_to_the_last():
    rig = staffed("ann", "bob")
    owners = []
    contact = rig.receive()
    owners.append(rig.ticket(contact).owner_id)
    first = rig.asked(contact)[0]
    rig.accept(contact)
    owners.append(rig.ticket(contact).owner_id)
    rig.do(Transfer(actor=first, contact_id=contact, team_id="general"))
    rig.accept(contact)
    owners.append(rig.ticket(contact).owner_id)
    rig.finish(contact)
    owners.append(rig.ticket(contact).owner_id)
    assert owners == ["lead", first, first, first]


def test_17_skill_own_agent_and_priority_of_the_caller_count():
    rig = Rig(
        None,
        make_agent("ann", skills={"contracts": 5}),
        make_agent("bob", skills={"contracts": 2}),
        make_agent("cid"),
    )
    for name in ("bob", "ann", "cid"):  # the longest idle first
        rig.available(name)
        rig.now += 10.0
    assert rig.asked(rig.receive(skills=(SkillNeed("contracts", 4),))) == ["ann"]
    assert rig.asked(rig.receive(preferred_agent_id="cid")) == ["cid"]
    assert rig.asked(rig.receive()) == ["bob"]
    plain, gold = rig.receive(), rig.receive(priority=5)
    assert rig.floor.position(rig.contact(gold)) < rig.floor.position(rig.contact(plain))


def test_18_customer_is_told_the_place_and_may_choose_the_team():
    rig = Rig(make_policy(make_team("general"), make_team("orders")))
    rig.receive(team_id="orders")
    rig.now += 1.0
    contact = rig.receive(team_id="orders")
    assert rig.contact(contact).team_id == "orders"
    assert rig.floor.position(rig.contact(contact)) == 2


def test_18_place_and_wait_never_grow_while_nobody_of_higher_priority_comes():
    rig = staffed("ann", wrap_up_s=0.0)
    running = rig.answered()
    line = [rig.receive() for _ in range(5)]
    last, seen = line[-1], []
    rig.do(Abandon(actor="pbx", contact_id=line[1]))
    while rig.state(last) is ContactState.QUEUED:
        rig.receive()
        seen.append(rig.floor.position(rig.contact(last)))
        rig.now += 60.0
        rig.complete(running)
        running = next(each.id for each in rig.floor.contacts.values() if each.offer_ids)
        rig.accept(running)
    assert seen == [4, 3, 2, 1]


def test_19_what_misses_its_target_is_passed_to_those_who_can_help_by_itself():
    steps = (Step(after_s=20.0, teams=("orders",)), Step(after_s=60.0, overflow_to="care"))
    policy = make_policy(make_team(steps=steps), make_team("orders"), make_team("care"))
    rig = Rig(policy, make_agent("ann", teams=("orders",)), make_agent("bob", teams=("care",)))
    rig.available("ann", "bob")
    rig.answered(team_id="orders")
    contact = rig.receive(team_id="general")
    rig.wait(59.0)
    assert (rig.contact(contact).team_id, rig.asked(contact)) == ("general", [])
    rig.wait(1.0)
    assert (rig.contact(contact).team_id, rig.asked(contact)) == ("care", ["bob"])
    assert rig.contact(contact).enqueued_at == NOON


def test_19_business_hours_know_the_lunch_break():
    lunch = Hours(time_zone="UTC", week=((Span("00:00", "02:30"), Span("03:30", "24:00")),) * 7)
    rig = Rig(make_policy(make_team(hours=lunch)))
    assert rig.state(rig.receive()) is ContactState.REJECTED
    callback = rig.receive(channel=Channel.CALLBACK)
    assert rig.contact(callback).scheduled_at == NOON + 50 * 60.0


def test_20_priority_of_a_waiting_caller_acts_at_once():
    rig = staffed("ann")
    running = rig.answered()
    rig.receive()
    rig.now += 1.0
    second = rig.receive()
    rig.do(Reprioritise(actor="lead", contact_id=second, priority=5))
    rig.finish(running)
    assert rig.asked(second) == ["ann"]


def test_20_reject_neither_ends_the_call_nor_rings_the_same_agent_in_a_loop():
    rig = staffed("ann")
    contact = rig.receive()
    rig.do(Decline(actor="ann", offer_id=rig.pending(contact)[0]))
    assert (rig.state(contact), rig.asked(contact)) == (ContactState.QUEUED, [])
