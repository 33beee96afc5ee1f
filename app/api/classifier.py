"""The text classifier: what it learnt from, how sure it may be, and what it makes of a text."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from app.api import bodies
from app.auth import Principal, requires
from app.db import classifiers
from app.house import house_of

router = APIRouter(prefix="/v1/classifier", tags=["classifier"])


@router.get("", summary="The stored classifiers with their scores on unseen texts, newest first.")
async def list_classifiers(
    request: Request, _: Annotated[Principal, Depends(requires("policies:read"))]
) -> dict[str, Any]:
    """List the classifiers; a new one is made by POST /v1/runs with kind `train`."""
    return {"items": await house_of(request).database.read(classifiers.list_classifiers), "next": None}


@router.post("/try", summary="What the classifier in use makes of a text.")
async def try_text(
    request: Request,
    given: bodies.TextToTry,
    _: Annotated[Principal, Depends(requires("policies:read"))],
) -> dict[str, Any]:
    """Return team, confidence and weighty words, and whether it would decide or abstain."""
    house = house_of(request)
    guess = house.reader.suggest("", given.text)
    threshold = house.switchboard.policy.classifier_threshold
    if guess is None:
        return {"team": None, "confidence": None, "words": [], "threshold": threshold, "decides": False}
    return {
        "team": guess.team_id,
        "confidence": guess.confidence,
        "words": guess.words,
        "threshold": threshold,
        "decides": guess.confidence >= threshold,
    }
