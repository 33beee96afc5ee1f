"""Claim: 20,000 calls a second through `routing.decide`, 500,000 a second in the fast queue of one team,
published simulation values inside the bounds, and staffed weeks that keep their target.

The same queue for all: M/M/100+M, 102 arrivals in a mean handle time and as long a mean patience. Everybody
draws the random numbers within the time that counts. Times are CPU times, as nothing here waits.
"""

import argparse
import csv
import math
import random
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.support.call_counts import BANK1999, bank1999_week

RATE, AGENTS, MEAN_S = 102.0, 100, 180.0
FLOOR_CALLS, QUEUE_CALLS, PEER_CALLS, ROUNDS = 20_000, 500_000, 20_000, 5
LIMIT_FLOOR, LIMIT_QUEUE = 20_000, 500_000
HALF_HOUR_S, MONDAY_AT = 1800, 1_767_571_200
DATA = Path(__file__).resolve().parents[1].parent / "shared" / "data"
PUBLISHED = DATA / "erlang" / "published_values.csv"
LARGEST_MISS, FEWEST_CALLS, LEVEL, WITHIN_S = 0.03, 20, 0.8, 20.0

Run = Callable[[int, int], tuple[int, float]]
"""Simulate so many calls with a seed; return how many there were and the share that hung up."""
Numbers = NDArray[np.float64]


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--contacts", type=int, default=1_000_000, help="in each of 10 long runs")
    arguments.add_argument("--weeks", type=int, default=200, help="simulated for each staffed week")
    asked = arguments.parse_args()
    held = [speed(), published(asked.contacts), staffed_weeks(asked.weeks)]
    return 0 if all(held) else 1


def speed() -> bool:
    runs: dict[str, tuple[Run, int]] = {
        "routing.decide": (through_decide, FLOOR_CALLS),
        "fast queue": (fast_queue, QUEUE_CALLS),
        "fast queue, shifts": (fast_queue_by_shifts, QUEUE_CALLS),
    }
    for name, run in (("simpy", with_simpy), ("ciw", with_ciw)):
        if find_spec(name) is None:
            print(f"  {name}: skipped, not installed here")
        else:
            runs[f"{name} {version(name)}"] = (run, PEER_CALLS)
    rates: dict[str, list[float]] = defaultdict(list)
    lost: dict[str, list[float]] = defaultdict(list)
    for seed in range(ROUNDS):
        for name, (run, calls) in runs.items():
            began = time.process_time()
            count, share = run(calls, seed)
            rates[name].append(count / (time.process_time() - began))
            lost[name].append(share)
    floor = statistics.median(rates["routing.decide"])
    print(f"M/M/{AGENTS}+M, load {RATE:.0f}, {ROUNDS} rounds, calls/s of CPU time (exact abandonment 0.0499)")
    for name, values in rates.items():
        middle = statistics.median(values)
        print(
            f"  {name:22} {middle:>10,.0f} in the median, {max(values):>10,.0f} at best, "
            f"{middle / floor:6.2f} x decide, abandonment {statistics.mean(lost[name]):.4f}"
        )
    print(f"  claims: decide {LIMIT_FLOOR:,}, fast queue {LIMIT_QUEUE:,}")
    queues = min(statistics.median(rates[name]) for name in ("fast queue", "fast queue, shifts"))
    return floor >= LIMIT_FLOOR and queues >= LIMIT_QUEUE


def through_decide(calls: int, seed: int) -> tuple[int, float]:
    from routing.model import Agent
    from routing.policy import Policy, TeamPolicy
    from staffing.simulation.floor_run import ABANDONED, SHORT, run_floor
    from staffing.simulation.scenario import Scenario, Shift, Worker
    from staffing.simulation.traffic import draw

    kind, end_s = traffic(calls)
    shift = (Shift(MONDAY_AT, MONDAY_AT + end_s),)
    care = TeamPolicy(id="care", name="Care", lead_id="lead", wrap_up_s=0.0)
    scenario = Scenario(
        policy=Policy(version=1, teams={"care": care}, fallback_team="care"),
        workers=tuple(
            Worker(Agent(id=f"a{number:03d}", name="", teams=("care",)), shift) for number in range(AGENTS)
        ),
        traffic=(kind,),
        starts=np.array([MONDAY_AT]),
        step_s=end_s,
    )
    log = run_floor(scenario, draw([kind], seed=seed), [shift] * AGENTS)
    outcome = log.stays.outcome
    return len(outcome), float(np.mean((outcome == ABANDONED) | (outcome == SHORT)))


def fast_queue(calls: int, seed: int) -> tuple[int, float]:
    from staffing.simulation.single_team import waits_at_level
    from staffing.simulation.traffic import draw

    drawn = draw([traffic(calls)[0]], seed=seed)
    found = waits_at_level(drawn.arrive_at, drawn.handle_s, drawn.patience_s, [0.0] * AGENTS)
    return len(found.wait_s), float(np.mean(~found.answered))


