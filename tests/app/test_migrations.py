"""The schema's steps: complete, reversible, and harmless to what is stored, on both databases."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from app.db import migrate as migrations
from app.db.migrate import differences, migrate
from app.db.schema import metadata
from app.settings import Settings
from tests.app.conftest import furnish, running
from tests.app.test_contacts import CALL, be_available, post
from tests.faults.truth import read_truth

REVISIONS = sorted(
    path.name.partition("_")[0]
    for path in (Path(__file__).resolve().parents[2] / "alembic" / "versions").glob("[0-9]*.py")
)


@pytest.fixture
def postgres_template() -> str:
    """Begin with nothing, not with the migrated schema."""
    return "template1"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database on each of the two kinds."""
    if request.param == "postgres":
        yield request.getfixturevalue("postgres_url")
    else:
        yield f"sqlite:///{tmp_path / 'rondo.sqlite3'}"


def query(url: str, work: Callable[[sa.Connection], Any]) -> Any:
    """Return `work(connection)`."""
    found: list[Any] = []
    migrations._with_connection(url, lambda connection: found.append(work(connection)))
    return found[0]


def tables(url: str) -> set[str]:
    return set(query(url, lambda connection: sa.inspect(connection).get_table_names())) - {"alembic_version"}


def test_revisions_are_one_line_without_a_gap() -> None:
    assert [f"{number:04d}" for number in range(1, len(REVISIONS) + 1)] == REVISIONS


def test_newest_schema_is_the_declared_one(empty_url: str) -> None:
    migrate(empty_url)
    assert differences(empty_url) == []
    assert tables(empty_url) == set(metadata.tables)


def test_migrating_again_changes_nothing(empty_url: str) -> None:
    migrate(empty_url)
    migrate(empty_url)
    assert differences(empty_url) == []


def test_each_step_goes_down_and_up_again(empty_url: str) -> None:
    for revision in REVISIONS:
        migrate(empty_url, revision)
    assert differences(empty_url) == []
    for revision in [*reversed(REVISIONS[:-1]), "base"]:
        migrate(empty_url, revision)
        assert differences(empty_url) != [], revision
    assert tables(empty_url) == set()
    migrate(empty_url)
    assert differences(empty_url) == []


@pytest.mark.parametrize("previous", REVISIONS[:-1])
def test_database_of_an_earlier_revision_keeps_its_rows(empty_url: str, previous: str) -> None:
    migrate(empty_url)
    asyncio.run(_live(empty_url))
    migrate(empty_url, previous)
    kept = tables(empty_url)
    before = query(empty_url, lambda connection: _rows(connection, kept))
    migrate(empty_url)
    after = query(empty_url, lambda connection: _rows(connection, kept))
    assert before["event"] > 10
    assert after == before
    asyncio.run(_live(empty_url, again=True))


def test_conversions_of_earlier_times_are_counted_by_the_policy_of_their_day(empty_url: str) -> None:
    migrate(empty_url, "0010")
    query(empty_url, _converted)
    migrate(empty_url)
    counts = query(
        empty_url,
        lambda connection: connection.execute(
            sa.text("SELECT channel, starts_at, converted_in_target FROM interval_stat ORDER BY 1, 2")
        ).all(),
    )
    assert [tuple(row) for row in counts] == [("chat", 1800, 1), ("voice", 0, 1), ("voice", 1800, 0)]


def test_imports_that_count_outlast_a_step_back(empty_url: str) -> None:
    migrate(empty_url)
    query(empty_url, _imported)
    migrate(empty_url, "0013")
    left = query(
        empty_url,
        lambda connection: connection.execute(
            sa.text("SELECT starts_at, offered FROM history_interval ORDER BY 1")
        ).all(),
    )
    assert [tuple(row) for row in left] == [(0, 1.0), (900, 3.0), (1800, 3.0)]


