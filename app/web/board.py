"""What the floor's page shows: the floor at one instant as plain values, and each of them as HTML.

A value never holds what changes by time alone (a wait is told by its beginning, the wait to expect in
coarse steps), so that two looks at a floor on which nothing happened are equal, or all but.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from heapq import nsmallest
from typing import Any, Final
from zoneinfo import ZoneInfo

from app.api.answers import agent_ref
from app.api.queues import add_waiting, day_start, longest_wait, still_waiting, waiting_by_channel
from app.closing import shut_now
from app.db import stats
from app.house import House
from app.insight import Sums, figures
from app.web.pages import templates
from app.web.words import soon
from routing.floor import Floor
from routing.hours import is_open, next_opening
from routing.lookup import talking_offer
from routing.model import Agent, AgentState, Contact, ContactState, OfferState, Presence
from routing.policy import TeamPolicy, target_s
from routing.steps import scope
from routing.wait import Estimate

Values = dict[str, dict[str, Any]]
"""By key: `sum`, `queue-TEAM`, `contact-ID`, `more-TEAM`, `agent-ID`. The key is the element's id."""

Estimates = Callable[[Floor, Contact], Estimate | None]

SHOWN: Final = 50
"""Most waiting contacts shown of one team; the rest is told as a number."""
GROUPS: Final = ("not_responding", "offered", "busy", "wrap_up", "idle", "away", "offline")

_WORKING: Final = frozenset({AgentState.BUSY, AgentState.WRAP_UP, AgentState.OFFERED})
_parts = templates.get_template("floor_parts.html").module


async def look(house: House) -> Values:
    """Return everything the floor's page shows, as it stands."""
    now = house.clock.now()
    start = day_start(now, house.switchboard.policy.site.time_zone)
    values, sums = await asyncio.gather(
        house.switchboard.read(lambda floor: floor_values(floor, now, house.switchboard.estimate)),
        house.database.read(stats.sums_by_team, start, now + 1),
    )
    total = Sums()
    for value in values.values():
        if value["kind"] == "queue":
            day = sums.get(value["id"], Sums())
            add_waiting(day, value.pop("still"), since=start)
            value["today"] = figures(day)
            total.add(day)
    values["sum"]["today"] = figures(total)
    result: Values = values
    return result


def render(key: str, value: dict[str, Any]) -> str:
    """Return the HTML of one value."""
    return str(getattr(_parts, value["kind"])(key, value))


def floor_values(floor: Floor, now: float, estimate: Estimates) -> Values:
    """Return the floor's values, without the figures of the day; `estimate` foretells a contact's wait."""
    values: Values = {}
    staff: dict[str, Counter[str]] = {team_id: Counter() for team_id in floor.policy.teams}
    total: Counter[str] = Counter()
    for agent in floor.agents.values():
        # Who is in no team is a lead: answers for the team's contacts without taking any.
        if agent.active and agent.teams:
            group = _group(agent)
            values[f"agent-{agent.id}"] = _agent(floor, agent, group)
            total[group] += 1
            for team_id in agent.teams:
                if team_id in staff:
                    staff[team_id][group] += 1
    later = callbacks_for_later(floor)
    for order, team in enumerate(floor.policy.teams.values()):
        queue = _queue(floor, team, now, order, staff[team.id])
        values[f"queue-{team.id}"] = queue | {"later": later.get(team.id, [])}
        values.update(_contacts(floor, team, order, estimate))
    queues = [value for value in values.values() if value["kind"] == "queue"]
    longest = min(
        ((value["since_target_s"], value["since"]) for value in queues if value["since"] is not None),
        default=(None, None),
    )
    values["sum"] = {
        "kind": "sum",
        "waiting": sum(value["waiting"] for value in queues),
        "since": longest[1],
        "since_target_s": longest[0],
        "free": total["idle"],
        "online": total.total() - total["offline"],
    }
    return values


def _order(contact: Contact) -> tuple[float, int]:
    return (contact.effective_at, contact.id)


def _queue(floor: Floor, team: TeamPolicy, now: float, order: int, staff: Counter[str]) -> dict[str, Any]:
    channels = waiting_by_channel(floor, team)
    longest = longest_wait(team.target_s, channels)
    return {
        "kind": "queue",
        "id": team.id,
        "name": team.name,
        "lead": agent_ref(floor, team.lead_id)["name"],
        "standing": standing(team, now, ZoneInfo(floor.policy.site.time_zone)),
        "target_s": team.target_s,
        "target_share": team.target_share,
        "waiting": sum(each["waiting"] for each in channels.values()),
        "still": still_waiting(floor, team, now),
        "since": longest.since,
        "since_target_s": longest.target_s,
        "agents": staff,
        "order": [order],
    }


def standing(team: TeamPolicy, now: float, zone: ZoneInfo) -> str:
    """Return in words whether a team is open, or until when it is closed, in local time."""
    if is_open(team.hours, now):
        return "open"
    opens_at = next_opening(team.hours, now)
    by_hand = " by hand" if shut_now(team, now) is not None else ""
    return f"closed{by_hand}" + (f" until {soon(opens_at, now, zone)}" if opens_at is not None else "")