def fast_queue_by_shifts(calls: int, seed: int) -> tuple[int, float]:
    from staffing.simulation.single_team import waits_by_spells
    from staffing.simulation.traffic import draw

    kind, end_s = traffic(calls)
    drawn = draw([kind], seed=seed)
    staff = [[(float(MONDAY_AT), MONDAY_AT + end_s)]] * AGENTS
    found = waits_by_spells(drawn.arrive_at, drawn.handle_s, drawn.patience_s, staff)
    return len(found.wait_s), float(np.mean(~found.answered))


def traffic(calls: int):  # noqa: ANN201
    """Return calls at a level rate, and how long they come."""
    from staffing.simulation.durations import Exponential
    from staffing.simulation.traffic import TeamTraffic, Volume

    end_s = calls / RATE * MEAN_S
    volume = Volume(starts=np.array([MONDAY_AT]), expected=calls, step_s=end_s)
    law = Exponential(MEAN_S)
    return TeamTraffic(team_id="care", volume=volume, handle=law, patience=law), end_s


def with_simpy(calls: int, seed: int) -> tuple[int, float]:
    import simpy

    chance = random.Random(seed)
    environment = simpy.Environment()
    agents = simpy.Resource(environment, capacity=AGENTS)
    waits: list[float] = []
    lost: list[float] = []

    def call():  # noqa: ANN202
        came = environment.now
        with agents.request() as request:
            answered = yield request | environment.timeout(chance.expovariate(1))
            if request in answered:
                waits.append(environment.now - came)
                yield environment.timeout(chance.expovariate(1))
            else:
                lost.append(environment.now - came)

    def calls_come():  # noqa: ANN202
        for _ in range(calls):
            yield environment.timeout(chance.expovariate(RATE))
            environment.process(call())

    environment.process(calls_come())
    environment.run()
    return len(waits) + len(lost), len(lost) / (len(waits) + len(lost))


def with_ciw(calls: int, seed: int) -> tuple[int, float]:
    import ciw

    ciw.seed(seed)
    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Exponential(rate=RATE)],
        service_distributions=[ciw.dists.Exponential(rate=1.0)],
        reneging_time_distributions=[ciw.dists.Exponential(rate=1.0)],
        number_of_servers=[AGENTS],
    )
    simulation = ciw.Simulation(network)
    simulation.simulate_until_max_customers(calls, method="Arrive")
    records = simulation.get_all_records()
    return calls, sum(record.record_type == "renege" for record in records) / len(records)


def published(contacts: int) -> bool:
    from staffing.simulation.durations import Duration, Erlang, Exponential, Lognormal
    from staffing.simulation.long_run import Queue, long_run

    if not PUBLISHED.exists():
        print("published simulations: skipped, the values are not beside the repository")
        return True
    laws: dict[str, tuple[Duration, Duration]] = {
        "M/E2/100/200+E2": (Erlang(1, 2), Erlang(1, 2)),
        "M/M/100/200+E2": (Exponential(1), Erlang(1, 2)),
        "M/M/100/200+LN(1,1)": (Exponential(1), Lognormal(1, 1)),
        "M/M/100/200+LN(4,4)": (Exponential(1), Lognormal(4, 4)),
        "M/M/100/300+LN(4,0.25)": (Exponential(1), Lognormal(4, 0.25)),
    }
    print(f"published simulations (10 x 5M arrivals) against 10 x {contacts:,} here, 95 % bounds")
    inside = 0
    rows = published_rows()
    for model, (handle, patience) in laws.items():
        queue = Queue(rate_per_s=RATE, agents=AGENTS, handle=handle, patience=patience)
        began = time.process_time()
        run = long_run(queue, contacts=contacts, within_s=(0.1, 0.2), seed=5)
        took_s = time.process_time() - began
        print(f"  {model}: {10 * contacts / took_s:,.0f} calls/s")
        figures = {
            "P(W=0)": (1 - run.wait_probability.value, run.wait_probability.half_width),
            "P(A)": (run.abandonment.value, run.abandonment.half_width),
            "E[Q]": (run.queue_length.value, run.queue_length.half_width),
            "E[N]": (run.in_system.value, run.in_system.half_width),
            "E[W|S]": (run.wait_answered_s.value, run.wait_answered_s.half_width),
            "E[W|A]": (run.wait_abandoned_s.value, run.wait_abandoned_s.half_width),
            "P(W<=.2|S)": (run.answered_within.value[1], run.answered_within.half_width[1]),
        }
        for metric, value, half_width in rows[model]:
            mine, width = map(float, figures[metric])
            agrees = abs(mine - value) <= math.hypot(width, half_width)
            inside += agrees
            print(
                f"    {metric:12} {value:>8} +- {half_width:<8} here {mine:8.4f} +- {width:.4f}"
                f"{'' if agrees else '   OUTSIDE'}"
            )
    count = sum(len(each) for each in rows.values())
    print(f"  {inside} of {count} within the bounds of both")
    return inside == count


