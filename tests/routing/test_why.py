"""Why it went where it went, why it still waits, and what would change that: in words and as values."""

from typing import Any

from routing.commands import (
    Assign,
    CallbackMissed,
    Decline,
    Heartbeat,
    Move,
    Reprioritise,
    Revoke,
    TakeBack,
    Transfer,
)
from routing.course import TOLD
from routing.events import ContactReceived, Event, NobodyFound, OfferMade
from routing.hours import Hours, Span
from routing.model import Channel, ContactState, Presence, SkillNeed
from routing.policy import Step
from routing.way_out import Change
from routing.why import Explanation, explain
from tests.builders import NOON, Rig, make_agent, make_policy, make_team


def events_of(rig: Rig, contact_id: int) -> list[Event]:
    """Return what the log has of a contact, as the database would."""
    return [
        event
        for event in rig.log
        if isinstance(event, TOLD)
        and (event.decision if isinstance(event, OfferMade | NobodyFound) else event).contact_id == contact_id
    ]


def why(rig: Rig, contact_id: int) -> Explanation:
    received = next(e for e in rig.happened(ContactReceived) if e.contact.id == contact_id)
    return explain(
        rig.floor,
        rig.contact(contact_id),
        events_of(rig, contact_id),
        rig.now,
        classification=received.classification,
    )


def said(rig: Rig, contact_id: int) -> str:
    return " ".join(why(rig, contact_id).sentences)


def changes(rig: Rig, contact_id: int) -> dict[str, Change]:
    return {change.kind: change for change in why(rig, contact_id).changes}


def against(rig: Rig, contact_id: int) -> dict[str, tuple[str, ...]]:
    return {str(each.reason): each.agent_ids for each in why(rig, contact_id).against}


def make_rig(*agents: Any, **team: Any) -> Rig:
    return Rig(make_policy(make_team("orders", **team), make_team("care")), *agents)


def test_classification_is_told_with_its_reason():
    rig = make_rig()
    assert "It belongs to Orders: the request names the team." in said(rig, rig.receive(team_id="orders"))


def test_chosen_agent_is_told_with_those_who_came_after_and_the_terms():
    rig = make_rig(*(make_agent(name, teams=("orders",)) for name in ("ann", "bob")))
    rig.available("bob")
    rig.now += 10.0
    rig.available("ann")
    contact = rig.receive(team_id="orders")
    assert "Bob was asked: first by longest idle, before Ann." in said(rig, contact)
    considered = why(rig, contact).decisions[0].considered
    assert [each.agent_id for each in considered] == ["bob", "ann"]
    assert considered[0].terms == {"outside_team": 0.0, "used_share": 0.0, "idle_since": NOON}


def test_freed_agent_is_told_to_take_the_first_where_others_stand_behind():
    rig = make_rig(make_agent(teams=("orders",)))
    first, _ = rig.receive(team_id="orders"), rig.receive(team_id="orders")
    rig.available("ann")
    assert "Ann became free and was asked: it was the first in line." in said(rig, first)


def test_agent_whose_offer_a_lead_took_back_is_not_said_to_have_turned_it_down():
    rig = make_rig(make_agent(teams=("orders",)))
    rig.available("ann")
    contact = rig.receive(team_id="orders")
    rig.do(Revoke(actor="lead", offer_id=rig.pending(contact)[0], reason="needed elsewhere"))
    text = said(rig, contact)
    assert "Ann was asked already" in text
    assert "turned it down" not in text


def test_team_that_does_not_open_again_is_told():
    rig = make_rig(hours=Hours(time_zone="UTC", week=((),) * 7))
    contact = rig.receive(team_id="orders", channel=Channel.EMAIL)
    assert "Orders is closed and does not open within a year." in said(rig, contact)


def test_freed_agent_is_told_with_the_rivals():
    rig = make_rig(make_agent(teams=("orders", "care")))
    plain, urgent = rig.receive(team_id="care"), rig.receive(team_id="orders", priority=1)
    rig.now += 30.0
    rig.available("ann")
    text = said(rig, urgent)
    assert "After 30 s Ann became free and was asked" in text
    assert f"before contact {plain}" in text


