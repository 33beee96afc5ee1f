"""How many threads search for a roster: the service's setting, or what a run asks for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import staffing.roster
from app.settings import Settings
from tests.app.planning_rig import import_history, make_plan, planning_service


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Note with how many threads rosters are searched, and search."""
    found: list[int] = []
    solve = staffing.roster.solve_roster

    def noted(*args: Any, **terms: Any) -> Any:
        found.append(terms["workers"])
        return solve(*args, **terms)

    monkeypatch.setattr(staffing.roster, "solve_roster", noted)
    return found


async def test_run_says_how_many_threads_search_else_the_worker_does(
    settings: Settings, asked: list[int]
) -> None:
    settings = settings.model_copy(update={"max_body_bytes": 4_000_000})
    async with planning_service(settings) as service, service.client("planner") as client:
        await import_history(client)
        plan = await make_plan(client, threads=2)
        assert plan["assignments"]
        await make_plan(client)
        refused = await client.post("/v1/runs", json={"kind": "roster", "params": {"threads": 0}})
    assert asked == [2, 1]
    assert refused.status_code == 422
