"""The past that planning rests on: import it, see what is recorded."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import ValidationError

from app.api.bodies import Instant
from app.api.runs import ended_run, queue_run, run_json
from app.auth import Principal, requires
from app.clock import isoformat
from app.db import history
from app.errors import InvalidImportError, MalformedRequestError
from app.house import house_of
from app.planning.params import ImportParams
from app.planning.past import Past, finished, history_of
from app.planning.terms import read_planning

router = APIRouter(prefix="/v1/history", tags=["history"])

IMPORT_PATH: Final = "/v1/history/import"
_MOST_DAYS: Final = 92
_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {"text/csv": {"schema": {"type": "string"}}, "text/plain": {"schema": {"type": "string"}}},
    }
}


@router.post(
    "/import",
    status_code=200,
    summary="Import past contacts from a file; all or nothing.",
    openapi_extra=_BODY,
    responses={202: {"description": "Still at work after `wait_s`: the run."}},
    description="The body is the file, plain or gzip. `format` is `intervals` (CSV with team, start, offered "
    "and maybe answered, abandoned, handled, handle_s, wait_s), `calls` (CSV with type, arrival, vru_s, "
    "queue_start, wait_s, outcome, service_s), `queue_log` (Asterisk), or `auto`. `team=NAME:ours` says "
    "which of our teams a name in the file is. The answer is the run with `result.teams`; a bad file gives "
    "422 with `errors` [{line, detail}] and changes nothing.",
)
async def import_history(
    request: Request,
    response: Response,
    who: Annotated[Principal, Depends(requires("plans:write"))],
    kind: Annotated[Literal["auto", "intervals", "calls", "queue_log"], Query(alias="format")] = "auto",
    minutes: Annotated[int | None, Query(description="Length of an interval; none: found out.")] = None,
    channel: Literal["voice", "chat", "callback", "email", "web"] = "voice",
    team: Annotated[list[str] | None, Query(max_length=200)] = None,
    wait_s: Annotated[float, Query(ge=0, le=60)] = 20.0,
) -> dict[str, Any]:
    """Queue the import and wait for it, up to `wait_s`."""
    house = house_of(request)
    params = _params(kind, minutes, channel, team or [])
    planning = await house.database.read(read_planning)
    for name in params.teams.values():
        planning.check_team(name)
    data = await request.body()
    if not data.strip():
        raise InvalidImportError("The body is empty.")
    run = await queue_run(
        house, "import", params.model_dump(mode="json", exclude_defaults=True), who.actor, data=data
    )
    run = await ended_run(house, run.id, limit_s=wait_s)
    if run.state == "failed" and run.error is not None:
        members = {k: v for k, v in run.error.items() if k not in ("type", "title", "status", "detail")}
        raise InvalidImportError(run.error.get("detail", ""), run=run.id, **members)
    if run.state != "done":
        response.status_code = 202
        response.headers["Location"] = f"/v1/runs/{run.id}"
    return run_json(run)


@router.get("", summary="What is recorded of each team: imported and live.")
async def list_history(
    request: Request, _: Annotated[Principal, Depends(requires("plans:read"))]
) -> dict[str, Any]:
    """Return per team and source (imported, live) the intervals, contacts, first and last instant."""
    found = await house_of(request).database.read(history.coverage_of_history)
    for each in found:
        each["first_at"], each["last_at"] = isoformat(each["first_at"]), isoformat(each["last_at"])
    return {"items": found, "next": None}


@router.get("/{team}", summary="A team's past per interval, imported and live as one.")
async def get_history(
    request: Request,
    team: str,
    start: Instant,
    _: Annotated[Principal, Depends(requires("plans:read"))],
    end: Instant | None = None,
) -> dict[str, Any]:
    """Return the finished intervals that begin in [start, end), by default a week, 92 days at most."""
    house = house_of(request)
    planning = await house.database.read(read_planning)
    planning.check_team(team)
    last = end or start + timedelta(days=7)
    if not 0 < (last - start).total_seconds() <= _MOST_DAYS * 86_400:
        detail = f"end must come after start, by {_MOST_DAYS} days at most."
        raise MalformedRequestError(detail, errors=[{"pointer": "/end", "detail": detail}])
    past = await house.database.read(_past_between, team, start.timestamp(), last.timestamp())
    found = finished(history_of(past, planning.grid), house.clock.now())
    columns = (found.starts, found.offered, found.answered, found.abandoned, found.handled, found.handle_s)
    items = [
        {
            "starts_at": isoformat(at),
            "offered": int(offered),
            "answered": int(answered),
            "abandoned": int(abandoned),
            "aht_s": round(handle_s / handled, 1) if handled else None,
        }
        for at, offered, answered, abandoned, handled, handle_s in zip(
            *(column.tolist() for column in columns), strict=True
        )
    ]
    return {"team": team, "minutes": planning.grid.minutes, "items": items, "next": None}


def _past_between(conn: Any, team: str, start: float, end: float) -> Past:
    return Past(
        team,
        history.imported_intervals(conn, team, start=start, end=end),
        history.live_intervals(conn, team, start=start, end=end),
        [at for at in history.observed_live(conn) if start <= at < end],
    )


def _params(kind: str, minutes: int | None, channel: str, pairs: list[str]) -> ImportParams:
    teams = {}
    for pair in pairs:
        name, _, ours = pair.rpartition(":")
        if not name:
            detail = f"{pair!r} is not NAME:team."
            raise MalformedRequestError(detail, errors=[{"pointer": "/team", "detail": detail}])
        teams[name] = ours
    try:
        return ImportParams.model_validate(
            {"format": kind, "minutes": minutes, "channel": channel, "teams": teams}
        )
    except ValidationError as error:
        faults = [{"pointer": f"/{fault['loc'][0]}", "detail": fault["msg"]} for fault in error.errors()]
        raise MalformedRequestError(errors=faults) from None