def test_broadcast_is_one_decision_with_all_who_were_asked():
    rig = make_rig(*(make_agent(name, teams=("orders",)) for name in ("ann", "bob")), broadcast=2)
    rig.available("ann", "bob")
    contact = rig.receive(team_id="orders")
    assert [step.agent_ids for step in why(rig, contact).decisions] == [("ann", "bob")]
    assert "Ann and Bob were asked" in said(rig, contact)


def test_agent_who_joined_a_broadcast_is_told():
    rig = make_rig(*(make_agent(name, teams=("orders",)) for name in ("ann", "bob")), broadcast=2)
    rig.available("ann")
    contact = rig.receive(team_id="orders")
    rig.now += 5.0
    rig.available("bob")
    assert "After 5 s Bob became free and was asked too" in said(rig, contact)


def test_agent_it_rings_at_is_no_way_out():
    rig = make_rig(*(make_agent(name, teams=("orders",)) for name in ("ann", "bob")))
    rig.available("ann", "bob")
    rig.receive(team_id="orders")
    contact = rig.receive(team_id="orders")
    (ringing,) = rig.asked(contact)
    assert {each.agent_ids for each in why(rig, contact).changes if each.kind == "offer_over"} == {
        tuple({"ann", "bob"} - {ringing})
    }


def test_lead_who_assigned_is_told():
    rig = make_rig(make_agent(teams=("care",)))
    rig.available("ann")
    contact = rig.receive(team_id="orders")
    rig.do(Assign(actor="lead", contact_id=contact, agent_id="ann"))
    assert "a lead gave it to Ann" in said(rig, contact)


def test_every_reason_against_an_agent_is_told_with_names():
    names = ("busy", "away", "silent", "mute", "novice", "choosy")
    profile = {"teams": ("orders",), "languages": ("de",), "skills": {"contracts": 3}}
    agents = {name: dict(profile) for name in names}
    agents["mute"]["languages"] = ("en",)
    agents["novice"]["skills"] = {}
    rig = make_rig(*(make_agent(name, **values) for name, values in agents.items()))
    terms = {"team_id": "orders", "language": "de", "skills": (SkillNeed("contracts", 3),)}
    rig.available("busy")
    rig.answered(**terms)
    rig.available("silent", "choosy", "mute", "novice")
    contact = rig.receive(**terms)
    rig.do(Decline(actor="choosy", offer_id=rig.pending(contact)[0]))
    rig.wait(20.0)
    assert against(rig, contact) == {
        "missing_skill": ("novice",),
        "missing_language": ("mute",),
        "not_present": ("away",),
        "not_responding": ("silent",),
        "no_capacity": ("busy",),
        "turned_down": ("choosy",),
    }
    text = said(rig, contact)
    for part in (
        "Novice lacks the skills (contracts 3)",
        "Mute does not speak de",
        "Away is not there",
        "Silent does not respond",
        "Busy is busy",
        "Choosy was asked already",
    ):
        assert part in text


def test_decision_that_found_nobody_tells_who_was_against_it_then():
    rig = make_rig(make_agent(teams=("orders",)))
    contact = rig.receive(team_id="orders")
    step = why(rig, contact).decisions[0]
    assert [(each.reason, each.agent_ids) for each in step.against] == [("not_present", ("ann",))]
    assert step.sentence == "After 0 s nobody could take it: Ann is not there."


def test_place_in_line_and_who_is_next_are_told():
    rig = make_rig()
    first, second = rig.receive(team_id="orders"), rig.receive(team_id="orders")
    told = why(rig, second)
    assert (told.position, told.next_contact_id) == (2, first)
    assert f"It is number 2 in line; contact {first} is next." in told.sentences
    rig.do(Reprioritise(actor="lead", contact_id=second, priority=1))
    assert "It is next." in said(rig, second)


def test_coming_steps_are_told_with_their_times():
    steps = (
        Step(after_s=30.0, skill_slack=2),
        Step(after_s=60.0, teams=("care",), any_language=True),
        Step(after_s=90.0, overflow_to="care"),
    )
    rig = make_rig(steps=steps)
    contact = rig.receive(team_id="orders")
    rig.wait(10.0)
    text = said(rig, contact)
    assert "2 skill levels less will do in 20 s." in text
    assert "Care may take it too, the language no longer counts in 50 s." in text
    assert "It moves to Care in 80 s." in text
    assert changes(rig, contact)["overflow"].at == NOON + 90.0


