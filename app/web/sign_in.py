"""Signing a browser in and out: with an API key, or with a one-time link."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from app.auth import COOKIE, check_origin
from app.errors import NotSignedInError
from app.house import house_of
from app.web.pages import render

router = APIRouter(include_in_schema=False)


@router.get("/sign-in")
async def sign_in_page(request: Request, link: str = "", next: str = "/") -> Response:  # noqa: A002
    """Ask for a key, or use the one-time link that the address carries."""
    if not link:
        return render(request, None, "sign_in.html", next=_local(next), fault="")
    if "prefetch" in request.headers.get("sec-purpose", ""):
        # A browser that looks ahead would use the link up.
        return Response(status_code=503)
    return await _sign_in(request, link, _local(next))


@router.post("/sign-in")
async def sign_in(
    request: Request,
    key: Annotated[str, Form(max_length=200)] = "",
    next: Annotated[str, Form(max_length=2000)] = "/",  # noqa: A002
) -> Response:
    """Take a key and begin a session."""
    check_origin(request)
    return await _sign_in(request, key.strip(), _local(next))


@router.post("/sign-out")
async def sign_out(request: Request) -> Response:
    """End the session."""
    check_origin(request)
    secret = request.cookies.get(COOKIE)
    if secret is not None:
        await house_of(request).keyring.sign_out(secret)
    response = RedirectResponse("/sign-in", 303)
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
    return response


async def _sign_in(request: Request, secret: str, target: str) -> Response:
    house = house_of(request)
    try:
        session = await house.keyring.sign_in(secret)
    except NotSignedInError:
        if await _signed_in_already(request):
            return RedirectResponse(target, 303)
        fault = "This key or link is not valid, or not any more. A link works once."
        return render(request, None, "sign_in.html", status=401, next=target, fault=fault)
    # Not a redirect: one that began on another site would arrive without the new cookie.
    response = render(request, None, "onward.html", target=target)
    response.set_cookie(
        COOKIE,
        session,
        max_age=house.settings.session_hours * 3600,
        path="/",
        httponly=True,
        samesite="strict",
        secure=house.settings.secure_cookies,
    )
    return response


async def _signed_in_already(request: Request) -> bool:
    if request.method != "GET":
        return False
    try:
        await house_of(request).keyring.principal(request)
    except NotSignedInError:
        return False
    return True


def _local(target: str) -> str:
    """Return `target` if it is a path of ours, else the first page."""
    ours = target.startswith("/") and not target.startswith(("//", "/\\", "/sign-"))
    return target if ours and target.isprintable() else "/"
