"""The one write path of the floor: commands gather, are decided and stored as one transaction.

While a batch commits, the next one gathers; there is no artificial wait. No caller is told yes before the
commit. A command that is refused fails alone; one that breaks something is set apart and the rest of its
batch is carried out without it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import msgspec
import structlog

from app import meters
from app.clock import Clock, stopwatch
from app.db import floor_rows, wait_books
from app.db.engine import Connection, Database, OutageError
from app.errors import (
    AppError,
    IdempotencyMismatchError,
    OverloadedError,
)
from app.projection import tally
from app.refusals import error_of
from routing import events as ev
from routing.commands import Command, Identity, Tick
from routing.decide import decide
from routing.floor import Floor
from routing.model import Contact, Ticket
from routing.policy import Policy
from routing.refused import Refused
from routing.wait import Estimate, QueueBook, WaitBook

log = structlog.get_logger()

_BOOK_S: Final = 60.0
_NUDGE_S: Final = 1.0
_CATCH_UP: Final = 5000
"""Beyond so many foreign events the floor is loaded anew instead."""


class Answer(NamedTuple):
    """What a caller is told: HTTP status and encoded JSON."""

    status: int
    body: bytes


class Key(NamedTuple):
    """An idempotency key: whose it is, the key, and a fingerprint of the request it came with."""

    scope: str
    key: str
    fingerprint: str


class Found:
    """What a batch's queries found, kept up to date as its commands are decided."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._customers: dict[tuple[str, str], int] = {}
        self._tickets: dict[int, list[Ticket]] = {}
        self.named: dict[int, Ticket] = {}
        """Tickets that commands name by id, as stored; missing where there is none."""

    def fill(self, known: dict[tuple[str, str], int], tickets: dict[int, list[Ticket]]) -> None:
        """Take in the result of the batch's customer query."""
        self._customers, self._tickets = known, tickets

    def customer_id(self, identity: Identity) -> int | None:
        """Return who the customer is, or None."""
        keys = floor_rows.identity_keys(identity)
        return next((self._customers[key] for key in keys if key in self._customers), None)

    def tickets(self, customer_id: int | None) -> tuple[Ticket, ...]:
        """Return the tickets that a contact of the customer could join, newest first."""
        if customer_id is None:
            return ()
        found = {ticket.id: ticket for ticket in self._tickets.get(customer_id, ())}
        for ticket in self._floor.changes.tickets.values():
            if ticket.customer_id == customer_id:
                found[ticket.id] = ticket
        for ticket_id in self._floor.tickets_by_customer.get(customer_id, ()):
            found[ticket_id] = self._floor.tickets[ticket_id]
        return tuple(sorted(found.values(), key=lambda each: -each.id))

    def ticket(self, ticket_id: int) -> Ticket | None:
        """Return a ticket as it stands, on the floor, changed in this batch, or stored."""
        live = self._floor.tickets.get(ticket_id) or self._floor.changes.tickets.get(ticket_id)
        return live or self.named.get(ticket_id)

    def agent_of_offer(self, offer_id: int) -> str | None:
        """Return to whom a live offer was made, or None."""
        offer = self._floor.offers.get(offer_id)
        return offer.agent_id if offer is not None else None

    def agent_of_contact(self, contact_id: int) -> str | None:
        """Return who talks to the customer, also while passing the contact on, or wraps up; or None."""
        contact = self._floor.contacts.get(contact_id)
        if contact is None or contact.offer_id is None:
            return None
        return self.agent_of_offer(contact.offer_id)

    def saw(self, events: Iterable[ev.Event]) -> None:
        """Learn the customers that a decided command added."""
        for event in events:
            if type(event) is ev.CustomerAdded:
                for key in floor_rows.identity_keys(event.identity):
                    self._customers.setdefault(key, event.customer_id)
            elif type(event) is ev.CustomersMerged:
                for key, customer_id in self._customers.items():
                    if customer_id == event.merged_id:
                        self._customers[key] = event.kept_id


