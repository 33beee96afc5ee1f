"""Queries about planning runs: queued, claimed by one worker, ended once."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from app.db.engine import Connection
from app.db.schema import run, run_input
from app.db.upsert import insert_once

OPEN: Final = ("queued", "running")
MOST_ATTEMPTS: Final = 2

_COLUMNS: Final = [column for column in run.columns if column.name not in ("heartbeat_at", "cancel_asked")]


@dataclass(frozen=True, slots=True)
class Run:
    """A planning run as stored; `took_s` is real time, the instants are the service's clock."""

    id: int
    kind: str
    state: str
    job: str | None
    slot: float | None
    params: dict[str, Any]
    progress: float
    message: str
    result: dict[str, Any] | None
    error: dict[str, Any] | None
    actor: str
    created_at: float
    started_at: float | None
    finished_at: float | None
    took_s: float | None
    worker: str | None
    attempts: int


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run to be queued; `job` and `slot` name the planned time that it stands for, if any."""

    kind: str
    params: dict[str, Any]
    actor: str
    created_at: float
    job: str | None = None
    slot: float | None = None


def packed_input(data: bytes) -> bytes:
    """Return a run's file as it is stored; a large one takes seconds, so pack it before a transaction."""
    return zlib.compress(data, 1)


def add_run(conn: Connection, new: NewRun, *, packed: bytes | None = None) -> int | None:
    """Queue a run with its `packed` file and return its id, or None when its job has run for that slot."""
    values = {
        "kind": new.kind,
        "state": "queued",
        "job": new.job,
        "slot": new.slot,
        "params": msgspec.json.encode(new.params).decode(),
        "actor": new.actor,
        "created_at": new.created_at,
        "cancel_asked": False,
    }
    run_id = insert_once(conn, run, values)
    if run_id is not None and packed is not None:
        conn.execute(sa.insert(run_input).values(run_id=run_id, data=packed))
    return run_id


def find_input(conn: Connection, run_id: int) -> bytes | None:
    """Return the file that a run is to read, or None."""
    data = conn.scalar(sa.select(run_input.c.data).where(run_input.c.run_id == run_id))
    return zlib.decompress(data) if data is not None else None


def claim_run(
    conn: Connection, worker: str, *, now: float, heartbeat_at: float, run_id: int | None = None
) -> Run | None:
    """Take the oldest queued run (or `run_id`) for `worker` and return it; None when there is none.

    Several workers may ask at once: on PostgreSQL each skips what another is taking, and the conditional
    update makes sure of it on both.
    """
    query = sa.select(run.c.id).where(run.c.state == "queued").order_by(run.c.id).limit(1)
    if run_id is not None:
        query = query.where(run.c.id == run_id)
    chosen = conn.scalar(query.with_for_update(skip_locked=True))
    if chosen is None:
        return None
    taken = conn.execute(
        sa.update(run)
        .where(run.c.id == chosen, run.c.state == "queued")
        .values(
            state="running",
            worker=worker,
            started_at=now,
            heartbeat_at=heartbeat_at,
            attempts=run.c.attempts + 1,
            progress=0.0,
            message="",
        )
    )
    return find_run(conn, chosen) if taken.rowcount == 1 else None


def beat(conn: Connection, worker: str, run_ids: Collection[int], *, heartbeat_at: float) -> set[int]:
    """Note that `worker` is at work on these runs; return which of them are asked to stop."""
    mine = sa.and_(run.c.worker == worker, run.c.state == "running", run.c.id.in_(run_ids))
    conn.execute(sa.update(run).where(mine).values(heartbeat_at=heartbeat_at))
    return set(conn.scalars(sa.select(run.c.id).where(mine, run.c.cancel_asked.is_(sa.true()))))


def hold(conn: Connection, claimed: Run) -> bool:
    """Return whether a run is still its worker's and not asked to stop; it stays so until the end."""
    query = sa.select(run.c.cancel_asked).where(
        run.c.id == claimed.id, run.c.worker == claimed.worker, run.c.state == "running"
    )
    return conn.scalar(query.with_for_update(read=True)) is False


def note_progress(conn: Connection, worker: str, run_id: int, share: float, message: str) -> None:
    """Store how far a run has come, while it is the worker's."""
    conn.execute(
        sa.update(run)
        .where(run.c.id == run_id, run.c.worker == worker, run.c.state == "running")
        .values(progress=share, message=message)
    )


def any_lost(conn: Connection, silent_since: float) -> bool:
    """Return whether a run's worker has been silent since then."""
    query = sa.select(run.c.id).where(run.c.state == "running", run.c.heartbeat_at < silent_since).limit(1)
    return conn.scalar(query) is not None


