"""Cursor paging: newest first, stable while new things come."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Query

from app.errors import MalformedRequestError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Window:
    """Which page is wanted: at most `limit` things with an id below `before`."""

    before: int | None
    limit: int


def window(
    cursor: Annotated[str | None, Query(max_length=40, description="`next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Window:
    """Return the wanted page; raises MalformedRequestError for a cursor that is none of ours."""
    if cursor is None:
        return Window(None, limit)
    try:
        before = int(base64.urlsafe_b64decode(cursor.encode()).decode("ascii"))
    except (ValueError, binascii.Error):
        detail = "This cursor is not one that a page gave; start without one."
        raise MalformedRequestError(detail, errors=[{"pointer": "/cursor", "detail": detail}]) from None
    return Window(before, limit)


Cursor = Annotated[Window, Depends(window)]


def page(
    found: Sequence[T], wanted: Window, key: Callable[[T], int], render: Callable[[T], Any]
) -> dict[str, Any]:
    """Return `items` and `next` (None on the last page); `found` holds one more than wanted if there is."""
    items = list(found[: wanted.limit])
    more = len(found) > wanted.limit
    following = base64.urlsafe_b64encode(str(key(items[-1])).encode()).decode() if more else None
    return {"items": [render(each) for each in items], "next": following}
