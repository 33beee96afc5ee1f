"""The event log as server-sent events; a client resumes with Last-Event-ID and misses nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Header, Query, Request
from sse_starlette import EventSourceResponse, ServerSentEvent

from app.auth import Principal, requires
from app.db import floor_rows
from app.house import house_of

router = APIRouter(prefix="/v1/events", tags=["events"])

_SEQ_MAX = 2**62


@router.get(
    "",
    summary="Follow the event log.",
    response_class=EventSourceResponse,
    description="Scope `events:read`. Each message has the sequence number as `id`, the kind of event as "
    "`event`, and the event as `data`. Resume with the header `Last-Event-ID` (or `?after=`); without one "
    "the stream begins now.",
)
async def follow(
    request: Request,
    _: Annotated[Principal, Depends(requires("events:read"))],
    last_event_id: Annotated[int | None, Header(ge=0, le=_SEQ_MAX)] = None,
    after: Annotated[int | None, Query(ge=0, le=_SEQ_MAX)] = None,
    kind: Annotated[list[str] | None, Query(description="Only these kinds.")] = None,
) -> EventSourceResponse:
    """Stream every event after the one named."""
    feed = house_of(request).feed
    start = last_event_id if last_event_id is not None else after
    wanted = frozenset(kind or ())

    async def messages() -> AsyncIterator[ServerSentEvent]:
        async for seq, data in feed.follow(feed.head if start is None else start):
            name = kind_of(data)
            if not wanted or name in wanted:
                yield ServerSentEvent(data=data.decode(), event=name, id=str(seq))

    return EventSourceResponse(messages(), ping=15)


@router.get("/page", summary="Past events, oldest first, as one page.")
async def list_events(
    request: Request,
    _: Annotated[Principal, Depends(requires("events:read"))],
    after: Annotated[int, Query(ge=0, le=_SEQ_MAX)] = 0,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> dict[str, Any]:
    """Return up to `limit` events after a sequence number."""
    rows = await house_of(request).database.read(floor_rows.events_after, after, limit + 1)
    items = [{"seq": seq} | _decoded(data) for seq, data in rows[:limit]]
    return {"items": items, "next": rows[limit - 1][0] if len(rows) > limit else None}


def kind_of(data: bytes) -> str:
    """Return the kind of an encoded event; it always stands first."""
    return data[9 : data.index(b'"', 9)].decode()


def _decoded(data: str) -> dict[str, Any]:
    body: dict[str, Any] = msgspec.json.decode(data)
    return body
