"""Figures of a classifier."""

import numpy as np
import pytest

from training.measure.metrics import interval_by_groups, summarize, wilson_interval


def test_metrics_of_a_small_example_counted_by_hand() -> None:
    labels = np.array([0, 0, 0, 0, 1, 1])
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.4, 0.6], [0.2, 0.8], [0.3, 0.7]], np.float32)
    metrics = summarize(labels, probabilities, ("a", "b"))
    assert metrics.n_correct == 5
    assert metrics.per_class["a"].recall == 0.75
    assert metrics.per_class["b"].precision == pytest.approx(2 / 3)
    assert metrics.balanced_accuracy == 0.875
    assert metrics.confusion_matrix == [[3, 1], [0, 2]]
    assert metrics.per_class["b"].auroc == 1.0


def test_wilson_interval_agrees_with_the_published_example() -> None:
    # Newcombe 1998, doi 10.1002/(SICI)1097-0258(19980430)17:8<857, table I: 81 of 263 gives 0.2553 to 0.3662.
    assert wilson_interval(81, 263) == pytest.approx([0.2553, 0.3662], abs=5e-5)
    assert wilson_interval(0, 0) is None


def test_class_without_pictures_has_no_recall_and_does_not_count() -> None:
    metrics = summarize(np.array([0, 0]), np.array([[0.9, 0.1], [0.6, 0.4]], np.float32), ("a", "b"))
    assert metrics.per_class["b"].recall is None
    assert metrics.balanced_accuracy == 1.0


def test_interval_of_a_gain_counts_groups_and_not_slices() -> None:
    gains = (np.arange(60) % 4 == 0).astype(float)
    alone = interval_by_groups(gains, np.arange(60))
    # The same share of gains, in whole groups of ten.
    together = interval_by_groups((np.arange(60) < 15).astype(float), np.arange(60) // 10)
    assert alone[0] < 0.25 < alone[1]
    assert together[1] - together[0] > 1.5 * (alone[1] - alone[0])
    # For independent values it is that of the normal distribution: 0.5 less and more 1.96 * 0.5 / 20.
    halves = interval_by_groups((np.arange(400) % 2).astype(float), np.arange(400))
    assert halves == pytest.approx([0.451, 0.549], abs=0.004)
    assert interval_by_groups(np.zeros(60), np.arange(60)) == [0, 0]
