"""Why a contact went where it went, or why it still waits and what would change that, in plain words.

Everything said is also there as a value. Agents are named; instants are epoch seconds, and in the sentences
times from now, or local times of the site where they are hours away.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from math import inf

import msgspec

from routing.course import tell
from routing.eligibility import Refusal, able_at, refusal_in, sets
from routing.events import Candidate, Classification, Decision, Event, NobodyFound, OfferMade, Sets
from routing.floor import Floor
from routing.hours import next_opening
from routing.model import CAPACITY_FULL, WAITING_STATES, Contact, ContactState
from routing.naming import name_of, names_of, team_name, when
from routing.room import saves_above
from routing.selection import TERMS
from routing.shares import NO_CLAIM
from routing.steps import scope
from routing.urgency import urgency
from routing.way_out import Change, find_changes


class Against(msgspec.Struct, frozen=True, kw_only=True):
    """One reason and whom it keeps from taking the contact."""

    reason: Refusal
    agent_ids: tuple[str, ...]


class Considered(msgspec.Struct, frozen=True, kw_only=True):
    """An agent who could have been chosen, best first, with the named terms of the choice."""

    agent_id: str
    terms: dict[str, float]


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One decision as it was made."""

    decision_id: int
    waited_s: float
    policy_version: int
    relaxation_step: int
    urgency: float
    trigger: str
    strategy: str
    agent_ids: tuple[str, ...]
    """Who was asked; empty where nobody could be."""
    considered: tuple[Considered, ...]
    rivals: tuple[tuple[int, float], ...]
    against: tuple[Against, ...]
    sentence: str


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """The whole answer: what was decided, how it stands, what keeps it, what would change that."""

    contact_id: int
    state: ContactState
    classification: Classification | None
    course: tuple[str, ...]
    """What has become of it so far, in order."""
    decisions: tuple[Step, ...]
    position: int | None
    next_contact_id: int | None
    """Who goes before everybody else in the same queue, this contact or another."""
    against: tuple[Against, ...]
    changes: tuple[Change, ...]
    sentences: tuple[str, ...]


def explain(
    floor: Floor,
    contact: Contact,
    events: Sequence[Event],
    now: float,
    *,
    classification: Classification | None = None,
) -> Explanation:
    """Return why `contact` is where it is.

    `events` are those stored of it (`routing.course.TOLD`), oldest first; `contact` may have ended and left
    the floor.
    """
    decisions = [each.decision for each in events if isinstance(each, OfferMade | NobodyFound)]
    steps = tuple(_step(floor, contact, list(group)) for _, group in groupby(decisions, lambda d: d.id))
    course = tuple(tell(floor, events, {step.decision_id: step.sentence for step in steps}))
    waits = contact.state is ContactState.QUEUED
    against = _against(floor, sets(floor, contact)) if waits else ()
    changes = find_changes(floor, contact, now) if contact.state in WAITING_STATES else ()
    position = floor.position(contact)
    next_id = _next_in_line(floor, contact, now) if waits else None
    sentences = [
        *([_belongs(floor, classification)] if classification is not None else []),
        *course,
        *_stands(floor, contact, now),
        *([_kept_by(floor, contact, against)] if waits else []),
        *([_place(position, next_id, contact)] if waits and position and contact.step >= 0 else []),
        *(_yields(floor, contact, now) if waits else []),
        *(_foretell(floor, change, now) for change in changes),
    ]
    return Explanation(
        contact_id=contact.id,
        state=contact.state,
        classification=classification,
        course=course,
        decisions=steps,
        position=position,
        next_contact_id=next_id,
        against=against,
        changes=changes,
        sentences=tuple(sentences),
    )


def _step(floor: Floor, contact: Contact, records: Sequence[Decision]) -> Step:
    """Return the value and the sentence of one decision; a broadcast has a record for each agent asked."""
    first = records[0]
    asked = tuple(record.agent_id for record in records if record.agent_id is not None)
    considered = tuple(_considered(first.strategy, each) for each in first.candidates)
    against = _against(floor, first.sets) if first.sets is not None else ()
    after = f"After {first.waited_s:.0f} s"
    if not asked:
        sentence = f"{after} nobody could take it{_because(floor, contact, against)}."
    elif first.trigger == "lead":
        sentence = f"{after} a lead gave it to {names_of(floor, asked)}, ahead of the order."
    elif first.trigger == "broadcast":
        sentence = f"{after} {names_of(floor, asked)} was asked too: it may ring at more."
    elif first.trigger == "joined":
        sentence = f"{after} {names_of(floor, asked)} became free and was asked too: it may ring at more."
    elif first.trigger == "agent":
        sentence = (
            f"{after} {names_of(floor, asked)} became free and was asked: {_most_urgent(floor, first)}."
        )
    else:
        sentence = f"{after} {names_of(floor, asked)} was asked: {_best_of(floor, first, asked)}."
    return Step(
        decision_id=first.id,
        waited_s=first.waited_s,
        policy_version=first.policy_version,
        relaxation_step=first.step,
        urgency=first.urgency,
        trigger=first.trigger,
        strategy=first.strategy,
        agent_ids=asked,
        considered=considered,
        rivals=first.rivals,
        against=against,
        sentence=sentence.replace(" was asked", " were asked") if len(asked) > 1 else sentence,
    )


