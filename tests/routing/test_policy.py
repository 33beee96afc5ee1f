"""A policy is checked before it is published, and a published one holds for what waits at once."""

import pytest

from routing.commands import PublishPolicy
from routing.hours import Hours, Span
from routing.model import Channel, SkillNeed
from routing.policy import DEFAULT_CHANNELS, ChannelPolicy, Rule, Site, Step, lint
from routing.refused import Code
from tests.builders import Rig, make_agent, make_policy, make_team

NO_ZONE = Hours(time_zone="Mars/Olympus", week=((),) * 7)
OVERNIGHT = Hours(time_zone="UTC", week=((Span("22:00", "06:00"),),) * 7)


def paths(policy):
    return [finding.path for finding in lint(policy, {"lead"})]


def publish(rig, policy):
    return rig.do(PublishPolicy(actor="admin", policy=policy))


def test_sound_policy_has_no_findings():
    team = make_team(steps=(Step(after_s=10.0, skill_slack=1), Step(after_s=20.0, overflow_to="orders")))
    rules = (Rule(id="vip", priority=5, segments=("gold",)), Rule(id="rest", team="orders"))
    assert paths(make_policy(team, make_team("orders"), rules=rules)) == []


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"fallback_team": "nowhere"}, "fallback_team"),
        ({"join": "sometimes"}, "join"),
        ({"channels": {k: v for k, v in DEFAULT_CHANNELS.items() if k != "chat"}}, "channels.chat"),
        (
            {
                "channels": DEFAULT_CHANNELS
                | {Channel.CHAT: ChannelPolicy(cost=0, cap=1, offer_s=1.0, max_wait_s=1.0)}
            },
            "channels.chat",
        ),
        ({"callback_attempts": 0}, "callback_attempts"),
        ({"heartbeat_s": 0.0}, "heartbeat_s"),
        ({"classifier_threshold": 1.2}, "classifier_threshold"),
        ({"site": Site(time_zone="Mars/Base")}, "site.time_zone"),
        ({"site": Site(region="England")}, "site.region"),
        ({"site": Site(country="gb")}, "site.country"),
    ],
)
def test_fault_of_the_whole_is_found(changes, path):
    assert paths(make_policy(**changes)) == [path]


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"lead_id": "nobody"}, "teams.general.lead_id"),
        ({"strategy": "cheapest"}, "teams.general.strategy"),
        ({"target_s": 0.0}, "teams.general.target_s"),
        ({"broadcast": 0}, "teams.general.broadcast"),
        ({"max_waiting": -1}, "teams.general.max_waiting"),
        ({"wrap_up_s": -1.0}, "teams.general.wrap_up_s"),
        ({"max_wait_s": {"fax": 5.0}}, "teams.general.max_wait_s.fax"),
        ({"channel_target_s": {"email": 0.0}}, "teams.general.channel_target_s.email"),
        ({"hours": NO_ZONE}, "teams.general.hours"),
        ({"hours": OVERNIGHT}, "teams.general.hours"),
        (
            {"steps": (Step(after_s=5.0, skill_slack=1), Step(after_s=5.0, skill_slack=2))},
            "teams.general.steps[1].after_s",
        ),
        ({"steps": (Step(after_s=5.0, teams=("nowhere",)),)}, "teams.general.steps[0]"),
        ({"steps": (Step(after_s=5.0),)}, "teams.general.steps[0]"),
    ],
)
def test_fault_of_a_team_is_found(changes, path):
    assert path in paths(make_policy(make_team(**changes)))


def test_overflow_that_is_not_the_last_step_is_found():
    steps = (Step(after_s=5.0, overflow_to="orders"), Step(after_s=9.0, skill_slack=1))
    found = paths(make_policy(make_team(steps=steps), make_team("orders")))
    assert found == ["teams.general.steps[0].overflow_to"]


def test_overflows_in_a_circle_are_found():
    first = make_team(steps=(Step(after_s=5.0, overflow_to="orders"),))
    second = make_team("orders", steps=(Step(after_s=5.0, overflow_to="general"),))
    assert paths(make_policy(first, second)) == ["teams.general.steps", "teams.orders.steps"]


