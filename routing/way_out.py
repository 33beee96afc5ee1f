"""What would bring a waiting contact to an agent: steps that fall due, agents who come free, hours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from routing.eligibility import Refusal, able, able_at, refusal_in, sets
from routing.floor import Floor
from routing.hours import is_open, next_opening
from routing.lookup import takes_over, talking_offer
from routing.model import NEVER, Agent, Channel, Contact, ContactState, Offer, OfferState
from routing.naming import team_name
from routing.policy import Step
from routing.room import saves_above
from routing.staff_index import counted_with, in_use

_SHOWN = 8


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """Something that would let the contact be taken, or ends its waiting."""

    kind: str
    """`step`, `overflow`, `preference_over`, `wrap_up_over`, `offer_over`, `talk_over`, `room_used`,
    `rest_over`, `asked_again`, `responds`, `taken_back`, `comes_back`, `nobody_able`, `opening` or
    `expiry`."""
    what: str
    at: float | None = None
    """When it happens by itself; None where it is for somebody to do, or cannot be foreseen. While the
    contact is offered a step, an overflow or the expiry waits for the end of that offer, and then holds at
    once where its time has passed."""
    agent_ids: tuple[str, ...] = ()


def find_changes(floor: Floor, contact: Contact, now: float) -> tuple[Change, ...]:
    """Return what would change that `contact` waits: what has a time in order of time, then the rest."""
    found = [*_in_time(floor, contact, now), *_agents(floor, contact), *_absent(floor, contact)]
    timed = sorted((each for each in found if each.at is not None), key=lambda each: each.at or 0.0)
    return (*timed, *(each for each in found if each.at is None))


def _in_time(floor: Floor, contact: Contact, now: float) -> Iterator[Change]:
    team = floor.team(contact.team_id)
    if contact.step < 0:
        over = Change(kind="preference_over", what="Anybody may take it", at=contact.preferred_until)
        yield _held_up(floor, contact, over, now)
    for step in team.steps[max(contact.step, 0) :]:
        if step.overflow_to is not None and not _passed_on(floor, contact, step, now):
            continue
        yield _held_up(floor, contact, _step(floor, step, _reached_at(contact, step)), now)
    if not is_open(team.hours, now):
        opening = next_opening(team.hours, now)
        if opening is not None:
            yield Change(kind="opening", what=f"{team.name} is closed and opens", at=opening)
        else:
            yield Change(kind="opening", what=f"{team.name} is closed and does not open within a year")
    if contact.expires_at < NEVER:
        holder = talking_offer(floor, contact)
        ends = f"It goes back to {floor.agents[holder.agent_id].name}" if holder is not None else "It expires"
        yield _held_up(floor, contact, Change(kind="expiry", what=ends, at=contact.expires_at), now)


def _reached_at(contact: Contact, step: Step) -> float:
    """Return when a step to come is reached: not while the contact is kept for its preferred agent."""
    at = contact.segment_at + step.after_s
    return max(at, contact.preferred_until) if contact.step < 0 else at


def _passed_on(floor: Floor, contact: Contact, step: Step, now: float) -> bool:
    """Return whether an overflow will find its team open, or somebody of it there as now."""
    at = max(_reached_at(contact, step), now)
    return step.overflow_to is not None and takes_over(floor, contact, step.overflow_to, at)


def _held_up(floor: Floor, contact: Contact, change: Change, now: float) -> Change:
    """Return `change` as it is for a contact that is offered: it holds only if that offer comes to nothing.

    Then it holds at once where its time has passed. A broadcast with room follows its steps while it rings.
    """
    follows = change.kind == "step" and floor.may_ask_more(contact)
    if contact.state is not ContactState.OFFERED or follows:
        return change
    what = f"If nobody there takes it: {change.what}"
    if change.at is not None and change.at <= now:
        return msgspec.structs.replace(change, what=f"{what} at once", at=None)
    return msgspec.structs.replace(change, what=what)


def widening(floor: Floor, step: Step) -> str:
    """Return in words what a relaxation step (not an overflow) relaxes."""
    wider = []
    if step.teams:
        wider.append(f"{' and '.join(team_name(floor, each) for each in step.teams)} may take it too")
    if step.skill_slack:
        wider.append(f"{step.skill_slack} skill level{'s' if step.skill_slack > 1 else ''} less will do")
    if step.any_language:
        wider.append("the language no longer counts")
    return ", ".join(wider)


def _step(floor: Floor, step: Step, at: float) -> Change:
    if step.overflow_to is not None:
        return Change(kind="overflow", what=f"It moves to {team_name(floor, step.overflow_to)}", at=at)
    text = widening(floor, step)
    return Change(kind="step", what=text[:1].upper() + text[1:], at=at)


def _agents(floor: Floor, contact: Contact) -> Iterator[Change]:
    """Yield when agents who are there and able come free, or could be asked again."""
    record = sets(floor, contact)
    aside = {floor.offers[offer_id].agent_id for offer_id in contact.offer_ids}
    holder = talking_offer(floor, contact)
    if holder is not None:
        aside.add(holder.agent_id)
        name = floor.agents[holder.agent_id].name
        yield Change(kind="taken_back", what=f"{name} takes it back", agent_ids=(holder.agent_id,))
    shown = 0
    for agent in floor.agents.values():
        reason = refusal_in(record, agent.index)
        if agent.id in aside or reason not in _PASSING or not floor.staff.ever_takes(agent, contact.channel):
            continue
        if reason is Refusal.NO_CAPACITY and shown >= _SHOWN:
            continue
        shown += reason is Refusal.NO_CAPACITY
        change = _passes(floor, agent, contact)
        # Kept for an agent who comes free too late, it goes to those who may take it without that.
        late = contact.step < 0 and change.at is not None and change.at >= contact.preferred_until
        if not late or able_at(floor, contact, 0) >> agent.index & 1:
            yield change


_PASSING: Final = frozenset({Refusal.NO_CAPACITY, Refusal.NOT_RESPONDING, Refusal.TURNED_DOWN})
"""Reasons against an agent who is there that go by."""


def _passes(floor: Floor, agent: Agent, contact: Contact) -> Change:
    """Return how what keeps an agent who is there from the contact goes by: the last of it."""
    found = []
    if not floor.staff.room[contact.channel] >> agent.index & 1:
        found.append(_comes_free(floor, agent, contact.channel))
    if agent.not_responding:
        found.append(_responds(agent))
    if agent.id in contact.tried:
        found.append(_asked_again(agent, contact.tried[agent.id]))
    last = max(found, key=lambda each: NEVER if each.at is None else each.at)
    if last.kind == "talk_over" and found[1:]:
        return msgspec.structs.replace(last, what=f"{last.what} and may be asked again")
    return last


def _responds(agent: Agent) -> Change:
    what = f"{agent.name} gets offers again"
    if agent.not_responding_until < NEVER:
        return Change(kind="rest_over", what=what, at=agent.not_responding_until, agent_ids=(agent.id,))
    sign = "the device is heard of again" if agent.silent else "setting a presence"
    return Change(kind="responds", what=f"{what} once {sign}", agent_ids=(agent.id,))


def _asked_again(agent: Agent, at: float) -> Change:
    what = f"{agent.name} may be asked again"
    return Change(kind="asked_again", what=what, at=at, agent_ids=(agent.id,))


def _comes_free(floor: Floor, agent: Agent, channel: Channel) -> Change:
    """Return when enough of the agent's work has ended for a contact on `channel`, as far as is known."""
    terms = floor.policy.channels[channel]
    if saves_above(floor, agent, terms.cost):
        what = f"{agent.name} gets contact {agent.saves_for}, for which room is saved"
        return Change(kind="room_used", what=what, agent_ids=(agent.id,))
    most = agent.channel_caps.get(channel.value, terms.cap)
    counted = counted_with(channel)
    left, use, talks = agent.capacity - agent.used, in_use(agent, channel), 0
    what, kind, at = "", "", 0.0
    for ends_at, offer in sorted(
        ((_ends_at(floor.offers[i]), floor.offers[i]) for i in agent.offer_ids),
        key=lambda each: (each[0], -each[1].cost, each[1].id),
    ):
        left, use = left + offer.cost, use - (offer.channel in counted)
        talks += ends_at == NEVER
        ringing = offer.state is OfferState.PENDING
        what, kind = ("offer of another contact", "offer_over") if ringing else ("wrap-up", "wrap_up_over")
        at = ends_at
        if left >= terms.cost and use < most:
            break
    if talks:
        many = "a running conversation" if talks == 1 else f"{talks} running conversations"
        return Change(kind="talk_over", what=f"{agent.name} ends {many}", agent_ids=(agent.id,))
    return Change(kind=kind, what=f"{agent.name}'s {what} ends", at=at, agent_ids=(agent.id,))


