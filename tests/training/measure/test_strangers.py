"""Thresholds are chosen on sources that the network never saw, and each source is measured separately."""

import numpy as np

from model.answers.calibration import calibrate
from training.figures import Figures
from training.measure.strangers import (
    Asked,
    choose_on_strangers,
    figures_of_strangers,
    measure_strangers,
    weights_of_sources,
)
from training.measure.trust import certain_answers


def test_worst_source_is_the_one_with_the_fewest_right_answers() -> None:
    sources = np.array(["a"] * 20 + ["b"] * 20 + ["few"])
    labels = np.array([0] * 20 + [2] * 20 + [1])
    probabilities = np.tile(np.array([0.5, 0.2, 0.2, 0.1], np.float32), (41, 1))
    probabilities[20:35] = [0.1, 0.1, 0.8, 0.0]
    figures = measure_strangers(sources, labels, probabilities, 2)
    assert isinstance(figures, Figures)
    assert figures.right == {"a": 1.0, "b": 0.75, "few": 1.0}
    assert (figures.worst_source, figures.worst_right) == ("b", 0.75)
    assert figures.kind == {"a": 1.0, "few": 0.0}
    assert figures.mean_kind == 0.5


def test_source_of_fewer_than_twenty_images_is_not_the_worst() -> None:
    sources = np.array(["enough"] * 20 + ["few"] * 19)
    # All are called a tumor: rightly in the first source, wrongly in the second.
    labels = np.array([0] * 20 + [2] * 19)
    probabilities = np.tile(np.array([0.5, 0.2, 0.2, 0.1], np.float32), (39, 1))
    assert measure_strangers(sources, labels, probabilities, 2).worst_source == "enough"


def _asked(seed: int, shift: float, sources: tuple[str, ...] = ("a", "b", "c")) -> Asked:
    """Tumors in a and b, tumor-free heads in b and c; all tumor logits are too high by `shift`."""
    random = np.random.default_rng(seed)
    n = 200
    names = np.repeat(sources, n)
    labels = np.concatenate([np.zeros(n), random.integers(0, 2, n) * 2, np.full(n, 2)]).astype(np.int64)
    logits = random.normal(0, 1.5, (3 * n, 3)) + 3 * np.eye(3)[labels] + [shift, shift, 0]
    raw = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return Asked(labels, raw.astype(np.float32), names, np.arange(3 * n))


def test_bounds_follow_a_network_that_sees_tumors_everywhere_on_strangers() -> None:
    fair, shifted = (choose_on_strangers(_asked(0, shift), _asked(1, 0), 2) for shift in (0, 2))
    assert shifted.tumor_from > fair.tumor_from
    assert shifted.healthy_below <= shifted.tumor_from <= shifted.certain_tumor_from


def test_certain_answers_on_other_groups_are_rarely_wrong() -> None:
    decision, other = choose_on_strangers(_asked(0, 1), _asked(1, 1), 2), _asked(2, 1)
    probabilities = calibrate(other.raw, decision.temperature)
    certain = certain_answers(probabilities, decision, 2)
    wrong = probabilities.argmax(axis=1) != other.labels
    assert certain.mean() > 0.4
    # With thresholds that allow half of them to be wrong, 9.6 % are.
    assert wrong[certain].mean() < 0.08


def test_a_small_source_counts_as_much_as_a_large_one() -> None:
    sources, shows = np.array(["large"] * 90 + ["small"] * 10 + ["without"] * 50), np.arange(150) < 100
    weights = weights_of_sources(sources, shows)
    assert np.isclose(weights[:90].sum(), weights[90:100].sum())
    assert np.isclose(weights[:100].sum(), weights[100:].sum())


def test_what_the_gate_refuses_is_neither_certain_nor_rightly_called_a_tumor() -> None:
    asked = _asked(0, 0)
    none, all_of_a = np.zeros(600, bool), asked.sources == "a"
    before, after = (figures_of_strangers(asked, _asked(1, 0), refused, 2) for refused in (none, all_of_a))
    assert after.certain < before.certain
    assert after.sources.right["a"] == 0 < before.sources.right["a"]
    assert after.refused == {"a": 1.0, "b": 0.0, "c": 0.0}


def test_network_that_tells_no_kinds_has_no_figure_of_kinds() -> None:
    labels = np.array([0] * 20 + [1] * 20)
    probabilities = np.tile(np.array([0.1, 0.9], np.float32), (40, 1))
    figures = measure_strangers(np.array(["a"] * 40), labels, probabilities, 0)
    assert figures.kind == {}
    assert figures.right == {"a": 0.5}
