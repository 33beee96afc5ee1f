"""Who may take a contact widens while it waits, step by step, and ends with a declared overflow."""

import pytest

from routing.commands import Decline, MissOffer, Move, Revoke, SetPresence
from routing.events import NobodyFound, SegmentClosed, StepReached
from routing.hours import Hours, Span
from routing.model import Channel, ContactState, Presence, SkillNeed
from routing.policy import Step
from routing.steps import due_step, scope
from tests.builders import NOON, Rig, make_agent, make_policy, make_team

EXPERT = (SkillNeed("contracts", 4),)


def rig_of(*steps, **agents):
    """Return a floor of two teams; `steps` relax the first; agents by name with their changes."""
    policy = make_policy(make_team("orders", steps=steps), make_team("care"))
    rig = Rig(policy, *(make_agent(name, **values) for name, values in agents.items()))
    rig.available(*agents)
    return rig


def test_lower_skill_will_do_when_the_step_is_due():
    rig = rig_of(Step(after_s=30.0, skill_slack=2), ann={"teams": ("orders",), "skills": {"contracts": 2}})
    contact = rig.receive(team_id="orders", skills=EXPERT)
    rig.wait(29.0)
    assert rig.asked(contact) == []
    rig.wait(1.0)
    assert rig.asked(contact) == ["ann"]


def test_skill_is_given_up_when_the_slack_is_as_great_as_the_level():
    rig = rig_of(Step(after_s=30.0, skill_slack=4), ann={"teams": ("orders",)})
    contact = rig.receive(team_id="orders", skills=EXPERT)
    rig.wait(30.0)
    assert rig.asked(contact) == ["ann"]


def test_wider_team_takes_part_when_the_step_is_due():
    rig = rig_of(Step(after_s=30.0, teams=("care",)), ann={"teams": ("care",)})
    contact = rig.receive(team_id="orders")
    assert rig.asked(contact) == []
    rig.wait(30.0)
    assert rig.asked(contact) == ["ann"]


def test_own_team_goes_first_at_a_wider_step():
    rig = rig_of(
        Step(after_s=30.0, teams=("care",)),
        ann={"teams": ("care",)},
        bob={"teams": ("orders",), "skills": {"contracts": 4}},
    )
    contact = rig.receive(team_id="orders", skills=EXPERT)
    rig.do(Decline(actor="bob", offer_id=rig.pending(contact)[0]))
    rig.wait(30.0)
    assert rig.asked(contact) == []
    both = rig_of(Step(after_s=0.5, teams=("care",)), ann={"teams": ("care",)}, bob={"teams": ("orders",)})
    first = both.answered(team_id="orders")
    second = both.receive(team_id="orders")
    both.wait(0.5)
    assert (both.contact(first).agent_id, both.asked(second)) == ("bob", ["ann"])


def test_language_is_given_up_when_the_step_says_so():
    rig = rig_of(Step(after_s=30.0, any_language=True), ann={"teams": ("orders",)})
    contact = rig.receive(team_id="orders", language="fi")
    rig.wait(30.0)
    assert rig.asked(contact) == ["ann"]


def test_steps_add_up():
    team = make_team(
        "orders",
        steps=(
            Step(after_s=10.0, skill_slack=1),
            Step(after_s=20.0, teams=("care",)),
            Step(after_s=30.0, skill_slack=3, any_language=True),
        ),
    )
    widest = scope(team, 3)
    assert (widest.teams, widest.skill_slack, widest.any_language) == (("orders", "care"), 3, True)


def test_step_is_due_at_the_very_instant_its_timer_was_set_for():
    # 0.1 and 15.1 are not exact in binary; at these sizes their difference comes out below 15.1.
    team = make_team(steps=(Step(after_s=15.1, skill_slack=1),))
    rig = Rig(make_policy(team), now=NOON + 0.1)
    contact = rig.receive()
    due = rig.floor.next_due()
    assert due is not None
    assert due_step(team, rig.contact(contact), due) == 1


def test_overflow_queues_for_the_other_team_at_the_same_place():
    rig = rig_of(Step(after_s=60.0, overflow_to="care"), ann={"teams": ("care",)})
    rig.leaves("ann")
    contact = rig.receive(team_id="orders")
    came = rig.contact(contact).enqueued_at
    rig.wait(60.0)
    moved = rig.contact(contact)
    assert (moved.team_id, moved.enqueued_at, moved.segment) == ("care", came, 2)
    assert rig.segments_of(contact) == [("orders", "flowed_out")]


def test_overflowed_contact_goes_before_those_who_came_later():
    rig = rig_of(Step(after_s=60.0, overflow_to="care"), ann={"teams": ("care",)})
    rig.leaves("ann")
    contact = rig.receive(team_id="orders")
    rig.now += 30.0
    rig.receive(team_id="care")
    rig.wait(60.0)
    rig.available("ann")
    assert rig.asked(contact) == ["ann"]


def test_last_step_is_explicit_and_nothing_widens_after_it():
    rig = rig_of(Step(after_s=30.0, skill_slack=1), ann={"teams": ("care",)})
    contact = rig.receive(team_id="orders")
    rig.wait(3000.0)
    assert rig.asked(contact) == []
    assert [event.step for event in rig.happened(StepReached)] == [1]


def test_step_that_fell_due_while_it_rang_holds_when_the_offer_runs_out():
    rig = rig_of(Step(after_s=10.0, teams=("care",)), ann={"teams": ("orders",)}, cid={"teams": ("care",)})
    contact = rig.receive(team_id="orders")
    rig.wait(20.0)
    assert rig.asked(contact) == ["cid"]


