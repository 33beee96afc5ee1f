"""History: what text from outside and single calls become, interval by interval."""

import gzip
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from staffing.history import (
    CallRecord,
    censored_waits,
    day_table,
    histories_from_records,
    history_from_counts,
    merged,
    regrouped,
    up_to,
)
from staffing.history_import import Problem, Rejected, read_call_csv, read_interval_csv, read_queue_log
from staffing.intervals import Grid, day_intervals, intervals_between

BERLIN = Grid("Europe/Berlin", 30)
CALLS = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "calls"


def at(text: str) -> float:
    return float(np.datetime64(text, "s").astype(int))


def call(
    offered_at: float, *, team: str = "care", wait_s: float = 5.0, handle_s: float | None = 120.0
) -> CallRecord:
    return CallRecord(team, offered_at, wait_s, handle_s)


def test_calls_count_in_the_interval_in_which_they_were_offered() -> None:
    morning = at("2026-01-05T08:00:00")
    history = histories_from_records(BERLIN, [call(morning), call(morning + 1799), call(morning + 1800)])[
        "care"
    ]
    first = np.searchsorted(history.starts, morning)
    assert history.offered[first : first + 2].tolist() == [2, 1]
    assert history.handle_s[first] == 240


def test_a_day_with_a_call_of_another_team_counts_as_quiet_and_not_as_missing() -> None:
    records = [call(at("2026-01-05T08:00:00")), call(at("2026-01-06T08:00:00"), team="orders")]
    assert histories_from_records(BERLIN, records)["care"].offered.sum() == 1
    assert len(histories_from_records(BERLIN, records)["care"].starts) == 96


def test_a_day_without_any_call_is_missing() -> None:
    records = [call(at("2026-01-05T08:00:00")), call(at("2026-01-07T08:00:00"))]
    table = day_table(histories_from_records(BERLIN, records)["care"])
    assert np.isnan(table.counts).all(axis=1).tolist() == [False, True, False]


@given(st.lists(st.tuples(st.integers(0, 40 * 86_400), st.booleans()), min_size=1, max_size=60))
def test_no_call_is_lost_or_counted_twice(calls: list[tuple[int, bool]]) -> None:
    start = at("2026-03-10T00:00:00")  # the clock changes within the range
    records = [CallRecord("a" if own else "b", start + second, 0.0) for second, own in calls]
    histories = histories_from_records(BERLIN, records)
    assert sum(each.offered.sum() for each in histories.values()) == len(records)


def test_the_hour_that_a_clock_change_repeats_is_one_row_of_slots_at_its_mean() -> None:
    starts = day_intervals(BERLIN, date(2026, 10, 25))
    history = history_from_counts("care", BERLIN, starts, np.arange(50.0))
    # 02:00 is the intervals 4 and 6, 02:30 the intervals 5 and 7.
    assert day_table(history).counts[0, 3:7].tolist() == [3, 5, 6, 8]


def test_the_hour_that_a_clock_change_skips_is_unknown() -> None:
    history = history_from_counts("care", BERLIN, day_intervals(BERLIN, date(2026, 3, 29)), np.ones(46))
    assert np.flatnonzero(np.isnan(day_table(history).counts[0])).tolist() == [4, 5]


def test_the_new_history_stands_where_both_know_an_interval() -> None:
    starts = day_intervals(BERLIN, date(2026, 1, 5))
    old = history_from_counts("care", BERLIN, starts[:10], np.full(10, 1.0))
    new = history_from_counts("care", BERLIN, starts[5:12], np.full(7, 2.0))
    assert merged(old, new).offered.tolist() == [1] * 5 + [2] * 7


def test_histories_of_different_teams_cannot_be_merged() -> None:
    starts = day_intervals(BERLIN, date(2026, 1, 5))
    one, other = (history_from_counts(team, BERLIN, starts, np.ones(48)) for team in ("a", "b"))
    with pytest.raises(ValueError, match="same team"):
        merged(one, other)


def test_up_to_keeps_whole_local_days() -> None:
    starts = intervals_between(BERLIN, date(2026, 1, 5), date(2026, 1, 7))
    history = history_from_counts("care", BERLIN, starts, np.ones(len(starts)))
    assert len(up_to(history, date(2026, 1, 6)).starts) == 96


def test_quarter_hours_become_half_hours_only_where_both_are_known() -> None:
    quarters = Grid("Europe/Berlin", 15)
    starts = day_intervals(quarters, date(2026, 1, 5))
    history = history_from_counts("care", quarters, starts[:5], np.array([1.0, 2, 3, 4, 5]))
    assert regrouped(history, BERLIN).offered.tolist() == [3, 7]