def _considered(strategy: str, candidate: Candidate) -> Considered:
    names = TERMS.get(strategy, ())
    return Considered(
        agent_id=candidate.agent_id, terms=dict(zip(names, candidate.key, strict=False)) if names else {}
    )


def _most_urgent(floor: Floor, decision: Decision) -> str:
    if not decision.rivals:
        return "it was the first in line"
    rival, value = decision.rivals[0]
    if (claim := decision.claim) is not None:
        return (
            f"it had waited {claim.targets:.1f} times its target while {claim.at_work:.1f} agents worked for "
            f"{team_name(floor, claim.team_id)}, whose share is {claim.share:.1f}, so it "
            f"went before contact {rival} with its urgency of {value:.2f}"
        )
    return (
        f"its urgency of {decision.urgency:.2f} was the highest, "
        f"before contact {rival} with {value:.2f}"
        + (f" and {len(decision.rivals) - 1} more" if decision.rivals[1:] else "")
    )


def _best_of(floor: Floor, decision: Decision, asked: tuple[str, ...]) -> str:
    others = [each.agent_id for each in decision.candidates if each.agent_id not in asked]
    kind = decision.strategy.replace("_", " ")
    if not others:
        return "nobody else was free for it"
    return f"first by {kind}, before {names_of(floor, others)}"


def _against(floor: Floor, record: Sets) -> tuple[Against, ...]:
    """Return the agents of the pool by the first reason against each, in the order of the reasons."""
    found: dict[Refusal, list[str]] = {}
    pool = int(record.pool, 16)
    while pool:
        low = pool & -pool
        pool ^= low
        index = low.bit_length() - 1
        reason = refusal_in(record, index)
        if reason is not None:
            found.setdefault(reason, []).append(floor.staff.at[index].id)
    return tuple(Against(reason=each, agent_ids=tuple(found[each])) for each in Refusal if each in found)


def _because(floor: Floor, contact: Contact, against: tuple[Against, ...]) -> str:
    if not against:
        return ": there was nobody in the team"
    return ": " + "; ".join(_reason(floor, contact, each) for each in against)


def _reason(floor: Floor, contact: Contact, against: Against) -> str:
    names = names_of(floor, against.agent_ids)
    many = len(against.agent_ids) != 1
    match against.reason:
        case Refusal.MISSING_SKILL:
            wanted = ", ".join(f"{need.skill} {need.level}" for need in contact.skills)
            return f"{names} {'lack' if many else 'lacks'} the skills ({wanted})"
        case Refusal.MISSING_LANGUAGE:
            return f"{names} {'do' if many else 'does'} not speak {contact.language}"
        case Refusal.NOT_PRESENT:
            return f"{names} {'are' if many else 'is'} not there"
        case Refusal.NOT_RESPONDING:
            return f"{names} {'do' if many else 'does'} not respond"
        case Refusal.NO_CAPACITY:
            return _no_room(floor, contact, against.agent_ids)
        case Refusal.TURNED_DOWN:
            return f"{names} {'were' if many else 'was'} asked already"
        case Refusal.NOT_IN_POOL:
            return f"{names} {'are' if many else 'is'} not in the team"


def _no_room(floor: Floor, contact: Contact, agent_ids: Sequence[str]) -> str:
    takes = {each: floor.staff.ever_takes(floor.agents[each], contact.channel) for each in agent_ids}
    busy, never = ([each for each in agent_ids if takes[each] is kind] for kind in (True, False))
    cost = floor.policy.channels[contact.channel].cost
    saving = [each for each in busy if saves_above(floor, floor.agents[each], cost)]
    busy = [each for each in busy if each not in saving]
    said = [f"{names_of(floor, busy)} {'are' if busy[1:] else 'is'} busy"] if busy else []
    said += [
        f"{name_of(floor, each)} saves room for contact {floor.agents[each].saves_for}" for each in saving
    ]
    if never:
        said.append(f"{names_of(floor, never)} {'take' if never[1:] else 'takes'} no {contact.channel}")
    return "; ".join(said)


def _room_saved(floor: Floor, contact: Contact) -> list[str]:
    agent_id = floor.saving.get(contact.id)
    if agent_id is None:
        return []
    return [f"{name_of(floor, agent_id)} saves room for it and gets nothing smaller meanwhile."]


def _belongs(floor: Floor, classification: Classification) -> str:
    team = team_name(floor, classification.team_id)
    return f"It belongs to {team}: {classification.reason or classification.by}."


