"""The text classifier: learns teams from texts, says how sure it is, abstains on what it does not know."""

from __future__ import annotations

import csv
import random
from pathlib import Path

import msgspec
import pytest

from routing.classifier import Classifier, Model
from routing.classifier_training import train

REQUESTS = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "text" / "requests_by_team.csv"
WORDS = {
    "ordering": ["order", "buy", "price", "deliver", "cart", "bestellen"],
    "technical": ["router", "crash", "install", "error", "reboot", "neustart"],
}


def made_up(count: int, seed: int = 1) -> tuple[list[str], list[str]]:
    draw = random.Random(seed)
    teams = [draw.choice(sorted(WORDS)) for _ in range(count)]
    texts = [
        f"please {' '.join(draw.choices(WORDS[team], k=3))} number {draw.randrange(99)}" for team in teams
    ]
    return texts, teams


@pytest.fixture(scope="module")
def learnt() -> Classifier:
    model = train(*made_up(200))
    assert model is not None
    return Classifier(model)


def test_text_goes_to_the_team_its_words_point_to(learnt: Classifier) -> None:
    guess = learnt.suggest("my router shows an error")
    assert guess is not None
    assert (guess.team_id, guess.confidence > 0.9) == ("technical", True)
    assert "router" in guess.words


def test_misspelt_word_of_another_language_is_still_recognised(learnt: Classifier) -> None:
    guess = learnt.suggest("nochmal besteln")
    assert guess is not None
    assert guess.team_id == "ordering"


def test_text_of_unknown_words_gets_no_suggestion(learnt: Classifier) -> None:
    assert learnt.suggest("zzz qqq") is None


def test_empty_text_gets_no_suggestion(learnt: Classifier) -> None:
    assert learnt.suggest("") is None


def test_nothing_is_learnt_from_too_few_texts() -> None:
    assert train(*made_up(20)) is None


def test_nothing_is_learnt_from_one_team_alone() -> None:
    texts, _ = made_up(100)
    assert train(texts, ["ordering"] * 100) is None


def test_same_texts_and_seed_give_the_same_model() -> None:
    assert train(*made_up(80), seed=3) == train(*made_up(80), seed=3)


def test_model_survives_being_stored(learnt: Classifier) -> None:
    stored = msgspec.msgpack.decode(msgspec.msgpack.encode(learnt.model), type=Model)
    text = "install error on my cart"
    assert Classifier(stored).suggest(text) == learnt.suggest(text)


@pytest.mark.slow
@pytest.mark.skipif(not REQUESTS.exists(), reason="the customer requests of ../shared/data are not here")
def test_real_requests_held_out_reach_the_promised_scores() -> None:
    with REQUESTS.open() as file:
        rows = list(csv.DictReader(file))
    random.Random(7).shuffle(rows)
    held_out, known = rows[: len(rows) // 5], rows[len(rows) // 5 :]
    model = train([row["text"] for row in known], [row["team"] for row in known])
    assert model is not None
    classifier = Classifier(model)
    judged = []
    for row in held_out:
        guess = classifier.suggest(row["text"])
        team, confidence = (guess.team_id, guess.confidence) if guess is not None else ("", 0.0)
        judged.append((confidence, team, row["team"]))
    judged.sort(reverse=True)
    assert macro_f1(judged) >= 0.93
    assert macro_f1(judged[: int(0.8 * len(judged))]) >= 0.98
    right = sum(team == truth for _, team, truth in judged) / len(judged)
    claimed = sum(confidence for confidence, _, _ in judged) / len(judged)
    assert claimed == pytest.approx(right, abs=0.02)


def macro_f1(judged: list[tuple[float, str, str]]) -> float:
    scores = []
    for team in sorted({truth for _, _, truth in judged}):
        hits = sum(said == truth == team for _, said, truth in judged)
        said = sum(said == team for _, said, _ in judged)
        true = sum(truth == team for _, _, truth in judged)
        scores.append(2 * hits / (said + true))
    return sum(scores) / len(scores)