@pytest.mark.parametrize(
    ("rule", "path"),
    [
        (Rule(id="r", team="nowhere", words=("x",)), "rules[0].team"),
        (Rule(id="r", words=("x",)), "rules[0]"),
        (Rule(id="r", priority=6, words=("x",)), "rules[0].priority"),
        (Rule(id="r", skills=(SkillNeed("x", 0),)), "rules[0].skills"),
        (Rule(id="r", team="general", words=("?!",)), "rules[0].words"),
        (Rule(id="r", team="general", hours=NO_ZONE), "rules[0].hours"),
    ],
)
def test_fault_of_a_rule_is_found(rule, path):
    assert paths(make_policy(rules=(rule,))) == [path]


def test_rule_behind_one_that_always_decides_is_found():
    rules = (Rule(id="all", team="general"), Rule(id="never", team="general", words=("bill",)))
    found = lint(make_policy(rules=rules), {"lead"})
    assert [(each.path, "'all'" in each.problem) for each in found] == [("rules[1]", True)]


def test_two_rules_of_one_name_are_found():
    rules = (
        Rule(id="r", team="general", words=("a",)),
        Rule(id="r", team="general", words=("b",)),
    )
    assert paths(make_policy(rules=rules)) == ["rules[1].id"]


def test_policy_with_faults_is_not_published():
    refusal = Rig().refused(PublishPolicy(actor="admin", policy=make_policy(version=2, fallback_team="x")))
    assert (refusal.code, refusal.field) == (Code.INVALID_POLICY, "fallback_team")
    assert refusal.members["findings"]


def test_policy_of_an_old_version_is_not_published():
    refusal = Rig().refused(PublishPolicy(actor="admin", policy=make_policy(version=1)))
    assert (refusal.code, refusal.field) == (Code.INVALID_POLICY, "version")


def test_team_with_open_contacts_can_not_be_dropped():
    rig = Rig(make_policy(make_team("general"), make_team("orders")))
    rig.receive(team_id="orders")
    refusal = rig.refused(PublishPolicy(actor="admin", policy=make_policy(version=2)))
    assert (refusal.code, refusal.field) == (Code.INVALID_POLICY, "teams")


def test_wider_team_of_a_new_policy_takes_what_waits_at_once():
    rig = Rig(make_policy(make_team("general"), make_team("orders")), make_agent(teams=("orders",)))
    rig.available("ann")
    contact = rig.receive(team_id="general")
    rig.wait(30.0)
    helped = make_team("general", steps=(Step(after_s=30.0, teams=("orders",)),))
    publish(rig, make_policy(helped, make_team("orders"), version=2))
    assert rig.asked(contact) == ["ann"]


def test_step_not_due_under_the_new_policy_holds_no_longer():
    steps = (Step(after_s=10.0, teams=("orders",)),)
    rig = Rig(
        make_policy(make_team("general", steps=steps), make_team("orders")), make_agent(teams=("orders",))
    )
    contact = rig.receive(team_id="general")
    rig.wait(10.0)
    later = make_team("general", steps=(Step(after_s=60.0, teams=("orders",)),))
    publish(rig, make_policy(later, make_team("orders"), version=2))
    rig.available("ann")
    assert rig.asked(contact) == []
    rig.wait(50.0)
    assert rig.asked(contact) == ["ann"]


def test_overflow_of_a_new_policy_that_is_due_already_comes_with_the_next_tick():
    rig = Rig(make_policy(make_team("general"), make_team("orders")))
    contact = rig.receive(team_id="general")
    rig.wait(100.0)
    moved = make_team("general", steps=(Step(after_s=60.0, overflow_to="orders"),))
    publish(rig, make_policy(moved, make_team("orders"), version=2))
    rig.wait(0.0)
    assert rig.contact(contact).team_id == "orders"


def test_credit_for_priority_of_a_new_policy_orders_what_waits():
    rig = Rig(make_policy(make_team(priority_credit_s=0.0)))
    old = rig.receive()
    rig.now += 60.0
    urgent = rig.receive(priority=1)
    publish(rig, make_policy(make_team(priority_credit_s=100.0), version=2))
    rig.available("ann")
    assert (rig.asked(urgent), rig.asked(old)) == (["ann"], [])


def test_heartbeats_asked_for_by_a_new_policy_count_from_then_on():
    rig = Rig()
    rig.available("ann")
    rig.wait(1000.0)
    publish(rig, make_policy(version=2, heartbeat_s=30.0))
    rig.wait(29.0)
    assert not rig.agent("ann").not_responding
    rig.wait(1.0)
    assert rig.agent("ann").not_responding


def test_offer_made_under_the_old_policy_stands():
    rig = Rig()
    rig.available("ann")
    contact = rig.receive()
    publish(rig, make_policy(version=2))
    assert rig.asked(contact) == ["ann"]
