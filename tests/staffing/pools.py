"""Builders of teams that share agents, and of questions to the simulation in lock-step."""

from typing import Any

import numpy as np

from staffing.performance import Targets
from staffing.pooling import SkillGroup, TeamLoad
from staffing.simulation.durations import Duration, Exponential
from staffing.simulation.lock_step import Rates, Rules, Tally, tally
from staffing.simulation.unit_draws import UnitDraws

HANDLE_S, PATIENCE_S = 180.0, 300.0


def load(
    name: str,
    *erlangs: float,
    handle_s: float = HANDLE_S,
    patience_s: float = PATIENCE_S,
    targets: Targets | None = None,
    rate_variation: float = 0.0,
) -> TeamLoad:
    many = len(erlangs)
    return TeamLoad(
        name=name,
        load_erlangs=np.array(erlangs),
        handle_time_s=np.full(many, handle_s),
        patience_s=np.full(many, patience_s),
        targets=targets or Targets(service_level=0.8, answer_within_s=20.0),
        rate_variation=rate_variation,
    )


def group(teams: str, *, cost: float = 1.0, most: int | None = None) -> SkillGroup:
    """Return a group named as its teams, each of one letter."""
    return SkillGroup(teams, frozenset(teams), cost, most)


def rules(*serves: tuple[int, ...], **terms: Any) -> Rules:
    """Return rules of groups (rows) that serve teams (columns), 20 s promised by all."""
    matrix = np.array(serves, dtype=np.bool_)
    teams = matrix.shape[1]
    given: dict[str, Any] = {
        "weight": np.ones(teams),
        "target_s": np.full(teams, 20.0),
        "within_s": np.full(teams, 20.0),
        "short_s": np.zeros(teams),
        "widen_s": np.full((1, teams), np.inf),
        "widened": np.zeros_like(matrix)[None],
    }
    return Rules(serves=matrix, **given | {name: np.asarray(value) for name, value in terms.items()})


def counted(
    found_by: Rules,
    erlangs: tuple[float, ...],
    *agents: tuple[int, ...],
    patience_s: float = PATIENCE_S,
    handle: Duration | None = None,
    patience: Duration | None = None,
    variation: float = 0.0,
    contacts: int = 1000,
    warm_up: int = 200,
    replications: int = 400,
) -> Tally:
    """Return what is counted with each of several staffings of one case."""
    load = np.array([erlangs])
    teams = load.shape[1]
    chance = UnitDraws(
        contacts=contacts,
        warm_up=warm_up,
        rows=replications,
        handle=[handle or Exponential(1.0)] * teams,
        patience=[patience or Exponential(1.0)] * teams,
        seed=0,
    )
    rates = Rates(
        per_s=load / HANDLE_S,
        handle_s=np.full(load.shape, HANDLE_S),
        patience_s=np.full(load.shape, patience_s),
        variation=np.full(load.shape, variation),
    )
    case = np.zeros(len(agents), dtype=np.int64)
    return tally(found_by, rates, chance, case, np.array(agents), replications)
