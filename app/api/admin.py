"""API keys and sign-in."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from app.api import bodies
from app.auth import ROLES, SCOPES, Principal, requires
from app.clock import isoformat
from app.db import keys
from app.errors import MalformedRequestError, UnknownReferenceError
from app.house import house_of

router = APIRouter(prefix="/v1", tags=["administration"])


@router.post("/keys", status_code=201, summary="Create an API key; its secret is shown this once.")
async def create_key(
    request: Request, given: bodies.NewKey, _: Annotated[Principal, Depends(requires("admin"))]
) -> dict[str, Any]:
    """Create an API key; bound to an agent it acts in that agent's name, and for it alone unless it leads."""
    scopes = " ".join(sorted({*given.scopes, *ROLES.get(given.role or "", "").split()}))
    if not scopes:
        detail = "Name a role or at least one scope."
        raise MalformedRequestError(detail, errors=[{"pointer": "/scopes", "detail": detail}])
    house, agent = house_of(request), given.agent
    if agent is not None and not await house.switchboard.read(lambda floor: agent in floor.agents):
        detail = f"There is no agent {agent!r}."
        raise UnknownReferenceError(detail, errors=[{"pointer": "/agent", "detail": detail}])
    row, secret = await house.keyring.create_key(
        given.name,
        scopes,
        agent_id=agent,
        expires_at=given.expires_at.timestamp() if given.expires_at is not None else None,
    )
    return _key_json(row) | {"secret": secret}


@router.get("/keys", summary="List API keys, oldest first; secrets are not kept.")
async def list_keys(request: Request, _: Annotated[Principal, Depends(requires("admin"))]) -> dict[str, Any]:
    """List API keys."""
    rows = await house_of(request).database.read(keys.list_keys)
    return {"items": [_key_json(row) for row in rows], "next": None}


@router.delete("/keys/{key_id}", status_code=204, summary="Revoke an API key and sign out its browsers.")
async def revoke_key(
    request: Request, key_id: str, _: Annotated[Principal, Depends(requires("admin"))]
) -> None:
    """Revoke an API key."""
    await house_of(request).keyring.revoke(key_id)


@router.get("/scopes", summary="What a key may be allowed to do, and the roles that stand for scopes.")
async def list_scopes(_: Annotated[Principal, Depends(requires("admin"))]) -> dict[str, Any]:
    """List scopes and roles."""
    return {"scopes": SCOPES, "roles": {name: scopes.split() for name, scopes in ROLES.items()}}


def _key_json(row: keys.KeyRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "scopes": row.scopes.split(),
        "agent": row.agent_id,
        "created_at": isoformat(row.created_at),
        "expires_at": isoformat(row.expires_at),
        "revoked_at": isoformat(row.revoked_at),
    }
