"""Our scripts and styles, read once; their address changes with their content, so browsers keep them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from fastapi import APIRouter
from fastapi.responses import Response

from app.errors import NotFoundError

_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
FILES: Final = {
    path.name: path.read_bytes()
    for path in sorted((Path(__file__).parent / "static").iterdir())
    if path.suffix in _TYPES
}
VERSION: Final = hashlib.blake2b(
    b"".join(name.encode() + b"\0" + body for name, body in FILES.items()), digest_size=6
).hexdigest()

router = APIRouter(prefix="/static", include_in_schema=False)


@router.get("/{version}/{name}")
async def static(version: str, name: str) -> Response:
    """Return a file; kept for a year under its own version, asked for again under any other."""
    body = FILES.get(name)
    if body is None:
        raise NotFoundError(f"There is no file {name[:80]!r}.")
    kept = "public, max-age=31536000, immutable" if version == VERSION else "no-cache"
    return Response(body, media_type=_TYPES[Path(name).suffix], headers={"cache-control": kept})


def static_url(name: str) -> str:
    """Return the address of a file; raises KeyError if there is none."""
    if name not in FILES:
        raise KeyError(name)
    return f"/static/{VERSION}/{name}"
