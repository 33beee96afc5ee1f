"""Train the text classifier on resolved tickets."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from app.db import classifiers
from app.db.engine import Connection
from app.planning.desk import Desk, Outcome, Report
from routing.classifier import EXAMPLES_MIN, Model

_EXAMPLES_MAX: Final = 20_000


async def train_classifier(desk: Desk) -> Outcome:
    """Learn from the newest resolved tickets; where they are too few, say so and keep the classifier."""
    examples = await desk.database.read(classifiers.list_examples, limit=_EXAMPLES_MAX)
    model: Model | None = await desk.compute(_train, examples) if examples else None
    if model is None:
        return Outcome({"classifier_id": None, "reason": _too_few(len(examples))})

    def save(conn: Connection) -> dict[str, Any]:
        return {"classifier_id": classifiers.add_classifier(conn, model, desk.now)}

    return Outcome(result={"scores": msgspec.to_builtins(model.scores)}, save=save)


def _too_few(many: int) -> str:
    if not many:
        return "There was nothing to learn from: no ticket with a text is resolved yet."
    return (
        f"There was too little to learn from: {many} texts of resolved tickets, and {EXAMPLES_MIN} of two "
        "teams are needed."
    )


def _train(report: Report, examples: list[tuple[str, str]]) -> Model | None:
    # scikit-learn is heavy: only the process that computes loads it.
    from routing.classifier_training import train  # noqa: PLC0415

    report(0.05, f"learning from {len(examples)} texts")
    return train([text for text, _ in examples], [team for _, team in examples])
