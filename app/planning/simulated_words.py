"""What simulated weeks showed of a requirement, in words for pages and the command line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

_HOLD: Final = {
    "service_level": "{worst} answered in time, {wanted} promised",
    "asa": "a mean wait of {worst}, {wanted} promised",
    "abandonment": "{worst} hung up, {wanted} promised",
    "occupancy": "agents busy {worst} of their time, {wanted} allowed",
}
_OF: Final = {"voice": "calls", "chat": "chats"}
_LATER: Final = {"callback": "callbacks", "email": "e-mail", "web": "web"}


def simulated_words(simulated: Mapping[str, Any], places: Sequence[int] | None = None) -> list[str]:
    """Return sentences about the intervals at `places` (all of them when None); empty when none was met."""
    everywhere = range(len(simulated["added"])) if places is None else places
    promises = [_promise(each, everywhere) for each in _promises(simulated)]
    kept = [text for text in promises if text]
    if not kept and not any(each["unjudged"] for each in simulated.get("untold", [])):
        return []
    found = []
    if kept:
        found.append(f"In {simulated['weeks']} simulated weeks at worst: {'; '.join(kept)}.")
    added = sum(simulated["added"][place] for place in everywhere)
    if added:
        found.append(f"{added} {'agent was' if added == 1 else 'agents were'} added for it.")
    return [*found, *_rest(simulated)]


def _promises(simulated: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the promises; those of earlier versions are one service level."""
    if "promises" in simulated:
        return list(simulated["promises"])
    level = {name: simulated[name] for name in ("wanted", "value", "half_width")}
    return [{"channel": "voice", "promise": "service_level"} | level]


def _promise(each: Mapping[str, Any], places: Iterable[int]) -> str:
    seen = [(each["value"][i], each["half_width"][i]) for i in places]
    known = [pair for pair in seen if pair[0] is not None]
    if not known:
        return ""
    name = each["promise"]
    worst = min(known) if name == "service_level" else max(known)
    text = _HOLD[name].format(worst=_figure(name, *worst), wanted=_figure(name, each["wanted"], None))
    return f"{_OF[each['channel']]}: {text}"


def _figure(name: str, value: float, half_width: float | None) -> str:
    by, unit, digits = (1.0, "s", 0 if half_width is None else 1) if name == "asa" else (100.0, "%", 1)
    text = f"{by * value:.{digits}f}"
    return f"{text} {unit}" if half_width is None else f"{text} ± {by * half_width:.1f} {unit}"


def _rest(simulated: Mapping[str, Any]) -> Iterator[str]:
    """Yield what falls short still, and what the simulation could not tell."""
    if simulated["missing"]:
        yield f"In the week {_intervals(simulated['missing'])} still miss a promise."
    for each in simulated.get("untold", []):
        of = _OF[each["channel"]]
        if each["together"]:
            yield f"{_intervals(each['together'])} of few {of} were judged together with their neighbours."
        if each["unjudged"]:
            yield f"In {_intervals(each['unjudged'])} too few {of} come for the simulation to tell."
    left_out = [_LATER[name] for name in simulated.get("left_out", [])]
    if left_out:
        yield f"Work that can wait ({', '.join(left_out)}) is not simulated here; simulate the plan for it."


def _intervals(many: int) -> str:
    return f"{many} {'interval' if many == 1 else 'intervals'}"
