"""Two records of one customer become one, and apart again within a day."""

from __future__ import annotations

from typing import Final

from routing import commands as cmd
from routing.events import CustomersMerged, CustomersSplit
from routing.refused import Code, RefusedError
from routing.turn import Turn

SPLIT_WITHIN_S: Final = 86_400.0


def merge(turn: Turn, command: cmd.MergeCustomers) -> None:
    """Give every ticket and contact of one record to another; nothing is lost, waiting goes on."""
    if command.kept_id == command.merged_id:
        raise RefusedError(Code.INVALID_VALUE, "A record can't be merged with itself.", "merged_id")
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
        raise RefusedError(Code.WRONG_STATE, "A merge can be undone within a day.", "merged_at")
    kept = [turn.floor.tickets[i] for i in command.ticket_ids if i in turn.floor.tickets]
    if any(ticket.customer_id != command.kept_id for ticket in kept):
        raise RefusedError(
            Code.WRONG_STATE, "A ticket of this merge belongs to somebody else now.", "ticket_ids"
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
