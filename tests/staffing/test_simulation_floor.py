"""A period through `routing.decide`: what happens, what it counts for, and that the fast queue agrees."""

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routing.model import Channel
from routing.policy import DEFAULT_CHANNELS, Step
from staffing.erlang import performance
from staffing.rostering.model import Assignment, Spell
from staffing.simulation.durations import Exponential, Fixed, Lognormal
from staffing.simulation.figures import METRICS
from staffing.simulation.floor_run import (
    ABANDONED,
    ANSWERED,
    FLOWED_OUT,
    LOST,
    REJECTED,
    SHORT,
    WAITING,
    FloorLog,
    run_floor,
)
from staffing.simulation.queue_run import run_queue
from staffing.simulation.replications import (
    by_interval,
    needs_floor,
    overall,
    simulate,
    wait_quantiles_s,
    worked_shifts,
)
from staffing.simulation.scenario import Scenario, Shift, counted_intervals, shifts_of, workers_of
from staffing.simulation.traffic import draw
from tests.staffing.simulated import (
    BEGINS_AT,
    STEP_S,
    after,
    calls,
    level_volume,
    people,
    policy,
    scenario,
    team,
    traffic,
    worker,
)


def run(what: Scenario, *, seed: int = 0) -> FloorLog:
    return run_floor(what, draw(what.traffic, seed=seed), [each.shifts for each in what.workers])


def outcomes(what: Scenario) -> list[tuple[int, float]]:
    """Return (outcome, wait) of the stays in the order in which their contacts came."""
    stays = run(what).stays
    order = np.lexsort((stays.since, stays.contact))
    return [(int(stays.outcome[i]), round(float(stays.wait_s[i]), 6)) for i in order]


def test_second_call_waits_until_the_agent_has_finished_the_first() -> None:
    assert outcomes(scenario(calls(10, 20, handle_s=60), workers=people(1))) == [
        (ANSWERED, 0),
        (ANSWERED, 50),
    ]


def test_caller_hangs_up_when_patience_ends() -> None:
    impatient = calls(10, 20, handle_s=60, patience=Fixed(30))
    assert outcomes(scenario(impatient, workers=people(1))) == [(ANSWERED, 0), (ABANDONED, 30)]


def test_hang_up_within_the_teams_limit_is_short() -> None:
    impatient = calls(10, 20, handle_s=60, patience=Fixed(4))
    assert outcomes(scenario(impatient, workers=people(1)))[1] == (SHORT, 4)


def test_agent_on_break_takes_nothing_and_finishes_what_runs_first() -> None:
    shift = Shift(after(0), after(3600), breaks=((after(30), after(100)),))
    waits = outcomes(scenario(calls(10, 20, 75, handle_s=30), workers=people(1, shift)))
    assert waits == [(ANSWERED, 0), (ANSWERED, 80), (ANSWERED, 55)]


def test_shift_that_is_over_leaves_callers_to_the_next_one() -> None:
    night = (Shift(after(0), after(100)), Shift(after(1000), after(1100)))
    assert outcomes(scenario(calls(120, handle_s=30), workers=people(1, *night))) == [(ANSWERED, 880)]


def test_caller_nobody_comes_for_expires_after_the_longest_wait() -> None:
    assert outcomes(scenario(calls(10), workers=())) == [(LOST, 3600)]


def test_caller_who_still_waits_at_the_end_is_waiting() -> None:
    patient = policy(team(max_wait_s={"voice": 9000.0}))
    assert outcomes(scenario(calls(10), workers=(), intervals=1, policy=patient)) == [
        (WAITING, STEP_S + 3590)
    ]


def test_closed_team_rejects() -> None:
    full = policy(team(max_waiting=1))
    found = outcomes(scenario(calls(10, 20, 30, 40), workers=people(1), policy=full))
    assert [outcome for outcome, _ in found] == [ANSWERED, ANSWERED, REJECTED, REJECTED]


def test_overflow_is_followed_to_the_other_team_with_the_patience_that_is_left() -> None:
    teams = policy(team(steps=(Step(after_s=30, overflow_to="sales"),)), team("sales"))
    impatient = calls(10, patience=Fixed(50))
    assert outcomes(scenario(impatient, workers=(), policy=teams)) == [(FLOWED_OUT, 30), (ABANDONED, 20)]


