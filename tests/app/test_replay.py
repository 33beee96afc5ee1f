"""Recorded calls are read whole or not at all, and what is played is accounted for to the last contact."""

from __future__ import annotations

import csv
import gzip
import io
import math
from datetime import date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from app.cli import app
from app.demonstration.accounting import Wait, wait_figures
from app.demonstration.api import Api, RefusedError, UnreachableError, connected
from app.demonstration.people import Ledger
from app.demonstration.records import PLAIN_COLUMNS, Record, read_lines, read_recording
from app.demonstration.script import moved, write_script
from app.demonstration.stream import Place, follow
from app.replay import Options, Report, UnknownTeamsError, replay, replay_on_own
from app.settings import Settings
from routing.model import Channel, Presence

UTC = ZoneInfo("UTC")
NINE = 1_772_442_000.0  # 2026-03-02 09:00 UTC, a Monday
BANK = (
    Path(__file__).resolve().parents[2].parent / "shared" / "data" / "calls" / "bank1999_calls_jan_feb.csv.gz"
)
BANK_HEAD = (
    "call_id,vru_line,customer,priority,type,arrival,vru_s,queue_start,wait_s,outcome,"
    "service_start,service_end,service_s,agent"
)
PLAIN_HEAD = "id,arrived_at,team,service_s,wait_s,outcome,agent"


def make_record(number: int, **values: Any) -> Record:
    given_values: dict[str, Any] = {
        "id": str(number),
        "at": NINE + 20.0 * number,
        "team": "sales",
        "answered": True,
        "wait_s": 0.0,
        "service_s": 60.0,
        "agent": "ann",
    }
    return Record(**given_values | values)


def make_left(number: int, wait_s: float, **values: Any) -> Record:
    return make_record(
        number, answered=False, wait_s=wait_s, service_s=None, patience_s=wait_s, agent=None, **values
    )


def read(*lines: str, **options: Any) -> Any:
    return read_lines([f"{line}\n" for line in lines], UTC, **options)


# The layouts


def test_call_of_the_bank_waits_from_its_queue_start() -> None:
    line = "7,AA01,2087,2,PS,1999-01-05 08:38:27,6,1999-01-05 08:38:33,38,AGENT,x,y,162,A29"
    (record,) = read(BANK_HEAD, line).records
    assert (record.team, record.wait_s, record.service_s, record.agent, record.customer, record.priority) == (
        "PS",
        38.0,
        162.0,
        "A29",
        "2087",
        1,
    )
    assert record.at == 915_525_513.0  # 1999-01-05 08:38:33 UTC


def test_call_of_the_bank_that_did_not_queue_waits_from_its_end_in_the_menu() -> None:
    line = "7,AA01,0,0,PS,1999-01-05 08:00:00,13,,0,AGENT,x,y,162,NO_SERVER"
    (record,) = read(BANK_HEAD, line).records
    assert (record.at, record.agent, record.customer) == (915_523_213.0, None, None)


def test_menu_time_below_zero_counts_as_zero() -> None:
    line = "7,AA01,0,0,PS,1999-01-05 08:00:00,-192,,0,AGENT,x,y,162,A1"
    assert read(BANK_HEAD, line).records[0].at == 915_523_200.0


def test_phantoms_and_callers_who_left_in_the_menu_are_left_out_and_counted() -> None:
    found = read(
        BANK_HEAD,
        "1,AA01,0,0,PS,1999-01-05 08:00:00,5,,0,HANG,,,0,NO_SERVER",
        "2,AA01,0,0,PS,1999-01-05 08:00:00,5,1999-01-05 08:00:05,9,PHANTOM,,,0,NO_SERVER",
        "3,AA01,0,0,PS,1999-01-05 08:00:00,5,1999-01-05 08:00:05,9,HANG,,,0,NO_SERVER",
    )
    assert [each.id for each in found.records] == ["3"]
    assert found.left_out == {"hung up in the menu": 1, "phantom calls": 1}
    assert found.records[0].patience_s == 9.0


