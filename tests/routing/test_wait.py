"""Estimated waits: several predictors, scored on what happened, the best served as an honest interval."""

from __future__ import annotations

import random
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from typing import Any

import msgspec
import pytest

from routing import commands as cmd
from routing.decide import decide
from routing.events import Event, OfferMade
from routing.model import Channel, ContactState, Presence, SkillNeed
from routing.policy import Step
from routing.refused import Refused
from routing.spread import COVERAGE, interval
from routing.wait import HANDLE_S, PREDICTORS, QueueBook, WaitBook
from tests.builders import NOON, Rig, make_agent, make_policy, make_team

QUEUE = "general/voice"


class Watched(Rig):
    """A floor whose every turn is shown to a book of waits."""

    def __init__(self, *args: Any, **terms: Any) -> None:
        self.book = WaitBook()
        self.by_day = (0, 0)
        """Intervals judged before the evening, and those of them that held."""
        super().__init__(*args, **terms)

    def gives_up(self, contact_id: int) -> None:
        contact = self.floor.contacts.get(contact_id)
        if contact is not None and contact.state is ContactState.QUEUED:
            self.do(cmd.Abandon(actor="pbx", contact_id=contact_id))

    def begin_evening(self) -> None:
        book = self.book.queues[QUEUE]
        self.by_day = (book.judged, book.covered)

    def do(self, command: Any) -> list[Event]:
        events = super().do(command)
        self.book.observe(self.floor, events)
        return events

    def estimate(self, contact_id: int) -> Any:
        return self.book.estimate(self.floor, self.contact(contact_id), self.now)


def at_work() -> Watched:
    """Return a floor whose one agent is there and talking."""
    rig = Watched()
    rig.available("ann")
    rig.answered()
    return rig