def test_steps_of_a_contact_that_is_offered_are_told_to_wait_for_the_end_of_the_offer():
    steps = (Step(after_s=10.0, teams=("care",)), Step(after_s=30.0, skill_slack=2))
    rig = make_rig(make_agent(teams=("orders",)), steps=steps)
    rig.available("ann")
    contact = rig.receive(team_id="orders")
    rig.wait(5.0)
    assert "If nobody there takes it: Care may take it too in 5 s." in said(rig, contact)
    rig.wait(10.0)
    text = said(rig, contact)
    assert "If nobody there takes it: Care may take it too at once." in text
    assert "If nobody there takes it: 2 skill levels less will do in 15 s." in text
    rig.wait(5.0)
    assert "After 20 s Care may take it too." in said(rig, contact)


def test_steps_of_a_broadcast_with_room_are_told_as_they_hold_while_it_rings():
    rig = make_rig(make_agent(teams=("orders",)), steps=(Step(after_s=10.0, teams=("care",)),), broadcast=2)
    rig.available("ann")
    assert "Care may take it too in 10 s." in why(rig, rig.receive(team_id="orders")).sentences


def test_changes_come_in_order_of_time():
    rig = make_rig(steps=(Step(after_s=30.0, teams=("care",)),))
    contact = rig.receive(team_id="orders")
    times = [each.at for each in why(rig, contact).changes if each.at is not None]
    assert times == sorted(times)
    assert len(times) == 2


def test_end_of_a_wrap_up_is_told():
    rig = make_rig(make_agent(teams=("orders",)), wrap_up_s=45.0)
    rig.available("ann")
    running = rig.answered(team_id="orders")
    contact = rig.receive(team_id="orders")
    assert changes(rig, contact)["talk_over"].agent_ids == ("ann",)
    rig.complete(running)
    assert changes(rig, contact)["wrap_up_over"].at == rig.now + 45.0
    assert "Ann's wrap-up ends in 45 s." in said(rig, contact)


def test_end_of_the_offer_an_agent_has_is_told():
    rig = make_rig(make_agent(teams=("orders",)))
    rig.available("ann")
    rig.receive(team_id="orders")
    assert changes(rig, rig.receive(team_id="orders"))["offer_over"].at == NOON + 20.0


def test_end_of_a_rest_and_of_a_refusal_are_told():
    rig = make_rig(*(make_agent(name, teams=("orders",)) for name in ("ann", "bob")))
    rig.available("ann", "bob")
    contact = rig.receive(team_id="orders")
    rig.do(Decline(actor="ann", offer_id=rig.pending(contact)[0]))
    rig.wait(20.0)
    found = changes(rig, contact)
    assert found["asked_again"].at == NOON + 120.0
    assert found["rest_over"].at == NOON + 320.0


def test_speakers_who_could_come_back_are_told_with_what_they_do():
    rig = make_rig(
        make_agent("ann", teams=("orders",)), make_agent("bea", teams=("orders",), languages=("de",))
    )
    rig.available("ann", "bea")
    rig.leaves("bea", Presence.MEAL)
    contact = rig.receive(team_id="orders", language="de")
    assert changes(rig, contact)["comes_back"].agent_ids == ("bea",)
    assert "Bea (meal) could take it on coming back." in said(rig, contact)


def test_language_nobody_speaks_is_told():
    rig = make_rig(make_agent("ann", teams=("orders",)))
    contact = rig.receive(team_id="orders", language="fi")
    assert "Nobody there has the language fi" in said(rig, contact)


def test_team_without_agents_is_told():
    rig = make_rig(make_agent("ann", teams=("care",)))
    text = said(rig, rig.receive(team_id="orders"))
    assert "Nobody belongs to Orders." in text
    assert "Somebody must join the team." in text


def test_contact_kept_for_its_agent_is_told_with_the_end_of_that():
    rig = make_rig(*(make_agent(name, teams=("orders",)) for name in ("ann", "bob")))
    rig.available("ann")
    rig.answered(team_id="orders")
    rig.available("bob")
    contact = rig.receive(team_id="orders", preferred_agent_id="ann")
    text = said(rig, contact)
    assert "It is kept for Ann: Ann is busy." in text
    assert "Anybody may take it in 60 s." in text
    rig.answered(team_id="orders")
    behind = rig.receive(team_id="orders")
    assert f"contact {behind}" not in said(rig, contact)


