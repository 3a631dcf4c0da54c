"""Every class is shown equally often."""

import numpy as np

from training.feed.batches import balanced_order


def test_balanced_order_shows_a_rare_class_as_often_as_a_frequent_one() -> None:
    labels = np.array([0] * 90 + [1] * 10)
    order = balanced_order(labels, np.random.default_rng(0))
    assert np.bincount(labels[order]).tolist() == [50, 50]
    assert np.bincount(order[order >= 90])[90:].tolist() == [5] * 10
