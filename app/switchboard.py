"""The one write path of the floor: commands gather, are decided and stored as one transaction.

While a batch is being stored the next one is decided; there is no artificial wait. No caller is told yes
before the commit, and a batch is stored only after the one before it: where that fails, what was decided on
top of it is void and done again. Where other replicas append to the log too, a batch is decided under the
floor's lock instead. A command that is refused fails alone; one that breaks something is set apart and the
rest of its batch is carried out without it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import msgspec
import structlog

from app import meters
from app.batch import (
    Batch,
    BrokenError,
    Errand,
    Key,
    StaleError,
    View,
    decide_batch,
    for_command,
    measure,
    wanted_by,
)
from app.clock import Clock, stopwatch
from app.db import floor_rows, log_kinds, wait_books
from app.db.batch_writes import at_once
from app.db.engine import Connection, Database, OutageError, PostgresDatabase
from app.errors import AppError, NewerReleaseError, OverloadedError
from app.found import Found, Looked, Stored, look_up, look_up_by
from routing import events as ev
from routing.commands import Command
from routing.floor import Floor
from routing.model import Contact
from routing.policy import Policy
from routing.wait import Estimate, QueueBook, WaitBook

log = structlog.get_logger()

_BOOK_S: Final = 60.0
_NUDGE_S: Final = 1.0
_CATCH_UP: Final = 5000
"""Beyond so many foreign events the floor is loaded anew instead."""
_LATELY: Final = 1000
"""So many of the newest events are looked through when the service starts."""
_SPLIT: Final = 16
"""From how many commands on a batch takes at most half of them and of those being stored.

