"""Who is matched with whom, at the moment it becomes possible."""

import pytest

from routing.commands import Abandon, Decline, PublishPolicy, PutAgent
from routing.events import NobodyFound, OfferMade
from routing.model import Channel, SkillNeed
from routing.policy import Step
from tests.builders import Rig, make_agent, make_policy, make_team


def test_agent_who_comes_is_asked_for_the_longest_waiting():
    rig = Rig()
    contacts = []
    for _ in range(3):
        contacts.append(rig.receive())
        rig.now += 1.0
    rig.available("ann")
    assert [rig.asked(each) for each in contacts] == [["ann"], [], []]


def test_freed_agent_is_asked_for_the_longest_waiting():
    rig = Rig()
    rig.available("ann")
    running = rig.answered()
    first = rig.receive()
    rig.now += 1.0
    rig.receive()
    rig.finish(running)
    assert rig.asked(first) == ["ann"]


def test_contact_nobody_is_free_for_leaves_a_decision_that_says_so():
    rig = Rig()
    contact = rig.receive()
    decision = rig.happened(NobodyFound)[0].decision
    assert (decision.contact_id, decision.agent_id, decision.candidates) == (contact, None, ())
    assert decision.sets is not None


def test_agent_of_two_teams_takes_the_contact_that_is_later_against_its_target():
    policy = make_policy(make_team("general", target_s=200.0), make_team("orders", target_s=20.0))
    rig = Rig(policy, make_agent(teams=("general", "orders")))
    rig.receive(team_id="general")
    rig.now += 10.0
    urgent = rig.receive(team_id="orders")
    rig.now += 30.0
    rig.available("ann")
    assert rig.asked(urgent) == ["ann"]


def test_decision_of_a_freed_agent_names_the_rivals():
    policy = make_policy(make_team("general"), make_team("orders", weight=2.0))
    rig = Rig(policy, make_agent(teams=("general", "orders")))
    plain = rig.receive(team_id="general")
    heavy = rig.receive(team_id="orders")
    rig.now += 10.0
    rig.available("ann")
    decision = rig.happened(OfferMade)[0].decision
    assert (decision.contact_id, decision.trigger) == (heavy, "agent")
    assert [contact for contact, _ in decision.rivals] == [plain]


def test_several_chats_are_spread_when_several_agents_become_free_at_once():
    policy = make_policy(make_team("general"), make_team("night", hours=None))
    rig = Rig(policy, make_agent("ann", teams=("night",)), make_agent("bob", teams=("night",)))
    rig.available("ann", "bob")
    chats = [rig.receive(channel=Channel.CHAT, team_id="general") for _ in range(2)]
    helped = make_team("general", steps=(Step(after_s=5.0, teams=("night",)),))
    rig.now += 5.0
    rig.do(PublishPolicy(actor="admin", policy=make_policy(helped, make_team("night"), version=2)))
    assert sorted(rig.asked(each)[0] for each in chats) == ["ann", "bob"]


def test_agent_who_joins_a_team_is_asked_for_what_waits_there():
    rig = Rig(None, make_agent("ann", teams=()))
    rig.available("ann")
    contact = rig.receive()
    rig.do(PutAgent(actor="admin", agent=make_agent("ann", teams=("general",))))
    assert rig.asked(contact) == ["ann"]


def test_agent_who_learns_a_skill_is_asked_for_what_waited_for_it():
    rig = Rig()
    rig.available("ann")
    contact = rig.receive(skills=(SkillNeed("contracts", 3),))
    assert rig.asked(contact) == []
    rig.do(PutAgent(actor="admin", agent=make_agent(skills={"contracts": 3})))
    assert rig.asked(contact) == ["ann"]


def test_contact_in_a_language_waits_for_somebody_who_speaks_it():
    rig = Rig(None, make_agent("ann"), make_agent("bea", languages=("de",)))
    rig.available("ann")
    contact = rig.receive(language="de")
    assert rig.asked(contact) == []
    rig.available("bea")
    assert rig.asked(contact) == ["bea"]


def test_contact_the_agent_turned_down_does_not_block_those_behind_it():
    rig = Rig()
    first = rig.receive()
    rig.now += 1.0
    second = rig.receive()
    rig.available("ann")
    rig.do(Decline(actor="ann", offer_id=rig.pending(first)[0]))
    assert rig.asked(second) == ["ann"]


def test_agent_is_asked_for_the_next_when_the_customer_leaves_while_it_rings():
    rig = Rig()
    rig.available("ann")
    first, second = rig.receive(), rig.receive()
    rig.do(Abandon(actor="pbx", contact_id=first))
    assert rig.asked(second) == ["ann"]


def test_channel_with_room_goes_ahead_while_another_has_none():
    rig = Rig()
    rig.available("ann")
    rig.answered(channel=Channel.CHAT)
    call, chat = rig.receive(), rig.receive(channel=Channel.CHAT)
    assert (rig.asked(call), rig.asked(chat)) == ([], ["ann"])


@pytest.mark.parametrize(
    ("spoken", "wanted", "free"),
    [("de", "de-AT", True), ("de-AT", "de", True), ("de-AT", "de-AT", True), ("de-CH", "de-AT", False)],
)
def test_language_and_its_regional_kinds_are_spoken_by_the_same(spoken, wanted, free):
    rig = Rig(None, make_agent(languages=(spoken,)))
    rig.available("ann")
    assert rig.asked(rig.receive(language=wanted)) == (["ann"] if free else [])
