"""Claim: a text finds its team with macro F1 of 0.93 on all texts and 0.98 on the 80 % it is surest of.

Learnt from four fifths of real requests, asked about the fifth that was held out. Training on 10,000 texts
takes less than 10 s, a prediction less than 1 ms in the median. The peer is what scikit-learn's handbook
begins with, words in TF-IDF and a logistic regression, on the same texts in the same run.
"""

from __future__ import annotations

import csv
import random
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.pipeline import make_pipeline

from routing.classifier import Classifier
from routing.classifier_training import train

TEXTS = Path(__file__).resolve().parents[2] / "shared/data/text/requests_by_team.csv"
SEED, SPLITS, SUREST = 7, 3, 0.8
MANY = 10_000
LEAST_F1, LEAST_F1_SUREST, MOST_TRAINING_S, MOST_MEDIAN_MS = 0.93, 0.98, 10.0, 1.0

Example = tuple[str, str]
Guess = tuple[str, float]
"""The team said, and how sure."""


def main() -> int:
    if not TEXTS.exists():
        print(f"skipped: {TEXTS.name} is not in shared/data/text beside the repository")
        return 0
    examples = read()
    quality = held_out(examples)
    trained = training_time(examples)
    quick = prediction_time(examples)
    return 0 if quality and trained and quick else 1


def read() -> list[Example]:
    with TEXTS.open(encoding="utf-8", newline="") as lines:
        return [(row["text"], row["team"]) for row in csv.DictReader(lines)]


def held_out(examples: list[Example]) -> bool:
    """Judge on a held-out fifth, several times with other fifths; the median of each figure counts."""
    ours, peers = [], []
    for split in range(SPLITS):
        mixed = examples[:]
        random.Random(SEED + split).shuffle(mixed)
        cut = len(mixed) // 5
        ours.append(judge(mixed[:cut], rondo(mixed[cut:])))
        peers.append(judge(mixed[:cut], handbook(mixed[cut:])))
    whole, surest = (statistics.median(column) for column in zip(*ours, strict=True))
    peer_whole, peer_surest = (statistics.median(column) for column in zip(*peers, strict=True))
    print(f"{len(examples):,} texts, a fifth held out, {SPLITS} splits")
    errors = (1 - whole) / (1 - peer_whole)
    say("macro F1 on all", whole, LEAST_F1, f"peer {peer_whole:.3f}, its errors times {errors:.2f}")
    say("macro F1 on the surest 80 %", surest, LEAST_F1_SUREST, f"peer {peer_surest:.3f}")
    return whole >= LEAST_F1 and surest >= LEAST_F1_SUREST


def judge(unseen: list[Example], guess: Callable[[str], Guess]) -> tuple[float, float]:
    """Return macro F1 on all and on those it is surest of."""
    teams = np.array([team for _, team in unseen])
    said = [guess(text) for text, _ in unseen]
    names = np.array([name for name, _ in said])
    surest = np.argsort([-sure for _, sure in said], kind="stable")[: int(SUREST * len(said))]
    return (
        float(f1_score(teams, names, average="macro")),
        float(f1_score(teams[surest], names[surest], average="macro")),
    )


def rondo(known: Sequence[Example]) -> Callable[[str], Guess]:
    model = train([text for text, _ in known], [team for _, team in known])
    assert model is not None
    suggest = Classifier(model).suggest

    def guess(text: str) -> Guess:
        found = suggest(text)
        return (found.team_id, found.confidence) if found is not None else ("", 0.0)

    return guess


def handbook(known: Sequence[Example]) -> Callable[[str], Guess]:
    pipeline = make_pipeline(TfidfVectorizer(), LogisticRegression(max_iter=1000))
    pipeline.fit([text for text, _ in known], [team for _, team in known])

    def guess(text: str) -> Guess:
        chances = pipeline.predict_proba([text])[0]
        best = int(np.argmax(chances))
        return str(pipeline.classes_[best]), float(chances[best])

    return guess


def training_time(examples: list[Example]) -> bool:
    """Time training on 10,000 texts; those that are missing are made of two of the same team."""
    rng = random.Random(SEED)
    more = examples[:MANY]
    by_team: dict[str, list[str]] = {}
    for text, team in examples:
        by_team.setdefault(team, []).append(text)
    while len(more) < MANY:
        _, team = rng.choice(examples)
        more.append((" ".join(rng.sample(by_team[team], 2)), team))
    began = time.perf_counter()
    rondo(more)
    took_s = time.perf_counter() - began
    began = time.perf_counter()
    handbook(more)
    peer_s = time.perf_counter() - began
    say(f"training on {MANY:,} texts, s", took_s, MOST_TRAINING_S, f"peer {peer_s:.2f} s", most=True)
    return took_s <= MOST_TRAINING_S


def prediction_time(examples: list[Example]) -> bool:
    """Time single predictions; the peer's is a call of its pipeline, as a service would make it."""
    cut = len(examples) // 5
    asked = [text for text, _ in examples[:cut]]
    took_ms, peer_ms = (median_ms(learn(examples[cut:]), asked) for learn in (rondo, handbook))
    say("prediction, median ms", took_ms, MOST_MEDIAN_MS, f"peer {peer_ms:.2f} ms", most=True)
    return took_ms <= MOST_MEDIAN_MS


def median_ms(guess: Callable[[str], Guess], texts: list[str]) -> float:
    times = []
    for text in texts:
        began = time.perf_counter()
        guess(text)
        times.append(time.perf_counter() - began)
    return 1000 * statistics.median(times)


def say(what: str, value: float, limit: float, beside: str, *, most: bool = False) -> None:
    """Print a figure against its limit and what stands beside it."""
    met = value <= limit if most else value >= limit
    bound = "at most" if most else "at least"
    print(f"{what}: {value:.3f} ({bound} {limit:g}; {beside}): {'met' if met else 'MISSED'}")


if __name__ == "__main__":
    raise SystemExit(main())
