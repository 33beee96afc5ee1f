"""Published Erlang values to the digits printed.

The rows of model "simulation ..." are runs of other than exponential services or patiences: their means and
confidence half-widths belong to the simulation's tests (tests/staffing/test_simulation.py).
"""

import csv
import re
from pathlib import Path

import pytest

from staffing.erlang import blocking_probability, performance, required_agents, wait_probability
from staffing.performance import Targets
from staffing.waiting_room import WaitingRoom, answered_within, room_figures

PUBLISHED = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "erlang" / "published_values.csv"

# Printed .687; summed over the states in 40 digits it is .68648, so the paper's last digit is one too high.
ROUNDED_UP = {"M/M/100/200+M lam=102 mu=1 theta=0.25 P(W<=.2|S)": "0.68648"}


def rows(model: str) -> list[dict[str, str]]:
    if not PUBLISHED.exists():
        return []
    with PUBLISHED.open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if row["model"] == model]


def name(row: dict[str, str]) -> str:
    return f"{row['params']} {row['metric']}"


def number(text: str, key: str) -> float:
    found = re.search(rf"{key}\s*=?\s*(\d*\.?\d+)", text)
    assert found, f"no {key} in {text!r}"
    return float(found[1])


def rounding(printed: str) -> float:
    """Half a unit of the last digit printed."""
    return 0.5 * 10.0 ** -len(printed.partition(".")[2])


@pytest.fixture(autouse=True)
def _needs_the_published_values() -> None:
    if not PUBLISHED.exists():
        pytest.skip(f"published values are not at {PUBLISHED}")


@pytest.mark.parametrize("row", [row for row in rows("Erlang-A") if "/200" in row["params"]], ids=name)
def test_whitts_value_is_reproduced(row: dict[str, str]) -> None:
    queue = WaitingRoom(
        rate_per_s=number(row["params"], "lam"),
        agents=100,
        room=200,
        handle_time_s=1 / number(row["params"], "mu"),
        patience_s=1 / number(row["params"], "theta"),
    )
    figures = room_figures(queue)
    got = {
        "P(W=0)": figures.at_once,
        "E[Q]": figures.queue_length,
        "E[N]": figures.in_system,
        "Var(W|S)": figures.answer_wait_variance,
        "P(W<=.1|S)": answered_within(queue, 0.1),
        "P(W<=.2|S)": answered_within(queue, 0.2),
    }[row["metric"]]
    expected = ROUNDED_UP.get(name(row), row["published"])
    assert got == pytest.approx(float(expected), abs=rounding(expected))


@pytest.mark.parametrize("row", [row for row in rows("Erlang-A") if "n=50" in row["params"]], ids=name)
def test_garnetts_example_is_reproduced(row: dict[str, str]) -> None:
    state = performance(48.0, 50, handle_time_s=60.0, patience_s=120.0)
    if row["metric"] == "occupancy":
        assert state.occupancy == pytest.approx(float(row["published"]), abs=rounding(row["published"]))
    else:
        low, high = map(float, row["published"].split("-"))
        mean_wait_s = state.queue_length / (48 / 60)
        assert low - 0.05 <= mean_wait_s <= high + 0.05


@pytest.mark.parametrize("row", rows("Erlang-A staffing"), ids=name)
def test_one_agent_too_few_breaks_whitts_target(row: dict[str, str]) -> None:
    lost = performance(100.0, 98, handle_time_s=1.0, patience_s=1.0).abandonment
    assert lost >= float(row["published"].removeprefix(">="))


def test_whitts_staffing_needs_99_agents() -> None:
    assert required_agents(100.0, Targets(abandonment=0.05), handle_time_s=1.0, patience_s=1.0) == 99


@pytest.mark.parametrize("row", rows("Erlang-B"), ids=name)
def test_loss_table_is_reproduced(row: dict[str, str]) -> None:
    load = number(row["params"], "offered" if "offered" in row["params"] else "A")
    # The load is what is rounded in print, so the blocking lies between those of its ends.
    lines, expected = number(row["params"], "N"), float(row["published"].split()[0])
    digits = re.search(r"\.(\d+)(?: E)?$", row["params"])
    assert digits
    error = 0.5 * 10.0 ** -len(digits[1])
    low, high = blocking_probability([load - error, load + error], lines)
    assert low <= expected <= high


@pytest.mark.parametrize("row", rows("Erlang-C"), ids=name)
def test_delay_value_is_reproduced(row: dict[str, str]) -> None:
    load, agents = number(row["params"], "A"), number(row["params"], "n")
    if row["metric"].startswith("SL"):
        handle_s = 240.0
        within_s = float(row["metric"].removeprefix("SL"))
        got = performance(load, agents, handle_time_s=handle_s, answer_within_s=within_s).service_level
    else:
        got = wait_probability(load, agents)
    if row["published"].startswith(">"):
        assert got > float(row["published"].removeprefix(">"))
    else:
        assert got == pytest.approx(float(row["published"]), abs=max(rounding(row["published"]), 1e-14))


def test_every_row_is_checked_here_or_by_the_simulation() -> None:
    with PUBLISHED.open(encoding="utf-8", newline="") as file:
        models = {row["model"] for row in csv.DictReader(file)}
    here = {"Erlang-A", "Erlang-A staffing", "Erlang-B", "Erlang-C"}
    assert {model for model in models if not model.startswith("simulation")} == here
    assert len(rows("Erlang-A")) == 14
