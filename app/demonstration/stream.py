"""Follow the service's event log as server-sent events; a broken stream is resumed and misses nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import httpx
import msgspec

from app.demonstration.api import Api, RefusedError

_PAUSE_S: Final = 0.2
_SILENCE_S: Final = 45.0
"""Three of the service's pings: a stream that says nothing for so long is dead."""


@dataclass(slots=True)
class Place:
    """How far the log has been read: the last sequence number, and how often the stream began anew."""

    seq: int
    resumed: int = 0


async def follow(api: Api, place: Place, kinds: Sequence[str]) -> AsyncIterator[dict[str, Any]]:
    """Yield every event of these kinds after `place`, for ever; `place` is kept up to date.

    Whenever the stream ends it is opened again with Last-Event-ID. Raises RefusedError when the service does
    not let us in.
    """
    while True:
        try:
            async for event in _read(api, place, kinds):
                yield event
        except httpx.TransportError:
            pass
        place.resumed += 1
        await asyncio.sleep(_PAUSE_S)


async def _read(api: Api, place: Place, kinds: Sequence[str]) -> AsyncIterator[dict[str, Any]]:
    headers = {"Last-Event-ID": str(place.seq), "Accept": "text/event-stream"}
    timeout = httpx.Timeout(10.0, read=_SILENCE_S, pool=120.0)
    params = {"kind": list(kinds)}
    async with api.http.stream(
        "GET", "/v1/events", params=params, headers=headers, timeout=timeout
    ) as response:
        if response.status_code == 503:
            return
        if not response.is_success:
            raise RefusedError("GET", "/v1/events", response.status_code, {})
        seq, data = place.seq, ""
        async for line in response.aiter_lines():
            if line.startswith("data:"):
                data += line[5:].strip()
            elif line.startswith("id:"):
                seq = int(line[3:])
            elif not line and data:
                # The place moves before the event is handed on: whoever gets it is answerable for it.
                place.seq = seq
                yield msgspec.json.decode(data)
                data = ""