def _ends_at(offer: Offer) -> float:
    """Return when the work ends by itself, or NEVER while they talk."""
    if offer.state is OfferState.PENDING:
        return offer.expires_at
    return offer.wrap_up_until if offer.wrap_up_until is not None else NEVER


def _absent(floor: Floor, contact: Contact) -> Iterator[Change]:
    """Yield who could take it but is away, or that nobody ever could at this step."""
    record = sets(floor, contact)
    members = able(record)
    takers = [
        agent
        for agent in floor.agents.values()
        if members >> agent.index & 1 and floor.staff.ever_takes(agent, contact.channel)
    ]
    away = [agent for agent in takers if refusal_in(record, agent.index) is Refusal.NOT_PRESENT]
    if away:
        names = ", ".join(_who_is_away(floor, each, contact) for each in away[:_SHOWN])
        more = f" or {len(away) - _SHOWN} more" if len(away) > _SHOWN else ""
        yield Change(
            kind="comes_back",
            what=f"{names}{more} could take it on coming back",
            agent_ids=tuple(agent.id for agent in away),
        )
    if not takers:
        yield Change(kind="nobody_able", what=_nobody_able(floor, contact, record.pool, known=bool(members)))


def _who_is_away(floor: Floor, agent: Agent, contact: Contact) -> str:
    room = floor.staff.room[contact.channel] & floor.staff.bit[agent.id]
    besides = ", still busy" if not room else ", asked already" if agent.id in contact.tried else ""
    return f"{agent.name} ({agent.next_presence or agent.presence}{besides})"


def _nobody_able(floor: Floor, contact: Contact, pool: str, *, known: bool) -> str:
    if not int(pool, 16):
        return "Somebody must join the team"
    if known:
        return f"Nobody there takes {contact.channel}: somebody must, or a lead move it"
    wants = [f"{need.skill} at level {need.level}" for need in contact.skills]
    if contact.language is not None:
        wants.append(f"the language {contact.language}")
    return f"Nobody there has {' and '.join(wants)}: somebody must learn it, or a lead move it"
