"""What has become of a contact so far, in order and in plain words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from routing import events as ev
from routing.floor import Floor
from routing.model import OfferState
from routing.naming import name_of, team_name, when
from routing.steps import OVERFLOW_CLOSED
from routing.way_out import widening

TOLD = (
    ev.ContactQueued,
    ev.ContactScheduled,
    ev.StepReached,
    ev.PriorityChanged,
    ev.NobodyFound,
    ev.OfferMade,
    ev.OfferEnded,
    ev.ContactConnected,
    ev.TransferStarted,
    ev.TransferTakenBack,
)
"""The kinds of events that are told."""


def tell(floor: Floor, events: Sequence[ev.Event], decided: Mapping[int, str]) -> Iterator[str]:
    """Yield a sentence for each of a contact's events that says something; `decided` has those of decisions.

    Times count from the beginning of the stay in a queue. Offers that ended because somebody else took the
    contact, or with the contact itself, are not told.
    """
    began_at = events[0].at if events else 0.0
    team_id, step, told, talker = "", 0, set(), ""
    for event in events:
        after = f"After {event.at - began_at:.0f} s"
        match event:
            case ev.ContactQueued():
                if team_id:
                    because = _because(event.reason) + _by(floor, event.actor, talker)
                    yield f"It went to {team_name(floor, event.team_id)}{because}."
                began_at, team_id = event.at, event.team_id
                step = -1 if event.preferred_agent_id is not None else 0
                if event.preferred_agent_id is not None:
                    yield f"It was kept for {name_of(floor, event.preferred_agent_id)} at first."
            case ev.OfferMade() | ev.NobodyFound() if event.decision.id not in told:
                told.add(event.decision.id)
                yield decided[event.decision.id]
            case ev.StepReached() if event.reason == OVERFLOW_CLOSED:
                yield f"{after} it stayed: the team it would have gone to is closed."
                step = event.step
            case ev.StepReached():
                yield f"{after} {_wider(floor, team_id, step, event.step)}{_because(event.reason)}."
                step = event.step
            case ev.TransferStarted():
                by = _by(floor, event.actor, talker)
                yield f"{after} {name_of(floor, talker)} passed it on, staying with the customer{by}."
            case ev.TransferTakenBack():
                because = _because(event.reason) + _by(floor, event.actor, talker)
                yield f"{after} it went back to who was passing it on{because}."
            case _ if (deed := _deed(floor, event)) is not None:
                yield f"{after} {deed}."
        if isinstance(event, ev.ContactConnected):
            talker = event.agent_id


def _deed(floor: Floor, event: ev.Event) -> str | None:
    match event:
        case ev.OfferEnded() if (ended := _ended(event)) is not None:
            return f"{name_of(floor, event.agent_id)} {ended}"
        case ev.ContactConnected():
            return f"{name_of(floor, event.agent_id)} took it"
        case ev.PriorityChanged():
            return f"{name_of(floor, event.actor)} gave it priority {event.priority}"
        case ev.ContactScheduled():
            said = "the customer did not answer and it was put off," if event.missed else "it was set"
            return f"{said} to come {when(floor, event.scheduled_at, event.at)}"
        case _:
            return None


def _ended(event: ev.OfferEnded) -> str | None:
    match event.state:
        case OfferState.DECLINED:
            return f"turned it down{_because(event.reason, besides='declined')}"
        case OfferState.EXPIRED:
            return "did not answer"
        case _ if event.customer_gone or event.reason in ("lost_race", "taken_back", "converted", "assigned"):
            return None
        case _:
            return f"was asked no longer{_because(event.reason)}"


def _wider(floor: Floor, team_id: str, before: int, step: int) -> str:
    team = floor.policy.teams.get(team_id)
    if team is None or (before < 0 and step == 0):
        return "anybody in the team may take it"
    reached = team.steps[max(before, 0) : step]
    return "; ".join(widening(floor, each) for each in reached) or "anybody in the team may take it"


def _by(floor: Floor, actor: str, talker: str) -> str:
    """Return who of the house did it, where that is not who talks to the customer."""
    return f", by {name_of(floor, actor)}" if actor in floor.agents and actor != talker else ""


def _because(reason: str, *, besides: str = "") -> str:
    return f" ({reason.replace('_', ' ')})" if reason and reason != besides else ""