def test_waits_are_censored_where_an_agent_answered() -> None:
    records = [
        CallRecord("care", 0, 30, None, answered=False, abandoned=True),
        CallRecord("care", 0, 12, 60.0),
        CallRecord("care", 0, 0, 60.0),
    ]
    waits = censored_waits(records)
    assert (waits.wait_s.tolist(), waits.abandoned.tolist()) == ([30, 12], [True, False])


def test_interval_csv_is_read_with_the_columns_that_are_there() -> None:
    lines = ["start,team,offered,handle_s", "2026-01-05T08:00,care,4,480", "2026-01-05T07:30:00Z,care,2,"]
    histories = read_interval_csv(lines, BERLIN)
    assert not isinstance(histories, Rejected)
    assert histories["care"].starts.tolist() == [at("2026-01-05T07:00:00"), at("2026-01-05T07:30:00")]
    assert histories["care"].handled.tolist() == [4, 0]


def test_answered_are_those_not_abandoned_where_a_csv_leaves_them_out() -> None:
    histories = read_interval_csv(["team,start,offered,abandoned", "care,2026-01-05T08:00,10,3"], BERLIN)
    assert not isinstance(histories, Rejected)
    assert histories["care"].answered.tolist() == [7]


def test_interval_csv_names_every_bad_line_and_takes_nothing() -> None:
    lines = [
        "team,start,offered",
        "care,2026-01-05T08:00,4",
        "care,2026-01-05T08:10,4",
        "care,2026-01-05T09:00,-1",
    ]
    result = read_interval_csv(lines, BERLIN)
    assert isinstance(result, Rejected)
    assert [problem.line for problem in result.problems] == [3, 4]


def test_interval_csv_without_a_needed_column_is_rejected_at_its_header() -> None:
    assert read_interval_csv(["team,start", "care,2026-01-05T08:00"], BERLIN) == Rejected(
        (Problem(1, "columns missing: offered; the first line names team, start"),)
    )


def test_interval_csv_with_the_same_interval_twice_is_rejected() -> None:
    lines = ["team,start,offered", "care,2026-01-05T08:00,4", "care,2026-01-05T07:00Z,5"]
    assert isinstance(read_interval_csv(lines, BERLIN), Rejected)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_interval_csv_may_be_separated_by_what_spreadsheets_use(separator: str) -> None:
    lines = [
        separator.join(row) for row in (("Team", " START", "offered"), ("care", "2026-01-05T08:00", "4"))
    ]
    histories = read_interval_csv(lines, BERLIN)
    assert not isinstance(histories, Rejected)
    assert histories["care"].offered.tolist() == [4]


@pytest.mark.parametrize(
    ("lines", "line", "word"),
    [
        (["team,start,offered,offered", "care,2026-01-05T08:00,4,5"], 1, "named twice: offered"),
        (["team,start,offered", "care,2026-01-05T08:00,4,5"], 2, "4 fields where the first line names 3"),
        (["team,start,offered", '"care,2026-01-05T08:00,4', "x" * 140_000], 3, "quotation mark"),
        (["team,start,offered", "care,05.01.2026 08:00,4"], 2, "such as 2026-03-02T08:00"),
        (["team,start,offered", "care,2026-03-29T02:00,4"], 2, "clock of Europe/Berlin skips"),
        (["team,start,offered", "care,2030-01-05T08:00,4"], 2, "still to come"),
    ],
)
def test_interval_csv_says_what_is_wrong_with_a_line(lines: list[str], line: int, word: str) -> None:
    result = read_interval_csv(lines, BERLIN, now=at("2026-06-01T00:00:00"))
    assert isinstance(result, Rejected)
    assert [problem.line for problem in result.problems] == [line]
    assert word in result.problems[0].text


def test_second_row_of_an_hour_that_the_clock_repeats_is_the_later_one() -> None:
    lines = [
        "team,start,offered",
        *(f"care,2026-10-25T{clock},{many}" for clock, many in (("02:00", 4), ("02:30", 5), ("02:00", 6))),
    ]
    histories = read_interval_csv(lines, BERLIN)
    assert not isinstance(histories, Rejected)
    assert histories["care"].starts.tolist() == [
        at("2026-10-25T00:00:00"),
        at("2026-10-25T00:30:00"),
        at("2026-10-25T01:00:00"),
    ]
    assert histories["care"].offered.tolist() == [4, 5, 6]
    assert isinstance(read_interval_csv([*lines, "care,2026-10-25T02:00,7"], BERLIN), Rejected)


def test_call_csv_names_a_time_in_the_menu_that_is_no_number() -> None:
    row = "PS,2026-01-05T08:00,soon,,0,AGENT,60"
    result = read_call_csv(["type,arrival,vru_s,queue_start,wait_s,outcome,service_s", row], BERLIN)
    assert result == Rejected((Problem(2, "vru_s is 'soon', not a number"),))


def test_queue_log_from_the_future_takes_nothing() -> None:
    result = read_queue_log(queue_log("c1|care|NONE|ENTERQUEUE||+49301234567|1"), now=1_600_000_000)
    assert isinstance(result, Rejected)


