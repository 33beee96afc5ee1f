"""Decides whether anything was lost: what callers know, what the API lists and what the figures say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np

from app.demonstration.api import Api, instant
from app.demonstration.people import Ledger
from app.demonstration.records import Record
from app.insight import Sums, figures
from routing.model import FINAL_CONTACT_STATES

_WEEK_S: Final = 7 * 86_400.0
_COUNTS: Final = (
    "offered",
    "answered",
    "answered_in_target",
    "abandoned",
    "abandoned_in_target",
    "short_abandoned",
    "flowed_out",
    "converted_in_target",
    "waiting",
)


@dataclass(frozen=True, slots=True)
class Wait:
    """How one contact's wait ended; `answered` is None where it ended otherwise or has not ended."""

    wait_s: float
    answered: bool | None
    short: bool = False


@dataclass(frozen=True, slots=True)
class Check:
    """Something that must be so, whether it is, and the counts that say it."""

    claim: str
    holds: bool
    detail: str


@dataclass(slots=True)
class Account:
    """What became of the posted contacts, as the API lists them, and the service's own figures."""

    states: Counter[str] = field(default_factory=Counter)
    waits: list[Wait] = field(default_factory=list)
    own: dict[str, Any] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether nothing was lost."""
        return all(check.holds for check in self.checks)


async def take_account(
    api: Api, ledger: Ledger, *, planned: int, teams: Sequence[str], start: float, end: float
) -> Account:
    """Return what became of every contact in `ledger`, checked against the API and the service's figures.

    Args:
        api: Client of the service, which may list contacts and queues.
        ledger: What the callers and agents know.
        planned: Calls there were to post.
        teams: Whose figures count.
        start: Instant before the first contact; figures are read from the quarter of an hour it lies in.
        end: Instant after the last.
    """
    account = Account()
    listed, foreign = await _listed(api, ledger)
    for contact in listed.values():
        account.states[contact["state"]] += 1
        account.waits.append(_wait_of(contact))
    sums = await _own_sums(api, teams, start, end)
    account.own = figures(sums) | {"waiting": sums.waiting}
    account.checks = [
        _all_posted(ledger, planned),
        _all_listed(ledger, listed),
        _all_final(listed),
        _all_told(ledger, listed),
        _figures_agree(listed, sums, foreign=foreign),
    ]
    return account


def wait_figures(waits: Iterable[Wait], *, target_s: float, short_s: float = 5.0) -> dict[str, Any]:
    """Return counts, service level and waits (s) under the definitions of `app.insight`, with quantiles.

    A wait is in the target up to `target_s`; an abandonment is short up to `short_s`.
    """
    sums, answered = Sums(), []
    for wait in waits:
        sums.offered += 1
        if wait.answered:
            answered.append(wait.wait_s)
            sums.answered += 1
            sums.answered_in_target += wait.wait_s <= target_s
            sums.wait_s += wait.wait_s
            sums.excess_s += max(wait.wait_s - target_s, 0.0)
        elif wait.answered is False:
            sums.abandoned += 1
            sums.abandoned_in_target += wait.wait_s <= target_s
            sums.short_abandoned += wait.short or wait.wait_s <= short_s
            sums.abandon_wait_s += wait.wait_s
        else:
            sums.flowed_out += 1
    found = figures(sums)
    quantiles = np.quantile(answered, [0.5, 0.9, 0.95, 1.0]) if answered else [None] * 4
    names = ("p50_s", "p90_s", "p95_s", "max_s")
    return found | {
        name: None if value is None else float(value) for name, value in zip(names, quantiles, strict=True)
    }


def recorded_waits(records: Iterable[Record]) -> list[Wait]:
    """Return how the recorded waits ended, of the records that say how long they were."""
    return [Wait(each.wait_s, each.answered) for each in records if each.wait_s is not None]


async def _listed(api: Api, ledger: Ledger) -> tuple[dict[int, dict[str, Any]], int]:
    """Return the posted contacts as the API lists them, and how many others came since the first."""
    first = min(ledger.posted, default=0)
    found: dict[int, dict[str, Any]] = {}
    foreign = 0
    async for contact in api.pages("/v1/contacts", limit=200):
        if contact["id"] < first or not ledger.posted:
            break
        if contact["id"] in ledger.posted:
            found[contact["id"]] = contact
        else:
            foreign += 1
    return found, foreign


def _wait_of(contact: dict[str, Any]) -> Wait:
    begun = instant(contact["received_at"])
    if contact["connected_at"] is not None:
        return Wait(instant(contact["connected_at"]) - begun, answered=True)
    if contact["state"] == "abandoned":
        return Wait(instant(contact["closed_at"]) - begun, answered=False, short=contact["short_abandon"])
    return Wait(0.0, answered=None)


async def _own_sums(api: Api, teams: Sequence[str], start: float, end: float) -> Sums:
    sums = Sums()
    for team in teams:
        at = start // 900 * 900
        while at < end:
            until = min(at + _WEEK_S, end)
            answer = await api.get(f"/v1/queues/{team}/intervals", start=_iso(at), end=_iso(until))
            for item in answer["items"]:
                sums.add(_sums(item))
            at = until
        sums.waiting += (await api.get(f"/v1/queues/{team}"))["waiting"]
    return sums


def _sums(item: dict[str, Any]) -> Sums:
    """Return the sums behind an interval's figures."""
    sums = Sums(**{name: item[name] for name in _COUNTS if name != "waiting"})
    sums.wait_s = (item["asa_s"] or 0.0) * sums.answered
    sums.excess_s = (item["mean_excess_s"] or 0.0) * sums.answered
    sums.abandon_wait_s = (item["mean_abandon_wait_s"] or 0.0) * sums.abandoned
    return sums


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")


