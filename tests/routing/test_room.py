"""Room saved for a customer who waits too long for an agent whose smaller work goes on coming."""

from __future__ import annotations

import pytest

from routing.commands import Abandon, Decline, Drain, PublishPolicy
from routing.events import OfferMade, RoomFreed, RoomSaved
from routing.model import Channel, ContactState, Presence
from routing.policy import lint
from routing.way_out import find_changes
from routing.why import explain
from tests.builders import Rig, make_agent, make_policy, make_team
from tests.routing.invariants import check_floor, check_indices, reload

TALK_S = 300.0


def chat(rig: Rig) -> int:
    return rig.receive(channel=Channel.CHAT)


def rig_with(*agent_ids: str, after: float | None = 1.0) -> Rig:
    team = make_team("general", target_s=20.0, wrap_up_s=0.0, max_wait_s={"voice": 1e6, "chat": 1e6})
    policy = make_policy(team, save_room_after_targets=after)
    return Rig(policy, *(make_agent(each) for each in agent_ids or ("ann",)))


def busy_with_chats(rig: Rig, *agent_ids: str) -> list[int]:
    """Give each agent the three chats that fit; return them."""
    rig.available(*agent_ids)
    chats = [chat(rig) for _ in range(3 * len(agent_ids))]
    for each in chats:
        rig.accept(each)
    return chats


def longest_wait_of_a_call(after: float | None) -> float:
    """Return how long (s) a call waits whose only agent's chats are each followed by the next, up to 2 h."""
    rig = rig_with(after=after)
    talking = busy_with_chats(rig, "ann")
    call = rig.receive()
    since = rig.now
    while rig.state(call) is ContactState.QUEUED and rig.now - since < 7200:
        rig.wait(TALK_S / 3)
        chat(rig)
        rig.complete(talking.pop(0))
        for contact in list(rig.floor.contacts.values()):
            if contact.state is ContactState.OFFERED and contact.channel is Channel.CHAT:
                rig.accept(contact.id)
                talking.append(contact.id)
        check_floor(rig.floor)
        check_indices(rig.floor)
    return rig.now - since


def test_call_among_chats_that_go_on_coming_waits_for_one_round_of_them() -> None:
    assert longest_wait_of_a_call(None) >= 7200
    assert longest_wait_of_a_call(1.0) <= 20.0 + 2 * TALK_S


def test_agent_saves_room_once_the_call_waits_beyond_its_target_and_is_more_urgent() -> None:
    rig = rig_with()
    first, second, third = busy_with_chats(rig, "ann")
    call = rig.receive()
    rig.wait(10)
    rig.complete(first)
    early = chat(rig)
    assert rig.asked(early) == ["ann"], "the call has waited half its target"
    rig.accept(early)
    rig.wait(20)
    rig.complete(second)
    late = chat(rig)
    assert rig.state(late) is ContactState.QUEUED
    assert [e.contact_id for e in rig.happened(RoomSaved)] == [call]
    assert rig.floor.saving == {call: "ann"}
    rig.complete(third)
    rig.complete(early)
    assert rig.asked(call) == ["ann"]
    assert rig.floor.saving == {}
    assert rig.state(late) is ContactState.QUEUED
    assert rig.floor.snapshot() == reload(rig.floor).snapshot()


def test_one_agent_saves_room_for_a_call_and_the_others_go_on() -> None:
    rig = rig_with("ann", "bob")
    chats = busy_with_chats(rig, "ann", "bob")
    call = rig.receive()
    rig.wait(30)
    for each in chats[:4]:
        rig.complete(each)
    new = [chat(rig) for _ in range(2)]
    assert list(rig.floor.saving) == [call]
    saving = rig.floor.saving[call]
    assert {name for each in new for name in rig.asked(each)} == {"ann", "bob"} - {saving}
    check_floor(rig.floor)


@pytest.mark.parametrize("end", ["left", "other agent", "presence", "drain", "policy", "declined"])
def test_room_is_free_again_when_the_call_is_gone_or_the_agent_can_not_take_it(end: str) -> None:
    rig = rig_with("ann", "bob")
    chats = busy_with_chats(rig, "ann")
    call = rig.receive()
    rig.wait(30)
    rig.complete(chats[0])
    waiting = chat(rig)
    assert rig.floor.saving == {call: "ann"}
    match end:
        case "left":
            rig.do(Abandon(actor="pbx", contact_id=call))
            assert rig.asked(waiting) == ["ann"]
        case "other agent":
            rig.available("bob")
            assert rig.asked(call) == ["bob"]
        case "presence":
            rig.leaves("ann", Presence.BREAK)
        case "drain":
            rig.do(Drain(actor="lead", agent_id="ann"))
        case "policy":
            policy = make_policy(make_team("general", broadcast=2), version=2, save_room_after_targets=None)
            rig.do(PublishPolicy(actor="admin", policy=policy))
            rig.do(Abandon(actor="pbx", contact_id=call))
        case "declined":
            for each in chats[1:]:
                rig.complete(each)
            assert rig.asked(call) == ["ann"]
            rig.do(Decline(actor="ann", offer_id=rig.pending(call)[0]))
            assert rig.asked(waiting) == ["ann"]
    assert rig.floor.saving == {}
    assert [e.agent_id for e in rig.happened(RoomFreed)] == ["ann"]
    check_floor(rig.floor)
    check_indices(rig.floor)


def test_why_says_who_saves_room_and_for_whom() -> None:
    rig = rig_with()
    chats = busy_with_chats(rig, "ann")
    call = rig.receive()
    rig.wait(30)
    rig.complete(chats[0])
    waiting = chat(rig)
    told = explain(rig.floor, rig.contact(call), (), rig.now)
    assert "Ann saves room for it and gets nothing smaller meanwhile." in told.sentences
    told = explain(rig.floor, rig.contact(waiting), (), rig.now)
    assert any(f"Ann saves room for contact {call}" in each for each in told.sentences)
    changes = find_changes(rig.floor, rig.contact(waiting), rig.now)
    assert ("room_used", ("ann",)) in [(each.kind, each.agent_ids) for each in changes]


def test_calls_alone_save_no_room() -> None:
    rig = rig_with()
    rig.available("ann")
    talking, waiting = rig.answered(), rig.receive()
    rig.wait(600)
    rig.complete(talking)
    assert rig.asked(waiting) == ["ann"]
    assert rig.happened(RoomSaved) == []


@pytest.mark.parametrize("after", [0.0, -1.0])
def test_time_after_which_room_is_saved_is_above_nothing(after: float) -> None:
    policy = make_policy(save_room_after_targets=after)
    assert [each.path for each in lint(policy, {"lead"})] == ["save_room_after_targets"]


def test_record_of_the_offer_shows_who_could_be_asked() -> None:
    rig = rig_with("ann", "bob")
    chats = busy_with_chats(rig, "ann", "bob")
    rig.receive()
    rig.wait(30)
    rig.complete(chats[0])
    rig.complete(chats[1])
    made = len(rig.happened(OfferMade))
    new = chat(rig)
    decision = rig.happened(OfferMade)[made].decision
    assert decision.contact_id == new
    assert [each.agent_id for each in decision.candidates] == rig.asked(new)