def test_opening_is_told_in_the_sites_time_when_the_team_is_closed():
    night = Hours(time_zone="Europe/London", week=((Span("02:00", "03:00"),),) * 7)
    rig = make_rig(hours=night)
    contact = rig.receive(team_id="orders", channel=Channel.EMAIL)
    rig.now += 3600.0
    assert "Orders is closed and opens on Tuesday 03 February at 02:00." in said(rig, contact)


def test_contact_that_rings_talks_and_has_ended_says_so():
    rig = make_rig(make_agent(teams=("orders",)))
    rig.available("ann")
    contact = rig.receive(team_id="orders")
    assert "It rings at Ann for 20 s more." in said(rig, contact)
    rig.accept(contact)
    assert "Ann is talking to the customer." in said(rig, contact)
    rig.complete(contact)
    assert "Ann is wrapping up." in said(rig, contact)
    rig.wrap_up(contact)
    assert why(rig, contact).state is ContactState.COMPLETED
    assert "It ended as completed: finished." in said(rig, contact)


def test_giver_of_a_warm_transfer_is_told():
    rig = make_rig(make_agent(teams=("orders",)))
    rig.available("ann")
    contact = rig.answered(team_id="orders")
    rig.do(Transfer(actor="ann", contact_id=contact, team_id="care", warm=True))
    assert "Ann stays with the customer." in said(rig, contact)


def test_scheduled_contact_tells_its_time():
    rig = make_rig()
    contact = rig.receive(team_id="orders", channel=Channel.CALLBACK, scheduled_at=NOON + 90.0)
    assert "It waits for its time, in 90 s." in said(rig, contact)


def test_contact_turned_away_tells_why():
    rig = make_rig(max_waiting=0)
    full = "It ended as rejected: full. Orders lets 0 wait, and nobody was free."
    assert full in said(rig, rig.receive(team_id="orders"))
    rig = make_rig(reject_without_agents=True)
    assert "no agents. Nobody of Orders was there" in said(rig, rig.receive(team_id="orders"))
    rig = make_rig(hours=Hours(time_zone="UTC", week=((Span("08:00", "20:00"),),) * 7))  # it is 02:40
    opens = "closed. Orders opens on Monday 02 February at 08:00; a callback asked for while it is closed"
    contact = rig.receive(team_id="orders")
    assert opens in said(rig, contact)
    rig.now += 6 * 3600.0
    assert "Orders is open now" in said(rig, contact)


def test_many_agents_are_named_up_to_eight():
    rig = make_rig(*(make_agent(f"agent{number:02}", teams=("orders",)) for number in range(12)))
    contact = rig.receive(team_id="orders")
    assert "Agent07 and 4 more are not there" in said(rig, contact)
    assert len(against(rig, contact)["not_present"]) == 12


def test_course_of_a_contact_is_told_from_step_to_step():
    steps = (Step(after_s=30.0, skill_slack=1), Step(after_s=60.0, teams=("care",)))
    rig = make_rig(make_agent("ann", teams=("orders",)), make_agent("bob", teams=("care",)), steps=steps)
    rig.available("ann")
    contact = rig.receive(team_id="orders")
    rig.now += 5.0
    rig.do(Decline(actor="ann", offer_id=rig.pending(contact)[0], reason="needs a lawyer"))
    rig.wait(45.0)
    rig.do(Reprioritise(actor="lead", contact_id=contact, priority=4))
    rig.wait(10.0)
    rig.available("bob")
    rig.accept(contact)
    course = why(rig, contact).course
    assert course[:3] == (
        "After 0 s Ann was asked: nobody else was free for it.",
        "After 5 s Ann turned it down (needs a lawyer).",
        "After 5 s nobody could take it: Ann was asked already.",
    )
    assert "After 30 s 1 skill level less will do." in course
    assert "After 50 s Lead gave it priority 4." in course
    assert "After 60 s Care may take it too." in course
    assert course[-1] == "After 60 s Bob took it."


def test_course_tells_where_a_contact_was_passed_to_and_that_it_came_back():
    rig = make_rig(make_agent("ann", teams=("orders",)))
    rig.available("ann")
    contact = rig.answered(team_id="orders")
    rig.do(Transfer(actor="ann", contact_id=contact, team_id="care", warm=True, reason="wants advice"))
    rig.now += 20.0
    rig.do(TakeBack(actor="ann", contact_id=contact))
    course = why(rig, contact).course
    assert "After 0 s Ann passed it on, staying with the customer." in course
    assert "It went to Care (wants advice)." in course
    assert course[-1] == "After 20 s it went back to who was passing it on (taken back)."


