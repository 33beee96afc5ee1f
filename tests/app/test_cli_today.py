"""The day on the command line, at a service that listens."""

from __future__ import annotations

from tests.app.test_cli_floor import as_json, listening, rondo
from tests.web.service import Service

__all__ = ["listening"]


async def test_day_is_shown_team_by_team(listening: Service) -> None:
    found = await as_json(listening, "today")
    assert {each["team"] for each in found} == {"complaints", "technical", "ordering", "general"}
    code, out, _ = await rondo(listening, "today")
    assert code == 0
    assert "ordering" in out


async def test_what_is_not_proposed_is_refused_with_a_reason(listening: Service) -> None:
    code, _, err = await rondo(listening, "carry-out", "general", "p1", "--because", "storm")
    assert (code, "not proposed any more" in err) == (1, True)
    code, _, err = await rondo(listening, "end-overflow", "7")
    assert (code, "no overflow 7" in err) == (1, True)


async def test_day_nobody_has_looked_at_is_said(listening: Service) -> None:
    code, _, err = await rondo(listening, "today", "general")
    assert (code, "Nobody has looked" in err) == (1, True)
