"""What every page shares: who may see it, its frame, and what is said when it can't be shown."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from app.auth import COOKIE, Principal
from app.clock import isoformat
from app.errors import AppError, ForbiddenError, NotSignedInError
from app.house import House, house_of
from app.web import words
from app.web.static_files import VERSION, static_url

Handler = Callable[[House, Principal, Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Place:
    """A page of the header: its name, its path, and the scopes it takes."""

    name: str
    path: str
    scopes: tuple[str, ...]

    def open_to(self, who: Principal) -> bool:
        """Return whether `who` may see the page."""
        return all(scope in who.scopes for scope in self.scopes)


FLOOR: Final = Place("Floor", "/", ("queues:read", "agents:read", "contacts:read"))
PLANNER: Final = Place("Planner", "/planner", ("plans:read",))
TODAY: Final = Place("Today", "/today", ("plans:read",))
PLACES: Final = (FLOOR, PLANNER, TODAY)
PARTS: Final = {
    PLANNER.path: (
        Place("Week", "/planner", PLANNER.scopes),
        Place("What if", "/planner/simulation", PLANNER.scopes),
        Place("Shifts", "/planner/shifts", PLANNER.scopes),
        Place("People", "/planner/people", PLANNER.scopes),
        Place("Terms", "/planner/terms", PLANNER.scopes),
    )
}
"""The pages below one of the header, which all begin with its path."""

templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
templates.globals.update(static=static_url, version=VERSION)
templates.filters.update(
    label=words.label,
    duration=words.duration,
    percent=words.percent,
    change=words.change,
    count=words.count,
    instant=isoformat,
)


def page(router: APIRouter, path: str, *, scopes: Iterable[str]) -> Callable[[Handler], Handler]:
    """Add a page. Who is not signed in is sent to the sign-in; a missing scope is said on a page."""
    needed = tuple(scopes)

    def add(handler: Handler) -> Handler:
        async def endpoint(request: Request) -> Response:
            house = house_of(request)
            try:
                who = await house.keyring.principal(request)
            except NotSignedInError:
                return _not_signed_in(request)
            try:
                for scope in needed:
                    who.require(scope)
                return await handler(house, who, request)
            except AppError as error:
                return _refused(request, who, error)

        endpoint.__name__ = handler.__name__
        endpoint.__doc__ = handler.__doc__
        router.add_api_route(
            path, endpoint, methods=["GET"], response_class=HTMLResponse, include_in_schema=False
        )
        return handler

    return add


def render(
    request: Request, who: Principal | None, template: str, *, status: int = 200, **values: Any
) -> HTMLResponse:
    """Return a page made from a template; `who` decides what its header offers."""
    house = house_of(request)
    site = house.switchboard.policy.site
    zone = ZoneInfo(site.time_zone)
    body = templates.get_template(template).render(
        who=who,
        places=[place for place in PLACES if who is not None and place.open_to(who)],
        path=request.url.path,
        parts=_parts(request.url.path) if who is not None else (),
        now=house.clock.now(),
        speed=house.clock.speed,
        time_zone=site.time_zone,
        clock_time=partial(words.clock_time, zone=zone),
        **values,
    )
    # Under `no-referrer` browsers send `Origin: null` with forms, which no check of origin can accept.
    return HTMLResponse(body, status, {"referrer-policy": "same-origin"})


async def missing(request: Request) -> Response | None:
    """Return the page that says that there is none; None for whoever did not ask for a page."""
    asks = request.method in ("GET", "HEAD") and "text/html" in request.headers.get("accept", "")
    if not asks or request.url.path.startswith("/v1/"):
        return None
    try:
        who = await house_of(request).keyring.principal(request)
    except NotSignedInError:
        who = None
    detail = f"Nothing is at {request.url.path[:200]}."
    return render(request, who, "message.html", status=404, title="There is no such page", detail=detail)


def home(who: Principal) -> str:
    """Return the path of the first page that `who` may see."""
    return next((place.path for place in PLACES if place.open_to(who)), "/nothing")


def _parts(path: str) -> tuple[Place, ...]:
    return next((parts for start, parts in PARTS.items() if path.startswith(start)), ())


def _not_signed_in(request: Request) -> Response:
    # A SameSite=Strict cookie does not come along when another site links here. Asking once more from
    # our own page brings it.
    if COOKIE not in request.cookies and request.headers.get("sec-fetch-site") == "cross-site":
        return render(request, None, "onward.html", target=_here(request))
    target = _here(request)
    return RedirectResponse("/sign-in" if target == "/" else f"/sign-in?next={quote(target, safe='/')}", 303)


def _refused(request: Request, who: Principal, error: AppError) -> Response:
    if isinstance(error, ForbiddenError) and request.url.path == "/" and home(who) not in ("/", "/nothing"):
        return RedirectResponse(home(who), 303)
    return render(request, who, "message.html", status=error.status, title=error.title, detail=error.detail)


def _here(request: Request) -> str:
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")
