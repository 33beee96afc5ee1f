"""What would bring a waiting contact to an agent: steps that fall due, agents who come free, hours."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from routing.eligibility import Refusal, able, refusal_in, sets
from routing.floor import Floor
from routing.hours import is_open, next_opening
from routing.model import NEVER, Agent, Contact, ContactState, OfferState
from routing.naming import team_name
from routing.policy import Step

_SHOWN = 8


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """Something that would let the contact be taken, or ends its waiting."""

    kind: str
    """`step`, `overflow`, `preference_over`, `wrap_up_over`, `offer_over`, `talk_over`, `rest_over`,
    `asked_again`, `comes_back`, `nobody_able`, `opening` or `expiry`."""
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
        yield _held_up(floor, contact, _step(floor, step, contact.segment_at + step.after_s), now)
    if not is_open(team.hours, now):
        opening = next_opening(team.hours, now)
        if opening is not None:
            yield Change(kind="opening", what=f"{team.name} is closed and opens", at=opening)
        else:
            yield Change(kind="opening", what=f"{team.name} is closed and does not open within a year")
    if contact.expires_at < NEVER:
        yield _held_up(floor, contact, Change(kind="expiry", what="It expires", at=contact.expires_at), now)


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
    """Yield when agents who are there and able come free."""
    record = sets(floor, contact)
    rings_at = {floor.offers[offer_id].agent_id for offer_id in contact.offer_ids}
    shown = 0
    for agent in floor.agents.values():
        if agent.id in rings_at:
            continue
        reason = refusal_in(record, agent.index)
        if reason is Refusal.NO_CAPACITY and shown < _SHOWN:
            shown += 1
            yield _comes_free(floor, agent)
        elif reason is Refusal.NOT_RESPONDING and agent.not_responding_until < NEVER:
            yield Change(
                kind="rest_over",
                what=f"{agent.name} gets offers again",
                at=agent.not_responding_until,
                agent_ids=(agent.id,),
            )
        elif reason is Refusal.TURNED_DOWN:
            yield Change(
                kind="asked_again",
                what=f"{agent.name} may be asked again",
                at=contact.tried[agent.id],
                agent_ids=(agent.id,),
            )


def _comes_free(floor: Floor, agent: Agent) -> Change:
    """Return when the agent's first piece of work ends, as far as anybody can know."""
    work = [floor.offers[offer_id] for offer_id in agent.offer_ids]
    wrapping = [each.wrap_up_until for each in work if each.wrap_up_until is not None]
    pending = [each.expires_at for each in work if each.state is OfferState.PENDING]
    if wrapping:
        what, kind, at = f"{agent.name}'s wrap-up ends", "wrap_up_over", min(wrapping)
    elif pending:
        what, kind, at = f"{agent.name}'s offer of another contact ends", "offer_over", min(pending)
    else:
        return Change(
            kind="talk_over", what=f"{agent.name} ends a running conversation", agent_ids=(agent.id,)
        )
    return Change(kind=kind, what=what, at=at, agent_ids=(agent.id,))


def _absent(floor: Floor, contact: Contact) -> Iterator[Change]:
    """Yield who could take it but is away, or that nobody ever could at this step."""
    record = sets(floor, contact)
    members = able(record)
    away = [
        agent
        for agent in floor.agents.values()
        if members >> agent.index & 1 and refusal_in(record, agent.index) is Refusal.NOT_PRESENT
    ]
    if away:
        names = ", ".join(f"{agent.name} ({agent.presence})" for agent in away[:_SHOWN])
        more = f" or {len(away) - _SHOWN} more" if len(away) > _SHOWN else ""
        yield Change(
            kind="comes_back",
            what=f"{names}{more} could take it on coming back",
            agent_ids=tuple(agent.id for agent in away),
        )
    if not members:
        yield Change(kind="nobody_able", what=_nobody_able(floor, contact, record.pool))


def _nobody_able(floor: Floor, contact: Contact, pool: str) -> str:
    if not int(pool, 16):
        return "Somebody must join the team"
    wants = [f"{need.skill} at level {need.level}" for need in contact.skills]
    if contact.language is not None:
        wants.append(f"the language {contact.language}")
    return f"Nobody there has {' and '.join(wants)}: somebody must learn it, or a lead move it"
