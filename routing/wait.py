"""How long will a contact wait: five predictors side by side, each scored live.

`queue_length`: contacts ahead and this one, times mean handle time, by the places at the agents who are
there and may take it; a contact ahead counts by the share of its agents who are among them. Where only a
later step lets somebody take it, not less than until that step. `last_entrant`: the wait of the last
contact that was answered. `head_of_line`: how long the first in line has waited by now (both after Ibrahim
and Whitt 2009, taken by the share of the line that is ahead). `regression`: ridge regression on these and
the time of day, learning from every answered contact. `pace`: the queue length at the pace at which the line
moves of late, less those who leave on the way (`routing.pace`).

The best is served, by recent error. Where nothing is more than a fifth better that is `pace`: it learns of a
change at once, the scores a whole wait later, and choosing by less made the intervals worse (a tenth: their
score 1 to 3 %, in each of six sets of `benchmarks/wait_interval.py`).

A contact that finds a free agent is not predicted, so that easy cases do not flatter the figures; nor is
one that nobody who is there could take at any step: then nothing can be foretold. One that
leaves unanswered is no observation of a wait; once somebody behind it is answered, the wait it would have
had is known, and that is learnt from (an interval it outlasted counts as missed at once). The error figures
are those of answered contacts alone.

The interval comes from the served predictor's recent errors (`routing.spread`).
"""

from __future__ import annotations

from collections.abc import Iterable
from math import cos, inf, pi, sin
from typing import Final, NamedTuple

import msgspec

from routing import events as ev
from routing.eligibility import able_at
from routing.floor import Floor
from routing.model import WAITING_STATES, Contact, ContactState
from routing.pace import Pace
from routing.policy import target_s
from routing.ridge import Ridge
from routing.spread import COVERAGE, FEWEST, corrected, error, interval

PREDICTORS: Final = ("queue_length", "last_entrant", "head_of_line", "regression", "pace")
_SERVED: Final = "pace"
_BETTER: Final = 0.8
"""Part of the recent error of `_SERVED` below which another is served instead."""

_WINDOW: Final = 256
_RECENT: Final = 0.03
_RECENT_HANDLE: Final = 0.01
HANDLE_S: Final = 180.0
"""Mean handle time that is taken before any is known."""
_DAY_S: Final = 86_400.0
_GONE: Final = 64
_PRIOR: Final[tuple[float, ...]] = (0.0, 1 / 3, 1 / 3, 1 / 3, 0.0, 0.0, 0.0)
"""The regression begins as the mean of the three simple predictors."""


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """The wait from now that is to be expected, s, with an interval that holds most waits."""

    position: int
    wait_s: float
    low_s: float
    high_s: float
    predictor: str
    queue: str


class Score(msgspec.Struct, kw_only=True):
    """What a predictor was worth: errors on answered contacts, and recent ones for the interval."""

    count: int = 0
    absolute_s: float = 0.0
    squared_s2: float = 0.0
    recent_s: float = 0.0
    """Mean absolute error with the weight on the last contacts; what the best is chosen by."""
    errors: list[float] = []
    """Relative errors by `routing.spread.error`, the last ones, in no order."""
    next_error: int = 0

    @property
    def mean_absolute_error_s(self) -> float | None:
        """Mean absolute error on answered contacts, or None before the first."""
        return self.absolute_s / self.count if self.count else None

    @property
    def mean_squared_error_s2(self) -> float | None:
        """Mean squared error on answered contacts, or None before the first."""
        return self.squared_s2 / self.count if self.count else None


class QueueBook(msgspec.Struct, kw_only=True):
    """What is known of one queue (a team and a channel)."""

    handle_s: float = HANDLE_S
    handled: int = 0
    last_wait_s: float = 0.0
    scores: dict[str, Score] = msgspec.field(default_factory=lambda: {name: Score() for name in PREDICTORS})
    ridge: Ridge = msgspec.field(default_factory=lambda: Ridge.towards(_PRIOR))
    pace: Pace = msgspec.field(default_factory=Pace)
    level: float = COVERAGE
    judged: int = 0
    covered: int = 0
    width_s: float = 0.0
    """Sum of the widths of the judged intervals."""
    abandoned: int = 0
    """Predicted contacts that left unanswered."""
    outlasted: int = 0
    """Those of them that had waited beyond their interval already."""
    inferred: int = 0
    """Those of them whose wait became known from who was answered after them."""

    @property
    def coverage(self) -> float | None:
        """The share of judged intervals that held the wait, or None before the first."""
        return self.covered / self.judged if self.judged else None

    @property
    def mean_width_s(self) -> float | None:
        """The mean width of the judged intervals, or None before the first."""
        return self.width_s / self.judged if self.judged else None

    @property
    def best(self) -> str:
        """The predictor that is served."""
        if any(self.score(name).count < FEWEST for name in PREDICTORS):
            return _SERVED
        least = min(PREDICTORS, key=lambda name: self.scores[name].recent_s)
        better = self.scores[least].recent_s < _BETTER * self.scores[_SERVED].recent_s
        return least if better else _SERVED

    def score(self, name: str) -> Score:
        """Return what a predictor was worth; one that the release before did not know begins anew."""
        return self.scores.setdefault(name, Score())