def test_plain_times_without_offset_are_on_the_clock_of_the_zone() -> None:
    lines = ["id,arrived_at,team,service_s", "1,2026-07-01T09:00:00,sales,60"]
    (summer,) = read_lines(lines, ZoneInfo("Europe/London")).records
    (universal,) = read_lines(lines, UTC).records
    assert universal.at - summer.at == 3600.0


def test_only_the_named_day_is_kept() -> None:
    found = read(
        PLAIN_HEAD,
        "1,2026-03-01T23:59:59,sales,60,1,answered,ann",
        "2,2026-03-02T00:00:00,sales,60,1,answered,ann",
        "3,2026-03-03T00:00:00,sales,60,1,answered,ann",
        day=date(2026, 3, 2),
    )
    assert [each.id for each in found.records] == ["2"]
    assert found.days == (date(2026, 3, 1), date(2026, 3, 2), date(2026, 3, 3))


names = st.text("abcXYZ019._-", min_size=1, max_size=20)
seconds = st.floats(0, 86_400, allow_nan=False).map(lambda value: round(value, 3))


@st.composite
def records(draw: st.DrawFn) -> Record:
    answered = draw(st.booleans())
    return Record(
        id="",
        at=float(draw(st.integers(0, 4_000_000_000))),
        team="t" + draw(names),
        answered=answered,
        wait_s=draw(seconds),
        service_s=draw(seconds) if answered else None,
        patience_s=draw(seconds),
        wrap_up_s=draw(seconds),
        agent=draw(st.none() | names),
        customer=draw(st.none() | names),
        priority=draw(st.integers(0, 5)),
        channel=draw(st.sampled_from(Channel)),
    )


@given(st.lists(records(), max_size=8))
def test_plain_layout_gives_back_what_was_written(written: list[Record]) -> None:
    numbered = [
        Record(**{name: getattr(each, name) for name in Record.__slots__} | {"id": str(number)})
        for number, each in enumerate(written)
    ]
    assert sorted(read_lines(plain_csv(numbered), UTC).records, key=lambda each: int(each.id)) == numbered


def plain_csv(written: list[Record]) -> io.StringIO:
    from datetime import datetime

    lines = io.StringIO(newline="")
    writer = csv.DictWriter(lines, PLAIN_COLUMNS)
    writer.writeheader()
    for each in written:
        row = {name: getattr(each, name) for name in PLAIN_COLUMNS if name not in ("arrived_at", "outcome")}
        row["arrived_at"] = datetime.fromtimestamp(each.at, UTC).isoformat()
        row["outcome"] = "answered" if each.answered else "abandoned"
        writer.writerow({name: "" if value is None else value for name, value in row.items()})
    lines.seek(0)
    return lines


@given(st.sampled_from([BANK_HEAD, PLAIN_HEAD, ""]), st.lists(st.text(max_size=120), max_size=5))
def test_whatever_a_file_holds_gives_records_or_faults(head: str, lines: list[str]) -> None:
    found = read(head, *lines)
    assert not (found.records and found.faults)


# Broken lines


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("9,2026-03-02T09:00:00,sales,abc,1,answered,ann", "service_s is 'abc'"),
        ("9,2026-03-02T09:00:00,sales,-5,1,answered,ann", "service_s is '-5'"),
        ("9,2026-03-02T09:00:00,sales,nan,1,answered,ann", "service_s is 'nan'"),
        ("9,yesterday,sales,60,1,answered,ann", "arrived_at is 'yesterday'"),
        ("9,2026-02-30T09:00:00,sales,60,1,answered,ann", "arrived_at is '2026-02-30T09:00:00'"),
        ("9,2026-03-02T09:00:00,sa les,60,1,answered,ann", "team is 'sa les'"),
        ("9,2026-03-02T09:00:00,sales,60,1,lost,ann", "outcome is 'lost'"),
        ("9,2026-03-02T09:00:00,sales,,,abandoned,", "needs wait_s or patience_s"),
        (",2026-03-02T09:00:00,sales,60,1,answered,ann", "id must have 1 to 100 characters"),
        ("1,2026-03-02T09:00:00,sales,60,1,answered,ann", "the id '1' is on line 2 already"),
        ("9,2026-03-02T09:00:00,sales,60,1,answered", "more or fewer fields"),
        ("9,2026-03-02T09:00:00,sales,60,1,answered,ann,more", "more or fewer fields"),
    ],
)
def test_broken_line_is_named_and_nothing_is_kept(line: str, says: str) -> None:
    found = read(PLAIN_HEAD, "1,2026-03-02T09:00:00,sales,60,1,answered,ann", line)
    assert found.records == ()
    assert [fault.line for fault in found.faults] == [3]
    assert says in found.faults[0].text