def test_step_opens_a_call_to_other_teams_agents() -> None:
    teams = policy(team(steps=(Step(after_s=30, teams=("sales",)),)), team("sales"))
    helper = worker("sam", teams=("sales",))
    assert outcomes(scenario(calls(10), workers=(helper,), policy=teams)) == [(ANSWERED, 30)]


def test_skill_is_asked_for_of_the_agent() -> None:
    asked = calls(10, handle_s=30, skills=(("loans", 3),))
    novice, expert = worker("ann", skills={"loans": 2}), worker("bob", skills={"loans": 4})
    log = run(scenario(asked, workers=(novice, expert)))
    assert log.work.agent.tolist() == [2]


def test_offer_rings_before_it_is_answered() -> None:
    assert outcomes(scenario(calls(10, answer_s=6.0), workers=people(1))) == [(ANSWERED, 6)]


def test_caller_who_hangs_up_while_it_rings_frees_the_agent() -> None:
    ringing = calls(10, 12, answer_s=8.0, patience=Fixed(7))
    assert outcomes(scenario(ringing, workers=people(1))) == [(ABANDONED, 7), (ABANDONED, 7)]


def test_wrap_up_is_the_share_of_the_handle_time_it_is_told() -> None:
    wraps = policy(team(wrap_up_s=60.0))
    kind = calls(10, 20, handle_s=100, wrap_up_share=0.3)
    log = run(scenario(kind, workers=people(1), policy=wraps))
    assert (log.work.until - log.work.since).tolist() == [100, 100]
    assert outcomes(scenario(kind, workers=people(1), policy=wraps))[1] == (ANSWERED, 90)


def test_wrap_up_ends_at_the_teams_limit() -> None:
    wraps = policy(team(wrap_up_s=10.0))
    log = run(scenario(calls(10, handle_s=100, wrap_up_share=0.3), workers=people(1), policy=wraps))
    assert (log.work.until - log.work.since).tolist() == [80]


def test_handle_time_that_holds_no_wrap_up_needs_none() -> None:
    wraps = policy(team(wrap_up_s=30.0))
    log = run(scenario(calls(10, handle_s=100), workers=people(1), policy=wraps))
    assert (log.work.until - log.work.since).tolist() == [100]


def test_chats_run_side_by_side_and_take_longer_for_it() -> None:
    chats = calls(10, 20, 30, 40, handle_s=100, channel="chat", slowdown=0.2)
    log = run(scenario(chats, workers=people(1)))
    assert np.sort(log.work.until - log.work.since).round(6).tolist() == [100, 120, 140, 140]
    assert DEFAULT_CHANNELS[Channel.CHAT].cap == 3


def test_figures_follow_the_products_definitions() -> None:
    impatient = calls(10, 20, 25, handle_s=60, patience=Fixed(200))
    short = calls(28, patience=Fixed(2))
    found = simulate(
        scenario(impatient, short, workers=people(1), intervals=1, policy=policy(team(target_s=60))),
        replications=2,
    )
    values = {metric: float(overall(found, metric).value[0]) for metric in METRICS}
    assert values["service_level"] == pytest.approx(2 / 3)
    assert values["asa_s"] == pytest.approx((0 + 50 + 105) / 3)
    assert values["excess_wait_s"] == pytest.approx(45 / 3)
    assert values["abandonment"] == pytest.approx(1 / 4)
    assert values["abandonment_without_short"] == 0
    assert values["occupancy"] == pytest.approx(180 / STEP_S)
    assert wait_quantiles_s(found)[0].tolist() == pytest.approx([50, 105, 105, 105])


def test_interval_without_contacts_has_no_service_level() -> None:
    found = simulate(scenario(calls(10), workers=people(1), intervals=2), replications=2)
    levels = by_interval(found, "service_level").value[0]
    assert levels[0] == 1
    assert math.isnan(levels[1])


