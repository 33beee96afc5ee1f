"""decide(floor, command, now): what happens because of a command. Start here.

The floor is advanced through every event as it is decided, so that dispatch sees what the command did;
the events come back in order. The live service, the replay of a changed policy and the staffing
simulation all run this function.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from routing import commands as cmd
from routing import customers, due, ending, intake, lead, offers, staff, transfer
from routing.dispatch import dispatch
from routing.events import Event
from routing.floor import Floor
from routing.refused import Refused, RefusedError
from routing.turn import Turn


def decide(floor: Floor, command: cmd.Command, now: float) -> list[Event] | Refused:
    """Return what happens because of `command` at `now`, or why nothing does.

    Deterministic: the same floor, command and instant give the same events. `now` must not go back.
    A refused command leaves the floor as it was. Raises nothing for ordinary outcomes.
    """
    turn = Turn(floor, command.actor, now)
    try:
        _HANDLERS[type(command)](turn, command)
    except RefusedError as error:
        return error.refused
    if floor.open_contacts:
        due.catch_up(turn)
    dispatch(turn)
    return turn.events


_HANDLERS: dict[type[cmd.Command], Callable[[Turn, Any], None]] = {
    cmd.Receive: intake.receive,
    cmd.Accept: offers.accept,
    cmd.Decline: offers.decline,
    cmd.MissOffer: offers.miss,
    cmd.Revoke: offers.revoke,
    cmd.Abandon: ending.abandon,
    cmd.Complete: ending.complete,
    cmd.FinishWrapUp: ending.finish_wrap_up,
    cmd.ExtendWrapUp: ending.extend_wrap_up,
    cmd.Cancel: ending.cancel,
    cmd.CallbackMissed: ending.callback_missed,
    cmd.Transfer: transfer.transfer,
    cmd.TakeBack: transfer.take_back,
    cmd.ConvertToCallback: transfer.convert_to_callback,
    cmd.Reprioritise: lead.reprioritise,
    cmd.Move: lead.move,
    cmd.Assign: lead.assign,
    cmd.ChangeTicket: lead.change_ticket,
    cmd.ChangeCustomer: customers.change,
    cmd.MergeCustomers: customers.merge,
    cmd.SplitCustomers: customers.split,
    cmd.SetPresence: staff.set_presence,
    cmd.Heartbeat: staff.heartbeat,
    cmd.Drain: staff.drain,
    cmd.PutAgent: staff.put_agent,
    cmd.PublishPolicy: staff.publish_policy,
    cmd.Tick: due.tick,
}
