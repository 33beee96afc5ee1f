"""Claim: a week of four teams that share agents is searched in lock-step and its worst intervals are checked
through `routing.decide` within 30 s of one core; the lock-step is 50 times as fast as `decide` and agrees.

Times are CPU times of one thread, both sides in this run.
"""

import argparse
import math
import time

import numpy as np
from numpy.typing import NDArray

from app.planning.pooling import HANDLE_SCV, VERIFIED
from app.preset import preset_agents, preset_policy
from staffing.performance import Targets
from staffing.pool_search import Effort
from staffing.pooled_week import PooledWeek, pooled_week
from staffing.pooling import SkillGroup, TeamLoad, separate_agents
from staffing.simulation.durations import Lognormal
from staffing.simulation.shared_agents import Laws, Stretch, fast_levels, routed_levels

NAMES = ("complaints", "technical", "ordering", "general")
LOADS = {"complaints": 2.4, "technical": 4.0, "ordering": 3.2, "general": 4.8}
HANDLE_S, PATIENCE_S, LEVEL = 300.0, 300.0, 0.8
LIMIT_S, LIMIT_RATIO = 30.0, 50.0
CONTACTS, WARM_UP, JUDGED = 1000, 150, 64
POLICY = preset_policy()
LAWS = Laws(handle=dict.fromkeys(NAMES, Lognormal(1.0, HANDLE_SCV)))
Numbers = NDArray[np.float64]


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--scale", type=float, default=1.0, help="factor on the loads and the agents")
    asked = arguments.parse_args()
    groups = groups_of(asked.scale)
    held = [rates_and_agreement(groups, asked.scale), week(groups, asked.scale)]
    return 0 if all(held) else 1


def rates_and_agreement(groups: list[SkillGroup], scale: float) -> bool:
    """Compare both simulations where agents are scarce and where they suffice."""
    print("one level interval of four teams, seven kinds of agents: service level by decide and in lock-step")
    loads = [team(name, np.array([scale * LOADS[name]])) for name in NAMES]
    total = sum(LOADS.values()) * scale
    inside, asked, ratios = 0, 0, []
    for share in (1.0, 1.15, 1.3):
        most = np.array([group.most for group in groups])
        agents = np.maximum(np.round(most / most.sum() * total * share), 1).astype(np.int64)
        staff = {group.name: int(many) for group, many in zip(groups, agents, strict=True)}
        stretch = Stretch(hours=60.0, warm_up_hours=1.0, replications=5)
        began = time.thread_time()
        routed = routed_levels(loads, groups, policy=POLICY, laws=LAWS, stretch=stretch)(0, staff)
        took_s = time.thread_time() - began
        decided = total / HANDLE_S * 3600 * 61 * 5 / took_s
        simulate = fast_levels(loads, groups, policy=POLICY, laws=LAWS)
        many = np.zeros(32, dtype=np.int64)
        began = time.thread_time()
        seen = simulate(many, np.tile(agents, (32, 1)), Effort.JUDGE)
        fast = 32 * JUDGED * (CONTACTS + WARM_UP) / (time.thread_time() - began)
        ratios.append(fast / decided)
        print(f"  {agents.sum()} agents for {total:.1f} erlangs: {decided:,.0f} and {fast:,.0f} calls/s")
        for row, name in enumerate(NAMES):
            mine, half = float(seen.level[0, row]), float(seen.half_width[0, row])
            theirs, their_half = routed[name]
            agrees = abs(mine - theirs) <= 1.3 * math.hypot(half, their_half)
            inside, asked = inside + agrees, asked + 1
            print(
                f"    {name:10} {theirs:.3f} +- {their_half:.3f}   {mine:.3f} +- {half:.3f}"
                f"{'' if agrees else '   OUTSIDE'}"
            )
    print(
        f"  {inside} of {asked} within joint bounds (99 %); {min(ratios):.0f} to {max(ratios):.0f} x decide"
    )
    return inside >= asked - 1 and min(ratios) >= LIMIT_RATIO


