"""May this agent take this contact now, and the first reason if not."""

from __future__ import annotations

from enum import StrEnum

from routing.events import Sets
from routing.floor import Floor
from routing.model import Agent, Contact
from routing.queue_index import line_key
from routing.steps import Scope


class Refusal(StrEnum):
    """Why an agent may not take a contact; in the order in which they are looked at."""

    NOT_IN_POOL = "not_in_pool"
    MISSING_SKILL = "missing_skill"
    MISSING_LANGUAGE = "missing_language"
    NOT_PRESENT = "not_present"
    NOT_RESPONDING = "not_responding"
    NO_CAPACITY = "no_capacity"
    TURNED_DOWN = "turned_down"


def candidates(floor: Floor, contact: Contact) -> int:
    """Return the bit set of agents who may be offered `contact` now."""
    if contact.step < 0:
        pool = floor.staff.bit.get(contact.preferred_agent_id or "", 0)
    else:
        pool = _scoped_mask(floor, contact, floor.queues.scope(contact.team_id, contact.step))
    free = pool & floor.staff.present & floor.staff.responding & floor.staff.room[contact.channel]
    return free & ~tried_mask(floor, contact) if contact.tried else free


def sets(floor: Floor, contact: Contact) -> Sets:
    """Return who passed which rule for `contact` at this moment, for the decision record."""
    staff = floor.staff
    if contact.step < 0:
        pool = skilled = language = staff.bit.get(contact.preferred_agent_id or "", 0)
    else:
        terms = floor.queues.scope(contact.team_id, contact.step)
        pool = language = staff.pool_mask(terms.teams)
        skilled = _skilled_mask(floor, contact, terms, pool)
        if not _language_free(contact, terms):
            language = pool & staff.language_mask(contact.language or "")

    def passed(mask: int) -> str:
        within = mask & pool
        return "" if within == pool else f"{within:x}"

    return Sets(
        pool=f"{pool:x}",
        skilled=passed(skilled),
        language=passed(language),
        present=passed(staff.present),
        responding=passed(staff.responding),
        room=passed(staff.room[contact.channel]),
        not_tried=passed(~tried_mask(floor, contact)),
    )


def able_at(floor: Floor, contact: Contact, step: int) -> int:
    """Return the bit set of those who may take `contact` at `step` whenever they are there and free."""
    terms = floor.queues.scope(contact.team_id, step)
    return (_scoped_mask if step == contact.step else _mask_of)(floor, contact, terms)


def able(record: Sets) -> int:
    """Return the bit set of those in a record who may take the contact whenever they are free."""
    pool = int(record.pool, 16)
    return pool & _members(record.skilled, pool) & _members(record.language, pool)


def refusal_in(record: Sets, index: int) -> Refusal | None:
    """Return the reason that a decision record holds against the agent at `index`, or None."""
    bit = 1 << index
    pool = int(record.pool, 16)
    if not pool & bit:
        return Refusal.NOT_IN_POOL
    named = (
        (record.skilled, Refusal.MISSING_SKILL),
        (record.language, Refusal.MISSING_LANGUAGE),
        (record.present, Refusal.NOT_PRESENT),
        (record.responding, Refusal.NOT_RESPONDING),
        (record.room, Refusal.NO_CAPACITY),
        (record.not_tried, Refusal.TURNED_DOWN),
    )
    return next((reason for members, reason in named if not _members(members, pool) & bit), None)


def refusal(floor: Floor, agent: Agent, contact: Contact) -> Refusal | None:
    """Return the first rule that keeps `agent` from taking `contact` at its active step, or None."""
    return refusal_in(sets(floor, contact), agent.index)


def tried_mask(floor: Floor, contact: Contact) -> int:
    """Return the bit set of agents who turned `contact` down and may not be asked again yet."""
    mask = 0
    for agent_id in contact.tried:
        mask |= floor.staff.bit.get(agent_id, 0)
    return mask


def _members(written: str, pool: int) -> int:
    return int(written, 16) if written else pool


def _scoped_mask(floor: Floor, contact: Contact, terms: Scope) -> int:
    line = floor.queues.lines.get(line_key(contact))
    return line.mask(floor.staff) if line is not None else _mask_of(floor, contact, terms)


def _mask_of(floor: Floor, contact: Contact, terms: Scope) -> int:
    mask = _skilled_mask(floor, contact, terms, floor.staff.pool_mask(terms.teams))
    return (
        mask if _language_free(contact, terms) else mask & floor.staff.language_mask(contact.language or "")
    )


def _skilled_mask(floor: Floor, contact: Contact, terms: Scope, mask: int) -> int:
    for need in contact.skills:
        if need.level > terms.skill_slack:
            mask &= floor.staff.skill_mask(need.skill, need.level - terms.skill_slack)
    return mask


def _language_free(contact: Contact, terms: Scope) -> bool:
    return contact.language is None or terms.any_language
