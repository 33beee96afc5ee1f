"""Who is asking, and may they: API keys with scopes, browser sessions behind them."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from fastapi import Request
from fastapi.security import APIKeyCookie, HTTPBearer

from app.clock import Clock
from app.db import keys
from app.db.engine import Connection, Database
from app.errors import ForbiddenError, NotFoundError, NotSignedInError, UnknownReferenceError

SCOPES: Final = {
    "contacts:write": "Post contacts and what happens to them.",
    "contacts:read": "See contacts and why they went where they went.",
    "offers:write": "Answer offers, complete contacts, finish wrap-ups (a key bound to an agent: only its "
    "own, unless it leads).",
    "presence:write": "Set the presence of agents (a key bound to an agent: only its own, unless it leads).",
    "agents:read": "See agents.",
    "agents:write": "Create and change agents.",
    "queues:read": "See queues and their figures.",
    "tickets:read": "See tickets.",
    "tickets:write": "Change the state or the owner of tickets (a key bound to an agent: only its own, "
    "unless it leads).",
    "customers:read": "See customers.",
    "customers:write": "Change and merge customers.",
    "events:read": "Follow the event log.",
    "floor:lead": "Lead: move, prioritise and assign waiting contacts, take offers back, close teams; with "
    "the other scopes, act for every agent, whichever agent the key is bound to.",
    "policies:read": "See policies.",
    "policies:write": "Publish policies.",
    "plans:read": "See history, forecasts, requirements and rosters.",
    "plans:write": "Import history, start planning runs, change and publish rosters.",
    "admin": "Manage API keys.",
}
ROLES: Final = {
    "telephony": "contacts:write contacts:read offers:write presence:write agents:read queues:read "
    "events:read",
    "agent": "contacts:read offers:write presence:write agents:read queues:read tickets:read tickets:write "
    "customers:read events:read plans:read",
    "lead": "contacts:read contacts:write offers:write presence:write agents:read queues:read tickets:read "
    "tickets:write customers:read customers:write events:read floor:lead policies:read plans:read",
    "planner": "agents:read queues:read plans:read plans:write policies:read events:read",
    "admin": " ".join(SCOPES),
}
COOKIE: Final = "rondo_session"
_CACHE_S: Final = 5.0
_CACHE_MAX: Final = 10_000

bearer_scheme = HTTPBearer(auto_error=False, description="An API key, `rondo_...`.")
cookie_scheme = APIKeyCookie(name=COOKIE, auto_error=False, description="A signed-in browser.")


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: the key's id and name, what it may do, and the agent it stands for, if any."""

    key_id: str
    name: str
    scopes: frozenset[str]
    agent_id: str | None

    @property
    def actor(self) -> str:
        """The name under which the audit trail shows what was asked."""
        return self.agent_id or self.name

    def require(self, scope: str) -> None:
        """Raise ForbiddenError unless the principal has `scope`."""
        if scope not in self.scopes:
            raise ForbiddenError(f"The key {self.name!r} lacks the scope {scope!r}.", scope=scope)

    @property
    def own_agent(self) -> str | None:
        """The only agent for whom the principal may act; None where it may act for all.

        What a key may do follows from its scopes, the agent it is bound to says who does it: a lead acts for
        others too.
        """
        return None if "floor:lead" in self.scopes else self.agent_id

    def require_agent(self, agent_id: str | None) -> None:
        """Raise ForbiddenError if the principal may act for another agent only than `agent_id`, if any."""
        if agent_id is not None and self.own_agent not in (None, agent_id):
            raise ForbiddenError(
                f"The key {self.name!r} stands for agent {self.agent_id!r} only; a lead's (scope "
                "floor:lead) acts for others too.",
                scope="floor:lead",
            )


