"""To which team a contact belongs: the request itself, ordered rules, the joined ticket, the text
classifier where it is sure enough, then the fallback team.
"""

from __future__ import annotations

import re
from functools import lru_cache
from unicodedata import normalize

from routing.commands import Receive
from routing.events import Classification
from routing.hours import is_open
from routing.model import SkillNeed, Ticket
from routing.policy import Policy, Rule

_WORD = re.compile(r"\w+")
_SPACING = re.compile(r"[\s().\-/]")
SURE = frozenset({"request", "rule"})
"""What says outright which concern it is, so that a ticket of another team is not joined."""


class Routing:
    """Team, priority and skills that the rules give a contact, and which of them decided."""

    __slots__ = ("classification", "priority", "skills")

    def __init__(self, classification: Classification, priority: int, skills: tuple[SkillNeed, ...]) -> None:
        self.classification = classification
        self.priority = priority
        self.skills = skills


def classify(policy: Policy, contact: Receive, *, now: float, ticket: Ticket | None = None) -> Routing:
    """Return where `contact` goes. The first matching rule that names a team decides the team; rules
    before it that only set a priority or skills add to it. `ticket` is the concern it would join. A
    customer's segment is the one given, else the one known.
    """
    priority, skills, decided = 0, list(contact.skills), None
    said: str | None = None
    for rule in policy.rules:
        if rule.words and said is None:
            said = _spoken(f"{contact.subject} {contact.text}")
        if _matches(rule, contact, said or "", now):
            priority = rule.priority if rule.priority is not None else priority
            skills += [need for need in rule.skills if need.skill not in {each.skill for each in skills}]
            if rule.team is not None:
                decided = rule
                break
    return Routing(
        _classification(policy, contact, decided, ticket),
        contact.priority if contact.priority is not None else priority,
        tuple(sorted(skills, key=lambda need: need.skill)),
    )


def _classification(
    policy: Policy, contact: Receive, rule: Rule | None, ticket: Ticket | None
) -> Classification:
    if contact.team_id is not None:
        return Classification(team_id=contact.team_id, by="request", reason="the request names the team")
    if rule is not None and rule.team is not None:
        return Classification(
            team_id=rule.team, by="rule", rule_id=rule.id, reason=rule.reason or f"rule {rule.id}"
        )
    if ticket is not None and ticket.team_id in policy.teams:
        return Classification(
            team_id=ticket.team_id, by="ticket", reason=f"joins ticket {ticket.id} of that team"
        )
    guess = contact.suggestion
    if guess is not None and guess.team_id in policy.teams:
        if guess.confidence >= policy.classifier_threshold:
            return Classification(
                team_id=guess.team_id,
                by="classifier",
                confidence=guess.confidence,
                words=guess.words,
                reason=f"the words point there ({guess.confidence:.0%} sure)",
            )
        return Classification(
            team_id=policy.fallback_team,
            by="fallback",
            confidence=guess.confidence,
            reason=f"no rule matched and the classifier was "
            f"only {guess.confidence:.0%} sure of {guess.team_id}",
        )
    return Classification(team_id=policy.fallback_team, by="fallback", reason="no rule matched")


def _spoken(text: str) -> str:
    """Return the words of `text` with a blank on each side, so that whole words can be looked for."""
    return f" {' '.join(_WORD.findall(normalize('NFKC', text).casefold()))} "


_phrase = lru_cache(maxsize=4096)(_spoken)


def _matches(rule: Rule, contact: Receive, said: str, now: float) -> bool:
    return (
        (not rule.dialled or _dialled(contact.dialled) in map(_dialled, rule.dialled))
        and (not rule.menu or contact.menu[: len(rule.menu)] == rule.menu)
        and (not rule.channels or contact.channel in rule.channels)
        and (not rule.languages or _in_language(rule, contact.language or ""))
        and (not rule.segments or _segment(contact) in rule.segments)
        and (not rule.words or any(_phrase(words) in said for words in rule.words))
        and (rule.hours is None or is_open(rule.hours, now))
    )


@lru_cache(maxsize=4096)
def _dialled(number: str) -> str:
    """Return a number or an address as it is compared: however it is spaced or capitalised."""
    return number.casefold() if "@" in number else _SPACING.sub("", number).casefold()


def _in_language(rule: Rule, language: str) -> bool:
    """Return whether the rule is for `language`: one for de is for de-AT too."""
    return language in rule.languages or language.partition("-")[0] in rule.languages


def _segment(contact: Receive) -> str | None:
    known = contact.known.segment if contact.known is not None else None
    return contact.identity.segment or known