def test_every_broken_line_is_named() -> None:
    good = "{},2026-03-02T09:00:00,sales,60,1,answered,ann"
    lines = [good.format(number) if number % 3 else "broken" for number in range(1, 10)]
    assert [fault.line for fault in read(PLAIN_HEAD, *lines).faults] == [4, 7, 10]


@pytest.mark.parametrize("head", ["a,b", "id,team,service_s", PLAIN_HEAD + ",colour"])
def test_unknown_layout_is_a_fault_of_the_first_line(head: str) -> None:
    assert [fault.line for fault in read(head, "1,2").faults] == [1]


def test_file_that_is_no_gzip_is_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "calls.csv.gz"
    path.write_bytes(b"id,arrived_at,team,service_s\n")
    assert read_recording(path, UTC).faults


def test_gzip_that_ends_too_early_is_a_fault(tmp_path: Path) -> None:
    text = "\n".join([PLAIN_HEAD, *(f"{n},2026-03-02T09:00:00,s,60,{n},answered,ann" for n in range(9000))])
    path = tmp_path / "calls.csv.gz"
    path.write_bytes(gzip.compress(text.encode())[:-2000])
    found = read_recording(path, UTC)
    assert found.faults
    assert not found.records


def test_broken_lines_end_the_command_before_anything_is_posted(tmp_path: Path) -> None:
    path = tmp_path / "calls.csv"
    path.write_text(f"{PLAIN_HEAD}\n1,2026-03-02T09:00:00,sales,long,1,answered,ann\n")
    done = CliRunner().invoke(app, ["replay", str(path)])
    assert done.exit_code == 2
    assert f"{path}, line 2: service_s is 'long'" in done.output
    assert "nothing was posted" in done.output


# What is played


def test_patience_of_who_left_is_his_wait() -> None:
    script = write_script([make_record(1), make_left(2, 33.0)], run="r")
    assert script.callers[1].patience_s == 33.0


def test_patience_of_the_served_is_the_wait_and_an_exponential_rest() -> None:
    # 2,000 served after 30 s and 500 who left after 60 s: 90,000 s waited for 500 that left.
    served = [make_record(number, wait_s=30.0) for number in range(2000)]
    left = [make_left(3000 + number, 60.0) for number in range(500)]
    script = write_script([*served, *left], run="r")
    rests = [each.patience_s - 30.0 for each in script.callers[:2000]]
    assert script.mean_patience_s == pytest.approx(180.0)
    assert min(rests) >= 0
    assert sum(rests) / len(rests) == pytest.approx(180.0, rel=0.08)


def test_nobody_ever_leaves_where_nobody_left() -> None:
    assert write_script([make_record(1)], run="r").callers[0].patience_s == math.inf


def test_service_time_of_who_left_is_one_of_the_teams() -> None:
    served = [make_record(1, service_s=50.0), make_record(2, service_s=900.0, team="help")]
    script = write_script([*served, make_left(3, 5.0), make_left(4, 5.0, team="help")], run="r")
    assert [each.talk_s for each in script.callers[2:]] == [50.0, 900.0]


def test_agent_comes_with_the_first_service_rests_and_goes_with_the_last() -> None:
    work = [(0.0, 600.0), (1200.0, 60.0), (9000.0, 100.0)]
    script = write_script(
        [make_record(n, at=NINE + at, service_s=service_s) for n, (at, service_s) in enumerate(work)], run="r"
    )
    assert [(turn.at - NINE, turn.presence) for turn in script.turns] == [
        (0.0, Presence.AVAILABLE),
        (1260.0, Presence.BREAK),
        (9000.0, Presence.AVAILABLE),
        (9100.0, Presence.OFFLINE),
    ]