def _imported(connection: sa.Connection) -> None:
    """Store settled intervals, two imports that count, the first run's last, and one that does not."""
    sums = dict.fromkeys(("answered", "abandoned", "handled", "handle_s", "wait_s"), 0.0)
    key = {"team_id": "general", "channel": "voice", "interval_s": 900}
    for starts_at in (0, 900):
        _insert(connection, "history_interval", **key, starts_at=starts_at, offered=1.0, **sums)
    for run_id, starts in ((1, (900, 1800)), (2, (900,)), (3, (0, 2700))):
        values = {"kind": "import", "state": "done", "params": "{}", "progress": 1.0, "message": ""}
        rest = {"actor": "test", "created_at": 0.0, "attempts": 1, "cancel_asked": False}
        _insert(connection, "run", id=run_id, **values, **rest)
        for starts_at in starts:
            offered = 4.0 - run_id
            row = {"run_id": run_id, **key, "starts_at": starts_at, "offered": offered, **sums}
            _insert(connection, "import_interval", **row)
    for run_id in (2, 1):
        _insert(connection, "import_done", run_id=run_id)
    connection.commit()


def _converted(connection: sa.Connection) -> None:
    """Store a policy, then one of tighter targets, and conversions after 25 s under each of them."""
    policies = ((1, 0.0, 30.0, {}), (2, 1000.0, 20.0, {"chat": 60.0}))
    for version, at, target_s, own in policies:
        team = {"target_s": target_s, "channel_target_s": own}
        _insert(
            connection,
            "policy",
            version=version,
            published_at=at,
            published_by="test",
            data=json.dumps({"teams": {"general": team}, "channels": {"voice": {}}}),
        )
    _insert(connection, "agent", id="lead", index=0, name="Lead", active=True, presence="", state="", data="")
    _insert(connection, "customer", id=1, created_at=0.0)
    _insert(
        connection,
        "ticket",
        id=2,
        customer_id=1,
        team_id="general",
        owner_id="lead",
        state="open",
        subject="",
        opened_at=0.0,
        changed_at=0.0,
        data="",
    )
    for number, (channel, at) in enumerate((("voice", 100.0), ("voice", 2000.0), ("chat", 2000.0)), 3):
        texts = dict.fromkeys(
            ("source", "subject", "text", "dialled", "details", "classification", "data"), ""
        )
        ids = {"id": number, "customer_id": 1, "ticket_id": 2}
        state = {"channel": channel, "state": "converted", "team_id": "general", "received_at": at}
        _insert(connection, "contact", **ids, **state, **texts)
        _insert(
            connection,
            "segment",
            contact_id=number,
            number=1,
            team_id="general",
            channel=channel,
            queued_at=at,
            ended_at=at + 25.0,
            outcome="converted",
            reason="callback",
            short=False,
        )
    for channel, starts_at in (("voice", 0), ("voice", 1800), ("chat", 1800)):
        _insert(
            connection, "interval_stat", team_id="general", channel=channel, starts_at=starts_at, offered=1
        )
    connection.commit()


def _insert(connection: sa.Connection, table: str, **values: Any) -> None:
    connection.execute(sa.insert(sa.table(table, *map(sa.column, values))).values(**values))


def _rows(connection: sa.Connection, names: set[str]) -> dict[str, int]:
    return {
        name: connection.execute(sa.select(sa.func.count()).select_from(sa.table(name))).scalar_one()
        for name in names
    }


async def _live(url: str, *, again: bool = False) -> None:
    """Have the service answer a call while another waits; what it began, it goes on with `again`."""
    settings = Settings(database_url=url, worker="off", scheduler=False, log_level="error")
    async with running(settings) as service, service.client() as client:
        if not again:
            await furnish(service.house)
            for _ in range(2):
                await post(client, "/v1/contacts", CALL)
        await be_available(client)
        offer = (await client.get("/v1/offers")).json()["items"][0]
        await post(client, f"/v1/offers/{offer['id']}/accept")
        await client.put("/v1/agents/ann/presence", json={"presence": "break"})
        await post(client, f"/v1/contacts/{offer['contact_id']}/complete")
        await post(client, f"/v1/offers/{offer['id']}/finish-wrap-up")
        truth = await service.house.database.tx(read_truth)
    assert (truth.floor, truth.loose) == (truth.replayed, {})