Callers who wait for answers and then send the next commands would otherwise come to wait all together, or one
alone beside all others, for ever: two equal halves are decided and stored in turns.
"""
_SHARED_S: Final = 1.0
"""How long batches are decided under the lock after another replica was seen to append."""


class _MoreThanLiteralsError(Exception):
    """The floor has to be loaded, or customers move: that takes more than literal statements."""


@dataclass(slots=True)
class _Flight:
    """A batch that was decided while the one before was being stored, and is being stored itself."""

    errands: list[Errand]
    done: Batch
    task: asyncio.Task[None]


def _settle(future: asyncio.Future[Any], result: Any) -> None:
    if future.done():
        return
    if isinstance(result, AppError):
        future.set_exception(result)
    else:
        future.set_result(result)


def _too_old(kind: str) -> NewerReleaseError:
    return NewerReleaseError(
        f"A newer release has written an event {kind!r} that this replica can't read; ask another one.",
        headers={"Retry-After": "30"},
        kind=kind,
    )


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
        self._waiting: deque[Errand] = deque()
        self._wake = asyncio.Event()
        self._look = False
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._nudge: asyncio.TimerHandle | None = None
        self._flight: _Flight | None = None
        self._sole = database.dialect == "sqlite"
        """Whether nobody else can write."""
        self._shared_until = 0.0
        self._resting = False
        self._known_seq: int | None = None
        """Up to here the log holds nothing that this release can't read, or it was there at the start."""
        self._unreadable: str | None = None
        """The kind of event by which a newer release was noticed: no command is taken from then on."""

    async def start(self) -> None:
        """Load the floor and begin to take commands."""
        self._loop = asyncio.get_running_loop()
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

        With a `key`, `view` must return an Answer; the same key gives the same Answer again. Raises as
        `carry_out` does.
        """
        return await self.carry_out(for_command(command, view, key=key))

    async def carry_out(self, errand: Errand) -> Any:
        """Carry out what is asked durably and return what its view saw right after it.

        Raises the AppError that a refusal means, OverloadedError, StorageUnavailableError.
        """
        future: asyncio.Future[Any] = self._loop.create_future()
        errand.told = partial(_settle, future)
        self.enqueue(errand)
        try:
            return await future
        except asyncio.CancelledError:
            errand.dropped = True
            raise

    def enqueue(self, errand: Errand) -> None:
        """Have what is asked carried out; `errand.told` gets what comes of it. Raises OverloadedError."""
        if self._task is None or self._task.done():
            raise OverloadedError("The service is stopping.", headers={"Retry-After": "1"})
        if self._unreadable is not None:
            raise _too_old(self._unreadable)
        if len(self._waiting) >= self._max_waiting:
            raise OverloadedError(
                f"{len(self._waiting)} commands wait already; nothing was done.",
                headers={"Retry-After": "1"},
            )
        self._waiting.append(errand)
        self._wake.set()

    async def read(self, view: Callable[[Floor], Any]) -> Any:
        """Return `view(floor)` on a floor that has caught up with every committed event."""
        return await self.carry_out(Errand(lambda floor, _: view(floor)))

    def estimate(self, floor: Floor, contact: Contact) -> Estimate | None:
        """Return what a waiting contact has to expect; to be called from a view only."""
        return self._book.estimate(floor, contact, self._clock.now())

    def scores(self) -> dict[str, QueueBook]:
        """Return what is known of the waits of each queue; to be called from a view only."""
        return self._book.queues

    def nudge(self) -> None:
        """Catch up within a second: another replica has committed, and its timers are now ours too."""
        if self._nudge is None and self._task is not None and not self._resting:
            self._nudge = self._loop.call_later(_NUDGE_S, self._nudged)

    def rest(self) -> None:
        """Leave what falls due to the replica that decides, and catch up only where somebody looks."""
        self._resting = True

    def resume(self) -> None:
        """Catch up at once: what falls due is ours again."""
        self._resting = False
        self._look_now()

    def _nudged(self) -> None:
        self._nudge = None
        self._look_now()

    def _look_now(self) -> None:
        """Have a batch carried out even if no command waits: time or another replica has changed things."""
        if self._unreadable is None:
            self._look = True
            self._wake.set()

    @property
    def policy(self) -> Policy:
        """The policy in force when the last batch was carried out."""
        return self._policy

    @property
    def gave_up(self) -> bool:
        """Whether no command is taken any more because a newer release has written to the log."""
        return self._unreadable is not None

    @property
    def waiting(self) -> int:
        """How many commands wait for the next batch."""
        return len(self._waiting)

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            await self._work()
            if self._task is None and not self._waiting:
                await self._landed()
                return

    async def _work(self) -> None:
        while True:
            if self._flight is not None and self._flight.task.done():
                await self._landed()
            if not (self._waiting or self._look):
                break
            self._look = False
            await self._take_in()
            size = min(len(self._waiting), self._batch_size)
            if size >= _SPLIT and not self._shared():
                flying = len(self._flight.errands) if self._flight is not None else 0
                size = min(size, (size + flying + 1) // 2)
            batch = [self._waiting.popleft() for _ in range(size)]
            batch = [each for each in batch if not each.dropped]
            if not await self._fly(batch):
                await self._landed()
                await self._attempt(batch)
        self._set_timer()

    async def _take_in(self) -> None:
        """Let the loop read what has arrived already, as long as that brings commands; nothing is waited for.

        A request on a hot route needs one round of the loop from its socket to the queue.
        """
        before = -1
        while before < len(self._waiting) < self._batch_size:
            before = len(self._waiting)
            await asyncio.sleep(0)

    async def _fly(self, batch: list[Errand]) -> bool:
        """Decide a batch while the one before is being stored, and have it stored while the next is decided.

        Return False, with the floor as it was stored or dropped, where that can't be: the floor is not in
        memory, another replica has appended to the log, something broke. Nothing of the batch has happened
        then.
        """
        floor = self._floor
        if floor is None or self._shared():
            return False
        before = self._flight
        if before is not None and floor_rows.changes_customers(before.done.events):
            # A merge moves rows that no overlay knows.
            before = None
            if not await self._landed():
                return False
        took_s = stopwatch()
        now = max(self._clock.now(), self._newest_at)
        wanted = wanted_by(batch, floor, now, head=not self._sole)
        try:
            looked = (
                await look_up_by(self._database.query, self._database.dialect, wanted) if wanted else Looked()
            )
        except Exception:
            # Whatever it is: it must not end the loop.
            return False  # the careful way meets it again and tells the callers
        if before is not None and before.task.done() and not await self._landed():
            return False
        ours = floor.seq if before is None else before.done.first_seq - 1
        if looked.head not in (None, floor.seq, ours):
            return False
        found = Found(floor, looked)
        if before is not None:
            # Hazard: also if it is stored by now. What was read may be older.
            found.add_flying(before.done.events, before.done.tickets)
            looked.answers.update(before.done.answers)
        try:
            decided = self._decide(floor, batch, found, looked.answers, now)
        except BrokenError:
            self._drop()
            return False
        if not await self._landed():
            return False
        if decided.rows:
            task = asyncio.create_task(self._land(batch, decided, took_s), name="switchboard-store")
            task.add_done_callback(lambda _: self._wake.set())
            self._flight = _Flight(batch, decided, task)
        else:
            self._tell(batch, decided, took_s())
        return True

    async def _land(self, batch: list[Errand], done: Batch, took_s: Callable[[], float]) -> None:
        if done.book is not None or floor_rows.changes_customers(done.events):
            await self._database.tx(self._write, done)
        elif not await self._database.store(done.rows, after=done.first_seq - 1):
            raise StaleError
        self._tell(batch, done, took_s())

    async def _landed(self) -> bool:
        """Wait until the batch before is stored; return False if it was not, with the floor dropped.

        Its callers are told either way. What failed for sure is carried out again with more care; after an
        outage nobody knows what was stored, so the callers hear of the outage.
        """
        flight, self._flight = self._flight, None
        if flight is None:
            return self._floor is not None
        try:
            await flight.task
        except OutageError as outage:
            await self._refuse(flight.errands, outage)
        except StaleError:
            self._share()
            self._drop()
            await self._attempt(flight.errands)
        except Exception as error:
            log.warning("batch_not_stored", error=type(error).__name__)
            self._drop()
            await self._attempt(flight.errands)
        else:
            return True
        # What was decided after it is void, also where its callers have been served meanwhile.
        return False

    def _drop(self) -> None:
        """Have the floor loaded anew: what is in memory never came to be."""
        self._floor = None

    async def _refuse(self, batch: list[Errand], outage: OutageError) -> None:
        self._drop()
        meters.BATCHES.labels("failed").inc()
        for errand in batch:
            errand.resolve(OutageError())
        log.error("transaction_failed", error=type(outage.__cause__).__name__)
        await asyncio.sleep(0.1)

    def _tell(self, batch: list[Errand], done: Batch, took_s: float) -> None:
        """Resolve the callers of a batch that is stored, and publish its events."""
        measure(done, took_s)
        for errand, result in zip(batch, done.results, strict=True):
            errand.resolve(result)
        if done.encoded:
            self._known_seq = done.first_seq + len(done.encoded) - 1
        if done.encoded and self._on_events is not None:
            self._on_events(done.first_seq, done.encoded)

    async def _attempt(self, batch: list[Errand]) -> None:
        """Carry a batch out, or part of it: what breaks is set apart and the rest tried again."""
        took_s = stopwatch()
        try:
            done = await self._carefully(batch)
        except ev.UnreadableEventError as unreadable:
            self._give_up(batch, unreadable)
        except BrokenError as broken:
            self._drop()
            broken.errand.resolve(AppError())
            log.error("command_failed", exc_info=broken.__cause__)
            await self._attempt([each for each in batch if each is not broken.errand])
        except OutageError as outage:
            await self._refuse(batch, outage)
        except Exception as error:
            # The outermost frame of the loop: without it one fault would end every later command.
            self._drop()
            if len(batch) > 1:
                # The database refuses something that one of them wants: find out which.
                middle = len(batch) // 2
                await self._attempt(batch[:middle])
                await self._attempt(batch[middle:])
                return
            for errand in batch:
                errand.resolve(error if isinstance(error, AppError) else AppError())
            if not isinstance(error, AppError):
                log.exception("batch_failed")
        else:
            self._tell(batch, done, took_s())

    def _give_up(self, batch: list[Errand], unreadable: ev.UnreadableEventError) -> None:
        """Take no more commands: what they would be decided on is not all that has happened."""
        self._drop()
        self._unreadable = unreadable.kind
        for errand in (*batch, *self._waiting):
            errand.resolve(_too_old(unreadable.kind))
        self._waiting.clear()
        log.error("newer_release_in_log", kind=unreadable.kind)

    def _share(self) -> None:
        """Note that another replica has appended to the log just now."""
        self._shared_until = self._clock.now() + _SHARED_S * self._clock.speed

    def _shared(self) -> bool:
        """Return whether another replica appends to the log, as far as is known."""
        return self._clock.now() < self._shared_until

    async def _carefully(self, batch: list[Errand]) -> Batch:
        """Decide and store a batch while nobody else can append to the log."""
        if isinstance(self._database, PostgresDatabase) and self._floor is not None:
            with suppress(_MoreThanLiteralsError):
                return await self._transact_by_literals(self._database, self._floor, batch)
            self._drop()
        return await self._database.tx(self._transact, batch)

    async def _transact_by_literals(
        self, database: PostgresDatabase, floor: Floor, batch: list[Errand]
    ) -> Batch:
        """Do as `_transact` does, at a fraction of the cost."""
        async with database.transaction() as ask:
            seq, next_id = (await ask(floor_rows.LOCK_HEAD))[0]
            if not floor.seq <= seq <= floor.seq + _CATCH_UP:
                raise _MoreThanLiteralsError
            if floor.seq < seq:
                rows = await ask(floor_rows.events_query(database.dialect, floor.seq, _CATCH_UP))
                self._catch_up(floor, (row[1] for row in rows), next_id)
            now = max(self._clock.now(), self._newest_at)
            looked = await look_up_by(ask, database.dialect, wanted_by(batch, floor, now))
            done = self._decide(floor, batch, Found(floor, looked), looked.answers, now)
            if floor_rows.changes_customers(done.events):
                raise _MoreThanLiteralsError
            if done.rows:
                await ask(at_once(done.rows, done.first_seq - 1))
            if done.book is not None:
                await ask(wait_books.wait_book_literal(database.dialect, *done.book))
            return done

    def _transact(self, conn: Connection, batch: list[Errand]) -> Batch:
        floor = self._caught_up(conn)
        # Hazard: not before the lock is held, and never before the newest event: the clocks of replicas
        # differ, and a machine's clock may have been set back since the log was written.
        now = max(self._clock.now(), self._newest_at)
        looked = look_up(conn, wanted_by(batch, floor, now))
        done = self._decide(floor, batch, Found(floor, looked), looked.answers, now)
        if done.rows:
            self._write(conn, done)
        return done

    def _decide(self, floor: Floor, batch: list[Errand], found: Found, stored: Stored, now: float) -> Batch:
        idle = self._resting and all(each.make is None for each in batch)
        done = decide_batch(batch, floor, found, stored, now, book=self._book, tick=not idle)
        self._policy = floor.policy
        if done.events:
            self._newest_at = now
        if done.rows and now - self._book_saved_at >= _BOOK_S:
            # Losing the last minute of what was learnt about waits costs little.
            done.book = (msgspec.msgpack.encode(self._book), now)
            self._book_saved_at = now
        return done

    def _write(self, conn: Connection, done: Batch) -> None:
        if not floor_rows.write_batch(conn, done.events, done.rows, after=done.first_seq - 1):
            raise StaleError
        if done.book is not None:
            wait_books.save_wait_book(conn, *done.book)

    def _caught_up(self, conn: Connection) -> Floor:
        seq, next_id = floor_rows.lock_head(conn)
        floor = self._floor
        if floor is None or floor.seq > seq or seq - floor.seq > _CATCH_UP:
            self._look_through(conn, seq)
            floor = self._floor = floor_rows.load_floor(conn)
            self._newest_at = floor_rows.read_newest_at(conn) or 0.0
            self._book = wait_books.find_wait_book(conn) or self._book
            self._book.prune(floor)
        elif floor.seq < seq:
            rows = floor_rows.events_after(conn, floor.seq, _CATCH_UP)
            self._catch_up(floor, (data for _, data in rows), next_id)
        return floor

    def _look_through(self, conn: Connection, seq: int) -> None:
        """Raise UnreadableEventError if the rows hold what a newer release has done since the start."""
        after = max(seq - _LATELY, 0) if self._known_seq is None else self._known_seq
        kind = log_kinds.find_other_kind(conn, ev.KINDS, after=after)
        if kind is not None and self._known_seq is not None:
            raise ev.UnreadableEventError(kind)
        if kind is not None:
            log.warning("newer_events_before_start", kind=kind)
        self._known_seq = seq

    def _catch_up(self, floor: Floor, encoded: Iterable[str], next_id: int) -> None:
        """Apply what other replicas have appended."""
        self._share()
        for data in encoded:
            event = ev.decode(data)
            floor.apply(event)
            self._newest_at = event.at
            self._book.observe(floor, (event,))
        floor.drain()
        floor.settle()
        floor.next_id = next_id
        self._known_seq = floor.seq

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._resting or self._unreadable is not None:
            return
        delay_s = _NUDGE_S  # after a failure the floor is to be loaded anew: what is due is not known
        if self._floor is not None:
            due = self._floor.next_due()
            if due is None:
                return
            # A timer far away is set again when it comes nearer: loops take no delays of centuries.
            delay_s = min(self._clock.real_s(due - self._clock.now()), 3600.0)
        self._timer = self._loop.call_later(delay_s, self._look_now)