def test_team_that_nobody_served_is_open_to_all() -> None:
    script = write_script([make_record(1), make_record(2, agent="bob"), make_left(3, 5.0, team="x")], run="r")
    assert script.agents == {"replay.ann": ("sales", "x"), "replay.bob": ("sales", "x")}


def test_recording_without_agents_needs_their_number() -> None:
    silent = [make_record(1, agent=None)]
    with pytest.raises(ValueError, match="say how many"):
        write_script(silent, run="r")
    assert len(write_script(silent, run="r", agents=3).turns) == 3


@given(st.integers(0, 2**32))
def test_same_seed_gives_the_same_script(seed: int) -> None:
    given_records = [make_record(1), make_left(2, 9.0), make_record(3, wait_s=4.0)]
    assert write_script(given_records, run="r", seed=seed) == write_script(given_records, run="r", seed=seed)


def test_pace_presses_every_duration_alike() -> None:
    script = write_script([make_record(0, wait_s=8.0, wrap_up_s=4.0), make_left(3, 30.0)], run="r")
    played = moved(script, to=1000.0, pace=2.0)
    first, second = played.callers
    assert (first.at, first.talk_s, first.wrap_up_s) == (1000.0, 30.0, 2.0)
    assert (second.at, second.patience_s) == (1030.0, 15.0)


def test_figures_follow_the_definitions() -> None:
    waits = [Wait(5.0, True), Wait(30.0, True), Wait(3.0, False), Wait(50.0, False)]
    found = wait_figures(waits, target_s=20.0)
    # One of four offered was answered in time; the short abandonment does not count against it.
    assert found["service_level"] == pytest.approx(1 / 3)
    assert (found["asa_s"], found["abandonment"], found["max_s"]) == (17.5, 0.5, 30.0)


# The client


async def test_busy_service_is_asked_again_after_its_time() -> None:
    answers = iter([httpx.Response(503, headers={"Retry-After": "0"}), httpx.Response(201, json={"id": 5})])
    keys = []

    def handle(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers["Idempotency-Key"])
        return next(answers)

    async with httpx.AsyncClient(transport=httpx.MockTransport(handle), base_url="http://x") as http:
        api = Api(http)
        assert await api.send("POST", "/v1/contacts", {}, key="call 1") == {"id": 5}
    assert (keys, api.retries) == (["call 1", "call 1"], 1)


async def test_lost_connection_is_opened_again_until_it_is_hopeless(monkeypatch: pytest.MonkeyPatch) -> None:
    def handle(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("gone")

    monkeypatch.setattr("app.demonstration.api._FIRST_PAUSE_S", 0.0)
    async with httpx.AsyncClient(transport=httpx.MockTransport(handle), base_url="http://x") as http:
        with pytest.raises(UnreachableError, match="ConnectError"):
            await Api(http).send("POST", "/v1/contacts", {})


async def test_refusal_is_not_asked_again() -> None:
    def handle(_: httpx.Request) -> httpx.Response:
        return httpx.Response(422, json={"title": "bad", "detail": "no such team"})

    async with httpx.AsyncClient(transport=httpx.MockTransport(handle), base_url="http://x") as http:
        api = Api(http)
        with pytest.raises(RefusedError, match="no such team"):
            await api.send("POST", "/v1/contacts", {})
    assert api.retries == 0


class BrokenStream(httpx.AsyncByteStream):
    """Two events, then half of a third, then the connection is gone."""

    def __init__(self, first: int) -> None:
        self.first = first

    async def __aiter__(self) -> Any:
        for seq in (self.first, self.first + 1):
            yield f'id: {seq}\r\nevent: e\r\ndata: {{"seq": {seq}}}\r\n\r\n'.encode()
        yield f"id: {self.first + 2}\r\nevent: e\r\ndata: ".encode()
        raise httpx.ReadError("gone")


async def test_broken_stream_is_resumed_without_gap_or_repeat(monkeypatch: pytest.MonkeyPatch) -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, stream=BrokenStream(int(request.headers["Last-Event-ID"]) + 1))

    monkeypatch.setattr("app.demonstration.stream._PAUSE_S", 0.0)
    place, seen = Place(40), []
    async with httpx.AsyncClient(transport=httpx.MockTransport(handle), base_url="http://x") as http:
        async for event in follow(Api(http), place, ["e"]):
            seen.append(event["seq"])
            if len(seen) == 7:
                break
    assert seen == [41, 42, 43, 44, 45, 46, 47]
    assert place.resumed == 3


