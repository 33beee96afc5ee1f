"""The promises of the floor over days of many contacts, deeper than shrinking examples reach."""

from __future__ import annotations

import random
from collections.abc import Callable, Sized
from typing import Any

import pytest

from routing import commands as cmd
from routing.model import Channel, Presence, TicketState
from routing.policy import STRATEGIES
from tests.routing.test_invariants import AGENTS, KEPT, MERGED, SKILLS, TEAMS, FloorMachine

NAMES = [agent.id for agent in AGENTS]
STEPS = 400
REFUSALS = (cmd.Decline, cmd.MissOffer, cmd.Revoke)

Deed = tuple[int, Callable[[], Any], Callable[[], Sized] | None]


@pytest.mark.parametrize("seed", range(6))
def test_promises_hold_over_a_long_day(seed: int) -> None:
    rng, machine = random.Random(seed), FloorMachine()
    machine.open_floor(draw_policy(rng), set(NAMES))
    deeds = [*contact_deeds(rng, machine), *other_deeds(rng, machine)]
    for _ in range(STEPS):
        machine.now += 0.01
        if rng.random() < 0.8:
            machine.wait(0.0)
        possible = [deed for deed in deeds if deed[2] is None or deed[2]()]
        rng.choices(possible, [weight for weight, _, _ in possible])[0][1]()
        machine.promises_hold()
    assert machine.accepted
    machine.teardown()


def draw_policy(rng: random.Random) -> dict[str, Any]:
    return {
        "strategy": rng.choice(STRATEGIES),
        "broadcast": rng.choice((1, 1, 3)),
        "wrap_up_s": rng.choice((0.0, 30.0)),
        "priority_credit_s": rng.choice((0.0, 60.0)),
        "heartbeat_s": rng.choice((None, None, 90.0)),
        "relaxed": rng.random() < 0.5,
        "care_closed": rng.random() < 0.5,
        "chat_cap": rng.choice((1, 3)),
        "max_waiting": rng.choice((None, 2)),
        "share_after_targets": rng.choice((None, 0.2, 3.0)),
        "save_room_after_targets": rng.choice((None, 0.2, 1.0)),
        "join": rng.choice(("same_concern", "always", "never")),
    }


def contact_deeds(rng: random.Random, machine: FloorMachine) -> list[Deed]:
    """Return what customers and agents do with contacts: (how often, deed, what it needs)."""
    floor = machine.floor

    def which() -> int:
        return rng.randrange(1000)

    def receive() -> None:
        machine.receive(
            channel=rng.choice(list(Channel)),
            team=rng.choice((None, *TEAMS)),
            skills=rng.choice(SKILLS),
            language=rng.choice((None, None, "en", "de", "it")),
            priority=rng.choice((None, 0, 5)),
            customer=rng.choice((KEPT, MERGED)),
            preferred=rng.choice((None, *NAMES)),
            later_s=rng.choice((None, None, 25.0)),
            age_s=rng.choice((None, None, 200.0)),
        )

    def transfer() -> None:
        target = {"team": rng.choice((None, *TEAMS)), "agent": rng.choice((None, None, *NAMES))}
        machine.transfer(which(), warm=rng.random() < 0.6, **target)

    return [
        (6, lambda: machine.calls(rng.choice(TEAMS), rng.randint(1, 4), rng.random() < 0.5), None),
        (8, receive, None),
        (14, lambda: machine.accept(which()), machine.pending),
        (4, machine.accept_all, machine.pending),
        (
            5,
            lambda: machine.turn_down(which(), rng.choice(REFUSALS)),
            machine.pending,
        ),
        (2, lambda: machine.abandon(which()), lambda: floor.contacts),
        (8, lambda: machine.complete(which(), rng.choice(list(TicketState))), machine.connected),
        (8, lambda: machine.wrap_up(which(), rng.random() < 0.3), lambda: floor.offers),
        (7, transfer, machine.connected),
        (2, lambda: machine.take_back(which()), machine.passing_on),
        (2, lambda: machine.convert(which(), None), lambda: machine.of_channel(Channel.VOICE)),
        (3, lambda: machine.callback_missed(which()), lambda: machine.of_channel(Channel.CALLBACK)),
    ]


def other_deeds(rng: random.Random, machine: FloorMachine) -> list[Deed]:
    """Return what time, leads and administrators do."""

    def which() -> int:
        return rng.randrange(1000)

    def lead_steps_in() -> None:
        deeds: list[tuple[Any, dict[str, Any]]] = [
            (cmd.Reprioritise, {"priority": rng.randint(-1, 6)}),
            (cmd.Move, {"team_id": rng.choice(TEAMS)}),
            (cmd.Assign, {"agent_id": rng.choice(NAMES)}),
            (cmd.Cancel, {"reason": "spam"}),
        ]
        machine.lead_steps_in(which(), rng.choice(deeds))

    def change_agent() -> None:
        machine.change_agent(
            rng.choice(AGENTS[1:]),
            rng.choice((None, *TEAMS)),
            rng.choice((30, 100, 150)),
            rng.randint(1, 5),
            rng.random() < 0.8,
        )

    def set_presence() -> None:
        presence = rng.choice((Presence.AVAILABLE, *Presence))
        machine.set_presence(rng.choice(NAMES), presence, rng.random() < 0.5)

    return [
        (14, lambda: machine.wait(rng.choice((0.1, 1.0, 7.7, 20.0, 31.3))), None),
        (1, lambda: machine.wait(rng.choice((121.0, 400.0))), None),
        (5, lead_steps_in, lambda: machine.floor.contacts),
        (4, set_presence, None),
        (2, machine.everybody_comes, None),
        (6, lambda: machine.heartbeat_or_drain(rng.choice(NAMES), rng.random() < 0.15), None),
        (2, change_agent, None),
        (1, lambda: machine.publish(draw_policy(rng)), None),
        (
            2,
            lambda: machine.change_ticket(
                which(), rng.choice((None, *TicketState)), rng.choice((None, *NAMES))
            ),
            lambda: machine.tickets,
        ),
        (1, machine.merge_or_split, lambda: machine.tickets_of(MERGED) or machine.merges),
    ]