@pytest.mark.parametrize("end", ["declined", "missed", "revoked", "went on a break"])
def test_step_that_fell_due_while_it_rang_holds_in_the_very_turn_that_ends_the_offer(end):
    rig = rig_of(Step(after_s=10.0, teams=("care",)), ann={"teams": ("orders",)}, cid={"teams": ("care",)})
    contact = rig.receive(team_id="orders")
    rig.wait(15.0)
    assert (rig.asked(contact), rig.contact(contact).step) == (["ann"], 0)
    (offer,) = rig.pending(contact)
    rig.do(
        {
            "declined": Decline(actor="ann", offer_id=offer),
            "missed": MissOffer(actor="pbx", offer_id=offer),
            "revoked": Revoke(actor="lead", offer_id=offer, reason="elsewhere"),
            "went on a break": SetPresence(actor="ann", agent_id="ann", presence=Presence.BREAK),
        }[end]
    )
    assert (rig.asked(contact), rig.contact(contact).step) == (["cid"], 1)
    assert rig.happened(NobodyFound) == []


def test_several_steps_that_fell_due_while_it_rang_hold_together():
    rig = rig_of(
        Step(after_s=5.0, skill_slack=1),
        Step(after_s=10.0, teams=("care",)),
        Step(after_s=60.0, any_language=True),
        ann={"teams": ("orders",)},
        cid={"teams": ("care",)},
    )
    contact = rig.receive(team_id="orders")
    rig.wait(15.0)
    rig.do(Decline(actor="ann", offer_id=rig.pending(contact)[0]))
    assert [event.step for event in rig.happened(StepReached)] == [2]
    rig.accept(contact)


def test_overflow_that_fell_due_while_it_rang_moves_it_when_the_offer_ends_though_a_colleague_is_free():
    rig = rig_of(
        Step(after_s=10.0, overflow_to="care"),
        ann={"teams": ("orders",)},
        bob={"teams": ("orders",)},
        cid={"teams": ("care",)},
    )
    contact = rig.receive(team_id="orders")
    rig.wait(15.0)
    rig.do(Decline(actor="ann", offer_id=rig.pending(contact)[0]))
    assert (rig.contact(contact).team_id, rig.asked(contact)) == ("care", ["cid"])
    assert rig.segments_of(contact) == [("orders", "flowed_out")]


def test_longest_wait_that_ran_out_while_it_rang_ends_it_when_nobody_takes_it():
    policy = make_policy(make_team("orders", max_wait_s={"voice": 10.0}))
    rig = Rig(policy, *(make_agent(name, teams=("orders",)) for name in ("ann", "bob")))
    rig.available("ann", "bob")
    contact = rig.receive(team_id="orders")
    rig.wait(15.0)
    assert rig.state(contact) is ContactState.OFFERED
    rig.do(Decline(actor="ann", offer_id=rig.pending(contact)[0]))
    assert (rig.state(contact), rig.contact(contact).end_reason) == (ContactState.EXPIRED, "max_wait")


def test_clock_of_the_steps_begins_anew_in_the_team_it_was_moved_to():
    rig = rig_of(Step(after_s=30.0, teams=("care",)), ann={"teams": ("care",)})
    rig.leaves("ann")
    contact = rig.receive(team_id="care")
    rig.wait(100.0)
    rig.do(Move(actor="lead", contact_id=contact, team_id="orders"))
    rig.available("ann")
    assert rig.asked(contact) == []
    rig.wait(30.0)
    assert rig.asked(contact) == ["ann"]


def test_overflow_keeps_who_turned_it_down():
    rig = rig_of(Step(after_s=10.0, overflow_to="care"), ann={"teams": ("orders", "care")})
    contact = rig.receive(team_id="orders")
    rig.do(Decline(actor="ann", offer_id=rig.pending(contact)[0]))
    rig.wait(10.0)
    assert [event.reason for event in rig.happened(SegmentClosed)] == ["overflow"]
    assert rig.asked(contact) == []


def overflowing(channel):
    """Return a floor with a contact 30 s after its overflow to a team that opens in hours was due."""
    hours = Hours(time_zone="UTC", week=((Span("08:00", "20:00"),),) * 7)  # it is 02:40
    steps = (Step(after_s=30.0, overflow_to="care"),)
    rig = Rig(
        make_policy(make_team("orders", steps=steps), make_team("care", hours=hours)),
        make_agent("ann", teams=("orders",)),
        make_agent("bob", teams=("care",)),
    )
    contact = rig.receive(team_id="orders", channel=channel)
    return rig, contact


def test_caller_stays_with_his_team_where_the_other_is_closed_and_nobody_there():
    rig, contact = overflowing(Channel.VOICE)
    rig.wait(60.0)
    rig.available("ann")
    assert (rig.contact(contact).team_id, rig.asked(contact)) == ("orders", ["ann"])


def test_caller_overflows_to_those_who_are_still_there_after_closing():
    rig, contact = overflowing(Channel.VOICE)
    rig.available("bob")
    rig.wait(60.0)
    assert rig.segments_of(contact) == [("orders", "flowed_out")]


def test_mail_overflows_to_a_closed_team():
    rig, contact = overflowing(Channel.EMAIL)
    rig.wait(60.0)
    assert rig.contact(contact).team_id == "care"
