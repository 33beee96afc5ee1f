"""Learn the text classifier from resolved tickets.

Character n-grams inside words (any language, misspellings) and words with their neighbours, TF-IDF, a linear
support vector machine. How sure: the margin between the two best teams, mapped to the chance of being right
by a logistic fit on texts held out in turn (Platt 1999).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.model_selection import StratifiedKFold
from sklearn.svm import LinearSVC

from routing.classifier import EXAMPLES_MIN, Model, Scores, grams

_FOLDS: Final = 5


def train(texts: Sequence[str], teams: Sequence[str], *, seed: int = 0) -> Model | None:
    """Return a model of which text belongs to which team, or None where there is too little to learn from.

    Deterministic for a seed. Raises ValueError if the two sequences differ in length.
    """
    if len(texts) != len(teams):
        raise ValueError("as many teams as texts are needed")
    counts = Counter(teams)
    kept = [(t, team) for t, team in zip(texts, teams, strict=True) if counts[team] >= _FOLDS and t.strip()]
    if len(kept) < EXAMPLES_MIN or len({team for _, team in kept}) < 2:
        return None
    return _fit([t for t, _ in kept], [team for _, team in kept], seed)


def _fit(texts: list[str], teams: list[str], seed: int) -> Model:

    def machine() -> Any:
        return LinearSVC(C=0.5, random_state=seed, dual="auto")

    vectorizer = TfidfVectorizer(analyzer=grams, sublinear_tf=True, min_df=2, dtype=np.float32)
    features = vectorizer.fit_transform(texts)
    labels = np.array(teams)
    names = np.unique(labels)
    unseen = np.zeros((len(texts), len(names)))
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=seed)
    for known, held_out in folds.split(features, labels):
        fitted = machine().fit(features[known], labels[known])
        unseen[held_out] = _two_columns(fitted.decision_function(features[held_out]))
    whole = machine().fit(features, labels)
    weights = whole.coef_ if len(names) > 2 else np.vstack([-whole.coef_[0], whole.coef_[0]])
    intercepts = whole.intercept_ if len(names) > 2 else np.array([-whole.intercept_[0], whole.intercept_[0]])
    slope, offset, scores = _judge(unseen, labels, names)
    return Model(
        teams=tuple(str(name) for name in names),
        grams=tuple(str(gram) for gram in vectorizer.get_feature_names_out()),
        idf=vectorizer.idf_.astype(np.float32).tobytes(),
        weights=np.ascontiguousarray(weights.T, dtype=np.float32).tobytes(),
        intercepts=tuple(float(value) for value in intercepts),
        slope=slope,
        offset=offset,
        scores=scores,
    )


def _judge(
    unseen: npt.NDArray[np.float64], labels: npt.NDArray[Any], names: npt.NDArray[Any]
) -> tuple[float, float, Scores]:
    """Return slope and offset of the chance of being right, and the scores on unseen texts."""
    ordered = np.sort(unseen, axis=1)
    margins = ordered[:, -1] - ordered[:, -2]
    said = names[np.argmax(unseen, axis=1)]
    right = said == labels
    surest = np.argsort(-margins, kind="stable")[: max(int(0.8 * len(margins)), 1)]
    scores = Scores(
        examples=len(labels),
        macro_f1=float(f1_score(labels, said, average="macro")),
        macro_f1_surest_80=float(f1_score(labels[surest], said[surest], average="macro", zero_division=0.0)),
        accuracy=float(right.mean()),
    )
    if right.all() or not right.any():
        return 1.0, 3.0 if right.all() else -3.0, scores
    curve = LogisticRegression(C=1e6).fit(margins[:, None], right)
    return float(curve.coef_[0, 0]), float(curve.intercept_[0]), scores


def _two_columns(scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return scores if scores.ndim == 2 else np.column_stack([-scores, scores])
