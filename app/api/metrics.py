"""Figures of the service and of the queues in Prometheus' text format."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from app import meters
from app.api.queues import queues_today
from app.auth import Principal, requires
from app.house import house_of
from routing.model import AgentState, Channel

router = APIRouter(tags=["health"])


@router.get("/metrics", summary="Figures for Prometheus.", response_class=Response)
async def metrics(request: Request, _: Annotated[Principal, Depends(requires("queues:read"))]) -> Response:
    """Return every metric; those of queues are read at this moment."""
    house = house_of(request)
    meters.WAITING_COMMANDS.set(house.switchboard.waiting)
    for queue in await queues_today(house):
        team = queue["team"]
        meters.QUEUE_WAITING.labels(team).set(queue["waiting"])
        meters.QUEUE_LONGEST_S.labels(team).set(queue["longest_wait_s"] or 0.0)
        for channel in Channel:
            found = queue["channels"].get(channel.value)
            meters.QUEUE_CHANNEL_LONGEST_S.labels(team, channel.value).set(
                found["longest_wait_s"] if found is not None else 0.0
            )
        level = queue["today"]["service_level"]
        meters.QUEUE_LEVEL.labels(team).set(float("nan") if level is None else level)
        for state in AgentState:
            meters.AGENTS.labels(team, state.value).set(queue["agents"][state.value])
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
