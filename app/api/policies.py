"""Policies: what the organisation decided, in versions."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from app.api.answers import encode
from app.auth import Principal, requires
from app.batch import Answer
from app.db import policies as rows
from app.errors import MalformedRequestError, NotFoundError
from app.handing_over import hand_over
from app.house import House, house_of
from app.public_holidays import with_public_holidays
from routing import commands as cmd
from routing import events as ev
from routing.floor import Floor
from routing.model import Ticket
from routing.policy import Policy

router = APIRouter(prefix="/v1/policies", tags=["policies"])


@router.get("/current", summary="The policy in force.")
async def current(request: Request, _: Annotated[Principal, Depends(requires("policies:read"))]) -> Response:
    """Return the policy in force."""
    policy = await house_of(request).switchboard.read(lambda floor: floor.policy)
    return Response(encode(policy), media_type="application/json")


@router.get("/{version}", summary="One version.")
async def get_policy(
    request: Request, version: int, _: Annotated[Principal, Depends(requires("policies:read"))]
) -> Response:
    """Return one version of the policy."""
    data = await house_of(request).database.read(rows.find_policy, version)
    if data is None:
        raise NotFoundError(f"There is no policy version {version}.")
    return Response(data, media_type="application/json")


@router.get("", summary="List versions, newest first.")
async def list_policies(
    request: Request, _: Annotated[Principal, Depends(requires("policies:read"))]
) -> dict[str, Any]:
    """List the versions."""
    return {"items": await house_of(request).database.read(rows.list_policies), "next": None}


@router.post("", status_code=201, summary="Publish a policy; it is checked first and acts at once.")
async def publish(
    request: Request, who: Annotated[Principal, Depends(requires("policies:write"))]
) -> Response:
    """Publish the policy in the body; the answer is the policy as it is in force.

    Hours with `public_holidays` are closed on those of the site's country, this year and the five after it;
    long before these run out the service fills in more by a version of its own.
    Where a team has another lead now, tickets that no agent has accepted yet pass to the new one.
    """
    try:
        body = await request.body()
        policy = msgspec.json.decode(body, type=Policy)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedRequestError(str(error)) from None

    unknown = list(_unknown(msgspec.json.decode(body), msgspec.to_builtins(policy)))
    if unknown:
        errors = [{"pointer": each, "detail": "A policy has no such field."} for each in unknown]
        raise MalformedRequestError(f"A policy has no field {', '.join(unknown)}.", errors=errors)

    def view(floor: Floor, _: Sequence[ev.Event]) -> Answer:
        return Answer(201, encode(floor.policy))

    house = house_of(request)
    policy = await asyncio.to_thread(with_public_holidays, policy, house.clock.now())
    before = house.switchboard.policy
    answer: Answer = await house.switchboard.submit(cmd.PublishPolicy(actor=who.actor, policy=policy), view)
    await _hand_over(house, who.actor, before, policy)
    return Response(answer.body, answer.status, media_type="application/json")


def _unknown(given: Any, known: Any, at: str = "") -> Iterator[str]:
    """Yield where `given` has fields that were not understood: a misspelt one must not be lost in silence."""
    if isinstance(given, dict) and isinstance(known, dict):
        for name, value in given.items():
            if name not in known:
                yield f"{at}/{name}"
            else:
                yield from _unknown(value, known[name], f"{at}/{name}")
    elif isinstance(given, list) and isinstance(known, list | tuple):
        for number, (one, other) in enumerate(zip(given, known, strict=False)):
            yield from _unknown(one, other, f"{at}/{number}")


async def _hand_over(house: House, actor: str, before: Policy, now: Policy) -> None:
    def waits_for_an_agent(ticket: Ticket) -> bool:
        return not ticket.accepted and ticket.team_id in changed

    changed = {
        team_id
        for team_id, team in before.teams.items()
        if team_id in now.teams and now.teams[team_id].lead_id != team.lead_id
    }
    for lead_id in sorted({before.teams[team_id].lead_id for team_id in changed}):
        await hand_over(house, actor, lead_id, reason="new_lead", which=waits_for_an_agent)