Make = Callable[[Found], Command]
View = Callable[[Floor, Sequence[ev.Event]], Any]


@dataclass(slots=True)
class _Request:
    view: View
    future: asyncio.Future[Any]
    make: Make | None = None
    identity: Identity | None = None
    ticket_id: int | None = None
    key: Key | None = None


@dataclass(slots=True)
class _Batch:
    results: list[Any] = field(default_factory=list)
    events: list[ev.Event] = field(default_factory=list)
    encoded: list[bytes] = field(default_factory=list)
    first_seq: int = 0


class _BrokenError(Exception):
    """A command raised where it must not; `request` is to be set apart."""

    def __init__(self, request: _Request) -> None:
        super().__init__("a command broke")
        self.request = request


class Switchboard:
    """Owns the floor. `on_events(first_seq, encoded)` is called after each commit that appended events."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        batch_size: int = 256,
        max_waiting: int = 2000,
        on_events: Callable[[int, list[bytes]], None] | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._batch_size = batch_size
        self._max_waiting = max_waiting
        self._on_events = on_events
        self._floor: Floor | None = None
        self._book = WaitBook()
        self._book_saved_at = 0.0
        self._newest_at = 0.0
        self._policy = floor_rows.START
        self._waiting: deque[_Request] = deque()
        self._wake = asyncio.Event()
        self._look = False
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._nudge: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Load the floor and begin to take commands."""
        self._task = asyncio.create_task(self._run(), name="switchboard")
        await self.read(lambda floor: floor.seq)

    async def stop(self) -> None:
        """Carry out what was submitted, then take no more."""
        task, self._task = self._task, None
        if task is not None:
            self._wake.set()
            await task
        for handle in (self._timer, self._nudge):
            if handle is not None:
                handle.cancel()

    async def submit(self, command: Command, view: View, *, key: Key | None = None) -> Any:
        """Carry out `command` durably and return `view(floor, events)` as it was right after it.

        With a `key`, `view` must return an Answer; the same key gives the same Answer again. Raises the
        AppError that a refusal means, OverloadedError, StorageUnavailableError.
        """
        return await self._enqueue(_Request(view, self._future(), make=lambda _: command, key=key))

    async def submit_for(
        self,
        make: Make,
        view: View,
        *,
        identity: Identity | None = None,
        ticket_id: int | None = None,
        key: Key | None = None,
    ) -> Any:
        """Like `submit`, for a command that needs the stored customer or ticket: `make(found)` builds it."""
        request = _Request(view, self._future(), make=make, identity=identity, ticket_id=ticket_id, key=key)
        return await self._enqueue(request)

    async def read(self, view: Callable[[Floor], Any]) -> Any:
        """Return `view(floor)` on a floor that has caught up with every committed event."""
        return await self._enqueue(_Request(lambda floor, _: view(floor), self._future()))

    def estimate(self, floor: Floor, contact: Contact) -> Estimate | None:
        """Return what a waiting contact has to expect; to be called from a view only."""
        return self._book.estimate(floor, contact, self._clock.now())

    def scores(self) -> dict[str, QueueBook]:
        """Return what is known of the waits of each queue; to be called from a view only."""
        return self._book.queues

    def nudge(self) -> None:
        """Catch up within a second: another replica has committed, and its timers are now ours too."""
        if self._nudge is None and self._task is not None:
            self._nudge = asyncio.get_running_loop().call_later(_NUDGE_S, self._nudged)

    def _nudged(self) -> None:
        self._nudge = None
        self._look_now()

    def _look_now(self) -> None:
        """Have a batch carried out even if no command waits: time or another replica has changed things."""
        self._look = True
        self._wake.set()

    @property
    def policy(self) -> Policy:
        """The policy in force when the last batch was carried out."""
        return self._policy

    @property
    def waiting(self) -> int:
        """How many commands wait for the next batch."""
        return len(self._waiting)

    def _future(self) -> asyncio.Future[Any]:
        return asyncio.get_running_loop().create_future()

    async def _enqueue(self, request: _Request) -> Any:
        if self._task is None or self._task.done():
            raise OverloadedError("The service is stopping.", headers={"Retry-After": "1"})
        if len(self._waiting) >= self._max_waiting:
            raise OverloadedError(
                f"{len(self._waiting)} commands wait already; nothing was done.",
                headers={"Retry-After": "1"},
            )
        self._waiting.append(request)
        self._wake.set()
        return await request.future

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            await self._work()
            if self._task is None and not self._waiting:
                return

    async def _work(self) -> None:
        while self._waiting or self._look:
            self._look = False
            await self._take_in()
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._batch_size))]
            await self._attempt([each for each in batch if not each.future.cancelled()])
        self._set_timer()

    async def _take_in(self) -> None:
        """Let the loop read what has arrived already, as long as that brings commands; nothing is waited for.

        A request needs three rounds of the loop from its socket to the queue.
        """
        before = -1
        while before < len(self._waiting) < self._batch_size:
            before = len(self._waiting)
            for _ in range(3):
                await asyncio.sleep(0)

    async def _attempt(self, batch: list[_Request]) -> None:
        """Carry a batch out, or part of it: what breaks is set apart and the rest tried again."""
        took_s = stopwatch()
        try:
            done = await self._database.tx(self._carry_out, batch)
        except _BrokenError as broken:
            self._floor = None
            _resolve(broken.request, AppError())
            log.error("command_failed", exc_info=broken.__cause__)
            await self._attempt([each for each in batch if each is not broken.request])
        except OutageError as outage:
            self._floor = None
            meters.BATCHES.labels("failed").inc()
            for request in batch:
                _resolve(request, OutageError())
            log.error("transaction_failed", error=type(outage.__cause__).__name__)
            await asyncio.sleep(0.1)
        except Exception as error:
            # The outermost frame of the loop: without it one fault would end every later command.
            self._floor = None
            if len(batch) > 1:
                # The database refuses something that one of them wants: find out which.
                middle = len(batch) // 2
                await self._attempt(batch[:middle])
                await self._attempt(batch[middle:])
                return
            for request in batch:
                _resolve(request, error if isinstance(error, AppError) else AppError())
            if not isinstance(error, AppError):
                log.exception("batch_failed")
        else:
            _meter(done, took_s())
            for request, result in zip(batch, done.results, strict=True):
                _resolve(request, result)
            if done.encoded and self._on_events is not None:
                self._on_events(done.first_seq, done.encoded)

    def _carry_out(self, conn: Connection, batch: list[_Request]) -> _Batch:
        floor = self._caught_up(conn)
        # Hazard: not before the lock is held, and never before the newest event: the clocks of replicas
        # differ, and a machine's clock may have been set back since the log was written.
        now = max(self._clock.now(), self._newest_at)
        done = _Batch(first_seq=floor.seq + 1)
        found = self._find(conn, floor, batch, now)
        stored = floor_rows.find_answers(
            conn, [(each.key.scope, each.key.key) for each in batch if each.key is not None]
        )
        answers: list[tuple[str, str, str, int, str, float]] = []
        due = floor.next_due()
        if due is not None and due <= now:
            ticked = decide(floor, Tick(), now)
            done.events += ticked if isinstance(ticked, list) else []
            self._book.observe(floor, done.events)
        for request in batch:
            result = self._one(floor, request, found, stored, done, now)
            if request.key is not None and isinstance(result, Answer):
                key = request.key
                if (key.scope, key.key) not in stored:
                    body = result.body.decode()
                    stored[key.scope, key.key] = (key.fingerprint, result.status, body)
                    answers.append((*key, result.status, body, now))
            done.results.append(result)
        self._policy = floor.policy
        changes = floor.drain()
        if done.events:
            self._newest_at = now
        if done.events or answers:
            tallied = tally(floor, done.events, changes)
            done.encoded = floor_rows.save_batch(
                conn,
                floor=floor,
                first_seq=done.first_seq,
                events=done.events,
                changes=changes,
                stats=tallied.sums,
                waits=tallied.waits,
                times=tallied.times,
                answers=answers,
            )
            self._save_book(conn, now)
        return done

    def _save_book(self, conn: Connection, now: float) -> None:
        """Store what was learnt about waits now and then: losing the last minute of it costs little."""
        if now - self._book_saved_at >= _BOOK_S:
            wait_books.save_wait_book(conn, msgspec.msgpack.encode(self._book), now)
            self._book_saved_at = now

    def _caught_up(self, conn: Connection) -> Floor:
        seq, next_id = floor_rows.lock_head(conn)
        floor = self._floor
        if floor is None or floor.seq > seq or seq - floor.seq > _CATCH_UP:
            floor = self._floor = floor_rows.load_floor(conn)
            self._newest_at = floor_rows.read_newest_at(conn) or 0.0
            self._book = wait_books.find_wait_book(conn) or self._book
            self._book.prune(floor)
        elif floor.seq < seq:
            for _, data in floor_rows.events_after(conn, floor.seq, _CATCH_UP):
                event = ev.decode(data)
                floor.apply(event)
                self._newest_at = event.at
                self._book.observe(floor, (event,))
            floor.drain()
            floor.settle()
            floor.next_id = next_id
        return floor

    def _find(self, conn: Connection, floor: Floor, batch: list[_Request], now: float) -> Found:
        found = Found(floor)
        keys = [
            key
            for each in batch
            if each.identity is not None
            for key in floor_rows.identity_keys(each.identity)
        ]
        if keys:
            found.fill(*floor_rows.find_customers(conn, keys, since=now - floor.policy.reopen_s))
        named = [each.ticket_id for each in batch if each.ticket_id is not None]
        found.named = floor_rows.find_tickets(conn, (each for each in named if each not in floor.tickets))
        return found

    def _one(
        self,
        floor: Floor,
        request: _Request,
        found: Found,
        stored: dict[tuple[str, str], tuple[str, int, str]],
        done: _Batch,
        now: float,
    ) -> Any:
        """Return the result of one request, or the AppError that is to be raised to its caller."""
        try:
            if request.key is not None:
                known = stored.get((request.key.scope, request.key.key))
                if known is not None:
                    if known[0] != request.key.fingerprint:
                        return IdempotencyMismatchError()
                    return Answer(known[1], known[2].encode())
            events: list[ev.Event] = []
            if request.make is not None:
                outcome = decide(floor, request.make(found), now)
                if isinstance(outcome, Refused):
                    return error_of(outcome)
                events = outcome
                done.events += events
                found.saw(events)
                self._book.observe(floor, events)
            return request.view(floor, events)
        except AppError as error:
            return error
        except Exception as error:
            raise _BrokenError(request) from error

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        delay_s = _NUDGE_S  # after a failure the floor is to be loaded anew: what is due is not known
        if self._floor is not None:
            due = self._floor.next_due()
            if due is None:
                return
            # A timer far away is set again when it comes nearer: loops take no delays of centuries.
            delay_s = min(self._clock.real_s(due - self._clock.now()), 3600.0)
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._look_now)


def _meter(done: _Batch, took_s: float) -> None:
    refused = sum(isinstance(each, AppError) for each in done.results)
    meters.BATCHES.labels("done").inc()
    meters.BATCH_S.observe(took_s)
    meters.EVENTS.inc(len(done.events))
    meters.COMMANDS.labels("done").inc(len(done.results) - refused)
    meters.COMMANDS.labels("refused").inc(refused)


def _resolve(request: _Request, result: Any) -> None:
    if request.future.done():
        return
    if isinstance(result, AppError):
        request.future.set_exception(result)
    else:
        request.future.set_result(result)
