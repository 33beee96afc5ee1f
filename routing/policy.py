"""What the organisation decided: teams, rules, steps, targets, hours; one immutable, versioned value."""

from __future__ import annotations

import re
from collections.abc import Iterator
from zoneinfo import available_timezones

import msgspec

from routing.hours import Hours, find_faults
from routing.model import PRIORITY_MAX, SKILL_LEVEL_MAX, Channel, SkillNeed

_COUNTRY = re.compile("[A-Z]{2}")

STRATEGIES = ("longest_idle", "best_skilled", "least_occupied", "round_robin")
JOINS = ("same_concern", "always", "never")


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """A relaxation of who may take a contact once it has waited `after_s` in its segment.

    Steps add up: the widest of all that are due holds. `overflow_to` ends the segment and queues the
    contact for another team at the same place.
    """

    after_s: float
    teams: tuple[str, ...] = ()
    skill_slack: int = 0
    any_language: bool = False
    overflow_to: str | None = None


class ChannelPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How much of an agent a channel takes, how its offers run, and how soon it should be taken.

    `target_s` is for channels that can wait longer than calls; without it the team's own target holds.
    """

    cost: int
    cap: int
    offer_s: float
    max_wait_s: float
    wrap_up: bool = True
    target_s: float | None = None


class TeamPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """A customer-group team: who answers for it, its target, and how its contacts are matched."""

    id: str
    name: str
    lead_id: str
    target_s: float = 20.0
    target_share: float = 0.8
    weight: float = 1.0
    strategy: str = "longest_idle"
    priority_credit_s: float = 180.0
    steps: tuple[Step, ...] = ()
    wrap_up_s: float = 30.0
    wrap_up_extension_s: float = 120.0
    owner_preferred_s: float = 60.0
    short_abandon_s: float = 5.0
    decline_retry_s: float = 120.0
    not_responding_s: float = 300.0
    broadcast: int = 1
    max_waiting: int | None = None
    reject_without_agents: bool = False
    hours: Hours | None = None
    max_wait_s: dict[str, float] = {}
    channel_target_s: dict[str, float] = {}
    """The team's own targets by channel, before those of the channels."""


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """The first rule all of whose conditions hold decides; an empty condition always holds.

    `words` are words or phrases, compared as whole words without case; `menu` is a prefix of the path
    through the menu.
    """

    id: str
    team: str | None = None
    dialled: tuple[str, ...] = ()
    menu: tuple[str, ...] = ()
    channels: tuple[Channel, ...] = ()
    languages: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    hours: Hours | None = None
    priority: int | None = None
    skills: tuple[SkillNeed, ...] = ()
    reason: str = ""


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """Where the organisation is: default phone region and time zone."""

    name: str = "main"
    region: str = "GB"
    time_zone: str = "Europe/London"
    country: str | None = None
    subdivision: str | None = None


