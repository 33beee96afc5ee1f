"""A ready organisation: four customer-group teams, their leads and about forty agents."""

from __future__ import annotations

from typing import Final

from routing.hours import Hours, Span
from routing.model import Agent, Channel, SkillNeed
from routing.policy import Policy, Rule, Site, Step, TeamPolicy

_FIRST: Final = """
    Ada Amir Anna Ben Carla Chen Dana Dev Elif Emil Eva Femi Fritz Gina Hana Hugo Ida Ines Ivan Jana
    Jorge Kai Lara Leo Lena Mali Mara Max Mina Nils Noor Olga Omar Paul Petra Quinn Rosa Sam Tara Uma
"""
_LAST: Final = ("Abel", "Brandt", "Costa", "Diaz", "Evans", "Fischer", "Gruber", "Haddad", "Ito", "Jansen")
_TEAMS: Final = (
    ("complaints", "Complaints", "Vera Lind", 8),
    ("technical", "Technical advice", "Yusuf Kaya", 11),
    ("ordering", "Ordering", "Zoe Martin", 9),
    ("general", "General care", "Willem Smit", 12),
)
_SECOND: Final = {
    "complaints": "general",
    "technical": "general",
    "ordering": "general",
    "general": "ordering",
}


def preset_policy(version: int = 1, *, hours: Hours | None = None) -> Policy:
    """Return the policy of the ready organisation: 80 % in 20 s, steps after 60 and 180 s.

    Without `hours` its teams are always open, so that whoever tries it at night is served.
    """
    always = Hours(time_zone="Europe/London", week=tuple((Span("00:00", "24:00"),) for _ in range(7)))
    teams = {team_id: _team(team_id, name, lead, hours or always) for team_id, name, lead, _ in _TEAMS}
    return Policy(
        version=version,
        teams=teams,
        fallback_team="general",
        rules=_rules(),
        site=Site(name="main", region="GB", time_zone="Europe/London", country="GB", subdivision="ENG"),
    )


def preset_agents() -> list[Agent]:
    """Return the leads (who answer for their team, without taking contacts) and the agents."""
    agents = [Agent(id=agent_id(lead), name=lead) for _, _, lead, _ in _TEAMS]
    names = iter(f"{first} {_LAST[i % len(_LAST)]}" for i, first in enumerate(_FIRST.split()))
    for team_id, _, _, size in _TEAMS:
        for i in range(size):
            name = next(names)
            second = (_SECOND[team_id],) if i % 3 == 0 else ()
            agents.append(
                Agent(
                    id=agent_id(name),
                    name=name,
                    teams=(team_id, *second),
                    skills={team_id: 3 + i % 3, **dict.fromkeys(second, 2)},
                    languages=("en", "de") if i % 4 == 1 else ("en",),
                )
            )
    return agents


def agent_id(name: str) -> str:
    """Return the id the preset gives a person: `ada.abel` for Ada Abel."""
    return name.lower().replace(" ", ".")


def _team(team_id: str, name: str, lead: str, hours: Hours) -> TeamPolicy:
    others = tuple(other for other, second in _SECOND.items() if second == team_id)
    wider = (*others, _SECOND[team_id])
    return TeamPolicy(
        id=team_id,
        name=name,
        lead_id=agent_id(lead),
        target_s=20.0,
        target_share=0.8,
        steps=(
            Step(after_s=60.0, skill_slack=2),
            Step(after_s=180.0, skill_slack=4, any_language=True, teams=tuple(dict.fromkeys(wider))),
        ),
        wrap_up_s=30.0,
        hours=hours,
    )


def _rules() -> tuple[Rule, ...]:
    need = SkillNeed
    return (
        Rule(id="vip", segments=("vip",), priority=3, reason="customers of segment vip go first"),
        Rule(
            id="menu-complaint",
            menu=("1",),
            team="complaints",
            reason="choice 1 of the menu: complaint",
        ),
        Rule(id="menu-technical", menu=("2",), team="technical", reason="choice 2: technical advice"),
        Rule(id="menu-order", menu=("3",), team="ordering", reason="choice 3: order"),
        Rule(id="menu-general", menu=("4",), team="general", reason="choice 4: anything else"),
        Rule(
            id="words-complaint",
            words=("complaint", "refund", "disappointed", "broken", "angry"),
            team="complaints",
            reason="the words sound like a complaint",
        ),
        Rule(
            id="words-technical",
            words=("error", "install", "router", "crash", "password", "update"),
            team="technical",
            skills=(need("technical", 3),),
            reason="the words ask for technical advice",
        ),
        Rule(
            id="words-order",
            words=("order", "buy", "price", "delivery"),
            channels=(Channel.CHAT, Channel.EMAIL, Channel.WEB),
            team="ordering",
            reason="the words are about an order",
        ),
    )