class Pending(msgspec.Struct, kw_only=True):
    """What was foretold for a waiting contact when it began to wait."""

    queue: str
    at: float
    effective_at: float
    turns: float = 1.0
    """Agents who must come free before it is answered, as far as could be seen."""
    features: list[float]
    low_s: float
    high_s: float
    told_s: list[float] = []
    """What each of the predictors said; empty in a book of the release before."""
    outlasted: bool = False


class WaitBook(msgspec.Struct, kw_only=True):
    """Everything learnt about waits so far; one value, stored and restored as a whole."""

    queues: dict[str, QueueBook] = {}
    pending: dict[int, Pending] = {}
    gone: dict[str, list[Pending]] = {}
    """Contacts that left unanswered and whose wait is not known yet, by queue."""
    talking: dict[int, tuple[str, float]] = {}
    """Accepted offers: queue and when."""

    def observe(self, floor: Floor, events: Iterable[ev.Event]) -> None:
        """Learn from the events of one turn; `floor` is as it stands after them."""
        for event in events:
            kind = type(event)
            if kind is ev.ContactQueued:
                self._queued(floor, event)  # type: ignore[arg-type]
            elif kind is ev.ContactConnected:
                self._answered(floor, event)  # type: ignore[arg-type]
            elif kind is ev.OfferReleased:
                self._released(event)  # type: ignore[arg-type]
            elif kind is ev.ContactEnded or kind is ev.SegmentClosed:
                self._left(event)  # type: ignore[arg-type]

    def estimate(self, floor: Floor, contact: Contact, now: float) -> Estimate | None:
        """Return what `contact` has to expect from now, or None when it does not wait or nobody is there."""
        if contact.state not in WAITING_STATES:
            return None
        queue = queue_of(contact)
        book = self.queues.get(queue) or QueueBook()
        seen = _features(floor, book, contact, now)
        if seen is None:
            return None
        told = _foretell(book, seen, longest_s=_longest_s(floor, contact, now))
        return Estimate(
            position=floor.queues.ahead(contact) + 1,
            wait_s=min(max(told.wait_s, told.low_s), told.high_s),
            low_s=told.low_s,
            high_s=told.high_s,
            predictor=told.predictor,
            queue=queue,
        )

    def prune(self, floor: Floor) -> None:
        """Drop what is not on the floor any more: after restoring a book that missed some events."""
        self.pending = {key: each for key, each in self.pending.items() if key in floor.contacts}
        self.talking = {key: each for key, each in self.talking.items() if key in floor.offers}

    def _queued(self, floor: Floor, event: ev.ContactQueued) -> None:
        contact = floor.contacts.get(event.contact_id)
        if contact is None or contact.state is not ContactState.QUEUED or contact.segment != event.segment:
            return
        queue = queue_of(contact)
        book = self._book(queue)
        seen = _features(floor, book, contact, event.at)
        if seen is None:
            return
        told = _foretell(book, seen, longest_s=_longest_s(floor, contact, event.at))
        self.pending[contact.id] = Pending(
            queue=queue,
            at=event.at,
            effective_at=contact.effective_at,
            turns=seen.turns,
            features=seen.features,
            told_s=told.waits_s,
            low_s=told.low_s,
            high_s=told.high_s,
        )

    def _answered(self, floor: Floor, event: ev.ContactConnected) -> None:
        foretold = self.pending.pop(event.contact_id, None)
        contact = floor.contacts.get(event.contact_id)
        offer = floor.offers.get(event.offer_id)
        if offer is not None:
            queue = f"{offer.team_id}/{offer.channel.value}"
            self.talking[offer.id] = (queue, event.at)
            if contact is not None:
                self._book(queue).last_wait_s = max(event.at - offer.segment_at, 0.0)
        if foretold is None:
            return
        book = self._book(foretold.queue)
        wait_s = event.at - foretold.at
        book.pace.ended(wait_s)
        if contact is not None:
            _note_answer(floor, book, contact, foretold.at, event.at)
        for name, predicted_s in zip(PREDICTORS, foretold.told_s, strict=False):
            _score(book.score(name), predicted_s, wait_s)
        _learn(book, foretold, wait_s)
        self._infer(book, foretold, event.at)

    def _infer(self, book: QueueBook, answered: Pending, at: float) -> None:
        """Whoever left and stood before the one answered now would have been answered by now."""
        left = self.gone.get(answered.queue)
        if not left:
            return
        known = [each for each in left if each.effective_at <= answered.effective_at]
        self.gone[answered.queue] = [each for each in left if each.effective_at > answered.effective_at]
        for each in known:
            book.inferred += 1
            _learn(book, each, at - each.at, judged=not each.outlasted)

    def _released(self, event: ev.OfferReleased) -> None:
        queue, since = self.talking.pop(event.offer_id, ("", 0.0))
        if queue:
            book = self._book(queue)
            book.handled += 1
            book.handle_s += (event.at - since - book.handle_s) / min(book.handled, 1 / _RECENT_HANDLE)

    def _left(self, event: ev.ContactEnded | ev.SegmentClosed) -> None:
        foretold = self.pending.pop(event.contact_id, None)
        if foretold is None:
            return
        book = self._book(foretold.queue)
        book.abandoned += 1
        book.pace.left_unanswered(event.at, wait_s=event.at - foretold.at)
        if event.at - foretold.at > foretold.high_s:
            book.outlasted += 1
            foretold.outlasted = True
            _judge(book, foretold, held=False)
        left = self.gone.setdefault(foretold.queue, [])
        left.append(foretold)
        del left[:-_GONE]

    def _book(self, queue: str) -> QueueBook:
        book = self.queues.get(queue)
        if book is None:
            book = self.queues[queue] = QueueBook()
        return book