class Keyring:
    """Checks secrets against the database; what it found holds for five seconds at most."""

    def __init__(self, database: Database, clock: Clock, *, session_s: float) -> None:
        self._database = database
        self._clock = clock
        self._session_s = session_s
        self._cache: dict[tuple[str, str], tuple[float, Principal]] = {}
        """By kind of secret and its hash: a session's must not pass as a key, which needs no Origin."""

    async def principal(self, request: Request) -> Principal:
        """Return who sent `request`; raises NotSignedInError without a valid key or session."""
        header = request.headers.get("authorization")
        if header is not None:
            scheme, _, secret = header.partition(" ")
            if scheme.lower() == "bearer" and secret:
                return await self._check("key", secret.strip(), keys.find_key)
            raise NotSignedInError("The Authorization header must be `Bearer rondo_...`.", headers=_CHALLENGE)
        cookie = request.cookies.get(COOKIE)
        if cookie is None:
            raise NotSignedInError(headers=_CHALLENGE)
        check_origin(request)
        return await self._check("session", cookie, keys.find_session)

    def known(self, authorization: str) -> Principal | None:
        """Return who sent this Authorization header if that was checked within the last seconds."""
        if authorization[:7] != "Bearer ":
            return None
        found = self._cache.get(("key", _digest(authorization[7:])))
        return found[1] if found is not None and found[0] > self._clock.now() else None

    async def create_key(
        self, name: str, scopes: str, *, agent_id: str | None = None, expires_at: float | None = None
    ) -> tuple[keys.KeyRow, str]:
        """Store a new key; return it with its secret, which is shown this once."""
        unknown = sorted(set(scopes.split()) - set(SCOPES))
        if unknown:
            raise UnknownReferenceError(f"There are no scopes {', '.join(unknown)}.", known=sorted(SCOPES))
        secret = f"rondo_{secrets.token_urlsafe(32)}"
        row = keys.KeyRow(
            id=secrets.token_hex(6),
            name=name,
            scopes=scopes,
            agent_id=agent_id,
            created_at=self._clock.now(),
            expires_at=expires_at,
            revoked_at=None,
        )
        await self._database.tx(keys.add_key, row, secret_hash=_digest(secret))
        return row, secret

    async def revoke(self, key_id: str) -> None:
        """Revoke a key; raises NotFoundError if there is none. Other replicas notice within 5 s."""
        if not await self._database.tx(keys.revoke_key, key_id, self._clock.now()):
            raise NotFoundError(f"There is no key {key_id!r} to revoke.")
        self._cache.clear()

    async def sign_in_link(self, key_id: str, *, valid_s: float = 3600.0) -> str:
        """Return a one-time secret that signs a browser in as the key."""
        return await self._add_session(key_id, "link", valid_s)

    async def sign_in(self, secret: str) -> str:
        """Return the secret of a new browser session for an API key or a one-time link."""
        now = self._clock.now()
        row = await self._database.tx(keys.take_link, _digest(secret), now)
        if row is None:
            row = await self._database.read(keys.find_key, _digest(secret), now)
        if row is None:
            raise NotSignedInError("This key or link is not valid (any more).")
        return await self._add_session(row.id, "browser", self._session_s)

    async def sign_out(self, secret: str) -> None:
        """End a browser session."""
        await self._database.tx(keys.end_session, _digest(secret))
        self._cache.clear()

    async def _add_session(self, key_id: str, kind: str, valid_s: float) -> str:
        secret, now = secrets.token_urlsafe(32), self._clock.now()
        await self._database.tx(
            keys.add_session,
            _digest(secret),
            key_id=key_id,
            kind=kind,
            now=now,
            expires_at=now + valid_s * self._clock.speed,
        )
        return secret

    async def _check(
        self, kind: str, secret: str, find: Callable[[Connection, str, float], keys.KeyRow | None]
    ) -> Principal:
        digest, now = _digest(secret), self._clock.now()
        known = self._cache.get((kind, digest))
        if known is not None and known[0] > now:
            return known[1]
        row = await self._database.read(find, digest, now)
        if row is None:
            self._cache.pop((kind, digest), None)
            raise NotSignedInError("This key or session is not valid (any more).", headers=_CHALLENGE)
        principal = Principal(row.id, row.name, frozenset(row.scopes.split()), row.agent_id)
        if len(self._cache) >= _CACHE_MAX:
            self._cache.clear()
        self._cache[kind, digest] = (now + _CACHE_S * self._clock.speed, principal)
        return principal


def requires(scope: str) -> Callable[[Request], Awaitable[Principal]]:
    """Return a FastAPI dependency that gives the Principal, or refuses it for lack of `scope`."""

    async def check(request: Request) -> Principal:
        principal: Principal = await request.app.state.house.keyring.principal(request)
        principal.require(scope)
        return principal

    return check


def _digest(secret: str) -> str:
    # Secrets are 256 random bits, so a plain hash can't be searched.
    return hashlib.sha256(secret.encode()).hexdigest()


def check_origin(request: Request) -> None:
    """Refuse a state-changing request that another site made the browser send."""
    if request.method in ("GET", "HEAD", "OPTIONS"):
        return
    origin = request.headers.get("origin")
    if origin is None or origin.split("://", 1)[-1] != request.headers.get("host"):
        raise ForbiddenError("A signed-in browser may only send this from our own pages.")


_CHALLENGE: Final = {"WWW-Authenticate": "Bearer"}
