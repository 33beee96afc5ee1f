"""A batch of commands: what is asked, what was decided, and the rows that it means."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from app import meters
from app.db import floor_rows
from app.db.batch_writes import Row
from app.errors import AppError, IdempotencyMismatchError
from app.found import Found, Stored, Wanted
from app.projection import tally
from app.refusals import error_of
from routing import events as ev
from routing.commands import Command, Identity, Tick
from routing.decide import decide
from routing.floor import Floor
from routing.model import Ticket
from routing.refused import Refused
from routing.wait import WaitBook


class Answer(NamedTuple):
    """What a caller is told: HTTP status and encoded JSON."""

    status: int
    body: bytes


class Key(NamedTuple):
    """An idempotency key: whose it is, the key, and a fingerprint of the request it came with."""

    scope: str
    key: str
    fingerprint: str


Make = Callable[[Found], Command]
View = Callable[[Floor, Sequence[ev.Event]], Any]
Told = Callable[[Any], None]


@dataclass(slots=True)
class Errand:
    """What a caller asks for, if anything, and what it wants to see.

    `make(found)` builds the command from stored customers (those of `identity`, `customer_ids`) and a stored
    ticket; `view(floor, events)` is what the caller sees right after it. With a `key`, `view` must return an
    Answer; the same key gives the same Answer again.
    """

    view: View
    make: Make | None = None
    identity: Identity | None = None
    ticket_id: int | None = None
    customer_ids: tuple[int, ...] = ()
    key: Key | None = None
    told: Told | None = None
    """Called once, in the loop: with what `view` saw or the AppError that came instead. Must not raise."""
    dropped: bool = False
    """Whether the caller has left before anything was done."""

    def resolve(self, result: Any) -> None:
        """Tell the caller its result, which may be an AppError; only the first time counts."""
        told, self.told = self.told, None
        if told is not None:
            told(result)


def for_command(command: Command, view: View, *, key: Key | None = None) -> Errand:
    """Return the errand to carry out a command that needs nothing stored."""
    return Errand(view, lambda _: command, key=key)


@dataclass(slots=True)
class Batch:
    """What was decided, and what of it is to be stored; `rows` are empty where nothing is."""

    first_seq: int
    results: list[Any] = field(default_factory=list)
    events: list[ev.Event] = field(default_factory=list)
    answers: Stored = field(default_factory=dict)
    encoded: list[bytes] = field(default_factory=list)
    rows: dict[str, Sequence[Row]] = field(default_factory=dict)
    tickets: dict[int, Ticket] = field(default_factory=dict)
    """Tickets as the batch left them, by id."""
    book: tuple[bytes, float] | None = None
    """What was learnt about waits, encoded, and when; now and then."""


class BrokenError(Exception):
    """A command raised where it must not; `errand` is to be set apart."""

    def __init__(self, errand: Errand) -> None:
        super().__init__("a command broke")
        self.errand = errand


class StaleError(Exception):
    """The log has grown since a batch was decided: nothing of it was stored, it is to be decided anew."""


def wanted_by(errands: Sequence[Errand], floor: Floor, now: float, *, head: bool = False) -> Wanted:
    """Return what has to be read for `errands`; with `head` also where the log ends."""
    return Wanted(
        keys=tuple(
            key
            for each in errands
            if each.identity is not None
            for key in floor_rows.identity_keys(each.identity)
        ),
        ticket_ids=tuple(
            each.ticket_id
            for each in errands
            if each.ticket_id is not None and each.ticket_id not in floor.tickets
        ),
        customer_ids=tuple(customer_id for each in errands for customer_id in each.customer_ids),
        answers=tuple((each.key.scope, each.key.key) for each in errands if each.key is not None),
        since=now - floor.policy.reopen_s,
        head=head,
    )


def decide_batch(
    errands: Sequence[Errand],
    floor: Floor,
    found: Found,
    stored: Stored,
    now: float,
    *,
    book: WaitBook,
    tick: bool = True,
) -> Batch:
    """Let what is due happen, if `tick`, then decide each errand; the floor changes, its changes are drained.

    `stored` are the answers given before, by idempotency key, and gets those given now. Raises BrokenError
    where a command does; the floor is of no use then.
    """
    done = Batch(first_seq=floor.seq + 1)
    due = floor.next_due()
    if tick and due is not None and due <= now:
        ticked = decide(floor, Tick(), now)
        done.events += ticked if isinstance(ticked, list) else []
        book.observe(floor, done.events)
    for errand in errands:
        result = _one(errand, floor, found, stored, done, now, book)
        if errand.key is not None and isinstance(result, Answer):
            key = errand.key
            if (key.scope, key.key) not in stored:
                answer = (key.fingerprint, result.status, result.body.decode())
                stored[key.scope, key.key] = done.answers[key.scope, key.key] = answer
        done.results.append(result)
    changes = floor.drain()
    if done.events or done.answers:
        done.tickets = changes.tickets
        tallied = tally(floor, done.events, changes)
        done.encoded, done.rows = floor_rows.batch_rows(
            floor=floor,
            first_seq=done.first_seq,
            events=done.events,
            changes=changes,
            stats=tallied.sums,
            waits=tallied.waits,
            times=tallied.times,
            answers=[(*key, *answer, now) for key, answer in done.answers.items()],
        )
    return done


def measure(done: Batch, took_s: float) -> None:
    """Count a batch that is stored."""
    refused = sum(isinstance(each, AppError) for each in done.results)
    _BATCHES_DONE.inc()
    meters.BATCH_S.observe(took_s)
    meters.EVENTS.inc(len(done.events))
    _COMMANDS_DONE.inc(len(done.results) - refused)
    _COMMANDS_REFUSED.inc(refused)


_BATCHES_DONE = meters.BATCHES.labels("done")
_COMMANDS_DONE, _COMMANDS_REFUSED = (meters.COMMANDS.labels(each) for each in ("done", "refused"))


def _one(
    errand: Errand, floor: Floor, found: Found, stored: Stored, done: Batch, now: float, book: WaitBook
) -> Any:
    """Return the result of one errand, or the AppError that is to be raised to its caller."""
    try:
        if errand.key is not None:
            known = stored.get((errand.key.scope, errand.key.key))
            if known is not None:
                if known[0] != errand.key.fingerprint:
                    return IdempotencyMismatchError()
                return Answer(known[1], known[2].encode())
        events: list[ev.Event] = []
        if errand.make is not None:
            outcome = decide(floor, errand.make(found), now)
            if isinstance(outcome, Refused):
                return error_of(outcome)
            events = outcome
            done.events += events
            found.saw(events)
            book.observe(floor, events)
        return errand.view(floor, events)
    except AppError as error:
        return error
    except Exception as error:
        raise BrokenError(errand) from error