def test_course_tells_who_had_a_conversation_passed_on_and_taken_back_for_an_agent():
    rig = make_rig(make_agent("ann", teams=("orders",)))
    rig.available("ann")
    contact = rig.answered(team_id="orders")
    rig.do(Transfer(actor="lead", contact_id=contact, team_id="care", warm=True))
    rig.do(TakeBack(actor="lead", contact_id=contact))
    course = why(rig, contact).course
    assert "After 0 s Ann passed it on, staying with the customer, by Lead." in course
    assert course[-1] == "After 0 s it went back to who was passing it on (taken back), by Lead."


def test_course_tells_what_a_lead_moved():
    rig = make_rig(make_agent("ann", teams=("orders",)))
    contact = rig.receive(team_id="orders")
    rig.do(Move(actor="lead", contact_id=contact, team_id="care", reason="better there"))
    assert "It went to Care (better there), by Lead." in why(rig, contact).course


def test_course_tells_a_callback_that_the_customer_missed():
    rig = make_rig(make_agent("ann", teams=("orders",)))
    rig.available("ann")
    contact = rig.answered(team_id="orders", channel=Channel.CALLBACK)
    rig.do(CallbackMissed(actor="ann", contact_id=contact))
    assert (
        "After 0 s the customer did not answer and it was put off, to come in 15 min."
        in why(rig, contact).course
    )


def test_way_out_of_a_busy_agent_is_when_there_is_room_for_the_channel():
    rig = make_rig(make_agent(teams=("orders",)))
    rig.available("ann")
    first, second = (rig.answered(team_id="orders", channel=Channel.CHAT) for _ in range(2))
    rig.complete(first)
    call = rig.receive(team_id="orders")
    assert "wrap_up_over" not in changes(rig, call)
    assert "Ann ends a running conversation." in said(rig, call)
    rig.now += 10.0
    rig.complete(second)
    told = changes(rig, call)["wrap_up_over"].at
    rig.wait(told - rig.now - 1.0)
    assert rig.asked(call) == []
    rig.wait(1.0)
    assert rig.asked(call) == ["ann"]


def test_agent_who_turned_it_down_and_is_busy_since_is_asked_again_when_both_are_over():
    rig = make_rig(make_agent(teams=("orders",)), wrap_up_s=30.0, decline_retry_s=120.0)
    rig.available("ann")
    contact = rig.receive(team_id="orders")
    rig.do(Decline(actor="ann", offer_id=rig.pending(contact)[0]))
    rig.complete(rig.answered(team_id="orders"))
    told = changes(rig, contact)
    assert "wrap_up_over" not in told
    rig.wait(told["asked_again"].at - rig.now)
    assert rig.asked(contact) == ["ann"]


def test_way_out_of_an_agent_who_rests_and_wraps_up_is_the_later_of_both():
    rig = make_rig(make_agent(teams=("orders",)), wrap_up_s=30.0, not_responding_s=100.0)
    rig.available("ann")
    running = rig.answered(team_id="orders", channel=Channel.CHAT)
    rig.receive(team_id="orders", channel=Channel.CHAT)
    call = rig.receive(team_id="orders")
    rig.wait(30.0)
    assert "Ann ends a running conversation and may be asked again." in said(rig, call)
    rig.complete(running)
    told = changes(rig, call)
    assert "wrap_up_over" not in told
    assert told["rest_over"].at == NOON + 130.0


def test_agent_who_is_kept_for_too_late_and_may_not_take_it_else_is_no_way_out():
    rig = make_rig(make_agent("ann", teams=("care",)), wrap_up_s=30.0, owner_preferred_s=20.0)
    rig.available("ann")
    rig.do(Assign(actor="lead", contact_id=rig.receive(team_id="orders"), agent_id="ann"))
    running = next(each.id for each in rig.floor.contacts.values())
    rig.accept(running)
    rig.complete(running)
    contact = rig.receive(team_id="orders", preferred_agent_id="ann")
    assert "wrap_up_over" not in changes(rig, contact)


