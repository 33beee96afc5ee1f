"""Regression that learns one observation at a time: compared with the closed solution."""

import random

import numpy as np
import pytest

from routing.ridge import Ridge


def observations(count, weights, *, noise=0.0, seed=1):
    rng = random.Random(seed)
    for _ in range(count):
        features = [1.0, rng.uniform(0, 500), rng.uniform(-1, 1)]
        value = sum(w * x for w, x in zip(weights, features, strict=True)) + rng.gauss(0, noise)
        yield features, value


def test_prediction_is_the_priors_before_anything_is_learnt():
    assert Ridge.towards((5.0, 0.5, 0.0)).predict([1.0, 10.0, 3.0]) == 10.0


def test_weights_are_those_of_the_closed_solution():
    prior = np.array([0.0, 0.5, 0.0])
    ridge = Ridge.towards(prior.tolist())
    seen = list(observations(200, (30.0, 0.8, -10.0), noise=5.0))
    for features, value in seen:
        ridge.learn(features, value)
    x = np.array([features for features, _ in seen])
    y = np.array([value for _, value in seen])
    age = 0.995 ** np.arange(len(seen))[::-1]
    gram = (x * age[:, None]).T @ x
    moment = (x * age[:, None]).T @ (y - x @ prior)
    closed = prior + np.linalg.solve(gram + np.diag(0.02 * np.diag(gram) + 1e-6), moment)
    assert ridge.weights == pytest.approx(closed.tolist(), rel=1e-6)


def test_it_follows_a_change():
    ridge = Ridge.towards((0.0, 1.0, 0.0))
    for weights in ((0.0, 1.0, 0.0), (100.0, 0.2, 0.0)):
        for features, value in observations(1500, weights, seed=3):
            ridge.learn(features, value)
    assert ridge.predict([1.0, 200.0, 0.0]) == pytest.approx(140.0, rel=0.05)


def test_feature_that_never_varies_does_no_harm():
    ridge = Ridge.towards((0.0, 1.0, 1.0))
    for number in range(1000):
        ridge.learn([1.0, 0.0, float(number % 7)], 3.0 * (number % 7))
    assert ridge.predict([1.0, 0.0, 5.0]) == pytest.approx(15.0, rel=0.05)