def _longest_s(floor: Floor, contact: Contact, now: float) -> float:
    """Return the longest that `contact` can wait: until it expires, or where somebody is free for it until it
    is kept for its preferred agent no longer.
    """
    until = contact.expires_at
    if contact.step < 0 and able_at(floor, contact, 0) & floor.staff.open & floor.staff.room[contact.channel]:
        until = min(until, contact.preferred_until)
    return max(until - now, 0.0)


def queue_of(contact: Contact) -> str:
    """Return the name of the queue a contact waits in: its team and channel."""
    return f"{contact.team_id}/{contact.channel.value}"


class _Seen(NamedTuple):
    features: list[float]
    """What the predictors go by: one, the three simple estimates, contacts ahead by agent, time of day."""
    turns: float
    paced_s: float


def _features(floor: Floor, book: QueueBook, contact: Contact, now: float) -> _Seen | None:
    """Return what can be seen of the wait that `contact` begins.

    None where nobody who is there could take the contact, at its step or a later one.
    """
    able, opens_s = _who(floor, contact, now)
    if not able:
        return None
    places = _places(floor, contact, able)
    line = _line_of(floor, contact, able, now, book=book, places=places)
    share = min((line.ahead + 1) / max(line.length, 1), 1.0)
    angle = 2 * pi * (now % _DAY_S) / _DAY_S
    turns = line.rivals + 1
    features = [
        1.0,
        max(turns * book.handle_s / places, opens_s),
        book.last_wait_s * share,
        line.head_s * share,
        line.ahead / places,
        sin(angle),
        cos(angle),
    ]
    paced_s = book.pace.wait_s(turns, places=places, handle_s=book.handle_s)
    return _Seen(features, turns, max(paced_s, opens_s))


def _places(floor: Floor, contact: Contact, able: int) -> int:
    """Return how many contacts of the kind those who may take `contact` can have at once."""
    places = floor.staff.places(contact.channel)
    return sum(count * (able & mask).bit_count() for count, mask in places.items())


def _note_answer(floor: Floor, book: QueueBook, contact: Contact, began_at: float, at: float) -> None:
    """Have the pace learn from one more who was answered out of the line."""
    able, opens_s = _who(floor, contact, at)
    if able and not opens_s:
        places = _places(floor, contact, able)
        book.pace.answered(at, began_at=began_at, places=places, handle_s=book.handle_s)


