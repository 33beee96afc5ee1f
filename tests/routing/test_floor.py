"""The floor filled from stored values, its events as JSON, its timers."""

import pytest

from routing.commands import Accept, Identity, PutAgent, Receive
from routing.decide import decide
from routing.events import decode, encode
from routing.floor import Floor
from routing.model import NEVER, Channel
from routing.timers import CONTACT, Timers
from tests.builders import START, Rig, make_agent, make_policy
from tests.routing.invariants import reload


def test_ids_given_after_a_start_are_above_all_stored_ones():
    rig = Rig()
    rig.available("ann")
    rig.receive()
    fresh = Floor(make_policy())
    fresh.admit(
        agents=rig.floor.agents.values(),
        tickets=rig.floor.tickets.values(),
        offers=rig.floor.offers.values(),
        contacts=rig.floor.contacts.values(),
    )
    assert fresh.next_id > max([*rig.floor.offers, *rig.floor.contacts, *rig.floor.tickets])


def test_filling_a_floor_changes_nothing_that_would_have_to_be_stored():
    rig = Rig()
    rig.available("ann")
    rig.receive()
    changes = reload(rig.floor).drain()
    assert not any((changes.agents, changes.contacts, changes.offers, changes.tickets, changes.segments))


def test_agents_must_be_admitted_without_a_gap():
    with pytest.raises(ValueError, match="index 3, expected 0"):
        Floor(make_policy()).admit(agents=[make_agent(index=3)])


def test_changes_carry_the_final_values_of_what_ended():
    rig = Rig()
    rig.available("ann")
    contact = rig.answered(channel=Channel.EMAIL)
    decide(rig.floor, Receive(actor="pbx", channel=Channel.VOICE, identity=Identity()), rig.now)
    rig.complete(contact)
    assert rig.ended[contact].closed_at == rig.now


def test_far_future_survives_json():
    rig = Rig()
    rig.available("ann")
    rig.receive()
    for _ in range(3):
        rig.wait(400.0)
    rig.receive()
    rig.wait(400.0)
    for event in rig.log:
        assert decode(encode(event)) == event
    assert float("inf") > NEVER


def test_unknown_ticket_in_an_event_is_a_fault_of_the_caller():
    from routing.events import TicketOwned

    with pytest.raises(ValueError, match="ticket 7"):
        Floor(START).apply(TicketOwned(at=0.0, actor="x", ticket_id=7, owner_id="ann"))


def test_timer_that_was_moved_counts_only_at_its_new_time():
    due = {1: 10.0}
    timers = Timers(lambda _kind, key: due[key], lambda: 1)
    timers.push(CONTACT, 1, 10.0)
    due[1] = 20.0
    timers.push(CONTACT, 1, 20.0)
    assert timers.next_at() == 20.0
    assert timers.pop(19.9) is None
    assert timers.pop(20.0) == (CONTACT, 1)
    assert timers.pop(1000.0) is None


def test_timers_that_ended_are_swept_before_they_outnumber_the_living():
    timers = Timers(lambda _kind, key: 1.0 if key == 0 else NEVER, lambda: 1)
    for key in range(20_000):
        timers.push(CONTACT, key, 1.0)
    assert len(timers._heap) < 1100
    assert timers.pop(1.0) == (CONTACT, 0)


def test_accepting_a_thousand_times_leaves_no_trace_but_the_last():
    rig = Rig()
    rig.available("ann")
    for _ in range(1000):
        contact = rig.receive(channel=Channel.EMAIL)
        rig.do(Accept(actor="ann", offer_id=rig.pending(contact)[0]))
        rig.complete(contact)
    floor = rig.floor
    assert not any((floor.contacts, floor.offers, floor.tickets, floor.tickets_by_customer))
    assert not any((floor.queues.lines, floor.queues.reserved, floor.queues.waiting["general"]))


def test_agent_record_and_running_work_are_kept_apart():
    rig = Rig()
    rig.available("ann")
    rig.receive()
    rig.do(PutAgent(actor="admin", agent=make_agent(name="Ann Other")))
    assert (rig.agent("ann").name, rig.agent("ann").pending) == ("Ann Other", 1)
