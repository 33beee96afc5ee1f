"""Who is served first: a convex cost of waiting, priority as a credit of time, overtaking within a bound."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from routing.commands import Reprioritise
from routing.model import PRIORITY_MAX, Channel
from routing.refused import Code
from routing.urgency import overtaking_bound_s, urgency
from tests.builders import Rig, make_policy, make_team

ages = st.floats(0.0, 100_000.0)
TEAM = make_team()


def test_urgency_is_the_teams_weight_at_its_target():
    assert urgency(make_team(weight=3.0), age_s=45.0, target_s=45.0) == 3.0


@given(age_s=ages, more_s=st.floats(0.01, 1000.0))
def test_urgency_grows_with_every_second(age_s, more_s):
    assert urgency(TEAM, age_s=age_s + more_s, target_s=20.0) > urgency(TEAM, age_s=age_s, target_s=20.0)


@given(age_s=ages, step_s=st.floats(1.0, 100.0))
def test_urgency_never_grows_slower_than_before(age_s, step_s):
    low, middle, high = (urgency(TEAM, age_s=age_s + step_s * k, target_s=20.0) for k in range(3))
    assert high - middle >= (middle - low) * (1 - 1e-9)


def test_longest_wait_goes_first_at_one_priority():
    rig = Rig()
    first = rig.receive(priority=3)
    rig.now += 1.0
    rig.receive(priority=3)
    rig.available("ann")
    assert rig.asked(first) == ["ann"]


@pytest.mark.parametrize(("later_s", "first"), [(299.0, "urgent"), (301.0, "old")])
def test_priority_overtakes_those_who_came_up_to_its_credit_earlier(later_s, first):
    rig = Rig(make_policy(make_team(priority_credit_s=100.0)))
    contacts = {"old": rig.receive()}
    rig.now += later_s
    contacts["urgent"] = rig.receive(priority=3)
    rig.available("ann")
    assert rig.asked(contacts[first]) == ["ann"]


def test_highest_priority_never_overtakes_beyond_the_bound():
    team = make_team(priority_credit_s=100.0)
    rig = Rig(make_policy(team))
    old = rig.receive(priority=0)
    rig.now += overtaking_bound_s(team) + 1.0
    rig.receive(priority=PRIORITY_MAX)
    rig.available("ann")
    assert rig.asked(old) == ["ann"]


def test_own_customer_overtakes_within_the_owners_time():
    rig = Rig(make_policy(make_team(owner_preferred_s=60.0)))
    rig.available("ann")
    running = rig.answered()
    old = rig.receive()
    rig.now += 50.0
    own = rig.receive(preferred_agent_id="ann")
    rig.finish(running)
    assert (rig.asked(own), rig.asked(old)) == (["ann"], [])


def test_new_priority_orders_a_waiting_contact_at_once():
    rig = Rig()
    rig.receive()
    rig.now += 1.0
    second = rig.receive()
    rig.do(Reprioritise(actor="lead", contact_id=second, priority=1))
    assert rig.floor.position(rig.contact(second)) == 1
    rig.available("ann")
    assert rig.asked(second) == ["ann"]


def test_priority_outside_its_range_is_refused():
    rig = Rig()
    contact = rig.receive()
    refusal = rig.refused(Reprioritise(actor="lead", contact_id=contact, priority=PRIORITY_MAX + 1))
    assert refusal.code is Code.INVALID_VALUE


def test_position_counts_those_who_go_before():
    rig = Rig()
    first = rig.receive()
    rig.now += 1.0
    second = rig.receive()
    urgent = rig.receive(priority=5)
    places = [rig.floor.position(rig.contact(each)) for each in (urgent, first, second)]
    assert places == [1, 2, 3]


def test_position_of_an_ended_contact_is_none():
    rig = Rig()
    rig.available("ann")
    assert rig.floor.position(rig.contact(rig.answered())) is None


@pytest.mark.parametrize(("mail_waits_s", "first"), [(3 * 3600.0, "call"), (9 * 3600.0, "mail")])
def test_mail_lets_calls_go_first_until_it_is_later_than_they_are(mail_waits_s, first):
    rig = Rig(make_policy(make_team(target_s=20.0)))
    contacts = {"mail": rig.receive(channel=Channel.EMAIL)}
    rig.now += mail_waits_s
    contacts["call"] = rig.receive()
    rig.now += 25.0
    rig.available("ann")
    assert rig.asked(contacts[first]) == ["ann"]


def test_team_sets_targets_of_its_own_by_channel():
    rig = Rig(make_policy(make_team(target_s=20.0, channel_target_s={"email": 600.0})))
    mail = rig.receive(channel=Channel.EMAIL)
    rig.now += 1800.0
    rig.receive()
    rig.now += 25.0
    rig.available("ann")
    assert rig.asked(mail) == ["ann"]


def test_caller_does_not_stand_behind_the_mails_of_the_day():
    rig = Rig()
    mails = [rig.receive(channel=Channel.EMAIL) for _ in range(3)]
    rig.now += 60.0
    call = rig.receive()
    assert rig.floor.position(rig.contact(call)) == 1
    assert rig.floor.position(rig.contact(mails[2])) == 3