def published_rows() -> dict[str, list[tuple[str, float, float]]]:
    found: dict[str, list[tuple[str, float, float]]] = defaultdict(list)
    with PUBLISHED.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["model"].startswith("simulation (10 x 5M"):
                value, half_width = row["published"].split("±")
                found[row["params"].split(" lam")[0]].append((row["metric"], float(value), float(half_width)))
    return found


def staffed_weeks(weeks: int) -> bool:
    """Staff weeks by the requirement, correct them by simulation, and look at them in other weeks."""
    print(
        f"staffed weeks, {LEVEL:.0%} in {WITHIN_S:.0f} s: largest miss of an interval of more than "
        f"{FEWEST_CALLS} calls, {weeks} weeks that correct and {2 * weeks} others that judge"
    )
    made_up = generated_week()
    held = [
        staffed_week("generated", *made_up, patience_s=300.0, day_cv=0.0, weeks=weeks),
        staffed_week("generated, nobody hangs up", *made_up, patience_s=math.inf, day_cv=0.0, weeks=weeks),
        staffed_week("generated, busyness of days 7 %", *made_up, patience_s=300.0, day_cv=0.07, weeks=weeks),
    ]
    if BANK1999.exists():
        held.append(staffed_week("bank 1999", *bank_week(), patience_s=372.0, day_cv=0.0, weeks=weeks))
    else:
        print("  bank 1999: skipped, its counts are not beside the repository")
    return all(held)


def staffed_week(
    name: str, starts: NDArray[np.int64], offered: Numbers, *, patience_s: float, day_cv: float, weeks: int
) -> bool:
    from staffing.performance import Targets
    from staffing.requirement import Demand, Rules, requirement
    from staffing.simulation.durations import ENDLESS, Exponential, Lognormal
    from staffing.simulation.staffed_week import Promise, corrected_week, simulated_level
    from staffing.simulation.traffic import TeamTraffic, volume_of

    demand = Demand(
        starts=starts,
        offered=offered,
        handle_time_s=190.0,
        step_s=HALF_HOUR_S,
        patience_s=patience_s,
        rate_variation=day_cv,
    )
    needed = requirement(demand, Rules(targets=Targets(service_level=LEVEL, answer_within_s=WITHIN_S)))
    patience = ENDLESS if math.isinf(patience_s) else Exponential(patience_s)
    kind = TeamTraffic(
        team_id="care", volume=volume_of(demand), handle=Lognormal(190.0, 1.48), patience=patience
    )
    promise = Promise(service_level=LEVEL, answer_within_s=WITHIN_S, least_contacts=FEWEST_CALLS)
    began = time.process_time()
    found = corrected_week(kind, needed.agents, promise, replications=weeks, seed=1)
    took_s = time.process_time() - began
    busy = offered > FEWEST_CALLS
    before, after = (
        float(
            (LEVEL - simulated_level(kind, agents, promise, replications=2 * weeks, seed=2).value[busy]).max()
        )
        for agents in (needed.agents, found.agents)
    )
    staff = f"{needed.agents.sum():,} agents + {found.added.sum()}"
    print(
        f"  {name:32} {offered.sum():>7,.0f} calls, {busy.sum()} such intervals, {staff}: "
        f"{100 * before:5.1f} -> {100 * after:5.1f} points, {took_s:.1f} s"
    )
    return after <= LARGEST_MISS


def generated_week() -> tuple[NDArray[np.int64], Numbers]:
    """Return a week of 14-hour days with two peaks and short Saturdays."""
    slot = np.arange(28)
    profile = np.exp(-0.5 * ((slot - 7) / 4) ** 2) + 0.8 * np.exp(-0.5 * ((slot - 17) / 5) ** 2)
    days = (1.2, 1.05, 1.0, 0.95, 1.0, 0.4)
    starts = [MONDAY_AT + day * 86_400 + (14 + slot) * HALF_HOUR_S for day in range(len(days))]
    return np.concatenate(starts), np.concatenate([100 * share * profile for share in days])


def bank_week() -> tuple[NDArray[np.int64], Numbers]:
    """Return the mean calls of each half hour of a bank, Sunday to Thursday from 07:00 to 24:00."""
    days = MONDAY_AT + np.arange(5)[:, None] * 86_400
    starts = days + np.arange(14, 48) * HALF_HOUR_S
    return starts.ravel().astype(np.int64), bank1999_week()[:, 14:].ravel()


if __name__ == "__main__":
    raise SystemExit(main())
