"""The generated past of the ready organisation as the CSV of intervals that the history import takes."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from app.traffic import INTERVAL_S, PRESET, Call, Profile, calls_between, serve
from routing.model import Channel

COLUMNS = ("team", "start", "offered", "answered", "abandoned", "handled", "handle_s", "wait_s")


def midnight(day: date, zone: ZoneInfo) -> float:
    """Return the instant at which a local day begins."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()


def past_csv(first_on: date, last_on: date, zone: ZoneInfo, *, seed: int, scale: float = 1.0) -> str:
    """Return the calls and chats of the days from `first_on` to `last_on` by team and quarter of an hour.

    They were served in turn by sensibly many agents; every interval has a row, quiet ones zeros.
    """
    start, end = midnight(first_on, zone), midnight(last_on + timedelta(days=1), zone)
    calls = [
        call
        for call in calls_between(start, end, zone, seed=seed, scale=scale)
        if call.channel in (Channel.VOICE, Channel.CHAT)
    ]
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for profile in PRESET:
        mine = [call for call in calls if call.team == profile.team]
        writer.writerows(_rows(profile, mine, int(start), math.ceil(end), zone, scale=scale))
    return out.getvalue()


def _rows(
    profile: Profile, calls: Sequence[Call], start: int, end: int, zone: ZoneInfo, *, scale: float
) -> Iterable[tuple[str | int | float, ...]]:
    sums: dict[int, list[float]] = {begin: [0.0] * 5 for begin in range(start, end, INTERVAL_S)}
    for call, wait_s, answered in serve(calls, profile, zone, scale=scale):
        row = sums[int(call.at // INTERVAL_S) * INTERVAL_S]
        row[0] += 1
        row[1] += answered
        row[2] += not answered
        row[3] += call.talk_s + call.wrap_up_s if answered else 0.0
        row[4] += wait_s
    for begin, (offered, answers, abandoned, handle_s, waits_s) in sums.items():
        at = datetime.fromtimestamp(begin, UTC).isoformat()
        counts = (int(offered), int(answers), int(abandoned), int(answers))
        yield profile.team, at, *counts, round(handle_s, 1), round(waits_s, 1)
