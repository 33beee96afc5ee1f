"""Where long computations run: child processes, or threads of this one, with progress and cancel.

Everything goes through the interface of `concurrent.futures`, so another executor can take its place.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing import connection
from typing import Any, Final, Protocol

from app.planning.desk import CancelledRunError

Heard = Callable[[int, float, str], None]

GRACE_S: Final = 2.0
"""How long a child may go on after it was asked to stop; a solver may not look for half a minute."""
_PATIENCE_S: Final = 1.0


class _Queue(Protocol):
    def put(self, item: Any, /) -> None: ...

    def get(self) -> Any: ...


class _Flag(Protocol):
    def set(self) -> None: ...

    def clear(self) -> None: ...

    def is_set(self) -> bool: ...


class Progress:
    """What a computation reports to; see `app.planning.desk.Report`."""

    def __init__(self, messages: _Queue, flag: _Flag, run_id: int) -> None:
        self._messages = messages
        self._flag = flag
        self._run_id = run_id

    def __call__(self, share: float, message: str) -> None:
        """Send how far it is; raise CancelledRunError when it is to stop."""
        if self._flag.is_set():
            raise CancelledRunError
        self._messages.put((self._run_id, share, message))

    def cancelled(self) -> bool:
        """Return whether it is to stop."""
        return self._flag.is_set()


class Compute:
    """At most `processes` computations at a time, each in a child of its own; with 0, one in a thread.

    `heard(run_id, share, message)` is called in the event loop for each report. A child that has died, or was
    ended because it did not stop when asked to, is replaced; the others go on.
    """

    def __init__(self, processes: int, heard: Heard) -> None:
        self._heard = heard
        self._places = [_Place(in_child=processes > 0) for _ in range(max(processes, 1))]
        self._free = list(self._places)
        self._place_of: dict[int, _Place] = {}

    async def run(self, run_id: int, f: Callable[..., Any], *args: Any) -> Any:
        """Return `f(report, *args)`, computed elsewhere; raises what it raises."""
        place = self._free.pop()
        self._place_of[run_id] = place
        try:
            return await asyncio.wrap_future(place.begin(self._heard, run_id, f, args))
        except asyncio.CancelledError:
            # Nobody waits any more, but a thread goes on until it is told.
            place.end()
            raise
        except BrokenProcessPool:
            stopped = place.flag.is_set()
            place.end()
            if stopped:
                raise CancelledRunError from None
            raise
        finally:
            if place.killed:
                # Also where it had just stopped by itself: the next computation has a new child.
                place.end()
            self._place_of.pop(run_id, None)
            self._free.append(place)

    def cancel(self, run_id: int) -> None:
        """Ask a run's computation to stop, if it has one under way; a child that does not is ended soon."""
        place = self._place_of.get(run_id)
        if place is None or place.flag.is_set():
            return
        place.flag.set()
        asyncio.get_running_loop().call_later(GRACE_S, self._insist, run_id, place, place.turn)

    def close(self) -> None:
        """End all computations at once; blocks until they have ended."""
        for place in self._places:
            place.close()

    def _insist(self, run_id: int, place: _Place, turn: int) -> None:
        if self._place_of.get(run_id) is place and place.turn == turn:
            place.kill()


class _Place:
    """Where one computation at a time runs: a child process, begun when it is needed, or a thread.

    Each has a queue of its own: one who is killed while writing to it leaves it locked.
    """

    def __init__(self, *, in_child: bool) -> None:
        self._in_child = in_child
        self._lock = threading.Lock()
        self._executor: Executor | None = None
        self._messages: _Queue | None = None
        self._listener: threading.Thread | None = None
        self.flag: _Flag = threading.Event()
        self.turn = 0
        """Number of the computation."""
        self.killed = False
        """Whether its child was ended."""

    def begin(self, heard: Heard, run_id: int, f: Callable[..., Any], args: Any) -> Future[Any]:
        """Start a computation."""
        executor, messages = self._opened(heard)
        self.flag.clear()
        self.turn += 1
        self.killed = False
        if self._in_child:
            return executor.submit(_in_child, run_id, f, args)
        return executor.submit(f, Progress(messages, self.flag, run_id), *args)

    def kill(self) -> None:
        """End the child, whatever it does."""
        with self._lock:
            if self._executor is not None:
                self.killed = self._in_child
                _kill(self._executor)

    def end(self) -> None:
        """Ask what runs to stop, and end the child: the next computation has a new one."""
        self.flag.set()
        if self._in_child:
            self._leave(wait=False)

    def close(self) -> None:
        """End what runs; blocks until it has ended."""
        self.flag.set()
        self._leave(wait=True)

    def _leave(self, *, wait: bool) -> None:
        """Give up executor and queue, once, whoever asks first: an ended run or the one who closes."""
        with self._lock:
            executor, messages, listener = self._executor, self._messages, self._listener
            self._executor = self._messages = self._listener = None
        if executor is None or messages is None or listener is None:
            return
        _kill(executor)
        executor.shutdown(wait=wait, cancel_futures=True)
        # A child that was killed while it wrote has left the queue locked: nobody waits for that.
        threading.Thread(target=messages.put, args=(None,), daemon=True).start()
        if wait:
            listener.join(_PATIENCE_S)

    def _opened(self, heard: Heard) -> tuple[Executor, _Queue]:
        if self._executor is not None and self._messages is not None:
            return self._executor, self._messages
        executor: Executor
        messages: _Queue
        if self._in_child:
            spawn = multiprocessing.get_context("spawn")
            messages, self.flag = spawn.SimpleQueue(), spawn.Event()
            executor = ProcessPoolExecutor(
                1, mp_context=spawn, initializer=_attach, initargs=(messages, self.flag)
            )
        else:
            messages = queue.SimpleQueue()
            executor = ThreadPoolExecutor(1, thread_name_prefix="compute")
        loop = asyncio.get_running_loop()
        self._listener = threading.Thread(
            target=_pass_on, args=(messages, loop, heard), name="compute-news", daemon=True
        )
        self._listener.start()
        self._executor, self._messages = executor, messages
        return executor, messages


def _kill(executor: Executor) -> None:
    """End the children of an executor; it has no public way to end one that is busy."""
    for child in list((getattr(executor, "_processes", None) or {}).values()):
        child.kill()


def _pass_on(messages: _Queue, loop: asyncio.AbstractEventLoop, heard: Heard) -> None:
    while (message := messages.get()) is not None:
        with suppress(RuntimeError):  # the loop is closing; nobody listens any more
            loop.call_soon_threadsafe(heard, *message)


_attached: list[Any] = []


def _attach(messages: _Queue, flag: _Flag) -> None:
    """Prepare a child: it leaves Ctrl-C to its parent and ends with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _attached[:] = [messages, flag]
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)


def _in_child(run_id: int, f: Callable[..., Any], args: Any) -> Any:
    messages, flag = _attached
    return f(Progress(messages, flag, run_id), *args)
