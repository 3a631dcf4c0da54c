"""The evidence map agrees with its network."""

import numpy as np

from model.evidence.heat_maps import evidence_map, log_odds_weights
from model.network.features import Head


def test_map_of_an_averaging_head_sums_to_the_logit_without_bias() -> None:
    maps = np.arange(12, dtype=np.float32).reshape(2, 2, 3)
    kernel = np.array([[1, 0], [0, 2], [-1, 0]], np.float32)
    head = Head(True, (kernel,), (np.array([5, 5], np.float32),))
    evidence = evidence_map(maps, head, 1)
    # By hand: the mean over places of channel 1 is 5.5, times 2.
    assert np.isclose(evidence.sum(), 11)
    np.testing.assert_allclose(evidence, maps[..., 1] * 2 / 4)


def test_map_of_a_head_that_takes_the_largest_lies_where_it_took_them() -> None:
    maps = np.array([[[1, 5], [3, 2]], [[0, 5], [2, 4]]], np.float32)
    head = Head(False, (np.array([[1, 0], [2, 0]], np.float32),), (np.array([7, 7], np.float32),), takes_largest=True)
    # By hand: 3 of channel 0 in one place; 2 times 5 of channel 1, shared by two places.
    np.testing.assert_allclose(evidence_map(maps, head, 0), [[5, 3], [5, 0]])


def test_map_of_a_dense_head_is_gradient_times_features() -> None:
    random = np.random.default_rng(0)
    maps = random.random((2, 2, 3), np.float32)
    kernels = (random.standard_normal((12, 5)).astype(np.float32), random.standard_normal((5, 2)).astype(np.float32))
    biases = (np.full(5, 0.1, np.float32), np.zeros(2, np.float32))

    def logit(values: np.ndarray) -> float:
        return float((np.maximum(values.ravel() @ kernels[0] + biases[0], 0) @ kernels[1])[1])

    evidence = evidence_map(maps, Head(False, kernels, biases), 1)
    step = 1e-3
    for row, column in np.ndindex(2, 2):
        nudged = maps.astype(np.float64)
        nudged[row, column] *= 1 + step
        assert np.isclose((logit(nudged) - logit(maps)) / step, evidence[row, column], atol=0.01)


def test_map_before_a_pooled_and_flattened_head_lies_where_the_largest_were() -> None:
    maps = np.array([[[4], [1], [2], [2]], [[3], [0], [2], [2]]], np.float32)
    head = Head(False, (np.array([[0, 2], [0, 8]], np.float32),), (np.zeros(2, np.float32),), window=2)
    # By hand: 2 times 4 in one place; 8 times 2, shared by four equal places.
    np.testing.assert_allclose(evidence_map(maps, head, 1), [[8, 0, 4, 4], [0, 0, 4, 4]])


def test_weights_of_log_odds_are_their_gradient() -> None:
    logits = np.array([1.0, -0.5, 0.3, 2.0])
    meant = np.array([True, True, False, True])

    def log_odds(values: np.ndarray) -> float:
        powers = np.exp(values)
        return float(np.log(powers[meant].sum() / powers[~meant].sum()))

    weights = log_odds_weights(np.exp(logits) / np.exp(logits).sum(), meant)
    for i in range(4):
        nudged = logits.copy()
        nudged[i] += 1e-5
        assert np.isclose((log_odds(nudged) - log_odds(logits)) / 1e-5, weights[i], atol=1e-4)
