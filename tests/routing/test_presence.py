"""Who is there: presence chosen by the agent, heartbeats, draining, changes of an agent's record."""

import pytest
from msgspec.structs import replace

from routing.commands import Drain, Heartbeat, PublishPolicy, PutAgent, SetPresence, Tick
from routing.events import AgentNotResponding, OfferEnded
from routing.model import AgentState, Channel, ContactState, OfferState, Presence
from routing.policy import DEFAULT_CHANNELS
from routing.refused import Code
from tests.builders import Rig, make_agent, make_policy, make_team


def make_rig(**changes):
    rig = Rig(make_policy(**changes))
    rig.available("ann")
    return rig


def test_agent_starts_offline_and_gets_nothing():
    rig = Rig()
    assert rig.asked(rig.receive()) == []


def test_agent_who_leaves_while_it_rings_is_not_blamed():
    rig = make_rig()
    contact = rig.receive()
    rig.leaves("ann")
    assert rig.happened(OfferEnded)[0].state is OfferState.REVOKED
    assert (rig.state(contact), rig.agent("ann").missed) == (ContactState.QUEUED, 0)


def test_presence_asked_for_in_conversation_comes_after_it():
    rig = make_rig()
    contact = rig.answered()
    waiting = rig.receive()
    rig.leaves("ann", Presence.MEAL)
    assert (rig.agent("ann").presence, rig.agent("ann").next_presence) == (
        Presence.AVAILABLE,
        Presence.MEAL,
    )
    rig.finish(contact)
    assert (rig.agent("ann").presence, rig.asked(waiting)) == (Presence.MEAL, [])


def test_presence_asked_for_with_two_chats_comes_after_the_last():
    rig = make_rig()
    first, second = rig.answered(channel=Channel.CHAT), rig.answered(channel=Channel.CHAT)
    rig.leaves("ann")
    rig.finish(first)
    assert rig.agent("ann").presence is Presence.AVAILABLE
    rig.finish(second)
    assert rig.agent("ann").presence is Presence.BREAK


def test_agent_may_take_the_wish_to_leave_back():
    rig = make_rig()
    contact = rig.answered()
    rig.leaves("ann")
    rig.available("ann")
    rig.finish(contact)
    assert rig.asked(rig.receive()) == ["ann"]


def test_agent_leaves_at_once_when_asked_to():
    rig = make_rig()
    contact = rig.answered()
    rig.leaves("ann", Presence.OFFLINE, at_once=True)
    assert rig.agent("ann").presence is Presence.OFFLINE
    assert rig.state(contact) is ContactState.CONNECTED


def test_idle_since_is_the_later_of_the_end_of_work_and_of_becoming_available():
    rig = make_rig()
    contact = rig.answered()
    rig.now += 50.0
    rig.complete(contact)
    rig.wrap_up(contact)
    assert rig.agent("ann").idle_since == rig.now
    rig.now += 10.0
    rig.leaves("ann")
    rig.now += 10.0
    rig.available("ann")
    assert rig.agent("ann").idle_since == rig.now


def test_draining_agent_finishes_and_goes_offline():
    rig = make_rig()
    contact = rig.answered()
    waiting = rig.receive()
    rig.do(Drain(actor="lead", agent_id="ann"))
    assert rig.agent("ann").draining
    rig.finish(contact)
    assert (rig.agent("ann").presence, rig.agent("ann").draining) == (Presence.OFFLINE, False)
    assert rig.asked(waiting) == []


def test_draining_an_idle_agent_is_going_offline():
    rig = make_rig()
    rig.do(Drain(actor="lead", agent_id="ann"))
    assert rig.agent("ann").presence is Presence.OFFLINE


def test_silent_device_gets_no_more_work():
    rig = make_rig(heartbeat_s=30.0)
    rig.wait(30.0)
    assert rig.happened(AgentNotResponding)[0].reason == "heartbeat_missed"
    assert rig.asked(rig.receive()) == []


def test_silent_device_loses_what_rings_without_blame():
    rig = make_rig(heartbeat_s=10.0)
    contact = rig.receive()
    rig.wait(10.0)
    assert (rig.asked(contact), rig.agent("ann").missed) == ([], 0)


def test_heartbeat_brings_a_silent_agent_back():
    rig = make_rig(heartbeat_s=30.0)
    rig.wait(30.0)
    contact = rig.receive()
    rig.do(Heartbeat(actor="ann", agent_id="ann"))
    assert rig.asked(contact) == ["ann"]


def test_heartbeat_does_not_end_the_rest_of_an_agent_who_let_it_ring():
    rig = make_rig(heartbeat_s=1000.0)
    contact = rig.receive()
    rig.wait(20.0)
    rig.do(Heartbeat(actor="ann", agent_id="ann"))
    assert rig.asked(contact) == []


