"""What waits, in order: lines of contacts that are alike, contacts kept for their preferred agent, and
broadcasts in which more agents may be asked.
"""

from __future__ import annotations

from bisect import bisect_left, insort

from routing.model import LIVE_CHANNELS, Channel, Contact, SkillNeed
from routing.policy import Policy, TeamPolicy, target_s
from routing.staff_index import StaffIndex
from routing.steps import Scope, scope

LineKey = tuple[str, Channel, str | None, tuple[SkillNeed, ...], int]

_KEPT = 10_000
"""Most empty lines that are kept; skills asked for can be anything."""


class Line:
    """Waiting contacts that are alike in everything that decides who may take them, in order.

    Invariant: `entries` is sorted by (effective_at, contact id) and never empty while indexed.
    """

    __slots__ = ("_mask", "_staff_version", "channel", "entries", "key", "scope", "target_s", "team")

    def __init__(self, key: LineKey, team: TeamPolicy, terms: Scope, target_s: float) -> None:
        self.key = key
        self.team = team
        self.target_s = target_s
        self.channel = key[1]
        self.scope = terms
        self.entries: list[tuple[float, int]] = []
        self._mask = 0
        self._staff_version = -1

    def before(self, contact: Contact, aim_s: float, at: float) -> int:
        """Return how many of these go before a contact of the same team whose target is `aim_s`, when both
        wait until `at`: urgency grows with different speed.
        """
        if self.target_s == aim_s:
            return bisect_left(self.entries, (contact.effective_at, contact.id))
        age_s = (at - contact.effective_at) * self.target_s / aim_s
        return bisect_left(self.entries, (at - age_s, 0))

    def mask(self, staff: StaffIndex) -> int:
        """Return who may ever take these contacts at their step, whatever they do at the moment."""
        if self._staff_version != staff.version:
            _, _, language, skills, _ = self.key
            mask = staff.pool_mask(self.scope.teams)
            for need in skills:
                if need.level > self.scope.skill_slack:
                    mask &= staff.skill_mask(need.skill, need.level - self.scope.skill_slack)
            if language is not None and not self.scope.any_language:
                mask &= staff.language_mask(language)
            self._mask = mask
            self._staff_version = staff.version
        return self._mask


class Lines:
    """Contacts in their lines, and the lines by each team whose agents may take them."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.lines: dict[LineKey, Line] = {}
        self.by_team: dict[str, dict[LineKey, Line]] = {}
        """Lines by each team whose agents may take them."""
        self._scopes: dict[tuple[str, int], Scope] = {}
        self._empty: dict[LineKey, Line] = {}
        """Lines in which nobody waits at the moment, kept with what they know of the staff."""

    def scope(self, team_id: str, step: int) -> Scope:
        """Return what holds for a team's contacts at a step."""
        known = self._scopes.get((team_id, step))
        if known is None:
            known = self._scopes[team_id, step] = scope(self.policy.teams[team_id], step)
        return known

    def enter(self, contact: Contact) -> None:
        """Put a contact in its line."""
        key = line_key(contact)
        line = self.lines.get(key)
        if line is None:
            line = self._empty.pop(key, None) or self._line(key)
            self.lines[key] = line
            for team_id in line.scope.teams:
                self.by_team.setdefault(team_id, {})[key] = line
        insort(line.entries, (contact.effective_at, contact.id))

    def leave(self, contact: Contact) -> None:
        """Take a contact out of its line, before anything that orders it changes."""
        key = line_key(contact)
        line = self.lines[key]
        del line.entries[bisect_left(line.entries, (contact.effective_at, contact.id))]
        if not line.entries:
            self._empty[key] = self.lines.pop(key)
            for team_id in line.scope.teams:
                del self.by_team[team_id][key]

    def take_policy(self, policy: Policy) -> None:
        """Begin anew under another policy; the caller enters what is in lines again."""
        self.policy = policy
        self.lines.clear()
        self.by_team.clear()
        self._scopes.clear()
        self._empty.clear()

    def _line(self, key: LineKey) -> Line:
        if len(self._empty) >= _KEPT:
            self._empty.clear()
        team = self.policy.teams[key[0]]
        return Line(key, team, self.scope(key[0], key[4]), target_s(self.policy, team, key[1]))


class QueueIndex(Lines):
    """Every waiting contact where dispatch looks for it."""

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self.reserved: dict[str, list[tuple[float, int]]] = {}
        """Contacts only their preferred agent may take yet, by agent."""
        self.waiting: dict[str, dict[int, float]] = {}
        """Queued and offered contacts of each team with the instant they came."""
        self.live: dict[str, int] = {}
        """How many of them are on channels on which the customer is there now."""

    def enter(self, contact: Contact) -> None:
        """Put a queued contact in its line, or keep it for its preferred agent."""
        if contact.step < 0 and contact.preferred_agent_id is not None:
            kept = self.reserved.setdefault(contact.preferred_agent_id, [])
            insort(kept, (contact.effective_at, contact.id))
        else:
            super().enter(contact)

    def leave(self, contact: Contact) -> None:
        """Take a queued contact out, before anything that orders it changes."""
        if contact.step < 0 and contact.preferred_agent_id is not None:
            kept = self.reserved[contact.preferred_agent_id]
            del kept[bisect_left(kept, (contact.effective_at, contact.id))]
            if not kept:
                del self.reserved[contact.preferred_agent_id]
        else:
            super().leave(contact)

    def begin_wait(self, contact: Contact) -> None:
        """Count a contact that queues for its team."""
        mine = self.waiting.setdefault(contact.team_id, {})
        if contact.id not in mine and contact.channel in LIVE_CHANNELS:
            self.live[contact.team_id] = self.live.get(contact.team_id, 0) + 1
        mine[contact.id] = contact.enqueued_at

    def end_wait(self, contact: Contact) -> None:
        """Count a contact no more that has been answered or has left its team's queue."""
        mine = self.waiting.get(contact.team_id, {})
        if mine.pop(contact.id, None) is not None and contact.channel in LIVE_CHANNELS:
            self.live[contact.team_id] -= 1

    def take_policy(self, policy: Policy) -> None:
        """Begin anew under another policy; the caller enters what is queued again."""
        super().take_policy(policy)
        self.reserved.clear()

    def ahead(self, contact: Contact) -> int:
        """Return how many contacts of the same team and target stand before `contact`.

        Those kept for an agent are aside, and so are channels that are in more or less of a hurry: a caller
        does not stand behind the mails of the day.
        """
        me = (contact.effective_at, contact.id)
        aim_s = target_s(self.policy, self.policy.teams[contact.team_id], contact.channel)
        return sum(
            bisect_left(line.entries, me)
            for line in self.by_team.get(contact.team_id, {}).values()
            if line.key[0] == contact.team_id and line.target_s == aim_s
        )


def line_key(contact: Contact) -> LineKey:
    """Return everything that decides who may take `contact`."""
    return (contact.team_id, contact.channel, contact.language, contact.skills, contact.step)