def requeue_lost(conn: Connection, *, silent_since: float, now: float) -> list[tuple[int, str]]:
    """Queue runs of dead workers anew, once; fail those that were lost before. Return (id, new state)."""
    lost = conn.execute(
        sa.select(run.c.id, run.c.attempts)
        .where(run.c.state == "running", run.c.heartbeat_at < silent_since)
        .with_for_update(skip_locked=True)
    ).all()
    moved = []
    for run_id, attempts in lost:
        again = attempts < MOST_ATTEMPTS
        values: dict[str, Any] = {"state": "queued", "worker": None, "message": "queued anew: worker lost"}
        if not again:
            values = {"state": "failed", "finished_at": now, "error": _LOST}
        conn.execute(sa.update(run).where(run.c.id == run_id, run.c.state == "running").values(**values))
        moved.append((int(run_id), str(values["state"])))
    return moved


def give_back(conn: Connection, worker: str) -> None:
    """Queue what `worker` has not finished anew; it is stopping in an orderly way."""
    conn.execute(
        sa.update(run)
        .where(run.c.worker == worker, run.c.state == "running")
        .values(state="queued", worker=None, attempts=run.c.attempts - 1, message="queued anew")
    )


def finish_run(
    conn: Connection,
    claimed: Run,
    *,
    state: str,
    now: float,
    took_s: float,
    result: dict[str, Any] | None = None,
    error: bytes | None = None,
    save: Callable[[Connection], dict[str, Any]] | None = None,
) -> bool:
    """End a run together with what it saves, in one transaction; False when it is not the worker's any more.

    What `save(conn)` returns joins the result.
    """
    kept = conn.execute(
        sa.update(run)
        .where(run.c.id == claimed.id, run.c.worker == claimed.worker, run.c.state == "running")
        .values(state=state, finished_at=now, took_s=took_s, error=error.decode() if error else None)
    )
    if kept.rowcount != 1:
        return False
    found = dict(result or {}) | (save(conn) if save is not None else {})
    values: dict[str, Any] = {"result": msgspec.json.encode(found).decode() if found else None}
    if state == "done":
        values |= {"progress": 1.0, "message": "done"}
    conn.execute(sa.update(run).where(run.c.id == claimed.id).values(**values))
    conn.execute(sa.delete(run_input).where(run_input.c.run_id == claimed.id))
    return True


def cancel_run(conn: Connection, run_id: int, now: float) -> str | None:
    """Ask a run to stop and return its state after that; None when there is none.

    A queued run is cancelled at once, a running one when its worker notices.
    """
    conn.execute(
        sa.update(run)
        .where(run.c.id == run_id, run.c.state == "queued")
        .values(state="cancelled", finished_at=now, cancel_asked=True)
    )
    conn.execute(sa.update(run).where(run.c.id == run_id, run.c.state == "running").values(cancel_asked=True))
    return conn.scalar(sa.select(run.c.state).where(run.c.id == run_id))


def find_run(conn: Connection, run_id: int) -> Run | None:
    """Return a run, or None."""
    row = conn.execute(sa.select(*_COLUMNS).where(run.c.id == run_id)).one_or_none()
    return _run(row) if row is not None else None


def list_runs(
    conn: Connection,
    *,
    before: int | None,
    limit: int,
    kind: str | None = None,
    state: str | None = None,
    job: str | None = None,
) -> list[Run]:
    """Return up to `limit` runs with an id below `before`, newest first."""
    query = sa.select(*_COLUMNS).order_by(run.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(run.c.id < before)
    for column, value in ((run.c.kind, kind), (run.c.state, state), (run.c.job, job)):
        if value is not None:
            query = query.where(column == value)
    return [_run(row) for row in conn.execute(query)]


def last_slots(conn: Connection) -> dict[str, float]:
    """Return the latest slot of each job that ever ran."""
    query = sa.select(run.c.job, sa.func.max(run.c.slot)).where(run.c.job.is_not(None)).group_by(run.c.job)
    return {str(job): float(slot) for job, slot in conn.execute(query)}


def is_open(conn: Connection, job: str) -> bool:
    """Return whether a run of `job` is queued or running."""
    query = sa.select(run.c.id).where(run.c.job == job, run.c.state.in_(OPEN)).limit(1)
    return conn.scalar(query) is not None


def last_done_at(conn: Connection, kind: str) -> float | None:
    """Return when a run of `kind` last ended well, or None."""
    query = sa.select(sa.func.max(run.c.finished_at)).where(run.c.kind == kind, run.c.state == "done")
    found: float | None = conn.scalar(query)
    return found


def _run(row: Any) -> Run:
    values = dict(row._mapping)  # the row's public name for its columns
    for name in ("params", "result", "error"):
        if values[name] is not None:
            values[name] = msgspec.json.decode(values[name])
    return Run(**values)


_LOST: Final = msgspec.json.encode(
    {
        "type": "/problems/worker-lost",
        "title": "The worker stopped twice while it did this",
        "status": 500,
    }
).decode()
