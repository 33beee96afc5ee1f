"""Train the text classifier on resolved tickets."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from app.db import classifiers
from app.db.engine import Connection
from app.errors import CannotTrainError
from app.planning.desk import Desk, Outcome, Report
from routing.classifier import EXAMPLES_MIN, Model

_EXAMPLES_MAX: Final = 20_000


async def train_classifier(desk: Desk) -> Outcome:
    """Learn from the newest resolved tickets; raises CannotTrainError where there are too few texts."""
    examples = await desk.database.read(classifiers.list_examples, limit=_EXAMPLES_MAX)
    model: Model | None = await desk.compute(_train, examples)
    if model is None:
        raise CannotTrainError(
            f"{len(examples)} texts of resolved tickets are too few: {EXAMPLES_MIN} of two teams are needed."
        )

    def save(conn: Connection) -> dict[str, Any]:
        return {"classifier_id": classifiers.add_classifier(conn, model, desk.now)}

    return Outcome(result={"scores": msgspec.to_builtins(model.scores)}, save=save)


def _train(report: Report, examples: list[tuple[str, str]]) -> Model | None:
    # scikit-learn is heavy: only the process that computes loads it.
    from routing.classifier_training import train  # noqa: PLC0415

    report(0.05, f"learning from {len(examples)} texts")
    return train([text for text, _ in examples], [team for _, team in examples])