def queue_log(*events: str) -> list[str]:
    return [f"17{number:08d}|{event}" for number, event in enumerate(events)]


def test_queue_log_gives_wait_and_talk_time_of_an_answered_call() -> None:
    lines = queue_log(
        "c1|care|NONE|ENTERQUEUE||+49301234567|1",
        "c1|care|SIP/7|CONNECT|9|c2|3",
        "c1|care|SIP/7|COMPLETEAGENT|9|61|1",
    )
    assert read_queue_log(lines) == [CallRecord("care", 1_700_000_000.0, 9.0, 61.0)]


@pytest.mark.parametrize(
    ("event", "abandoned"),
    [
        ("ABANDON|1|1|37", True),
        ("EXITWITHTIMEOUT|1|1|37", False),
        ("EXITWITHKEY|2|1|1|37", False),
        ("EXITEMPTY|1|1|37", False),
    ],
)
def test_queue_log_tells_abandoned_calls_from_those_that_flowed_out(event: str, abandoned: bool) -> None:
    records = read_queue_log(queue_log("c1|care|NONE|ENTERQUEUE||x|1", f"c1|care|NONE|{event}"))
    assert records == [CallRecord("care", 1_700_000_000.0, 37.0, None, answered=False, abandoned=abandoned)]


def test_queue_log_takes_the_time_since_the_connection_when_a_call_is_transferred() -> None:
    lines = queue_log(
        "c1|care|NONE|ENTERQUEUE||x|1",
        "c1|care|SIP/7|CONNECT|0|c2|1",
        "c1|care|SIP/7|BLINDTRANSFER|600|default|0|1|1",
    )
    assert read_queue_log(lines) == [CallRecord("care", 1_700_000_000.0, 0.0, 1.0)]


def test_queue_log_passes_over_agents_and_calls_from_before_it_begins() -> None:
    lines = queue_log(
        "NONE|NONE|SIP/7|PAUSE|", "NONE|NONE|NONE|QUEUESTART|", "c0|care|SIP/7|COMPLETECALLER|3|40|1"
    )
    assert read_queue_log(lines) == []


def test_queue_log_keeps_calls_that_are_open_when_it_ends() -> None:
    lines = queue_log(
        "c1|care|NONE|ENTERQUEUE||x|1", "c2|care|NONE|ENTERQUEUE||x|2", "c1|care|SIP/7|CONNECT|2|c3|1"
    )
    assert read_queue_log(lines) == [
        CallRecord("care", 1_700_000_000.0, 2.0),
        CallRecord("care", 1_700_000_001.0, 1.0, None, answered=False, abandoned=False),
    ]


def test_queue_log_with_a_broken_line_takes_nothing() -> None:
    result = read_queue_log(
        [*queue_log("c1|care|NONE|ENTERQUEUE||x|1"), "yesterday|c1|care|NONE|ABANDON|1|1|3"]
    )
    assert result == Rejected((Problem(2, "the time 'yesterday' is no number of seconds"),))


def test_call_csv_leaves_out_phantoms_and_callers_who_never_asked_for_an_agent() -> None:
    header = (
        "call_id,vru_line,customer,priority,type,arrival,vru_s,queue_start,wait_s,outcome,"
        "service_start,service_end,service_s,agent"
    )
    lines = [
        header,
        "1,A,0,0,PS,1999-01-04 10:00:00,6,1999-01-04 10:00:06,140,HANG,,,0,NO_SERVER",
        "2,A,0,0,PS,1999-01-04 10:00:00,6,,0,HANG,,,0,NO_SERVER",
        "3,A,0,0,NW,1999-01-04 10:00:00,-2,,0,AGENT,,,75,TOVA",
        "4,A,0,0,NW,1999-01-04 10:00:00,6,1999-01-04 10:00:06,9,PHANTOM,,,0,NO_SERVER",
    ]
    records = read_call_csv(lines, Grid("Asia/Jerusalem", 30), teams={"NW": "new customers"})
    assert not isinstance(records, Rejected)
    assert [(each.team, each.wait_s, each.handle_s, each.abandoned) for each in records] == [
        ("PS", 140, None, True),
        ("new customers", 0, 75, False),
    ]


@pytest.mark.skipif(not CALLS.exists(), reason="the call data is not beside the repository")
def test_patience_of_the_anonymous_bank_is_about_the_published_one() -> None:
    with gzip.open(CALLS / "bank1999_calls_jan_feb.csv.gz", "rt") as lines:
        records = read_call_csv(lines, Grid("Asia/Jerusalem", 30))
    assert not isinstance(records, Rejected)
    waits = censored_waits(records)
    # January 369 s, February 348 s by the exponential estimate
    assert waits.wait_s.sum() / waits.abandoned.sum() == pytest.approx(358, abs=3)
