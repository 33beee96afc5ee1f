"""Made-up calls of an organisation with four teams: seeded, and busy and quiet like real ones.

Every quarter of an hour has a generator of its own, so any window gives the calls that any larger window
gives there: the generated past and the live traffic after it are one stream, also after a restart.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np

from routing.hours import Hours, Span
from routing.model import Channel

INTERVAL_S: Final = 900

_OPENS, _CLOSES = 8.0, 20.0
_WEEKEND = {5: (9.0, 17.0), 6: (10.0, 16.0)}
_DAY_SPREAD: Final = 0.08
"""Standard deviation of a day's busyness around 1: days differ by more than chance."""
_CUSTOMERS: Final = 12_000
_MIX: Final = ((Channel.VOICE, 0.84), (Channel.CHAT, 0.10), (Channel.EMAIL, 0.04), (Channel.WEB, 0.02))
# Numbers set aside for fiction, a thousand under each.
_PREFIXES: Final = tuple(
    f"+44{area}"
    for area in (
        "7700900",
        "2079460",
        "1134960",
        "1144960",
        "1154960",
        "1164960",
        "1174960",
        "1184960",
        "1214960",
        "1314960",
        "1414960",
        "1614960",
    )
)
_FIRST: Final = ("Alex", "Bea", "Cem", "Dora", "Eli", "Fay", "Gus", "Heidi", "Ilya", "June", "Kim", "Lou")
_LAST: Final = (
    "Archer",
    "Baker",
    "Cooper",
    "Draper",
    "Farmer",
    "Glover",
    "Hunter",
    "Mason",
    "Potter",
    "Weaver",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """How one team's contacts come.

    Args:
        team: Its id.
        menu: The choice in the voice menu that leads to it.
        weekday: Mean contacts on a Wednesday.
        week: Factors from Monday to Sunday.
        humps: Where in the day they come: (hour, width in hours, weight).
        handle_s: Mean talk in seconds; its logarithm is normal with standard deviation `handle_spread`.
        wrap_up_s: Mean wrap-up in seconds.
        patience_s: Mean patience in seconds, exponential.
        texts: What customers write, one of them a contact.
    """

    team: str
    menu: str
    weekday: float
    week: tuple[float, float, float, float, float, float, float]
    humps: tuple[tuple[float, float, float], ...]
    handle_s: float
    handle_spread: float
    wrap_up_s: float
    patience_s: float
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One contact to come; `talk_s`, `wrap_up_s` and `patience_s` are its own, in seconds."""

    id: str
    at: float
    team: str
    channel: Channel
    talk_s: float
    wrap_up_s: float
    patience_s: float
    customer: int
    text: str
    menu: str

    @property
    def body(self) -> dict[str, Any]:
        """What a telephony system or form posts for it; the team is left to the rules."""
        first, last = _FIRST[self.customer % len(_FIRST)], _LAST[self.customer // 12 % len(_LAST)]
        sender: dict[str, Any] = {"name": f"{first} {last}"}
        if self.channel in (Channel.EMAIL, Channel.WEB):
            sender["email"] = f"{first}.{last}.{self.customer}@example.com".lower()
        else:
            sender["phone"] = phone(self.customer)
        if self.customer % 25 == 0:
            sender["segment"] = "vip"
        body: dict[str, Any] = {"channel": self.channel, "from": sender}
        if self.channel is Channel.VOICE:
            return body | {"menu": [self.menu], "to": "+442079460000"}
        return body | {"subject": self.text[:80], "text": self.text}


PRESET: Final = (
    Profile(
        team="complaints",
        menu="1",
        weekday=140.0,
        week=(1.35, 1.1, 1.0, 0.95, 0.95, 0.5, 0.25),
        humps=((10.0, 1.4, 1.0), (15.0, 2.2, 0.8)),
        handle_s=290.0,
        handle_spread=0.75,
        wrap_up_s=25.0,
        patience_s=210.0,
        texts=(
            "I want to make a complaint about my last visit.",
            "Please refund what I paid for the broken lamp.",
            "I am very disappointed, nobody called me back.",
        ),
    ),
    Profile(
        team="technical",
        menu="2",
        weekday=155.0,
        week=(1.15, 1.05, 1.0, 1.0, 0.9, 0.55, 0.3),
        humps=((11.0, 2.0, 0.8), (17.5, 1.5, 1.0)),
        handle_s=400.0,
        handle_spread=0.8,
        wrap_up_s=20.0,
        patience_s=300.0,
        texts=(
            "The router shows a red light since the update.",
            "I forgot my password and the reset fails with an error.",
            "How do I install the app on a second phone?",
        ),
    ),
    Profile(
        team="ordering",
        menu="3",
        weekday=260.0,
        week=(1.0, 0.95, 1.0, 1.05, 1.2, 0.8, 0.35),
        humps=((12.5, 1.5, 1.0), (18.0, 1.2, 0.9)),
        handle_s=200.0,
        handle_spread=0.6,
        wrap_up_s=15.0,
        patience_s=150.0,
        texts=(
            "What is the price of the larger model?",
            "I would like to order two more of these.",
            "When is the delivery I was promised?",
        ),
    ),
    Profile(
        team="general",
        menu="4",
        weekday=400.0,
        week=(1.25, 1.05, 1.0, 0.95, 1.0, 0.45, 0.25),
        humps=((9.5, 1.2, 1.0), (14.0, 2.5, 0.9)),
        handle_s=180.0,
        handle_spread=0.7,
        wrap_up_s=15.0,
        patience_s=180.0,
        texts=(
            "Can you change the address in my account?",
            "What are your opening hours at the weekend?",
            "I have a question about my last bill.",
        ),
    ),
)


def opening_hours(zone: str) -> Hours:
    """Return when the organisation is open, and so when anybody calls."""
    spans = [_WEEKEND.get(day, (_OPENS, _CLOSES)) for day in range(7)]
    week = tuple((Span(f"{int(opens):02}:00", f"{int(closes):02}:00"),) for opens, closes in spans)
    return Hours(time_zone=zone, week=week)


def expected(profile: Profile, start: int, zone: ZoneInfo) -> float:
    """Return the mean number of contacts in the quarter of an hour that begins at `start` (epoch seconds).

    0 outside the opening hours: 8 to 20, on Saturdays 9 to 17, on Sundays 10 to 16, on the clock of `zone`.
    """
    local = datetime.fromtimestamp(start, zone)
    hour = local.hour + local.minute / 60 + 0.125
    opens, closes = _WEEKEND.get(local.weekday(), (_OPENS, _CLOSES))
    if not opens <= hour < closes:
        return 0.0
    day = profile.weekday * profile.week[local.weekday()]
    return day * _shape(profile.humps, hour) / _mass(profile.humps, opens, closes)


def calls_between(
    start: float,
    end: float,
    zone: ZoneInfo,
    *,
    seed: int,
    profiles: Sequence[Profile] = PRESET,
    scale: float = 1.0,
) -> list[Call]:
    """Return the calls that come in [start, end), epoch seconds, in the order of their time.

    `scale` multiplies the volume. Arrivals are Poisson with the expected number times the day's own
    busyness, which is the same for every team.
    """
    found: list[Call] = []
    for begin in range(int(start // INTERVAL_S) * INTERVAL_S, math.ceil(end), INTERVAL_S):
        busy = _busyness(begin, zone, seed)
        for number, profile in enumerate(profiles):
            mean = expected(profile, begin, zone) * busy * scale
            if mean > 0:
                rng = np.random.default_rng([seed, number, begin // INTERVAL_S])
                found += (call for call in _draw(profile, begin, mean, rng) if start <= call.at < end)
    return sorted(found, key=lambda call: (call.at, call.id))


def calls_from(start: float, zone: ZoneInfo, *, seed: int, scale: float = 1.0) -> Iterator[Call]:
    """Yield the calls that come from `start` on, without end."""
    while True:
        end = (start // INTERVAL_S + 1) * INTERVAL_S
        yield from calls_between(start, end, zone, seed=seed, scale=scale)
        start = end


def staff(profile: Profile, start: int, zone: ZoneInfo, *, scale: float = 1.0) -> int:
    """Return how many agents a sensible lead has there: the load and a margin of 1.2 of its root."""
    load = scale * expected(profile, start, zone) * (profile.handle_s + profile.wrap_up_s) / INTERVAL_S
    return math.ceil(load + 1.2 * math.sqrt(load)) if load > 0 else 0


def serve(
    calls: Iterable[Call], profile: Profile, zone: ZoneInfo, *, scale: float = 1.0
) -> list[tuple[Call, float, bool]]:
    """Return (call, seconds waited, answered) for one team's calls in order, served in turn by `staff`.

    Who is served at closing time is served to the end; who waits then waits on for his patience.
    """
    busy: list[float] = []
    last = 0.0
    served = []
    for call in calls:
        begin = max(call.at, last)
        while begin - call.at <= call.patience_s:
            while busy and busy[0] <= begin:
                heapq.heappop(busy)
            interval = int(begin // INTERVAL_S) * INTERVAL_S
            if len(busy) < staff(profile, interval, zone, scale=scale):
                break
            begin = min(busy[0] if busy else math.inf, float(interval + INTERVAL_S))
        if begin - call.at > call.patience_s:
            served.append((call, call.patience_s, False))
            continue
        last = begin
        heapq.heappush(busy, begin + call.talk_s + call.wrap_up_s)
        served.append((call, begin - call.at, True))
    return served


def phone(customer: int) -> str:
    """Return a customer's telephone number, one of those set aside for fiction."""
    return f"{_PREFIXES[customer // 1000 % len(_PREFIXES)]}{customer % 1000:03}"


def _draw(profile: Profile, begin: int, mean: float, rng: np.random.Generator) -> Iterator[Call]:
    for index, offset in enumerate(np.sort(rng.uniform(0, INTERVAL_S, rng.poisson(mean)))):
        spread = profile.handle_spread
        talk_s = float(rng.lognormal(math.log(profile.handle_s) - spread**2 / 2, spread))
        channel = _MIX[int(np.searchsorted(_MIX_SUMS, rng.random(), side="right"))][0]
        waits = channel in (Channel.VOICE, Channel.CHAT)
        patience_s = float(rng.exponential(profile.patience_s * (1 if channel is Channel.VOICE else 2)))
        yield Call(
            id=f"{profile.team}-{begin}-{index}",
            at=begin + float(offset),
            team=profile.team,
            channel=channel,
            talk_s=talk_s,
            wrap_up_s=float(rng.exponential(profile.wrap_up_s)),
            patience_s=patience_s if waits else math.inf,
            customer=int(_CUSTOMERS * rng.random() ** 2),
            text=profile.texts[int(rng.integers(len(profile.texts)))],
            menu=profile.menu,
        )


def _busyness(begin: int, zone: ZoneInfo, seed: int) -> float:
    day = datetime.fromtimestamp(begin, zone).date().toordinal()
    shape = 1 / _DAY_SPREAD**2
    return float(np.random.default_rng([seed, 1000, day]).gamma(shape, 1 / shape))


def _shape(humps: Sequence[tuple[float, float, float]], hour: float) -> float:
    return 0.15 + sum(weight * math.exp(-(((hour - at) / width) ** 2) / 2) for at, width, weight in humps)


def _mass(humps: Sequence[tuple[float, float, float]], opens: float, closes: float) -> float:
    return sum(_shape(humps, opens + (i + 0.5) / 4) for i in range(round((closes - opens) * 4)))


_MIX_SUMS: Final = np.cumsum([share for _, share in _MIX])[:-1]