def _who(floor: Floor, contact: Contact, now: float) -> tuple[int, float]:
    """Return who is there and may take the contact, and in how many seconds: 0 at its own step."""
    there = floor.staff.present & floor.staff.responding & floor.staff.takers(contact.channel)
    team = floor.team(contact.team_id)
    first = max(contact.step, 0)
    able = able_at(floor, contact, first) & there
    if able:
        return able, 0.0
    for number, step in enumerate(team.steps[first:], first + 1):
        if step.overflow_to is not None:
            able = floor.staff.members.get(step.overflow_to, 0) & there
        else:
            able = able_at(floor, contact, number) & there
        if able:
            return able, max(contact.segment_at + step.after_s - now, 0.0)
    return 0, 0.0


class _Queue(NamedTuple):
    ahead: int
    rivals: float
    """Those ahead, each by the share of its agents who may take this contact too."""
    head_s: float
    """How long the first in line on the same channel has waited."""
    length: int
    """How many stand in line on the same channel."""


def _line_of(
    floor: Floor, contact: Contact, able: int, now: float, *, book: QueueBook, places: int
) -> _Queue:
    there = floor.staff.present & floor.staff.responding
    aim_s = target_s(floor.policy, floor.team(contact.team_id), contact.channel)
    ahead, rivals, since, count = 0, 0.0, inf, 0
    mine = floor.queues.by_team.get(contact.team_id, {}).values()
    lines = [line for line in mine if line.key[0] == contact.team_id]
    # Those in more or less of a hurry go before it if they are more urgent when its turn comes.
    for line in sorted(lines, key=lambda each: each.target_s != aim_s):
        at = now
        if line.target_s != aim_s:
            at += book.pace.wait_s(rivals + 1, places=places, handle_s=book.handle_s)
        before = line.before(contact, aim_s, at)
        if before:
            ahead += before
            theirs = line.mask(floor.staff) & there & floor.staff.takers(line.channel)
            if theirs:
                rivals += before * (theirs & able).bit_count() / theirs.bit_count()
        if line.channel is contact.channel:
            count += len(line.entries)
            since = min(since, floor.contacts[line.entries[0][1]].segment_at)
    return _Queue(ahead, rivals, now - since if count else 0.0, count)


class _Told(NamedTuple):
    waits_s: list[float]
    wait_s: float
    low_s: float
    high_s: float
    predictor: str


def _foretell(book: QueueBook, seen: _Seen, *, longest_s: float) -> _Told:
    waits, name = _waits(book, seen, longest_s), book.best
    wait_s = waits[PREDICTORS.index(name)]
    errors = book.score(name).errors
    low_s, high_s = interval(errors, book.level, wait_s=wait_s, turns=seen.turns, longest_s=longest_s)
    return _Told(waits, wait_s, low_s, high_s, name)


def _waits(book: QueueBook, seen: _Seen, longest_s: float) -> list[float]:
    """Return each predictor's wait, none beyond the contact's longest."""
    features = seen.features
    raw = (features[1], features[2], features[3], book.ridge.predict(features), seen.paced_s)
    return [min(max(each, 0.0), longest_s) for each in raw]


def _score(score: Score, predicted_s: float, wait_s: float) -> None:
    off_s = abs(predicted_s - wait_s)
    score.count += 1
    score.absolute_s += off_s
    score.squared_s2 += off_s * off_s
    score.recent_s += (off_s - score.recent_s) / min(score.count, 1 / _RECENT)


def _learn(book: QueueBook, foretold: Pending, wait_s: float, *, judged: bool = True) -> None:
    for name, predicted_s in zip(PREDICTORS, foretold.told_s, strict=False):
        _keep(book.score(name), error(predicted_s, wait_s, foretold.turns))
    book.ridge.learn(foretold.features, wait_s)
    if judged:
        _judge(book, foretold, held=foretold.low_s <= wait_s <= foretold.high_s)


def _keep(score: Score, error: float) -> None:
    if len(score.errors) < _WINDOW:
        score.errors.append(error)
    else:
        score.errors[score.next_error] = error
        score.next_error = (score.next_error + 1) % _WINDOW


def _judge(book: QueueBook, foretold: Pending, *, held: bool) -> None:
    book.judged += 1
    book.covered += held
    book.width_s += foretold.high_s - foretold.low_s
    book.level = corrected(book.level, held=held)