def test_figures_count_in_the_interval_of_arrival_and_work_in_that_in_which_it_passes() -> None:
    found = simulate(
        scenario(calls(STEP_S - 10.0, handle_s=60), workers=people(1), intervals=2), replications=2
    )
    assert found.counts["answered"][0, 0].tolist() == [1, 0]
    assert found.counts["busy_s"][0, 0].tolist() == pytest.approx([10, 50])


def test_occupancy_by_capacity_counts_how_full_an_agent_is() -> None:
    chats = calls(0, 0, handle_s=STEP_S, channel="chat")
    found = simulate(scenario(chats, workers=people(1), intervals=1), replications=2)
    assert float(overall(found, "occupancy").value[0]) == pytest.approx(1)
    assert float(overall(found, "occupancy_by_capacity").value[0]) == pytest.approx(0.6)


def test_agent_of_several_teams_counts_in_the_first_of_them_alone() -> None:
    both = policy(team(), team("sales"))
    found = simulate(
        scenario(
            calls(0, handle_s=STEP_S / 3),
            calls(STEP_S / 3, handle_s=STEP_S / 3, team_id="sales"),
            workers=(worker("ann", teams=("sales", "care")),),
            intervals=1,
            policy=both,
        ),
        replications=2,
    )
    care, sales = overall(found, "occupancy").value
    assert math.isnan(care)
    assert float(sales) == pytest.approx(2 / 3)
    assert found.counts["staffed_s"].sum(axis=1).tolist() == [[STEP_S]] * 2


def test_work_that_can_wait_is_served_and_counts_apart() -> None:
    letters = calls(0, 0, 10, handle_s=STEP_S / 4, channel="email", within_s=STEP_S, slowdown=1.0)
    soon = calls(1, handle_s=60, channel="web", within_s=30)
    phone = calls(STEP_S - 30, handle_s=60)
    found = simulate(scenario(letters, soon, phone, workers=people(1), intervals=2), replications=2)
    assert float(overall(found, "service_level").value[0]) == 1
    assert found.counts["offered"][0].tolist() == [[1, 0]]
    assert found.counts["deferred"][0].tolist() == [[4, 0]]
    assert float(overall(found, "deferred_in_time").value[0]) == pytest.approx(3 / 4)
    assert [len(each) for each in found.waits_s] == [2]
    assert found.counts["busy_s"][0, 0, 0] > 0.6 * STEP_S


def test_agent_is_staffed_between_breaks_and_until_the_last_contact_is_done() -> None:
    shift = Shift(after(0), after(400), breaks=((after(100), after(200)),))
    found = simulate(scenario(calls(390, handle_s=60), workers=people(1, shift), intervals=1), replications=2)
    assert found.counts["staffed_s"][0, 0].tolist() == pytest.approx([100 + 200 + 50])


def busy_team(intervals: int = 8, patience_s: float = 150.0) -> Scenario:
    breaks = ((after(1800), after(2700)),)
    early, late = Shift(after(0), after(4500), breaks), Shift(after(900), after(7200))
    kind = traffic(level_volume(60, intervals), handle=Lognormal(180, 1.2), patience=Exponential(patience_s))
    workers = (*people(8, early), *(worker(f"b{n}", late) for n in range(7)))
    return scenario(kind, workers=workers, intervals=intervals)


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10_000), patience_s=st.sampled_from([40.0, 150.0, math.inf]))
def test_fast_queue_gives_the_same_answer_as_the_floor_contact_by_contact(
    seed: int, patience_s: float
) -> None:
    what = busy_team(patience_s=patience_s)
    drawn, shifts = draw(what.traffic, seed=seed), [each.shifts for each in what.workers]
    floor, queue = run_floor(what, drawn, shifts), run_queue(what, drawn, shifts)
    by_contact = np.argsort(floor.stays.contact)
    assert floor.stays.outcome[by_contact].tolist() == queue.stays.outcome.tolist()
    assert floor.stays.wait_s[by_contact] == pytest.approx(queue.stays.wait_s, abs=1e-5)
    one, other = (
        sorted(zip(log.work.agent.tolist(), log.work.since.tolist(), strict=True)) for log in (floor, queue)
    )
    assert [agent for agent, _ in one] == [agent for agent, _ in other]
    assert [at for _, at in one] == pytest.approx([at for _, at in other], abs=1e-5)


