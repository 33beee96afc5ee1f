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
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import suppress
from multiprocessing import connection
from typing import Any, Protocol

from app.planning.desk import CancelledRunError

Heard = Callable[[int, float, str], None]


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
    """At most `processes` computations at a time, each in a child; with 0, one in a thread of this process.

    `heard(run_id, share, message)` is called in the event loop for each report.
    """

    def __init__(self, processes: int, heard: Heard) -> None:
        self._processes = processes
        self._heard = heard
        self._flags: Sequence[_Flag] = ()
        self._flags_of: dict[int, int] = {}
        self.generation = 0
        """Rises with every reopening."""
        self._open()

    async def run(self, run_id: int, f: Callable[..., Any], *args: Any) -> Any:
        """Return `f(report, *args)`, computed elsewhere; raises what it raises."""
        self._listen()
        # Those of now: they may be others once it has ended.
        free, flags = self._free, self._flags
        slot = free.pop()
        flags[slot].clear()
        self._flags_of[run_id] = slot
        try:
            return await asyncio.wrap_future(self._submit(slot, run_id, f, args))
        except asyncio.CancelledError:
            # Nobody waits any more, but the computation goes on until it is told.
            flags[slot].set()
            raise
        finally:
            self._flags_of.pop(run_id, None)
            free.append(slot)

    def cancel(self, run_id: int) -> None:
        """Ask a run's computation to stop, if it has one under way."""
        slot = self._flags_of.get(run_id)
        if slot is not None:
            self._flags[slot].set()

    def reopen(self) -> None:
        """Start anew with fresh children after one of them died."""
        self.close()
        self._open()
        self.generation += 1

    def close(self) -> None:
        """End all computations at once; blocks until they have ended."""
        for flag in self._flags:
            flag.set()
        # The executor has no public way to end a child that is busy.
        children = list((getattr(self._executor, "_processes", None) or {}).values())
        self._executor.shutdown(wait=False, cancel_futures=True)
        for child in children:
            child.kill()
        self._executor.shutdown(wait=True)
        if self._listener is not None:
            self._messages.put(None)
            self._listener.join()
        # Semaphores are given back with the last reference, not at exit: a signal may end the process.
        del self._executor, self._messages
        self._flags = ()

    def _open(self) -> None:
        many = max(self._processes, 1)
        self._free = list(range(many))
        self._listener: threading.Thread | None = None
        if self._processes == 0:
            self._messages: _Queue = queue.SimpleQueue()
            self._flags = [threading.Event()]
            self._executor: Executor = ThreadPoolExecutor(1, thread_name_prefix="compute")
            return
        spawn = multiprocessing.get_context("spawn")
        self._messages = spawn.SimpleQueue()
        self._flags = [spawn.Event() for _ in range(many)]
        self._executor = ProcessPoolExecutor(
            many, mp_context=spawn, initializer=_attach, initargs=(self._messages, self._flags)
        )

    def _submit(self, slot: int, run_id: int, f: Callable[..., Any], args: Any) -> Future[Any]:
        if self._processes == 0:
            return self._executor.submit(f, Progress(self._messages, self._flags[slot], run_id), *args)
        return self._executor.submit(_in_child, slot, run_id, f, args)

    def _listen(self) -> None:
        if self._listener is None:
            loop = asyncio.get_running_loop()
            self._listener = threading.Thread(
                target=_pass_on, args=(self._messages, loop, self._heard), name="compute-news", daemon=True
            )
            self._listener.start()


def _pass_on(messages: _Queue, loop: asyncio.AbstractEventLoop, heard: Heard) -> None:
    while (message := messages.get()) is not None:
        with suppress(RuntimeError):  # the loop is closing; nobody listens any more
            loop.call_soon_threadsafe(heard, *message)


_attached: list[Any] = []


def _attach(messages: _Queue, flags: Sequence[_Flag]) -> None:
    """Prepare a child: it leaves Ctrl-C to its parent and ends with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _attached[:] = [messages, flags]
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)


def _in_child(slot: int, run_id: int, f: Callable[..., Any], args: Any) -> Any:
    messages, flags = _attached
    return f(Progress(messages, flags[slot], run_id), *args)