def _all_posted(ledger: Ledger, planned: int) -> Check:
    told = len(ledger.posted) + len(ledger.refused)
    detail = f"{planned} calls, {len(ledger.posted)} taken in, {len(ledger.refused)} refused"
    return Check("every call got an answer", told == planned and not ledger.refused, detail)


def _all_listed(ledger: Ledger, listed: dict[int, Any]) -> Check:
    missing = len(ledger.posted) - len(listed)
    return Check(
        "every contact that was taken in is there",
        missing == 0,
        f"{len(listed)} listed, {missing} missing",
    )


def _all_final(listed: dict[int, dict[str, Any]]) -> Check:
    states = Counter(each["state"] for each in listed.values())
    left = sum(count for state, count in states.items() if state not in FINAL_CONTACT_STATES)
    detail = ", ".join(f"{count} {state}" for state, count in states.most_common())
    return Check("every contact has ended", left == 0, detail)


def _all_told(ledger: Ledger, listed: dict[int, dict[str, Any]]) -> Check:
    wrong = sum(listed[key]["state"] != state for key, state in ledger.ended.items() if key in listed)
    wrong += len(ledger.posted.keys() - ledger.ended.keys())
    return Check(
        "the event stream told of every end, as it is listed",
        wrong == 0,
        f"{len(ledger.ended)} told, {wrong} wrong or missing, stream resumed {ledger.resumed} times",
    )


def _figures_agree(listed: dict[int, dict[str, Any]], sums: Sums, *, foreign: int) -> Check:
    answered = sum(each["connected_at"] is not None for each in listed.values())
    abandoned = sum(each["state"] == "abandoned" for each in listed.values())
    balance = sums.offered - sums.answered - sums.abandoned - sums.flowed_out - sums.waiting
    same = sums.answered == answered and sums.abandoned == abandoned
    detail = (
        f"offered {sums.offered:.0f} = answered {sums.answered:.0f} + abandoned {sums.abandoned:.0f}"
        f" + flowed out {sums.flowed_out:.0f} + waiting {sums.waiting}; listed {answered} and {abandoned}"
    )
    if foreign:
        return Check("the service's figures add up", balance == 0, f"{detail}; {foreign} contacts of others")
    return Check("the service's figures add up and agree with the list", balance == 0 and same, detail)


def quantile(values: Sequence[float], share_below: float) -> float | None:
    """Return the value below which that share of `values` lies, or None without any."""
    return float(np.quantile(values, share_below)) if values else None