def test_fast_queue_refuses_what_it_would_get_wrong() -> None:
    what = scenario(calls(10, channel="chat"), workers=people(1))
    assert needs_floor(what) == "several contacts at a time"
    with pytest.raises(ValueError, match="several contacts"):
        simulate(what, through_floor=False)


def test_level_stretch_through_the_floor_is_erlang_a() -> None:
    patience_s, load = 120.0, 9.0
    volume = level_volume(load * STEP_S / 180, 60)
    kind = traffic(volume, handle=Exponential(180), patience=Exponential(patience_s))
    what = scenario(
        kind,
        workers=people(10, Shift(after(0), after(60 * STEP_S))),
        intervals=60,
        policy=policy(team(target_s=20, short_abandon_s=0)),
    )
    found = simulate(what, replications=5, seed=6)
    exact = performance(load, 10, handle_time_s=180, patience_s=patience_s)
    for metric, value in (
        ("service_level", exact.service_level),
        ("asa_s", exact.asa_s),
        ("abandonment", exact.abandonment),
        ("occupancy", exact.occupancy),
    ):
        estimate = overall(found, metric, confidence=0.999)
        assert estimate.low[0] <= float(value) <= estimate.high[0]
    assert float(overall(found, "service_level").half_width[0]) < 0.04


def test_same_seed_gives_the_same_figures_and_another_gives_others() -> None:
    one, same, other = (
        simulate(busy_team(), replications=2, seed=seed).counts["answered_wait_s"] for seed in (1, 1, 2)
    )
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_replications_side_by_side_give_the_same_figures() -> None:
    with ThreadPoolExecutor(2) as pool:
        beside = simulate(busy_team(), replications=3, each=pool.map)
    alone = simulate(busy_team(), replications=3)
    assert np.array_equal(beside.counts["answered_wait_s"], alone.counts["answered_wait_s"])


def test_progress_is_told_after_each_replication() -> None:
    told: list[int] = []
    simulate(scenario(calls(10), workers=people(1)), replications=3, on_progress=told.append)
    assert told == [1, 2, 3]


def test_more_absence_loses_the_same_shifts_and_more() -> None:
    lost = []
    for absence in (0.1, 0.3):
        what = scenario(calls(10), workers=people(200), absence=absence)
        lost.append({n for n, worked in enumerate(worked_shifts(what, 5, 0)) if not worked})
    assert lost[0] < lost[1]
    assert [len(each) / 200 for each in lost] == pytest.approx([0.1, 0.3], abs=0.06)


def test_roster_becomes_shifts_with_breaks() -> None:
    assignment = Assignment(
        agent_id="ann",
        day=0,
        kind_id="early",
        starts_at=after(0),
        ends_at=after(900),
        breaks=(Spell("meal", after(300), after(400)),),
    )
    shifts = shifts_of([assignment])
    assert shifts == {"ann": (Shift(after(0), after(900), ((after(300), after(400)),)),)}
    ann, bob = (worker(name).agent for name in ("ann", "bob"))
    assert [each.agent.id for each in workers_of([ann, bob], shifts)] == ["ann"]


def test_intervals_of_forecast_and_recorded_traffic_are_counted() -> None:
    found = counted_intervals([traffic(level_volume(5, 2)), calls(3 * STEP_S + 1.0)], step_s=STEP_S)
    assert (found - BEGINS_AT).tolist() == [0, STEP_S, 3 * STEP_S]


@pytest.mark.parametrize(
    ("terms", "problem"),
    [
        ({"workers": people(1), "policy": policy(team("sales"))}, "no team care"),
        ({"workers": (worker("ann", teams=("care", "moon")),)}, "no team moon"),
        ({"workers": people(1), "policy": policy(team(broadcast=0))}, "broadcast"),
    ],
)
def test_scenario_that_can_not_be_run_is_refused(terms: dict[str, object], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        scenario(calls(10), **terms)  # type: ignore[arg-type]
