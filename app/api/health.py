"""Health: alive, ready, and what the clock says. The only routes that need no key."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from app.clock import isoformat
from app.house import house_of
from routing.floor import Floor

router = APIRouter(tags=["health"])


@router.get("/healthz", summary="The process is alive.")
async def alive(request: Request) -> dict[str, Any]:
    """Say that the event loop turns, and what time it is here."""
    clock = house_of(request).clock
    return {"status": "ok", "now": isoformat(clock.now()), "clock_speed": clock.speed}


@router.get("/readyz", summary="The process can take contacts: floor loaded, database reachable.")
async def ready(request: Request) -> dict[str, Any]:
    """Go through the switchboard and the database once."""
    seq = await house_of(request).switchboard.read(_seq)
    return {"status": "ok", "seq": seq}


def _seq(floor: Floor) -> int:
    return floor.seq