# Against a service


def tiny_day() -> list[Record]:
    """Twelve calls in six minutes for two agents, two callers who leave, one of them for another team."""
    calls = [
        make_record(n, agent="ann" if n % 2 else "bob", service_s=25.0, patience_s=7200.0) for n in range(10)
    ]
    calls += [make_left(10, 0.0), make_left(11, 2.0, team="help")]
    return sorted(
        [*calls, make_record(18, agent="ann", wrap_up_s=10.0, patience_s=7200.0)], key=lambda each: each.at
    )


async def play(settings: Settings, tmp_path: Path, given_records: list[Record], options: Options) -> Report:
    return await replay_on_own(
        given_records, options, Ledger(), settings, log_path=tmp_path / "service.log", lead_in_s=0.0
    )


@pytest.mark.slow
async def test_nothing_is_lost_when_a_tiny_day_is_played(settings: Settings, tmp_path: Path) -> None:
    report = await play(settings, tmp_path, tiny_day(), Options(speed=120.0))
    assert [check for check in report.account.checks if not check.holds] == []
    assert report.replayed["offered"] == 13
    assert report.replayed["answered"] + report.replayed["abandoned"] == 13
    assert report.account.own["offered"] == 13
    assert report.replayed["answered"] >= 11


@pytest.mark.slow
async def test_service_at_another_speed_gets_everything_pressed_alike(
    settings: Settings, tmp_path: Path
) -> None:
    from app.demonstration import child
    from app.main import open_house

    port = child.free_port("127.0.0.1")
    chosen = settings.model_copy(update={"port": port})
    async with open_house(chosen) as house:
        _, key = await house.keyring.create_key("replay", "admin " + " ".join(SCOPES_OF_REPLAY))
    log = tmp_path / "service.log"
    async with child.service(chosen, log) as url, connected(url, key) as api:
        with pytest.raises(UnknownTeamsError, match="sales"):
            await replay(api, tiny_day(), Options(speed=60.0), Ledger())
        lead = {"name": "Lead"}
        await api.send("PUT", "/v1/agents/lead", lead)
        await api.send("POST", "/v1/policies", two_teams())
        ledger = Ledger()
        report = await replay(api, tiny_day(), Options(speed=60.0), ledger)
        presences = {each["presence"] for each in (await api.get("/v1/agents"))["items"]}
    assert report.pace == 60.0
    assert report.account.holds
    assert presences == {"offline"}


SCOPES_OF_REPLAY = (
    "contacts:write",
    "contacts:read",
    "offers:write",
    "agents:read",
    "agents:write",
    "presence:write",
    "queues:read",
    "events:read",
    "policies:read",
    "policies:write",
)


def two_teams() -> Any:
    from tests.builders import make_policy, make_team

    return make_policy(make_team("sales", wrap_up_s=0.0), make_team("help", wrap_up_s=0.0))


@pytest.mark.slow
@pytest.mark.skipif(not BANK.exists(), reason="the bank's call records (../shared/data) are not here")
async def test_nothing_is_lost_in_an_hour_of_a_bank(settings: Settings, tmp_path: Path) -> None:
    day = read_recording(BANK, UTC, day=date(1999, 1, 5))
    hour = [each for each in day.records if 10 * 3600 <= each.at % 86_400 < 11 * 3600]
    report = await play(settings, tmp_path, hour, Options(speed=360.0))
    assert len(hour) == 117
    assert [check for check in report.account.checks if not check.holds] == []
    assert report.replayed["offered"] == 117
