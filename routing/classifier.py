"""Which team a text belongs to, learnt from resolved tickets; says how sure it is.

Predicting needs numpy alone; `routing.classifier_training` makes the model.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from routing.commands import Suggestion

TEXT_MAX: Final = 2000
"""Characters that are looked at: enough to know the concern, few enough to bound the time."""

EXAMPLES_MIN: Final = 50
"""Fewer examples than this, or than five of each team, make no model."""

_TOKEN = re.compile(r"\w+")
_GRAMS: Final = (3, 4, 5)


class Scores(msgspec.Struct, frozen=True, kw_only=True):
    """How a model did on texts it had not seen, each held out once."""

    examples: int
    macro_f1: float
    macro_f1_surest_80: float
    accuracy: float


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A trained classifier; plain data, so that it can be stored and sent."""

    teams: tuple[str, ...]
    grams: tuple[str, ...]
    idf: bytes
    """float32, one for each gram."""
    weights: bytes
    """float32, grams x teams."""
    intercepts: tuple[float, ...]
    slope: float
    offset: float
    scores: Scores


class Classifier:
    """A model made ready to predict."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self._index = {gram: i for i, gram in enumerate(model.grams)}
        self._idf = np.frombuffer(model.idf, dtype=np.float32)
        shape = (len(model.grams), len(model.teams))
        self._weights = np.frombuffer(model.weights, dtype=np.float32).reshape(shape)
        self._intercepts = np.array(model.intercepts)

    def suggest(self, text: str) -> Suggestion | None:
        """Return the likeliest team, the chance that it is right, and the words that weighed most.

        None where the text holds nothing the model knows.
        """
        counts = Counter(i for gram in grams(text) if (i := self._index.get(gram)) is not None)
        if not counts:
            return None
        at = np.fromiter(counts.keys(), dtype=np.intp, count=len(counts))
        times = np.fromiter(counts.values(), dtype=np.float64, count=len(counts))
        values = (1.0 + np.log(times)) * self._idf[at]
        values /= math.sqrt(float(values @ values))
        weights = self._weights[at]
        scores = values @ weights + self._intercepts
        best, second = np.argsort(scores)[::-1][:2]
        chance = _chance(self.model, float(scores[best] - scores[second]))
        return Suggestion(self.model.teams[best], chance, self._words(at, values * weights[:, best]))

    def _words(self, at: npt.NDArray[np.intp], pull: npt.NDArray[np.float64]) -> tuple[str, ...]:
        found = [
            (float(value), self.model.grams[i])
            for i, value in zip(at, pull, strict=True)
            if value > 0 and self.model.grams[i].startswith("=") and "\x1f" not in self.model.grams[i]
        ]
        return tuple(gram[1:] for _, gram in sorted(found, reverse=True)[:3])


def grams(text: str) -> Iterator[str]:
    """Yield the features of `text`: words (`=word`), pairs of words, n-grams inside words."""
    before = ""
    for token in _TOKEN.findall(text[:TEXT_MAX].casefold()):
        yield f"={token}"
        yield f"={before}\x1f{token}"
        before = token
        padded = f" {token} "
        for size in _GRAMS:
            if len(padded) <= size:
                yield padded
                break
            for start in range(len(padded) - size + 1):
                yield padded[start : start + size]


def _chance(model: Model, margin: float) -> float:
    return 1.0 / (1.0 + math.exp(-(model.slope * margin + model.offset)))
