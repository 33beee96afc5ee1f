"""Find what a command names on the floor, or refuse in words that say the way out."""

from __future__ import annotations

from routing.floor import Floor
from routing.hours import is_open
from routing.model import WAITING_STATES, Agent, Channel, Contact, ContactState, Offer, OfferState
from routing.refused import Code, RefusedError


def get_agent(floor: Floor, agent_id: str, *, field: str = "agent_id") -> Agent:
    """Return the agent, or refuse."""
    agent = floor.agents.get(agent_id)
    if agent is None:
        raise RefusedError(Code.UNKNOWN_AGENT, f"There is no agent {agent_id!r}.", field)
    return agent


def get_contact(floor: Floor, contact_id: int, *states: ContactState) -> Contact:
    """Return the open contact in one of `states` (any open one if none is named), or refuse."""
    contact = floor.contacts.get(contact_id)
    if contact is None:
        raise RefusedError(
            Code.UNKNOWN_CONTACT,
            f"Contact {contact_id} is not open: it has ended or never was.",
            "contact_id",
        )
    if states and contact.state not in states:
        raise RefusedError(
            Code.WRONG_STATE,
            f"Contact {contact_id} is {_words(contact.state)}; this needs it "
            f"{' or '.join(_words(each) for each in states)}.",
            "contact_id",
            state=str(contact.state),
        )
    return contact


def _words(state: ContactState) -> str:
    return "in wrap-up" if state is ContactState.WRAP_UP else str(state)


def get_connected(floor: Floor, contact_id: int) -> Contact:
    """Return the contact that is in conversation, or refuse; one passed on warm has to be taken back."""
    contact = floor.contacts.get(contact_id)
    if contact is not None and contact.state in WAITING_STATES:
        check_nobody_is_on(floor, contact)
    return get_contact(floor, contact_id, ContactState.CONNECTED)


def check_nobody_is_on(floor: Floor, contact: Contact) -> None:
    """Refuse what can't be done to a waiting contact that an agent is passing on warm."""
    if talking_offer(floor, contact) is not None:
        raise RefusedError(
            Code.WRONG_STATE,
            f"Contact {contact.id} is being transferred with an agent on it; take it back first.",
            "contact_id",
            state=str(contact.state),
        )


def get_pending_offer(floor: Floor, offer_id: int, agent_id: str | None, now: float) -> Offer:
    """Return the offer if it is pending, in time and `agent_id`'s (when one is named), or refuse."""
    offer = floor.offers.get(offer_id)
    if offer is None or offer.state is not OfferState.PENDING or now > offer.expires_at:
        raise RefusedError(
            Code.OFFER_GONE,
            f"Offer {offer_id} is not pending any more: it was answered, ran out or was revoked.",
            "offer_id",
        )
    if agent_id is not None and offer.agent_id != agent_id:
        raise RefusedError(Code.NOT_YOURS, f"Offer {offer_id} was made to another agent.", "agent_id")
    return offer


def get_wrap_up(floor: Floor, offer_id: int) -> Offer:
    """Return the accepted offer that is in wrap-up, or refuse."""
    offer = floor.offers.get(offer_id)
    if offer is None:
        raise RefusedError(Code.UNKNOWN_OFFER, f"Offer {offer_id} is not open.", "offer_id")
    if offer.talk_ended_at is None:
        raise RefusedError(Code.WRONG_STATE, f"Offer {offer_id} is not in wrap-up.", "offer_id")
    return offer


def check_team(floor: Floor, team_id: str, *, field: str = "team_id") -> None:
    """Refuse unless the policy in force has the team."""
    if team_id not in floor.policy.teams:
        known = ", ".join(sorted(floor.policy.teams))
        raise RefusedError(Code.UNKNOWN_TEAM, f"There is no team {team_id!r}; there are {known}.", field)


def takes_over(floor: Floor, contact: Contact, team_id: str, now: float) -> bool:
    """Return whether a team may be handed a contact: a customer who is there now does not wait for a team
    that is closed and has nobody there.
    """
    if contact.channel in (Channel.EMAIL, Channel.WEB) or is_open(floor.team(team_id).hours, now):
        return True
    return floor.staff.somebody_there(team_id)


def talking_offer(floor: Floor, contact: Contact) -> Offer | None:
    """Return the accepted offer under which somebody talks to the customer, or None."""
    offer = floor.offers.get(contact.offer_id) if contact.offer_id is not None else None
    return offer if offer is not None and offer.talk_ended_at is None else None
