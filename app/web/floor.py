"""The lead's floor: queues, waiting contacts, agents; and one contact with its why, one agent, and
what may be done.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from fastapi.responses import Response

from app.api.agents import get_agent
from app.api.answers import agent_ref
from app.api.contacts import get_contact, why
from app.api.ids import path_id
from app.api.queues import queue_now, waiting_by_channel
from app.auth import Principal
from app.db import tickets as ticket_rows
from app.errors import NotFoundError
from app.house import House
from app.web.board import GROUPS, callbacks_for_later, first_in_line, standing, step_words
from app.web.live import Broadcaster
from app.web.pages import FLOOR, page, render
from app.web.words import soon
from routing.floor import Floor
from routing.lead import free_for
from routing.lookup import talking_offer
from routing.model import (
    NEVER,
    PRIORITY_MAX,
    WAITING_STATES,
    Agent,
    Channel,
    Contact,
    ContactState,
    OfferState,
    Presence,
    TicketState,
)
from routing.policy import TeamPolicy, target_s

router = APIRouter(include_in_schema=False)

_LISTED: Final = 500
"""Most waiting contacts listed of one queue."""
_ANSWERS: Final = {"floor:lead", "offers:write"}
"""What it takes to end for an agent what the agent could end."""


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
        may=set(_moves(who, live, contact["channel"])),
        may_cancel=_may_cancel(who, live),
        priorities=range(PRIORITY_MAX + 1),
        ticket_states=list(TicketState),
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
        may_wrap_up=who.scopes >= _ANSWERS,
        **live,
    )


@page(router, "/queues/{team}", scopes=("queues:read", "contacts:read"))
async def queue_page(house: House, who: Principal, request: Request) -> Response:
    """Show one queue: whether it is open, who waits by channel, all callbacks for later; `?part` no frame."""
    team = house.switchboard.policy.teams.get(request.path_params["team"])
    if team is None:
        raise NotFoundError(f"There is no team {request.path_params['team']!r}.")
    now = house.clock.now()
    return render(
        request,
        who,
        "queue_part.html" if "part" in request.query_params else "queue.html",
        standing=standing(team, now, ZoneInfo(house.switchboard.policy.site.time_zone)),
        may_lead="floor:lead" in who.scopes,
        **await house.switchboard.read(lambda floor: _queue(floor, team, now)),
    )


def _queue(floor: Floor, team: TeamPolicy, now: float) -> dict[str, Any]:
    """Return a queue as it stands, who waits by channel, and its callbacks for later, the soonest first."""
    names = {agent.id: agent.name for agent in floor.agents.values()}
    zone = ZoneInfo(floor.policy.site.time_zone)
    due = [floor.contacts[contact_id] for contact_id in callbacks_for_later(floor).get(team.id, ())]
    return {
        "queue": queue_now(floor, team, now),
        "waiting": waiting_by_channel(floor, team),
        "names": names,
        "line": [
            {
                "id": each.id,
                "channel": each.channel.value,
                "since": each.enqueued_at,
                "target_s": target_s(floor.policy, team, each.channel),
                "priority": each.priority,
                "asked": [names[floor.offers[i].agent_id] for i in each.offer_ids],
            }
            for each in first_in_line(floor, team, _LISTED)
        ],
        "later": [
            {
                "id": each.id,
                "at": soon(each.scheduled_at or now, now, zone),
                "attempts": each.attempts,
                "for_": names.get(each.preferred_agent_id or ""),
            }
            for each in due
        ],
    }


def _moves(who: Principal, live: dict[str, Any], channel: str) -> Iterator[str]:
    """Yield what a lead may do to the contact now, besides cancelling it."""
    held, answers = live["held_by"] is not None, who.scopes >= _ANSWERS
    on_phone = live["talking_since"] is not None
    if live["waiting"]:
        if "floor:lead" in who.scopes:
            yield "lead"
        if answers and held:
            yield "take_back"
        if channel == Channel.VOICE and not held and {"floor:lead", "contacts:write"} <= who.scopes:
            yield "call_back"
    if answers and on_phone:
        yield "end"
    if answers and channel == Channel.CALLBACK and (on_phone or (live["rings"] and not held)):
        yield "missed"
    if answers and live["wrap_up_until"] is not None:
        yield "wrap_up"
    if live["ticket"] is not None and {"floor:lead", "tickets:write"} <= who.scopes:
        yield "ticket"


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
                "until": offer.wrap_up_until,
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
    ticket = floor.tickets.get(contact.ticket_id) if contact is not None else None
    return {
        **_standing(floor, contact),
        "free": _free(floor, contact),
        "names": {agent.id: agent.name for agent in floor.agents.values()},
        "people": sorted(
            ({"id": agent.id, "name": agent.name} for agent in floor.agents.values() if agent.active),
            key=lambda each: each["name"],
        ),
        "ticket": {"state": ticket.state, "owner": ticket.owner_id} if ticket is not None else None,
    }


def _standing(floor: Floor, contact: Contact | None) -> dict[str, Any]:
    """Return how far a contact is, and who is on it; the same facts, empty, for one that has ended."""
    if contact is None:
        return dict.fromkeys(("held_by", "talking_since", "wrap_up_until", "since")) | {
            "waiting": False,
            "rings": False,
            "cancellable": False,
            "step": ("", ""),
        }
    state, waiting = contact.state, contact.state in WAITING_STATES
    offer = floor.offers.get(contact.offer_id or 0)
    # Who passes a contact on stays with the customer until a colleague takes it.
    holder = talking_offer(floor, contact) if waiting else None
    return {
        "waiting": waiting,
        "rings": state is ContactState.OFFERED,
        "cancellable": waiting or state is ContactState.SCHEDULED,
        "held_by": agent_ref(floor, holder.agent_id)["name"] if holder is not None else None,
        "talking_since": contact.connected_at if state is ContactState.CONNECTED else None,
        "wrap_up_until": offer.wrap_up_until if state is ContactState.WRAP_UP and offer is not None else None,
        "since": contact.enqueued_at,
        "step": step_words(floor, floor.team(contact.team_id), contact) if waiting else ("", ""),
    }


def _free(floor: Floor, contact: Contact | None) -> list[dict[str, Any]]:
    """Return to whom a waiting contact can be offered now, those of its team first."""
    if contact is None or contact.state not in WAITING_STATES:
        return []
    free = [
        {"id": agent.id, "name": agent.name, "mine": contact.team_id in agent.teams}
        for agent in floor.agents.values()
        if agent.teams and free_for(floor, contact, agent)
    ]
    return sorted(free, key=lambda each: (not each["mine"], each["name"]))
