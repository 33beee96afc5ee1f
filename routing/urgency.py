"""Who is served first: convex cost of waiting against each team's target.

The marginal cost of keeping a contact waiting is its age relative to its target, growing with the square
once the target has passed (generalised c-mu rule, Mandelbaum and Stolyar 2004). The target is that of its
team on its channel: a mail of an hour is not late, a call of a minute is. Priority is a credit of waiting
time, and so is being an agent's own customer, so overtaking is bounded: no agent is offered a contact while
another of the same team and channel, which the agent may take at its active step, came more than
`overtaking_bound_s` before it. A lead who assigns by hand is not bound.

Between teams that share agents there is no such bound: in multiples of their targets the first of each wait
alike, however long. A team whose contacts wait too long claims its share of the agents (`routing.shares`).
"""

from __future__ import annotations

from math import sqrt

from routing.model import PRIORITY_MAX, Contact
from routing.policy import TeamPolicy


def urgency(team: TeamPolicy, *, age_s: float, target_s: float) -> float:
    """Return the marginal cost of waiting at `age_s` (wait plus credit, s); 1.0 * weight at the target."""
    relative = age_s / target_s
    return team.weight * (relative if relative <= 1.0 else relative * relative)


def in_targets(team: TeamPolicy, value: float) -> float:
    """Return how many times its target a contact of `team` has waited whose urgency is `value`."""
    relative = value / team.weight
    return sqrt(relative) if relative > 1.0 else relative


def effective_at(team: TeamPolicy, contact: Contact) -> float:
    """Return the instant that orders `contact` within its team: its place less the credit for priority."""
    return contact.enqueued_at - team.priority_credit_s * contact.priority


def order(team: TeamPolicy, contact: Contact, now: float, *, target_s: float) -> tuple[float, float, int]:
    """Return what puts waiting contacts of any teams in order, the most urgent first."""
    value = urgency(team, age_s=now - contact.effective_at, target_s=target_s)
    return (-value, contact.effective_at, contact.id)


def overtaking_bound_s(team: TeamPolicy) -> float:
    """Return by how much later a contact of the same team and channel may have come and still go first."""
    return team.priority_credit_s * PRIORITY_MAX + team.owner_preferred_s