def run_day(
    *,
    seed: int,
    agents: int,
    contacts: int,
    load: float,
    talk_s: float = 180.0,
    patience_s: float | None = None,
    evening: bool = False,
) -> Watched:
    """Simulate Poisson arrivals to `agents` at `load` (rising and falling by a third), exponential talks.

    In an `evening` of as many contacts that follows, 1.4 times as many come as there should, and half of the
    agents go home one after another.
    """
    rng, tie = random.Random(seed), count()
    names = [f"agent{number:02}" for number in range(agents)]
    rig = Watched(make_policy(make_team(wrap_up_s=0.0)), *(make_agent(name) for name in names))
    rig.available(*names)
    todo = []

    def later(at: float, what: str, key: Any = None) -> None:
        heappush(todo, (at, next(tie), what, key))

    def take(events: list[Event]) -> None:
        for event in events:
            if isinstance(event, OfferMade):
                take(rig.do(cmd.Accept(actor="agent", offer_id=event.offer.id)))
                later(rig.now + rng.expovariate(1 / talk_s), "complete", event.offer.contact_id)

    def arrive(_: None) -> None:
        take(rig.do(cmd.Receive(actor="pbx", channel=Channel.VOICE, identity=cmd.Identity())))
        if patience_s is not None:
            later(rig.now + rng.expovariate(1 / patience_s), "leave", max(rig.floor.contacts))

    deeds: dict[str, Callable[[Any], None]] = {
        "arrive": arrive,
        "leave": rig.gives_up,
        "complete": lambda contact_id: take(rig.complete(contact_id)),
        "evening": lambda _: rig.begin_evening(),
        "goes home": lambda name: take(rig.leaves(name, Presence.OFFLINE)),
    }
    at = NOON
    for number in range(contacts):
        busy = 1.0 + (1 / 3 if number // 150 % 2 else -1 / 3)
        at += rng.expovariate(load * busy * agents / talk_s)
        later(at, "arrive")
    later(at, "evening")
    for number in range(contacts if evening else 0):
        at += rng.expovariate(1.4 * load * len(names) / talk_s)
        later(at, "arrive")
        if number % (contacts // agents * 2) == contacts // agents:
            later(at, "goes home", names.pop())
    while todo:
        rig.now, _, what, key = heappop(todo)
        deeds[what](key)
    return rig


@pytest.fixture(scope="module")
def busy_day() -> Watched:
    """A day near the limit without impatience, so that long waits are seen."""
    return run_day(seed=1, agents=8, contacts=2000, load=0.97)


@pytest.fixture(scope="module")
def impatient_day() -> Watched:
    """A day above the limit that only holds because customers leave."""
    return run_day(seed=2, agents=8, contacts=2000, load=1.15, patience_s=240.0)


def test_all_predictors_are_scored_on_the_same_contacts(busy_day):
    scores = busy_day.book.queues[QUEUE].scores
    answered = [s for s in busy_day.segments if s.answered_at is not None and s.answered_at > s.queued_at]
    assert {scores[name].count for name in PREDICTORS} == {len(answered)}


def test_queue_length_is_best_where_everybody_stays(busy_day):
    # Ibrahim and Whitt 2009: with exponential talk times no delay history beats the queue length.
    scores = busy_day.book.queues[QUEUE].scores
    errors = {name: scores[name].mean_squared_error_s2 for name in PREDICTORS}
    assert min(errors, key=errors.__getitem__) == "queue_length"


def test_pace_is_best_where_customers_leave(impatient_day):
    scores = impatient_day.book.queues[QUEUE].scores
    errors = {name: scores[name].mean_absolute_error_s for name in PREDICTORS}
    assert min(errors, key=errors.__getitem__) == "pace"


@pytest.mark.parametrize("day", ["busy_day", "impatient_day"])
def test_served_predictor_beats_telling_everybody_the_mean_wait(day, request):
    rig = request.getfixturevalue(day)
    waits = [
        s.answered_at - s.queued_at for s in rig.segments if s.answered_at and s.answered_at > s.queued_at
    ]
    mean_s = sum(waits) / len(waits)
    spread_s = sum(abs(wait - mean_s) for wait in waits) / len(waits)
    book = rig.book.queues[QUEUE]
    assert book.scores[book.best].mean_absolute_error_s < 0.75 * spread_s


@pytest.mark.parametrize("day", ["busy_day", "impatient_day"])
def test_interval_holds_its_share_of_waits_while_load_rises_and_falls(day, request):
    book = request.getfixturevalue(day).book.queues[QUEUE]
    assert book.coverage == pytest.approx(COVERAGE, abs=0.05)


@pytest.mark.parametrize("patience_s", [400.0, 1500.0])
def test_interval_holds_its_share_in_a_sudden_overload_while_agents_go_home(patience_s):
    held = judged = 0
    for seed in range(4):
        rig = run_day(seed=seed, agents=12, contacts=600, load=0.9, patience_s=patience_s, evening=True)
        book = rig.book.queues[QUEUE]
        judged += book.judged - rig.by_day[0]
        held += book.covered - rig.by_day[1]
        assert book.best == "pace"
    assert held / judged == pytest.approx(COVERAGE, abs=0.05)


@pytest.mark.parametrize("day", ["busy_day", "impatient_day"])
def test_interval_says_more_the_more_agents_must_come_free(day, request):
    book = request.getfixturevalue(day).book.queues[QUEUE]
    errors = book.scores[book.best].errors
    widths = [
        interval(errors, book.level, wait_s=300.0, turns=turns, longest_s=7200.0) for turns in (1, 5, 25)
    ]
    few, some, many = (high - low for low, high in widths)
    assert few > 1.2 * some > 1.4 * many


def test_width_of_the_intervals_is_told(busy_day):
    assert 0.0 < busy_day.book.queues[QUEUE].mean_width_s < 1000.0
    assert QueueBook().mean_width_s is None


def test_customers_who_left_are_counted_and_their_waits_inferred(impatient_day):
    book = impatient_day.book.queues[QUEUE]
    left = sum(segment.outcome == "abandoned" for segment in impatient_day.segments)
    assert book.abandoned == left > 100
    assert 0.9 * left <= book.inferred <= left


def test_customer_who_left_is_no_observation_of_a_wait():
    rig = at_work()
    contact = rig.receive()
    rig.now += 50.0
    rig.do(cmd.Abandon(actor="pbx", contact_id=contact))
    assert rig.book.queues[QUEUE].scores["queue_length"].count == 0


def test_wait_of_one_who_left_is_known_when_the_next_is_answered():
    rig = at_work()
    first = rig.receive()
    rig.now += 10.0
    second = rig.receive()
    rig.now += 10.0
    rig.do(cmd.Abandon(actor="pbx", contact_id=first))
    assert rig.book.queues[QUEUE].inferred == 0
    rig.now += 40.0
    rig.finish(min(rig.floor.contacts))
    rig.accept(second)
    assert (rig.book.queues[QUEUE].abandoned, rig.book.queues[QUEUE].inferred) == (1, 1)


def test_interval_that_a_leaver_outlasted_counts_as_missed():
    rig = at_work()
    contact = rig.receive()
    rig.now += rig.estimate(contact).high_s + 1.0
    rig.do(cmd.Abandon(actor="pbx", contact_id=contact))
    book = rig.book.queues[QUEUE]
    assert (book.outlasted, book.judged, book.covered) == (1, 1, 0)


def test_contact_that_finds_a_free_agent_is_not_predicted():
    rig = Watched()
    rig.available("ann")
    rig.answered()
    assert rig.book.pending == {}
    assert rig.book.queues[QUEUE].scores["queue_length"].count == 0


def test_estimate_grows_with_the_place():
    rig = Watched()
    rig.available("ann")
    rig.answered()
    waits = [rig.estimate(rig.receive()).wait_s for _ in range(3)]
    assert waits[0] < waits[1] < waits[2]


def test_estimate_is_the_mean_handle_time_by_place_and_agent_until_more_is_known():
    rig = Watched(make_policy(make_team(wrap_up_s=0.0)), make_agent("ann"), make_agent("bob"))
    rig.available("ann", "bob")
    for _ in range(4):
        contact = rig.answered()
        rig.now += 90.0
        rig.complete(contact)
    rig.answered()
    rig.answered()
    rig.receive()
    told = rig.estimate(rig.receive())
    assert (told.position, told.predictor) == (2, "pace")
    assert told.wait_s == pytest.approx(2 * 90.0 / 2)


def test_estimate_is_an_interval_around_its_middle():
    rig = at_work()
    told = rig.estimate(rig.receive())
    assert 0.0 <= told.low_s <= told.wait_s <= told.high_s


def test_nobody_is_told_more_than_the_longest_wait():
    rig = Watched(make_policy(make_team(max_wait_s={"voice": 600.0})))
    rig.available("ann")
    rig.answered()
    for _ in range(9):
        rig.receive()
    told = rig.estimate(rig.receive())
    assert told.wait_s <= 600.0
    assert told.high_s <= 600.0


def test_contact_that_does_not_wait_has_no_estimate():
    rig = Watched()
    rig.available("ann")
    assert rig.estimate(rig.answered()) is None


def test_nothing_is_foretold_or_scored_while_nobody_is_there():
    rig = Watched()
    contact = rig.receive()
    assert rig.estimate(contact) is None
    rig.now += 50.0
    rig.available("ann")
    rig.accept(contact)
    assert rig.book.queues[QUEUE].scores["queue_length"].count == 0


def test_nothing_is_foretold_while_those_who_are_there_never_take_the_channel():
    rig = Watched(None, make_agent("ann", channel_caps={"voice": 0}), make_agent("bob", capacity=60))
    rig.available("ann", "bob")
    assert rig.estimate(rig.receive()) is None


def test_estimate_counts_the_chats_that_an_agent_has_room_for():
    waits = []
    for changes in ({}, {"channel_caps": {"chat": 1}}, {"capacity": 60}):
        rig = Watched(make_policy(make_team(wrap_up_s=0.0)), make_agent(**changes))
        rig.available("ann")
        while rig.asked(running := rig.receive(channel=Channel.CHAT)):
            rig.accept(running)
        waits.append(rig.estimate(running).wait_s)
    assert waits == pytest.approx([waits[1] / 3, waits[1], waits[1] / 2])


def test_caller_is_not_told_to_wait_for_the_mails_of_the_day_nor_a_mail_before_calls():
    rig = at_work()
    for _ in range(10):
        rig.receive(channel=Channel.EMAIL)
    rig.now += 3600.0
    call, mail = rig.receive(), rig.receive(channel=Channel.EMAIL)
    told = rig.estimate(call)
    assert (told.position, told.wait_s) == (1, pytest.approx(rig.book.queues[QUEUE].handle_s))
    assert rig.estimate(mail).wait_s >= 6 * told.wait_s


def test_contact_kept_while_others_are_free_waits_no_longer_than_that():
    rig = Watched(make_policy(make_team(owner_preferred_s=60.0)), make_agent("ann"), make_agent("bob"))
    rig.available("ann")
    rig.answered()
    rig.available("bob")
    told = rig.estimate(rig.receive(preferred_agent_id="ann"))
    assert told.high_s <= 60.0


def test_contact_that_only_a_later_step_lets_somebody_take_waits_for_that_step():
    steps = (Step(after_s=60.0, skill_slack=2), Step(after_s=900.0, teams=("orders",)))
    policy = make_policy(make_team("general", steps=steps), make_team("orders"))
    rig = Watched(policy, make_agent("ann"), make_agent("bob", teams=("orders",)))
    rig.available("bob")
    contact = rig.receive(team_id="general")
    rig.now += 100.0
    assert rig.estimate(contact).wait_s == pytest.approx(800.0)


def test_estimate_counts_the_agents_with_the_skill_and_who_competes_for_them():
    names = ("ann", "bob", "cid", "dan")
    skilled = {"skills": {"contracts": 3}}
    rig = Watched(None, *(make_agent(name, **(skilled if name == "ann" else {})) for name in names))
    rig.available(*names)
    for _ in names:
        rig.answered()
    for _ in range(4):
        rig.receive()
    special = rig.receive(skills=(SkillNeed("contracts", 3),))
    plain = rig.receive()
    # Of the four plain ones ahead one goes to Ann on average; the fifth plain one has four agents.
    assert rig.estimate(special).wait_s == pytest.approx(2 * HANDLE_S / 1)
    assert rig.estimate(plain).wait_s == pytest.approx((4 + 1 + 1) * HANDLE_S / 4)


def test_queues_are_apart_by_team_and_channel():
    policy = make_policy(make_team("general"), make_team("orders"))
    rig = Watched(policy, make_agent("ann", teams=("general", "orders")))
    rig.available("ann")
    rig.answered()
    told = {rig.estimate(rig.receive(team_id=team, channel=channel)).queue for team, channel in (
        ("general", Channel.VOICE), ("general", Channel.CHAT), ("orders", Channel.VOICE))}  # fmt: skip
    assert told == {"general/voice", "general/chat", "orders/voice"}


def test_book_goes_on_from_where_it_was_stored():
    rig = run_day(seed=3, agents=3, contacts=200, load=0.95)
    rig.available("agent00")
    contacts = [rig.receive() for _ in range(6)]
    stored = msgspec.json.decode(msgspec.json.encode(rig.book), type=WaitBook)
    assert stored == rig.book
    last = rig.contact(contacts[-1])
    assert stored.estimate(rig.floor, last, rig.now) == rig.book.estimate(rig.floor, last, rig.now)


def test_book_of_the_release_before_keeps_what_it_has_learnt():
    rig = run_day(seed=3, agents=3, contacts=200, load=0.95)
    rig.receive()
    stored = msgspec.to_builtins(rig.book)
    for pending in stored["pending"].values():
        del pending["turns"]
    for score in stored["queues"][QUEUE]["scores"].values():
        score["ratios"], score["next_ratio"] = score.pop("errors"), score.pop("next_error")
    book = msgspec.convert(stored, WaitBook, str_keys=True)
    assert book.queues[QUEUE].ridge == rig.book.queues[QUEUE].ridge
    assert book.queues[QUEUE].handle_s == rig.book.queues[QUEUE].handle_s


def test_restored_book_drops_what_ended_meanwhile():
    rig = at_work()
    contact = rig.receive()
    outcome = decide(rig.floor, cmd.Abandon(actor="pbx", contact_id=contact), rig.now)
    assert not isinstance(outcome, Refused)
    rig.book.prune(rig.floor)
    assert rig.book.pending == {}