def test_agent_who_never_takes_the_channel_is_not_said_to_be_busy_nor_to_come_free():
    rig = make_rig(make_agent(teams=("orders",), channel_caps={"voice": 0}))
    rig.available("ann")
    contact = rig.receive(team_id="orders")
    assert "Ann takes no voice" in said(rig, contact)
    assert set(changes(rig, contact)) == {"expiry", "nobody_able"}
    assert "Nobody there takes voice: somebody must, or a lead move it." in said(rig, contact)


def test_agent_who_is_away_and_never_takes_the_channel_is_no_way_out():
    rig = make_rig(
        make_agent("ann", teams=("orders",), channel_caps={"voice": 0}), make_agent("bob", teams=("orders",))
    )
    assert changes(rig, rig.receive(team_id="orders"))["comes_back"].agent_ids == ("bob",)


def test_step_is_told_for_when_the_contact_is_kept_no_longer():
    steps = (Step(after_s=15.0, teams=("care",)),)
    agents = (make_agent("ann", teams=("orders",)), make_agent("bob", teams=("care",)))
    rig = make_rig(*agents, steps=steps, owner_preferred_s=20.0)
    rig.available("ann", "bob")
    rig.answered(team_id="orders")
    contact = rig.receive(team_id="orders", preferred_agent_id="ann")
    told = changes(rig, contact)["step"].at
    rig.wait(told - rig.now)
    assert (told - NOON, rig.asked(contact)) == (20.0, ["bob"])


def test_way_out_of_an_agent_who_has_stopped_responding_is_told_and_works():
    rig = make_rig(make_agent(teams=("orders",)), not_responding_s=1.0)
    rig.available("ann")
    contact = rig.receive(team_id="orders")
    rig.wait(100.0)
    assert changes(rig, contact)["responds"].agent_ids == ("ann",)
    assert "Ann gets offers again once setting a presence." in said(rig, contact)
    rig.available("ann")
    assert rig.asked(contact) == ["ann"]


def test_way_out_of_an_agent_whose_device_is_silent_is_told():
    rig = Rig(make_policy(heartbeat_s=30.0), make_agent())
    rig.available("ann")
    rig.wait(30.0)
    contact = rig.receive()
    assert "Ann gets offers again once the device is heard of again." in said(rig, contact)
    rig.do(Heartbeat(actor="ann", agent_id="ann"))
    assert rig.asked(contact) == ["ann"]


def test_agent_on_the_way_out_is_told_with_what_follows():
    rig = make_rig(make_agent(teams=("orders",)))
    rig.available("ann")
    rig.answered(team_id="orders", channel=Channel.CHAT)
    rig.leaves("ann", Presence.MEAL)
    text = said(rig, rig.receive(team_id="orders"))
    assert "Ann (meal, still busy) could take it on coming back." in text


def test_giver_of_a_warm_transfer_is_no_way_out_but_by_taking_it_back():
    rig = make_rig(make_agent(teams=("orders", "care")))
    rig.available("ann")
    contact = rig.answered(team_id="orders")
    rig.do(Transfer(actor="ann", contact_id=contact, team_id="care", warm=True))
    told = changes(rig, contact)
    assert set(told) == {"taken_back", "expiry"}
    assert told["expiry"].what == "It goes back to Ann"


def test_caller_who_is_more_urgent_than_an_older_mail_is_next_and_the_mail_is_not():
    rig = make_rig(make_agent(teams=("orders",)))
    mail = rig.receive(team_id="orders", channel=Channel.EMAIL)
    rig.wait(100.0)
    call = rig.receive(team_id="orders")
    rig.wait(10.0)
    assert (why(rig, call).next_contact_id, why(rig, mail).next_contact_id) == (call, call)
    assert "It is next." in said(rig, call)
    assert f"It is first in its line; contact {call}, on another channel, is more urgent." in said(rig, mail)
    rig.available("ann")
    assert rig.asked(call) == ["ann"]


def test_overflow_to_a_closed_team_is_not_foretold_and_its_missing_is_told():
    hours = Hours(time_zone="UTC", week=((Span("08:00", "20:00"),),) * 7)  # it is 02:40
    steps = (Step(after_s=30.0, overflow_to="care"),)
    rig = Rig(make_policy(make_team("orders", steps=steps), make_team("care", hours=hours)))
    contact = rig.receive(team_id="orders")
    assert "overflow" not in changes(rig, contact)
    rig.wait(30.0)
    assert "After 30 s it stayed: the team it would have gone to is closed." in said(rig, contact)
