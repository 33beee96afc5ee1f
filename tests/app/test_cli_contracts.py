"""Contracts on the command line, at a service that listens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.app.test_cli_floor import as_json, listening, rondo
from tests.web.service import Service

__all__ = ["listening"]


async def planner_json(service: Service, *arguments: str) -> Any:
    code, out, err = await rondo(service, *arguments, "--json", role="planner")
    assert code == 0, err
    return json.loads(out)


async def terms_of(service: Service, agent: str) -> dict[str, Any]:
    found: dict[str, Any] = (await service.get("planner", f"/v1/contracts/{agent}"))["terms"]
    return found


async def test_contracts_are_listed_with_all_their_terms(listening: Service) -> None:
    found = await as_json(listening, "contracts", "list", "--team", "complaints")
    assert {each["preset"] for each in found} == {True}
    assert all("complaints" in each["teams"] for each in found)
    assert found[0]["terms"]["week_hours_max"] == 40
    code, out, _ = await rondo(listening, "contracts", "list", role="planner")
    assert (code, "30 to 40" in out, "Ada Abel" in out) == (0, True, True)


async def test_terms_named_are_set_and_the_others_stay(listening: Service) -> None:
    arguments = ("week_hours_max=32", "whole_weekends=true", 'shifts=["07:30-13:30"]', "max_weekends=2")
    await planner_json(listening, "contracts", "set", "ada.abel", *arguments)
    agreed = (await planner_json(listening, "contracts", "set", "ada.abel", "max_weekends=null"))[0]
    assert agreed["preset"] is False
    names = ("week_hours_min", "week_hours_max", "whole_weekends", "shifts", "max_weekends")
    assert [agreed["terms"][name] for name in names] == [30, 32, True, ["07:30-13:30"], None]
    code, out, _ = await rondo(listening, "contracts", "preset", "ada.abel", role="planner")
    assert (code, "ada.abel: preset" in out) == (0, True)
    assert (await terms_of(listening, "ada.abel"))["week_hours_max"] == 40


async def test_what_was_listed_is_imported_again(listening: Service, tmp_path: Path) -> None:
    await planner_json(listening, "contracts", "set", "ada.abel", "week_hours_max=32")
    listed = await planner_json(listening, "contracts", "list")
    file = tmp_path / "contracts.json"
    file.write_text(json.dumps(listed))
    agreed = await planner_json(listening, "contracts", "import", str(file))
    assert [each["terms"] for each in agreed] == [each["terms"] for each in listed]


async def test_csv_changes_the_terms_it_has_and_leaves_empty_ones(listening: Service, tmp_path: Path) -> None:
    await planner_json(listening, "contracts", "set", "ben.diaz", "week_hours_max=36", "week_days_max=4")
    file = tmp_path / "contracts.csv"
    file.write_text("agent;name;week_hours_min;week_hours_max\nada.abel;Ada;10;20\nben.diaz;Ben;12;\n")
    agreed = await planner_json(listening, "contracts", "import", str(file))
    hours = {
        each["agent"]: (each["terms"]["week_hours_min"], each["terms"]["week_hours_max"]) for each in agreed
    }
    assert hours == {"ada.abel": (10, 20), "ben.diaz": (12, 36)}
    assert (await terms_of(listening, "ben.diaz"))["week_days_max"] == 4


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("agent,week_hours_max\nada.abel,35\nnobody,35\n", "nobody"),
        ("agent,week_hours_max\nada.abel,35\nben.diaz,600\n", "/items/1/terms/week_hours_max"),
        ("agent,week_hours_mox\nada.abel,35\n", "/items/0/terms/week_hours_mox"),
        ("agent,week_hours_max\nada.abel,35\nada.abel,36\n", "named twice"),
        ("agent,week_hours_max\nada.abel\n", "Line 2"),
        ("name,week_hours_max\nAda,35\n", "agent"),
        ('[{"week_hours_max": 20}]', "list of contracts"),
        ('[{"agent": "ada.abel", "terms": 7}]', "/items/0/terms"),
        ("[broken", "JSON"),
    ],
)
async def test_faulty_file_agrees_nothing_and_says_what_is_wrong(
    listening: Service, tmp_path: Path, text: str, told: str
) -> None:
    file = tmp_path / "contracts"
    file.write_text(text)
    code, _, err = await rondo(listening, "contracts", "import", str(file), role="planner")
    assert code in (1, 2)
    assert told in err
    assert (await terms_of(listening, "ada.abel"))["week_hours_max"] == 40


async def test_wrong_input_and_wrong_role_are_refused_with_a_reason(listening: Service) -> None:
    for arguments, told in (
        (("ada.abel", "week_hours_max"), "week_hours_max=32"),
        (("ada.abel", "week_hours_max=-1"), "/week_hours_max"),
        (("nobody", "week_hours_max=30"), "nobody"),
    ):
        code, _, err = await rondo(listening, "contracts", "set", *arguments, role="planner")
        assert code in (1, 2)
        assert told in err
    code, _, err = await rondo(listening, "contracts", "set", "ada.abel", "week_hours_max=32", role="agent")
    assert (code, "plans:write" in err) == (1, True)
    code, _, err = await rondo(listening, "contracts", "import", "/nowhere.csv", role="planner")
    assert (code, "No such file" in err) == (2, True)
