"""The lead's floor: queues, waiting contacts, agents; and one contact with its why, one agent, and
what may be done.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from app.api.agents import get_agent
from app.api.answers import agent_ref
from app.api.contacts import get_contact, why
from app.api.ids import path_id
from app.auth import Principal
from app.db import tickets as ticket_rows
from app.house import House
from app.web.board import GROUPS, step_words
from app.web.live import Broadcaster
from app.web.pages import FLOOR, page, render
from routing.floor import Floor
from routing.model import (
    NEVER,
    PRIORITY_MAX,
    WAITING_STATES,
    Agent,
    AgentState,
    ContactState,
    OfferState,
    Presence,
)

router = APIRouter(include_in_schema=False)


@page(router, FLOOR.path, scopes=FLOOR.scopes)
async def floor_page(house: House, who: Principal, request: Request) -> Response:
    """Show the floor as it stands; the browser keeps it up to date."""
    broadcaster: Broadcaster = request.app.state.broadcaster
    values, html = await broadcaster.parts()
    teams = house.switchboard.policy.teams
    chosen = request.query_params.get("team", "")
    return render(
        request,
        who,
        "floor.html",
        html=html,
        keys=_by_list(values),
        groups=GROUPS,
        teams=teams.values(),
        chosen=chosen if chosen in teams else "",
    )


@page(router, "/contacts/{contact_id}", scopes=("contacts:read",))
async def contact_page(house: House, who: Principal, request: Request) -> Response:
    """Show one contact: facts, how it came here, and a lead's actions; `?part` leaves the frame out."""
    contact_id = path_id(request, "contact_id")
    contact = {"estimated_wait": None, "offers": []} | await get_contact(request, contact_id, who)
    live = await house.switchboard.read(lambda floor: _live(floor, contact_id))
    customer = None
    if "customers:read" in who.scopes:
        customer = await house.database.read(ticket_rows.find_customer, contact["customer_id"])
    return render(
        request,
        who,
        "contact_part.html" if "part" in request.query_params else "contact.html",
        contact=contact,
        why=await why(request, contact_id, who),
        live=live,
        customer=customer,
        teams=house.switchboard.policy.teams,
        may_lead="floor:lead" in who.scopes and live["waiting"],
        may_cancel=_may_cancel(who, live),
        may_end={"floor:lead", "offers:write"} <= who.scopes and live["talking_since"] is not None,
        priorities=range(PRIORITY_MAX + 1),
    )


@page(router, "/agents/{agent_id}", scopes=("agents:read",))
async def agent_page(house: House, who: Principal, request: Request) -> Response:
    """Show one agent: work, offers since signing on, facts, and what a lead may do; `?part` without frame."""
    agent_id = request.path_params["agent_id"]
    agent = await get_agent(request, agent_id, who)
    live = await house.switchboard.read(lambda floor: _work(floor, floor.agents[agent_id]))
    return render(
        request,
        who,
        "agent_part.html" if "part" in request.query_params else "agent.html",
        agent=agent,
        teams=house.switchboard.policy.teams,
        presences=list(Presence),
        may_lead={"floor:lead", "presence:write"} <= who.scopes,
        may_revoke="floor:lead" in who.scopes,
        **live,
    )


def _may_cancel(who: Principal, live: dict[str, Any]) -> bool | None:
    """Return whether `who` may cancel the contact now; None where that is not even to be shown."""
    if not live["cancellable"] or not who.scopes & {"floor:lead", "contacts:write"}:
        return None
    return "contacts:write" in who.scopes and live["held_by"] is None


def _work(floor: Floor, agent: Agent) -> dict[str, Any]:
    """Return what an agent does, and the instants that the page shows as times of day."""
    doing = {OfferState.PENDING: "rings", OfferState.ACCEPTED: "in conversation"}
    offers = [floor.offers[i] for i in agent.offer_ids]
    return {
        "work": [
            {
                "id": offer.id,
                "contact_id": offer.contact_id,
                "channel": offer.channel.value,
                "doing": "wrap-up" if offer.talk_ended_at is not None else doing[offer.state],
            }
            for offer in offers
        ],
        "since": agent.presence_since,
        "seen": agent.seen_at,
        "rests_until": agent.not_responding_until if agent.not_responding_until < NEVER else None,
    }


def _by_list(values: dict[str, dict[str, Any]]) -> dict[str, list[str]]:
    """Return the keys by the list they belong to, each in order."""
    lists: dict[str, list[str]] = {}
    for key, value in values.items():
        if "order" in value:
            name = {"queue": "queues", "agent": f"agents-{value.get('group')}"}.get(value["kind"], "contacts")
            lists.setdefault(name, []).append(key)
    return {name: sorted(keys, key=lambda key: values[key]["order"]) for name, keys in lists.items()}


def _live(floor: Floor, contact_id: int) -> dict[str, Any]:
    """Return what only the floor knows of a contact; empty facts where it is not on the floor."""
    contact = floor.contacts.get(contact_id)
    free = [
        {"id": agent.id, "name": agent.name, "mine": contact is not None and contact.team_id in agent.teams}
        for agent in floor.agents.values()
        if agent.active
        and agent.teams
        and agent.presence is Presence.AVAILABLE
        and agent.state is not AgentState.NOT_RESPONDING
        and agent.used < agent.capacity
    ]
    waiting = contact is not None and contact.state in WAITING_STATES
    # Who passes a contact on stays with the customer until a colleague takes it.
    holder = floor.offers.get(contact.offer_id or 0) if contact is not None and waiting else None
    if holder is not None and holder.talk_ended_at is not None:
        holder = None
    return {
        "waiting": waiting,
        "cancellable": waiting or (contact is not None and contact.state is ContactState.SCHEDULED),
        "held_by": agent_ref(floor, holder.agent_id)["name"] if holder is not None else None,
        "talking_since": contact.connected_at
        if contact is not None and contact.state is ContactState.CONNECTED
        else None,
        "since": contact.enqueued_at if contact is not None else None,
        "step": step_words(floor, floor.team(contact.team_id), contact) if contact and waiting else ("", ""),
        "free": sorted(free, key=lambda each: (not each["mine"], each["name"])),
        "names": {agent.id: agent.name for agent in floor.agents.values()},
    }
