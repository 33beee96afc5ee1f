"""Reads what customers write: keeps the newest text classifier at hand and trains new ones.

Intake never waits for it: without a model, without a text, or with one that says nothing, rules decide alone.
"""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from app.db import classifiers
from app.db.engine import FAILURES, Database
from routing.classifier import TEXT_MAX, Classifier
from routing.commands import Suggestion

log = structlog.get_logger()

LOOK_S: Final = 30.0


class Reader:
    """The classifier in use, if there is one."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._classifier: Classifier | None = None
        self._id = 0
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Take up the newest model and go on looking for newer ones."""
        await self.look()
        self._task = asyncio.create_task(self._keep_looking(), name="reader")

    def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()

    def suggest(self, subject: str, text: str) -> Suggestion | None:
        """Return which team the words point to and how surely, or None."""
        if self._classifier is None or not (subject or text):
            return None
        return self._classifier.suggest(f"{subject} {text[:TEXT_MAX]}")

    async def look(self) -> None:
        """Take up a newer model if there is one."""
        found = await self._database.read(classifiers.find_newer, self._id)
        if found is not None:
            self._id, model = found
            self._classifier = await asyncio.to_thread(Classifier, model)
            log.info("classifier_taken_up", id=self._id, examples=model.scores.examples)

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self.look()
            except FAILURES as error:
                log.warning("classifier_not_read", error=type(error).__name__)
