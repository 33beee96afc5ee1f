"""Ids in paths of hot routes, which FastAPI does not convert."""

from __future__ import annotations

from fastapi import Request

from app.errors import NotFoundError


def path_id(request: Request, name: str) -> int:
    """Return the path's integer id; raises NotFoundError for anything that can't be one."""
    text = str(request.path_params[name])
    if not (text.isascii() and text.isdigit()) or len(text) > 18:
        raise NotFoundError(f"There is no {name.removesuffix('_id')} {text[:40]!r}.")
    return int(text)
