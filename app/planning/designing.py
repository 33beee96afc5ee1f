"""A shift design run: which kinds of shift cover a week's requirement with the least surplus."""

from __future__ import annotations

from collections import Counter
from datetime import date
from typing import Any, Final

from app.clock import stopwatch
from app.planning.desk import CancelledRunError, Desk, Outcome, Report
from app.planning.kinds import shift_kinds_for
from app.planning.params import DesignParams
from app.planning.past import coming_week
from app.planning.requiring import require_teams, save_requirements
from app.planning.terms import SiteTerms, read_planning, week_of
from staffing.intervals import Grid
from staffing.shifts import clock_text

_DAYS: Final = 7


async def design_week(desk: Desk) -> Outcome:
    """Carry out a run of kind `design`; its result can be put into the site's terms."""
    params = DesignParams.model_validate(desk.run.params)
    planning = await desk.database.read(read_planning)
    grid = planning.grid
    week_on = week_of(grid, params.week) if params.week else coming_week(grid, desk.now)
    needed = await require_teams(
        desk,
        planning,
        list(planning.policy.teams),
        week_on=week_on,
        weeks=1,
        reforecast=False,
        part=(0.0, 0.4),
    )
    rostered = {team: data["rostered"] for team, data in needed.requirements.items()}
    found = await desk.compute(design, grid, planning.site, rostered, week_on, params, part=(0.4, 1.0))
    return Outcome(
        {"week": week_on.isoformat(), **found},
        lambda conn: {"requirements": save_requirements(conn, desk, needed, week_on)},
    )


def design(
    report: Report,
    grid: Grid,
    site: SiteTerms,
    rostered: dict[str, list[int]],
    week_on: date,
    params: DesignParams,
) -> dict[str, Any]:
    """Return the kinds of shift in use with agents per day, and what is left over or missing (hours)."""
    # The solvers weigh 100 MB: only the process that computes loads them.
    from staffing.design_model import DesignPrices  # noqa: PLC0415
    from staffing.shift_design import design_shifts  # noqa: PLC0415

    report(0.0, "choosing kinds of shift")
    total = [sum(values) for values in zip(*rostered.values(), strict=True)]
    kinds = shift_kinds_for(site.model_copy(update={"shift_starts": ()}), grid, week_on, rostered)
    made = design_shifts(
        total,
        kinds,
        grid=grid,
        starts_on=week_on,
        clock=stopwatch(),
        prices=DesignPrices(under=max(1, round(site.under_cost / max(1, site.over_cost)))),
        most_kinds=params.most_kinds,
        time_limit_s=params.time_limit_s,
        seed=params.seed,
        should_stop=report.cancelled,
    )
    if report.cancelled():
        raise CancelledRunError
    counts: Counter[str] = Counter()
    for (_, kind_id), many in made.counts.items():
        counts[kind_id] += many
    return {
        "shifts": [
            {
                "id": kind.id,
                "start": clock_text(kind.start_s),
                "hours": round(kind.length_s / 3600, 2),
                "agents": [made.counts.get((day, kind.id), 0) for day in range(_DAYS)],
                "shifts": counts[kind.id],
            }
            for kind in made.kinds
        ],
        "zone": grid.zone,
        "minutes": grid.minutes,
        "required": total,
        "staffed": list(made.staffed),
        "surplus_hours": round(made.over_s / 3600, 2),
        "short_hours": round(made.under_s / 3600, 2),
        "price": made.price,
        "bound": round(float(made.bound), 2),
    }
