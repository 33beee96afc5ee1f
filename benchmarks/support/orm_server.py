"""`python -m benchmarks.support.orm_server PORT URL`: the usual design, for comparison.

One request, one ORM session, one transaction: find or create the customer, open a ticket, choose the agent
who has been idle longest (skipping those another transaction holds), and store contact, offer and event.
SQLite runs through aiosqlite with WAL and synchronous=FULL, PostgreSQL through asyncpg.
"""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import uvicorn
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request
from sqlalchemy import ForeignKey, String, event, func, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from app.api.bodies import NewContact


class Base(DeclarativeBase):
    """Base of the tables."""


class Agent(Base):
    """An agent and whether it is free."""

    __tablename__ = "agent"
    id: Mapped[int] = mapped_column(primary_key=True)
    state: Mapped[str] = mapped_column(String, index=True)
    idle_since: Mapped[float] = mapped_column(index=True)


class Customer(Base):
    """A customer, known by phone."""

    __tablename__ = "customer"
    id: Mapped[int] = mapped_column(primary_key=True)
    phone: Mapped[str] = mapped_column(String, unique=True)


class Ticket(Base):
    """A concern."""

    __tablename__ = "ticket"
    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customer.id"), index=True)
    state: Mapped[str]
    owner_id: Mapped[int | None]


class Contact(Base):
    """A contact."""

    __tablename__ = "contact"
    id: Mapped[int] = mapped_column(primary_key=True)
    ticket_id: Mapped[int] = mapped_column(ForeignKey("ticket.id"), index=True)
    state: Mapped[str] = mapped_column(String, index=True)
    received_at: Mapped[float]
    agent_id: Mapped[int | None]


class Offer(Base):
    """An offer."""

    __tablename__ = "offer"
    id: Mapped[int] = mapped_column(primary_key=True)
    contact_id: Mapped[int] = mapped_column(ForeignKey("contact.id"), index=True)
    agent_id: Mapped[int] = mapped_column(ForeignKey("agent.id"), index=True)
    state: Mapped[str]


class Event(Base):
    """What happened."""

    __tablename__ = "event"
    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[float]
    kind: Mapped[str]
    contact_id: Mapped[int] = mapped_column(index=True)


router = APIRouter()


async def session_of(request: Request) -> AsyncIterator[AsyncSession]:
    """Yield the request's session."""
    async with request.app.state.sessions() as session:
        yield session


Session = Annotated[AsyncSession, Depends(session_of)]


def create(url: str) -> FastAPI:
    """Return the application on the database at `url`."""
    engine = create_async_engine(url, pool_size=8, max_overflow=0)
    if url.startswith("sqlite"):

        @event.listens_for(engine.sync_engine, "connect")
        def _pragmas(connection: Any, _: Any) -> None:
            cursor = connection.cursor()
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=30000"):
                cursor.execute(f"PRAGMA {pragma}")

        @event.listens_for(engine.sync_engine, "begin")
        def _begin(connection: Any) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    sessions = async_sessionmaker(engine, expire_on_commit=False)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        async with sessions.begin() as session:
            session.add_all(Agent(state="idle", idle_since=0.0) for _ in range(100))
        yield
        await engine.dispose()

    api = FastAPI(lifespan=lifespan)
    api.state.sessions = sessions
    api.include_router(router)
    return api


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """Say that the server is there."""
    return {"status": "ok"}


@router.post("/contacts", status_code=201)
async def receive(given: NewContact, session: Session) -> dict[str, Any]:
    """Do one step of a call in one transaction."""
    async with session.begin():
        now = time.time()  # noqa: TID251
        phone = given.from_.phone or ""
        customer = await session.scalar(select(Customer).where(Customer.phone == phone))
        if customer is None:
            customer = Customer(phone=phone)
            session.add(customer)
            await session.flush()
        ticket = Ticket(customer_id=customer.id, state="open", owner_id=None)
        session.add(ticket)
        await session.flush()
        agent = await session.scalar(
            select(Agent)
            .where(Agent.state == "idle")
            .order_by(Agent.idle_since, Agent.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        contact = Contact(ticket_id=ticket.id, state="queued", received_at=now)
        session.add(contact)
        await session.flush()
        session.add(Event(at=now, kind="received", contact_id=contact.id))
        offer = None
        if agent is not None:
            agent.state, contact.state = "offered", "offered"
            offer = Offer(contact_id=contact.id, agent_id=agent.id, state="pending")
            session.add_all([offer, Event(at=now, kind="offered", contact_id=contact.id)])
            await session.flush()
        waiting = await session.scalar(select(func.count()).where(Contact.state == "queued"))
        return {
            "id": contact.id,
            "state": contact.state,
            "position": waiting,
            "offers": [{"id": offer.id}] if offer is not None else [],
        }


@router.post("/offers/{offer_id}/accept")
async def accept(offer_id: int, session: Session) -> dict[str, Any]:
    """Do one step of a call in one transaction."""
    async with session.begin():
        offer = await session.get(Offer, offer_id, with_for_update=True)
        if offer is None or offer.state != "pending":
            raise HTTPException(409)
        contact = await session.get_one(Contact, offer.contact_id, with_for_update=True)
        agent = await session.get_one(Agent, offer.agent_id, with_for_update=True)
        ticket = await session.get_one(Ticket, contact.ticket_id)
        offer.state, contact.state, agent.state = "accepted", "connected", "busy"
        contact.agent_id = ticket.owner_id = agent.id
        session.add(Event(at=time.time(), kind="connected", contact_id=contact.id))  # noqa: TID251
        return {"contact": contact.id}


@router.post("/contacts/{contact_id}/complete")
async def complete(contact_id: int, session: Session) -> dict[str, Any]:
    """Do one step of a call in one transaction."""
    async with session.begin():
        now = time.time()  # noqa: TID251
        contact = await session.get_one(Contact, contact_id, with_for_update=True)
        if contact.state != "connected":
            raise HTTPException(409)
        agent = await session.get_one(Agent, contact.agent_id, with_for_update=True)
        ticket = await session.get_one(Ticket, contact.ticket_id)
        contact.state, agent.state, ticket.state, agent.idle_since = "completed", "idle", "resolved", now
        session.add(Event(at=now, kind="completed", contact_id=contact.id))
        return {"id": contact.id, "state": contact.state}


if __name__ == "__main__":
    uvicorn.run(
        create(sys.argv[2]),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
    )