def week(groups: list[SkillGroup], scale: float) -> bool:
    """Search and check a week as a requirement run does."""
    loads = week_loads(scale)
    searched_s = 0.0
    began = time.thread_time()

    def go_on(share: float) -> bool:
        nonlocal searched_s
        searched_s = searched_s or (time.thread_time() - began if share >= 0.75 else 0.0)
        return True

    stretch = Stretch(hours=200.0, contacts=2000, replications=6)
    found = pooled_week(
        loads,
        groups,
        simulate=lambda teams: fast_levels(teams, groups, policy=POLICY, laws=LAWS),
        routed=lambda teams: routed_levels(teams, groups, policy=POLICY, laws=LAWS, stretch=stretch),
        verify=VERIFIED,
        go_on=go_on,
    )
    took_s = time.thread_time() - began
    busy = int((found.upper.sum(axis=0) > 0).sum())
    apart = separate_agents(loads).sum()
    kept = sum(each.kept for each in found.verified)
    print(
        f"a week of four teams, {busy} busy half hours: searched in {searched_s:.1f} s, checked by decide in "
        f"{took_s - searched_s:.1f} s (claim: {LIMIT_S:.0f} s together)"
    )
    print(
        f"  agents over the intervals: apart {apart:,}, at best {found.lower.sum():,}, together "
        f"{found.agents.sum():,} ({1 - found.agents.sum() / apart:.1%} less than apart)"
    )
    print(
        f"  {found.checked.sum()} intervals simulated, {found.added.sum()} agents added, "
        f"{found.spared.sum()} spared; {kept} of {len(found.verified)} closest to a miss keep it by decide"
    )
    least = other_chance(found, loads, groups)
    print(
        f"  lowest level of a team in an interval under other random numbers: {least:.3f} ({LEVEL} promised)"
    )
    return took_s <= LIMIT_S and kept == len(found.verified) and bool(found.checked.sum() == busy)


def other_chance(found: PooledWeek, loads: list[TeamLoad], groups: list[SkillGroup]) -> float:
    simulate = fast_levels(loads, groups, policy=POLICY, laws=LAWS, seed=77)
    busy = np.flatnonzero(found.checked)
    return float(np.nanmin(simulate(busy, found.agents[:, busy].T, Effort.JUDGE).level))


def week_loads(scale: float) -> list[TeamLoad]:
    """Return days of two peaks, quieter at the week's end, each interval a little off."""
    slot = np.arange(48)
    profile = np.exp(-0.5 * ((slot - 20) / 5) ** 2) + 0.8 * np.exp(-0.5 * ((slot - 30) / 6) ** 2)
    profile[profile < 0.05] = 0.0
    days = np.array([1.2, 1.05, 1.0, 0.95, 1.0, 0.4, 0.2])
    rng = np.random.default_rng(1)
    shape = (days[:, None] * profile).ravel()
    return [
        team(name, scale * LOADS[name] * shape * rng.uniform(0.9, 1.1, len(shape)), variation=0.1)
        for name in NAMES
    ]


def team(name: str, load: Numbers, *, variation: float = 0.0) -> TeamLoad:
    return TeamLoad(
        name=name,
        load_erlangs=load,
        handle_time_s=np.full(len(load), HANDLE_S),
        patience_s=np.full(len(load), PATIENCE_S),
        targets=Targets(service_level=LEVEL, answer_within_s=20.0, short_abandon_s=5.0, max_occupancy=0.9),
        rate_variation=variation,
    )


def groups_of(scale: float) -> list[SkillGroup]:
    """Return the kinds of agents of the ready organisation."""
    kinds: dict[frozenset[str], int] = {}
    for agent in preset_agents():
        if agent.teams:
            kinds[frozenset(agent.teams)] = kinds.get(frozenset(agent.teams), 0) + 1
    return [
        SkillGroup(" ".join(sorted(kind)), kind, most=round(many * scale)) for kind, many in kinds.items()
    ]


if __name__ == "__main__":
    raise SystemExit(main())