def test_agent_silent_during_his_rest_gets_nothing_when_it_is_over():
    rig = Rig(make_policy(make_team(not_responding_s=100.0), heartbeat_s=60.0))
    rig.available("ann")
    contact = rig.receive()
    rig.wait(20.0 + 100.0)
    assert rig.asked(contact) == []
    rig.do(Heartbeat(actor="ann", agent_id="ann"))
    assert rig.asked(contact) == ["ann"]


def test_heartbeats_in_time_keep_an_agent():
    rig = make_rig(heartbeat_s=30.0)
    for _ in range(5):
        rig.wait(29.0)
        rig.do(Heartbeat(actor="ann", agent_id="ann"))
    assert rig.agent_state("ann") is AgentState.IDLE


def test_what_waits_for_an_agent_is_open_to_all_when_the_agent_leaves():
    rig = Rig(None, make_agent("ann"), make_agent("bob"))
    rig.available("ann", "bob")
    first = rig.answered()
    owner = rig.contact(first).agent_id
    other = ({"ann", "bob"} - {owner}).pop()
    contact = rig.receive(preferred_agent_id=owner)
    assert rig.asked(contact) == []
    rig.leaves(owner)
    assert rig.asked(contact) == [other]


def test_inactive_agent_can_not_become_available():
    rig = Rig()
    rig.do(PutAgent(actor="admin", agent=make_agent(active=False)))
    refusal = rig.refused(SetPresence(actor="ann", agent_id="ann", presence=Presence.AVAILABLE))
    assert refusal.code is Code.WRONG_STATE


def test_agent_made_inactive_loses_what_rings():
    rig = make_rig()
    contact = rig.receive()
    rig.do(PutAgent(actor="admin", agent=make_agent(active=False)))
    assert rig.asked(contact) == []


def test_lead_of_a_team_can_not_be_made_inactive():
    rig = Rig()
    lead = make_agent("lead", teams=(), active=False)
    assert rig.refused(PutAgent(actor="admin", agent=lead)).code is Code.WRONG_STATE


def test_putting_an_agent_sets_the_record_and_nothing_else():
    rig = Rig()
    rig.do(PutAgent(actor="admin", agent=make_agent("bob", presence=Presence.AVAILABLE, used=50, missed=2)))
    bob = rig.agent("bob")
    assert (bob.presence, bob.used, bob.missed) == (Presence.OFFLINE, 0, 0)


def test_capacity_can_not_fall_below_the_running_work():
    rig = make_rig()
    rig.answered()
    refusal = rig.refused(PutAgent(actor="admin", agent=make_agent(capacity=50)))
    assert (refusal.code, refusal.field) == (Code.WRONG_STATE, "capacity")


def test_offer_is_taken_back_when_capacity_falls_below_it():
    rig = make_rig()
    contact = rig.receive()
    rig.do(PutAgent(actor="admin", agent=make_agent(capacity=50)))
    assert (rig.asked(contact), rig.agent("ann").used) == ([], 0)


@pytest.mark.parametrize(
    ("values", "field"),
    [({"teams": ("nowhere",)}, "team_id"), ({"skills": {"x": 6}}, "skills"), ({"capacity": 0}, "capacity")],
)
def test_agent_who_can_not_be_is_refused(values, field):
    refusal = Rig().refused(PutAgent(actor="admin", agent=make_agent("bob", **values)))
    assert refusal.field == field or (field == "team_id" and refusal.code is Code.UNKNOWN_TEAM)


def test_silent_agents_are_back_when_heartbeats_are_asked_for_no_more():
    rig = Rig(make_policy(heartbeat_s=30.0), make_agent())
    rig.available("ann")
    rig.wait(30.0)
    waiting = rig.receive()
    rig.do(PublishPolicy(actor="admin", policy=make_policy(version=2)))
    assert rig.asked(waiting) == ["ann"]


def cap_of_agent(rig):
    rig.do(PutAgent(actor="admin", agent=make_agent(channel_caps={"chat": 1})))


def cap_of_channel(rig):
    chat = replace(DEFAULT_CHANNELS[Channel.CHAT], cap=1)
    channels = DEFAULT_CHANNELS | {Channel.CHAT: chat}
    rig.do(PublishPolicy(actor="admin", policy=make_policy(version=2, channels=channels)))


@pytest.mark.parametrize("shrink", [cap_of_agent, cap_of_channel])
def test_offer_is_taken_back_when_the_cap_of_its_channel_falls_below_it(shrink):
    rig = Rig()
    rig.available("ann")
    running = rig.answered(channel=Channel.CHAT)
    ringing = rig.receive(channel=Channel.CHAT)
    shrink(rig)
    assert (rig.state(running), rig.asked(ringing)) == (ContactState.CONNECTED, [])


def test_devices_nobody_could_hear_of_while_the_service_was_down_get_their_time_anew():
    rig = make_rig(heartbeat_s=60.0)
    rig.now += 600.0  # no tick at the instant at which it was due
    rig.do(Tick())
    assert rig.agent_state("ann") is AgentState.IDLE
    rig.wait(60.0)
    assert rig.agent_state("ann") is AgentState.NOT_RESPONDING
