"""Decides which part of a team's contacts are chats, and how long chats and other contacts take."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from staffing.history import History
from staffing.intervals import local_days, local_slots

Floats = NDArray[np.float64]

_DAYS = 56
_CONTACTS = 20.0
"""An interval of the day leans on the whole day as if it had met so many contacts of its mixture."""


@dataclass(frozen=True, slots=True)
class ChatShare:
    """How a team's contacts split.

    Args:
        share: Share of chats in each interval of the local day, shape (slots,).
        chat_s: Mean handle time of a chat as recorded, beside the other chats an agent had; nan if unknown.
        other_s: Mean handle time of the others; nan if unknown.
    """

    share: Floats
    chat_s: float
    other_s: float


def chat_share(everything: History, chats: History) -> ChatShare | None:
    """Return the split over the last eight weeks recorded, or None when no chat came in them.

    Args:
        everything: All contacts of the team that wait for an agent, chats included.
        chats: The chats alone, in intervals of the same length.
    """
    grid = everything.grid
    if not len(everything.starts) or not len(chats.starts):
        return None
    since = int(local_days(grid, everything.starts[-1:])[0]) - _DAYS
    both = [_since(each, since) for each in (everything, chats)]
    (total, all_handled, all_s), (chat, chat_handled, chat_s) = both
    if not chat.sum() > 0:
        return None
    overall = min(float(chat.sum() / max(total.sum(), 1e-9)), 1.0)
    share = (chat + _CONTACTS * overall) / (np.maximum(total, chat) + _CONTACTS)
    return ChatShare(share, _mean(chat_s, chat_handled), _mean(all_s - chat_s, all_handled - chat_handled))


def split(split_of: ChatShare, share: Floats, handle_s: Floats) -> tuple[Floats, Floats]:
    """Return handle times of chats and of other contacts whose mixture takes `handle_s`, load unchanged.

    Args:
        split_of: How contacts split.
        share: Share of chats in each interval.
        handle_s: Mean handle time of all contacts in each interval.
    """
    known = [each for each in (split_of.chat_s, split_of.other_s) if np.isfinite(each)]
    if len(known) < 2:
        return handle_s, handle_s
    scale = handle_s / (share * split_of.chat_s + (1 - share) * split_of.other_s)
    return scale * split_of.chat_s, scale * split_of.other_s


def _since(each: History, day: int) -> tuple[Floats, float, float]:
    """Return contacts by interval of the local day since a day, how many were handled, and their seconds."""
    recent = local_days(each.grid, each.starts) > day
    slots = local_slots(each.grid, each.starts[recent])
    counts = np.bincount(slots, weights=each.offered[recent], minlength=each.grid.slots_per_day)
    return counts.astype(np.float64), float(each.handled[recent].sum()), float(each.handle_s[recent].sum())


def _mean(seconds: float, handled: float) -> float:
    return seconds / handled if handled > 0 and seconds > 0 else float("nan")