def _stands(floor: Floor, contact: Contact, now: float) -> list[str]:
    match contact.state:
        case ContactState.CONNECTED:
            return [f"{name_of(floor, contact.agent_id)} is talking to the customer."]
        case ContactState.WRAP_UP:
            return [f"{name_of(floor, contact.agent_id)} is wrapping up."]
        case ContactState.OFFERED:
            offers = [floor.offers[offer_id] for offer_id in contact.offer_ids]
            names = names_of(floor, [offer.agent_id for offer in offers])
            return [f"It rings at {names} for {max(o.expires_at for o in offers) - now:.0f} s more."]
        case ContactState.SCHEDULED:
            return [f"It waits for its time, {when(floor, contact.scheduled_at or now, now)}."]
        case ContactState.QUEUED:
            waited = (
                f"It has waited {now - contact.segment_at:.0f} s for {team_name(floor, contact.team_id)}."
            )
            holder = floor.offers.get(contact.offer_id) if contact.offer_id is not None else None
            return [
                waited,
                *([f"{name_of(floor, holder.agent_id)} stays with the customer."] if holder else []),
                *_room_saved(floor, contact),
            ]
        case _:
            said = contact.end_reason if contact.end_reason != contact.state else ""
            because = f": {said.replace('_', ' ')}" if said else ""
            return [f"It ended as {contact.state}{because}.", *_turned_away(floor, contact, now)]


def _turned_away(floor: Floor, contact: Contact, now: float) -> list[str]:
    """Say what was in the way of a contact that was not let in, and what would let the next one in."""
    team = floor.policy.teams.get(contact.team_id)
    if contact.state is not ContactState.REJECTED or team is None:
        return []
    match contact.end_reason:
        case "closed":
            opens_at = next_opening(team.hours, now)
            if opens_at is None:
                return [f"{team.name} does not open within a year."]
            opens = f"opens {when(floor, opens_at, now)}" if opens_at > now else "is open now"
            return [f"{team.name} {opens}; a callback asked for while it is closed waits for that."]
        case "full":
            return [f"{team.name} lets {team.max_waiting} wait, and nobody was free."]
        case "no_agents":
            return [f"Nobody of {team.name} was there; somebody must be available."]
        case _:
            return []


def _kept_by(floor: Floor, contact: Contact, against: tuple[Against, ...]) -> str:
    if contact.step < 0:
        return (
            f"It is kept for {name_of(floor, contact.preferred_agent_id)}{_because(floor, contact, against)}."
        )
    teams = scope(floor.team(contact.team_id), contact.step).teams
    where = " and ".join(team_name(floor, team_id) for team_id in teams)
    if not against:
        return f"Nobody belongs to {where}."
    return f"Nobody in {where} can take it now{_because(floor, contact, against)}."


def _place(position: int, next_id: int | None, contact: Contact) -> str:
    if next_id is None or next_id == contact.id:
        return "It is next."
    if position == 1:
        return f"It is first in its line; contact {next_id}, on another channel, is more urgent."
    return f"It is number {position} in line; contact {next_id} is next."


def _yields(floor: Floor, contact: Contact, now: float) -> list[str]:
    """Say which teams' claims go before `contact`, whatever its urgency."""
    at_work, share = floor.shares.at_work, floor.shares.share
    return [
        f"Agents who come free go first to {team_name(floor, team_id)}: its contacts wait too long while "
        f"{at_work.get(team_id, 0) / CAPACITY_FULL:.1f} agents work for it, whose share is "
        f"{share(team_id) / CAPACITY_FULL:.1f}."
        for team_id in _claims_before(floor, contact, now)
    ]


def _claims_before(floor: Floor, contact: Contact, now: float) -> list[str]:
    """Return the teams that have a better claim to agents who may take `contact` than its own has."""
    shares, pool = floor.shares, able_at(floor, contact, max(contact.step, 0))
    mine = shares.part(contact.team_id) if _waits_too_long(floor, contact.team_id, now) else NO_CLAIM
    return [
        team_id
        for team_id in floor.policy.teams
        if team_id != contact.team_id
        and floor.staff.members.get(team_id, 0) & pool
        and shares.part(team_id) < mine
        and _waits_too_long(floor, team_id, now)
    ]


def _waits_too_long(floor: Floor, team_id: str, now: float) -> bool:
    patient = floor.policy.share_after_targets or inf
    lines = [line for line in floor.queues.by_team.get(team_id, {}).values() if line.key[0] == team_id]
    return any(now - line.entries[0][0] > patient * line.target_s for line in lines)


def _next_in_line(floor: Floor, contact: Contact, now: float) -> int | None:
    """Return the most urgent contact of the team now, on whatever channel."""
    heads = []
    for line in floor.queues.by_team.get(contact.team_id, {}).values():
        if line.key[0] == contact.team_id:
            effective_at, contact_id = line.entries[0]
            value = urgency(line.team, age_s=now - effective_at, target_s=line.target_s)
            heads.append((-value, effective_at, contact_id))
    return min(heads)[2] if heads else None


def _foretell(floor: Floor, change: Change, now: float) -> str:
    if change.at is None:
        return f"{change.what}."
    return f"{change.what} {when(floor, change.at, now)}."
