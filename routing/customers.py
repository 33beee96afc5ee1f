"""What is known of a customer; two records of one customer become one, and apart again within a day."""

from __future__ import annotations

from typing import Final

from routing import commands as cmd
from routing.events import CustomerChanged, CustomersMerged, CustomersSplit
from routing.refused import Code, RefusedError
from routing.turn import Turn

SPLIT_WITHIN_S: Final = 86_400.0


def learn(turn: Turn, command: cmd.Receive, *, customer_id: int, contact_id: int) -> None:
    """Take what a contact tells of a known customer: it fills what is not known yet.

    It replaces what is known only where the contact names the customer by the organisation's own number, as a
    system does that has looked the customer up; a phone or an address may be somebody else's in the house.
    """
    known, given = command.known, command.identity
    if known is None or not (given.name or given.language or given.segment):
        return
    told = {
        "name": _news(known.name, given.name, given),
        "language": _news(known.language, given.language, given),
        "segment": _news(known.segment, given.segment, given),
    }
    if any(told.values()):
        turn.emit(
            CustomerChanged(
                at=turn.now,
                actor=turn.actor,
                reason="told by a contact",
                customer_id=customer_id,
                contact_id=contact_id,
                **told,
            )
        )


def _news(known: str | None, given: str | None, by: cmd.Identity) -> str | None:
    """Return what is to be kept of `given`, or None where it says nothing new or may not replace."""
    replaces = not known or by.external_id is not None
    return given if given and given != known and replaces else None


def change(turn: Turn, command: cmd.ChangeCustomer) -> None:
    """Correct what is known of a customer."""
    turn.emit(
        CustomerChanged(
            at=turn.now,
            actor=turn.actor,
            reason=command.reason,
            customer_id=command.customer_id,
            name=command.name,
            language=command.language,
            segment=command.segment,
        )
    )


def merge(turn: Turn, command: cmd.MergeCustomers) -> None:
    """Give every ticket and contact of one record to another; nothing is lost, waiting goes on."""
    if command.kept_id == command.merged_id:
        raise RefusedError(Code.INVALID_VALUE, "A record can't be merged with itself.", "customer_id")
    turn.emit(
        CustomersMerged(
            at=turn.now,
            actor=turn.actor,
            reason=command.reason,
            kept_id=command.kept_id,
            merged_id=command.merged_id,
        )
    )


def split(turn: Turn, command: cmd.SplitCustomers) -> None:
    """Undo a merge: what came with it goes back, what was opened since stays."""
    if turn.now - command.merged_at > SPLIT_WITHIN_S:
        raise RefusedError(Code.WRONG_STATE, "A merge can be undone within a day.", "customer_id")
    kept = [turn.floor.tickets[i] for i in command.ticket_ids if i in turn.floor.tickets]
    if any(ticket.customer_id != command.kept_id for ticket in kept):
        raise RefusedError(
            Code.WRONG_STATE, "A ticket of this merge belongs to somebody else now.", "customer_id"
        )
    turn.emit(
        CustomersSplit(
            at=turn.now,
            actor=turn.actor,
            reason=command.reason,
            kept_id=command.kept_id,
            merged_id=command.merged_id,
            ticket_ids=command.ticket_ids,
        )
    )
