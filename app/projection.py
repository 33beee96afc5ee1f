"""Events to figures: what a batch adds to each queue's counts per quarter of an hour.

Cohort figures (offered, answered, abandoned, waits) count in the interval in which the segment began,
whenever its outcome comes; handle time counts with the segment it was spent on. The sums are exact and
additive, so they are the same after a restart and across replicas.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from routing import events as ev
from routing.floor import Changes, Floor
from routing.model import Channel, OfferState, Segment, Span
from routing.policy import target_s

INTERVAL_S: Final = 900

Key = tuple[str, str, int]
_TALKED: Final = frozenset({"answered", "resumed"})
"""Ends of a conversation: counted when it began; a resumed one was never offered."""
_ZERO: Final = (*(0,) * 7, *(0.0,) * 3, 0, 0.0, 0)
_OFFERED, _ANSWERED, _IN_TARGET, _ABANDONED, _ABANDONED_IN, _SHORT, _FLOWED = range(7)
_WAIT, _EXCESS, _ABANDON_WAIT, _HANDLED, _HANDLE, _CONVERTED_IN = range(7, 13)


def interval_of(at: float) -> int:
    """Return the start (epoch seconds) of the quarter of an hour that `at` lies in."""
    return int(at // INTERVAL_S) * INTERVAL_S


@dataclass(slots=True)
class Tally:
    """What a batch adds: sums by team, channel and interval; answered waits by whole seconds besides."""

    sums: dict[Key, list[float]] = field(default_factory=dict)
    waits: dict[tuple[str, str, int, int], int] = field(default_factory=dict)
    times: dict[tuple[str, int], list[float]] = field(default_factory=dict)
    """Agents' time by team and interval: busy, idle, capacity used, capacity there (s each)."""


def tally(floor: Floor, events: Iterable[ev.Event], changes: Changes) -> Tally:
    """Return what to add to `interval_stat` and `wait_stat`."""
    tallied = Tally()
    book = tallied.sums
    for event in events:
        if type(event) is ev.ContactQueued:
            contact = changes.contacts.get(event.contact_id) or floor.contacts.get(event.contact_id)
            if contact is not None:
                _row(book, event.team_id, contact.channel.value, event.at)[_OFFERED] += 1
        elif type(event) is ev.ContactConnected:
            # Counted when it is answered, not at the end of the talk: the wall board must not lag.
            taken = floor.offers.get(event.offer_id) or changes.offers[event.offer_id]
            row = _row(book, taken.team_id, taken.channel.value, taken.segment_at)
            wait_s = event.at - taken.segment_at
            aim_s = _target_s(floor, taken.team_id, taken.channel)
            key = (taken.team_id, taken.channel.value, interval_of(taken.segment_at), int(wait_s))
            tallied.waits[key] = tallied.waits.get(key, 0) + 1
            row[_ANSWERED] += 1
            row[_IN_TARGET] += wait_s <= aim_s
            row[_WAIT] += wait_s
            row[_EXCESS] += max(wait_s - aim_s, 0.0)
        elif type(event) is ev.OfferReleased:
            offer = changes.offers[event.offer_id]
            if offer.state is OfferState.ACCEPTED and offer.accepted_at is not None:
                row = _row(book, offer.team_id, offer.channel.value, offer.segment_at)
                row[_HANDLED] += 1
                row[_HANDLE] += event.at - offer.accepted_at
    for segment in changes.segments:
        if segment.outcome not in _TALKED:
            _close(book, segment, _target_s(floor, segment.team_id, segment.channel))
    for span in changes.spans:
        add_span(tallied.times, span)
    return tallied


def add_span(times: dict[tuple[str, int], list[float]], span: Span) -> None:
    """Add an agent's time to the intervals that it lies in."""
    begin = span.begins_at
    while begin < span.ends_at:
        start = interval_of(begin)
        end = min(span.ends_at, start + INTERVAL_S)
        lasted_s = end - begin
        row = times.get((span.team_id, start))
        if row is None:
            row = times[span.team_id, start] = [0.0] * 4
        row[0 if span.busy else 1] += lasted_s
        row[2] += lasted_s * span.used
        row[3] += lasted_s * span.capacity
        begin = end


def _close(book: dict[Key, list[float]], segment: Segment, aim_s: float) -> None:
    row = _row(book, segment.team_id, segment.channel.value, segment.queued_at)
    wait_s = segment.ended_at - segment.queued_at
    if segment.outcome == "abandoned":
        row[_ABANDONED] += 1
        row[_ABANDONED_IN] += wait_s <= aim_s
        row[_SHORT] += segment.short
        row[_ABANDON_WAIT] += wait_s
    else:
        row[_FLOWED] += 1
        row[_CONVERTED_IN] += segment.outcome == "converted" and wait_s <= aim_s


def _row(book: dict[Key, list[float]], team_id: str, channel: str, at: float) -> list[float]:
    key = (team_id, channel, interval_of(at))
    row = book.get(key)
    if row is None:
        row = book[key] = list(_ZERO)
    return row


def _target_s(floor: Floor, team_id: str, channel: Channel) -> float:
    team = floor.policy.teams.get(team_id)
    return target_s(floor.policy, team, channel) if team is not None else 20.0