def callbacks_for_later(floor: Floor) -> dict[str, list[int]]:
    """Return by team the callbacks that wait for their time, the soonest first."""
    found: dict[str, list[tuple[float, int]]] = {}
    for contact in floor.contacts.values():
        if contact.state is ContactState.SCHEDULED:
            found.setdefault(contact.team_id, []).append((contact.scheduled_at or 0.0, contact.id))
    return {team_id: [contact_id for _, contact_id in sorted(each)] for team_id, each in found.items()}


def first_in_line(floor: Floor, team: TeamPolicy, most: int) -> list[Contact]:
    """Return the contacts that wait for a team, in their order, at most so many."""
    return nsmallest(most, (floor.contacts[i] for i in floor.queues.waiting.get(team.id, ())), key=_order)


def _contacts(floor: Floor, team: TeamPolicy, order: int, estimate: Estimates) -> Values:
    """Return the first contacts that wait for a team, and how many more there are."""
    waiting = len(floor.queues.waiting.get(team.id, ()))
    values = {
        f"contact-{contact.id}": _contact(floor, team, contact, estimate)
        for contact in first_in_line(floor, team, SHOWN)
    }
    if waiting > SHOWN:
        values[f"more-{team.id}"] = {
            "kind": "more",
            "team": team.id,
            "name": team.name,
            "count": waiting - SHOWN,
            "order": [9e15, order],
        }
    return values


def coarse(seconds: float) -> int:
    """Return a wait to expect in steps of 5 s, from a minute on of 15 s, from five minutes on of a minute."""
    step = 5 if seconds < 60 else 15 if seconds < 300 else 60
    return step * round(seconds / step)


def _expected(floor: Floor, contact: Contact, estimate: Estimates) -> dict[str, int] | None:
    """Return the wait to expect from now and its interval; None while an agent's phone rings."""
    found = estimate(floor, contact) if contact.state is ContactState.QUEUED else None
    if found is None:
        return None
    return {
        "wait_s": coarse(found.wait_s),
        "low_s": coarse(found.low_s),
        "high_s": coarse(found.high_s),
    }


def _contact(floor: Floor, team: TeamPolicy, contact: Contact, estimate: Estimates) -> dict[str, Any]:
    ticket = floor.tickets.get(contact.ticket_id)
    step, wider = step_words(floor, team, contact)
    holder = talking_offer(floor, contact)
    return {
        "kind": "contact",
        "id": contact.id,
        "team": team.id,
        "team_name": team.name,
        "target_s": target_s(floor.policy, team, contact.channel),
        "channel": contact.channel.value,
        "state": contact.state.value,
        "place": None if contact.offer_ids else floor.position(contact),
        "since": contact.enqueued_at,
        "expected": _expected(floor, contact, estimate),
        "priority": contact.priority,
        "step": step,
        "wider": wider,
        "offered_to": [agent_ref(floor, floor.offers[i].agent_id)["name"] for i in contact.offer_ids],
        "held_by": agent_ref(floor, holder.agent_id)["name"] if holder is not None else None,
        "owner": agent_ref(floor, ticket.owner_id)["name"] if ticket is not None else None,
        "subject": ticket.subject if ticket is not None else "",
        "language": contact.language,
        "skills": [f"{need.skill} {need.level}" for need in contact.skills],
        "order": list(_order(contact)),
    }


def step_words(floor: Floor, team: TeamPolicy, contact: Contact) -> tuple[str, str]:
    """Return in words at which step a waiting contact is, and who beyond its team may take it there."""
    if contact.step < 0 and contact.preferred_agent_id is not None:
        return f"kept for {agent_ref(floor, contact.preferred_agent_id)['name']}", ""
    if contact.step <= 0:
        return "own team", ""
    now = scope(team, contact.step)
    others = [floor.policy.teams[each].name for each in now.teams if each != team.id]
    wider = [
        f"skills up to {now.skill_slack} lower" if now.skill_slack else "",
        "any language" if now.any_language else "",
        "also " + ", ".join(others) if others else "",
    ]
    return f"step {contact.step} of {len(team.steps)}", ", ".join(filter(None, wider))


def _group(agent: Agent) -> str:
    """Return under which heading an agent stands: work comes before presence."""
    if agent.state in _WORKING:
        return agent.state.value
    if agent.presence is Presence.OFFLINE:
        return "offline"
    if agent.presence is not Presence.AVAILABLE:
        return "away"
    return agent.state.value


def _agent(floor: Floor, agent: Agent, group: str) -> dict[str, Any]:
    work = [floor.offers[i] for i in agent.offer_ids if i in floor.offers]
    since = {"away": agent.presence_since, "offline": agent.presence_since, "idle": agent.idle_since}
    if group in ("away", "offline"):
        said = agent.presence_reason or agent.presence.value
    elif agent.next_presence is not None or agent.draining:
        said = f"then {agent.next_presence or Presence.OFFLINE}"
    else:
        said = ""
    return {
        "kind": "agent",
        "id": agent.id,
        "name": agent.name,
        "group": group,
        "presence": agent.presence.value,
        "said": said,
        "unanswered": agent.asked.get("unanswered", 0) if group == "not_responding" else 0,
        "since": since.get(group, agent.state_since) or None,
        "work": [
            {"id": offer.contact_id, "channel": offer.channel.value}
            for offer in work
            if offer.state in (OfferState.PENDING, OfferState.ACCEPTED)
        ],
        "teams": list(agent.teams),
        "team_names": [floor.policy.teams[t].name if t in floor.policy.teams else t for t in agent.teams],
        "order": [agent.name, agent.id],
    }