DEFAULT_CHANNELS: dict[Channel, ChannelPolicy] = {
    Channel.VOICE: ChannelPolicy(cost=100, cap=1, offer_s=20.0, max_wait_s=3600.0),
    Channel.CALLBACK: ChannelPolicy(cost=100, cap=1, offer_s=30.0, max_wait_s=86_400.0),
    Channel.CHAT: ChannelPolicy(cost=30, cap=3, offer_s=30.0, max_wait_s=3600.0),
    Channel.EMAIL: ChannelPolicy(
        cost=50, cap=2, offer_s=120.0, max_wait_s=7 * 86_400.0, wrap_up=False, target_s=4 * 3600.0
    ),
    Channel.WEB: ChannelPolicy(
        cost=50, cap=2, offer_s=120.0, max_wait_s=7 * 86_400.0, wrap_up=False, target_s=4 * 3600.0
    ),
}


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that routing is decided by, besides the floor itself."""

    version: int
    teams: dict[str, TeamPolicy]
    fallback_team: str
    rules: tuple[Rule, ...] = ()
    channels: dict[Channel, ChannelPolicy] = msgspec.field(default_factory=lambda: dict(DEFAULT_CHANNELS))
    site: Site = Site()
    join: str = "same_concern"
    reopen_s: float = 3 * 86_400.0
    callback_attempts: int = 3
    callback_retry_s: float = 900.0
    heartbeat_s: float | None = None
    classifier_threshold: float = 0.7
    share_after_targets: float | None = 3.0
    """Past how many times its target a wait lets a team claim its share of the agents; None: never."""
    save_room_after_targets: float | None = 1.0
    """Past how many times its target a wait has an agent with smaller work save room; None: never."""


def target_s(policy: Policy, team: TeamPolicy, channel: Channel) -> float:
    """Return within which wait (s) a contact of `team` should be taken on `channel`."""
    own = team.channel_target_s.get(channel.value) or policy.channels[channel].target_s
    return own if own is not None else team.target_s


_DURATIONS = (
    "priority_credit_s",
    "wrap_up_s",
    "wrap_up_extension_s",
    "owner_preferred_s",
    "short_abandon_s",
    "decline_retry_s",
    "not_responding_s",
)
_CONDITIONS = ("dialled", "menu", "channels", "languages", "segments", "words", "hours")


class Finding(msgspec.Struct, frozen=True):
    """A fault that keeps a policy from being published: where it is, and what is wrong with it."""

    path: str
    problem: str


def lint(policy: Policy, agent_ids: set[str]) -> list[Finding]:
    """Return what is wrong with `policy`, in the order of the document; empty when it may be published."""
    return [
        *_lint_top(policy),
        *(finding for team in policy.teams.values() for finding in _lint_team(policy, team, agent_ids)),
        *(finding for index, rule in enumerate(policy.rules) for finding in _lint_rule(policy, index, rule)),
        *_lint_rule_order(policy),
    ]


def _lint_top(policy: Policy) -> Iterator[Finding]:
    if not policy.teams:
        yield Finding("teams", "at least one team is needed")
    if policy.fallback_team not in policy.teams:
        yield Finding("fallback_team", f"no team {policy.fallback_team!r}")
    if policy.join not in JOINS:
        yield Finding("join", f"must be one of {', '.join(JOINS)}")
    for name in sorted(set(Channel) - set(policy.channels)):
        yield Finding(f"channels.{name}", "missing")
    for name, channel in policy.channels.items():
        if channel.cost < 1 or channel.cap < 1 or channel.offer_s <= 0 or channel.max_wait_s <= 0:
            yield Finding(f"channels.{name}", "cost, cap, offer_s and max_wait_s must be above 0")
        if channel.target_s is not None and channel.target_s <= 0:
            yield Finding(f"channels.{name}.target_s", "must be above 0; none at all means the team's")
    if policy.reopen_s < 0 or policy.callback_retry_s <= 0 or policy.callback_attempts < 1:
        yield Finding(
            "callback_attempts", "must be at least 1, callback_retry_s above 0, reopen_s not below 0"
        )
    if not 0 <= policy.classifier_threshold <= 1:
        yield Finding("classifier_threshold", "must be between 0 and 1")
    for field, value, without in (
        ("heartbeat_s", policy.heartbeat_s, "switches it off"),
        ("share_after_targets", policy.share_after_targets, "lets no team claim a share"),
        ("save_room_after_targets", policy.save_room_after_targets, "has nobody save room"),
    ):
        if value is not None and value <= 0:
            yield Finding(field, f"must be above 0; none at all {without}")
    yield from _lint_site(policy.site)


def _lint_site(site: Site) -> Iterator[Finding]:
    if site.time_zone not in available_timezones():
        yield Finding("site.time_zone", f"no time zone {site.time_zone!r}")
    for name, code in (("region", site.region), ("country", site.country)):
        if code is not None and not _COUNTRY.fullmatch(code):
            yield Finding(f"site.{name}", "must be two capital letters, as GB")


def _lint_team(policy: Policy, team: TeamPolicy, agent_ids: set[str]) -> Iterator[Finding]:
    path = f"teams.{team.id}"
    if policy.teams.get(team.id) is not team:
        yield Finding(path, "the key and the id differ")
    if team.lead_id not in agent_ids:
        yield Finding(f"{path}.lead_id", f"no agent {team.lead_id!r}: every team needs a lead")
    if team.strategy not in STRATEGIES:
        yield Finding(f"{path}.strategy", f"must be one of {', '.join(STRATEGIES)}")
    if team.target_s <= 0 or not 0 < team.target_share <= 1 or team.weight <= 0:
        yield Finding(f"{path}.target_s", "target_s and weight must be above 0, target_share between 0 and 1")
    if team.broadcast < 1:
        yield Finding(f"{path}.broadcast", "must be at least 1")
    if team.max_waiting is not None and team.max_waiting < 0:
        yield Finding(f"{path}.max_waiting", "must not be below 0; none at all means no limit")
    for name in _DURATIONS:
        if getattr(team, name) < 0:
            yield Finding(f"{path}.{name}", "must not be below 0")
    yield from _lint_times_by_channel(team, path)
    if team.hours is not None:
        yield from (Finding(f"{path}.hours", fault) for fault in find_faults(team.hours))
    yield from _lint_steps(policy, team, path)


def _lint_times_by_channel(team: TeamPolicy, path: str) -> Iterator[Finding]:
    for name in ("max_wait_s", "channel_target_s"):
        for channel, time_s in getattr(team, name).items():
            if channel not in set(Channel) or time_s <= 0:
                yield Finding(f"{path}.{name}.{channel}", "needs a channel and a time above 0")


def _lint_steps(policy: Policy, team: TeamPolicy, path: str) -> Iterator[Finding]:
    last = 0.0
    for index, step in enumerate(team.steps):
        at = f"{path}.steps[{index}]"
        if step.after_s <= last:
            yield Finding(f"{at}.after_s", "steps must come later and later")
        last = step.after_s
        for other in (*step.teams, *((step.overflow_to,) if step.overflow_to else ())):
            if other not in policy.teams:
                yield Finding(at, f"no team {other!r}")
        if step.skill_slack < 0:
            yield Finding(f"{at}.skill_slack", "must not be below 0")
        if not (step.teams or step.skill_slack or step.any_language or step.overflow_to):
            yield Finding(at, "relaxes nothing")
        if step.overflow_to == team.id:
            yield Finding(f"{at}.overflow_to", "a team can't overflow to itself")
        if step.overflow_to and index + 1 < len(team.steps):
            yield Finding(f"{at}.overflow_to", "an overflow must be the last step")
    if _overflow_circle(policy, team.id):
        yield Finding(f"{path}.steps", "overflows run in a circle")


def _overflow_circle(policy: Policy, start: str) -> bool:
    seen, at = {start}, start
    while True:
        steps = policy.teams[at].steps if at in policy.teams else ()
        target = steps[-1].overflow_to if steps else None
        if target is None:
            return False
        if target in seen:
            return target == start
        seen.add(target)
        at = target


def _lint_rule(policy: Policy, index: int, rule: Rule) -> Iterator[Finding]:
    path = f"rules[{index}]"
    if rule.team is not None and rule.team not in policy.teams:
        yield Finding(f"{path}.team", f"no team {rule.team!r}")
    if rule.team is None and rule.priority is None and not rule.skills:
        yield Finding(path, "decides nothing: name a team, a priority or skills")
    if rule.priority is not None and not 0 <= rule.priority <= PRIORITY_MAX:
        yield Finding(f"{path}.priority", f"must be between 0 and {PRIORITY_MAX}")
    if any(not 1 <= need.level <= SKILL_LEVEL_MAX for need in rule.skills):
        yield Finding(f"{path}.skills", f"levels go from 1 to {SKILL_LEVEL_MAX}")
    if any(not any(each.isalnum() for each in words) for words in rule.words):
        yield Finding(f"{path}.words", "each needs at least one word")
    if rule.hours is not None:
        yield from (Finding(f"{path}.hours", fault) for fault in find_faults(rule.hours))


def _lint_rule_order(policy: Policy) -> Iterator[Finding]:
    """Find rules of one name, and rules behind one that always decides."""
    seen: set[str] = set()
    closed_by: str | None = None
    for index, rule in enumerate(policy.rules):
        path = f"rules[{index}]"
        if rule.id in seen:
            yield Finding(f"{path}.id", f"there is another rule {rule.id!r}")
        if closed_by is not None:
            yield Finding(path, f"never reached: rule {closed_by!r} before it always decides")
        seen.add(rule.id)
        if rule.team is not None and not any(getattr(rule, name) for name in _CONDITIONS):
            closed_by = rule.id
