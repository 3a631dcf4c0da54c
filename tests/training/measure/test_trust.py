"""How far probabilities can be trusted."""

import numpy as np
import pytest

from model.answers.calibration import calibrate
from model.card import Decision
from training.measure.trust import (
    Judged,
    calibration,
    certain_answers,
    certainty_bound,
    choose_decision,
    cross_fitted,
    fit_temperature,
    operating_point,
    selective,
    trust_figures,
    tumor_presence,
)


def overconfident(n: int = 4000, spread: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    """Return labels drawn from known probabilities, and the same probabilities with their logits doubled."""
    random = np.random.default_rng(0)
    logits = random.normal(0, spread, (n, 4))
    honest = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (honest.cumsum(axis=1) > random.random((n, 1))).argmax(axis=1)
    return labels, calibrate(honest.astype(np.float32), 0.5)


def test_temperature_of_doubled_logits_is_two() -> None:
    labels, raw = overconfident()
    assert fit_temperature(labels, raw) == pytest.approx(2.0, abs=0.15)


def test_calibration_error_falls_when_overconfidence_is_taken_back() -> None:
    labels, raw = overconfident()
    before, after = (calibration(labels, calibrate(raw, t)).expected_calibration_error for t in (1.0, 2.0))
    assert before > 0.1
    assert after < 0.03


def test_calibration_error_and_brier_score_counted_by_hand() -> None:
    labels = np.array([0, 0, 0, 1])
    figures = calibration(labels, np.tile(np.array([[0.8, 0.2]], np.float32), (4, 1)))
    # Every bin holds one image of probability 0.8: three are right, one is wrong.
    assert figures.expected_calibration_error == pytest.approx((3 * 0.2 + 0.8) / 4)
    assert figures.brier_score == pytest.approx((3 * 0.08 + 1.28) / 4)


def test_bound_of_certainty_allows_what_is_one_in_fifty_with_confidence() -> None:
    surest = np.linspace(0.99, 0.5, 400)
    probabilities = np.stack([surest, 1 - surest], axis=1).astype(np.float32)
    labels = np.zeros(400, int)
    # Clopper and Pearson at 90 %: 3 wrong answers are allowed among 333 and more, 4 among 398, 5 among 462.
    labels[[60, 79, 200]] = 1
    assert certain_from(bound_of(labels, probabilities), surest) == 400
    labels[380] = 1
    assert certain_from(bound_of(labels, probabilities), surest) == 400
    labels[390] = 1
    assert certain_from(bound_of(labels, probabilities), surest) == 380


def test_too_few_answers_are_never_certain() -> None:
    labels = np.zeros(100, int)
    # Also those whose probability is rounded to 1.
    for surest in (0.9, 1.0):
        probabilities = np.tile(np.array([[surest, 1 - surest]], np.float32), (100, 1))
        bound = bound_of(labels, probabilities)
        assert not certain_answers(probabilities, Decision(uncertain_below=bound), 1).any()


def test_equal_probabilities_are_certain_together_or_not_at_all() -> None:
    labels = np.repeat([0, 1], [300, 100])
    # The right ones come first: a threshold within equal probabilities would count only those.
    probabilities = np.tile(np.array([[1.0, 0.0]], np.float32), (400, 1))
    bound = bound_of(labels, probabilities)
    assert not certain_answers(probabilities, Decision(uncertain_below=bound), 1).any()


def bound_of(labels: np.ndarray, probabilities: np.ndarray) -> float:
    return certainty_bound([Judged(labels, probabilities, np.ones(len(labels), bool), 0.02)])


def test_bound_that_two_sets_share_keeps_the_error_in_both() -> None:
    # In the first set the surest thousand are wrong more often than the rest; in the second the surest are right.
    surest = np.linspace(0.999, 0.5, 4000)
    probabilities = np.stack([surest, 1 - surest], axis=1).astype(np.float32)
    one, other = np.zeros(4000, int), np.zeros(4000, int)
    one[100:1000:20] = 1
    other[1000::4] = 1
    both = [Judged(labels, probabilities, np.ones(4000, bool), 0.02) for labels in (one, other)]
    bound = certainty_bound(both)
    for labels in (one, other):
        certain = certain_answers(probabilities, Decision(uncertain_below=bound, tumor_from=2.0), healthy=0)
        assert not certain.any() or (probabilities.argmax(axis=1) != labels)[certain].mean() <= 0.02
    assert certainty_bound(both[:1]) < certainty_bound(both[1:]) < bound


@pytest.mark.parametrize("n_healthy", [1, 3, 10, 19, 20, 60, 500])
@pytest.mark.parametrize("largest", [1e-7, 0.2])
def test_operating_point_leaves_enough_healthy_pictures_alone_however_few_and_however_sure(
    n_healthy: int, largest: float
) -> None:
    healthy = np.random.default_rng(n_healthy).uniform(0, largest, n_healthy).astype(np.float32)
    tumors = np.full(10, 0.9, np.float32)
    for probabilities in (healthy, np.full(n_healthy, largest, np.float32)):
        has_tumor = np.repeat([False, True], [n_healthy, 10])
        point = operating_point(has_tumor, np.r_[probabilities, tumors])
        assert 0 < point <= largest + 2e-4
        assert (probabilities < point).mean() >= 0.95


def test_pictures_that_are_all_read_right_leave_an_answer_without_tumor_possible() -> None:
    random = np.random.default_rng(0)
    labels, surest = random.integers(0, 4, 300), random.uniform(0.8, 0.97, 300)
    raw = np.tile(((1 - surest) / 3)[:, None], (1, 4)).astype(np.float32)
    raw[np.arange(300), labels] = surest
    decision = choose_decision(labels, raw, healthy=2)
    certain = certain_answers(calibrate(raw, decision.temperature), decision, healthy=2)
    assert certain[labels == 2].mean() > 0.9
    assert certain[labels != 2].mean() > 0.9


def certain_from(bound: float, surest: np.ndarray) -> int:
    return int((surest >= bound - 1e-6).sum())


def test_operating_point_leaves_95_of_100_healthy_alone() -> None:
    healthy = np.arange(100) / 1000
    point = operating_point(np.r_[np.zeros(100, bool), True], np.r_[healthy, 0.9])
    assert (healthy < point).mean() == 0.95


def test_presence_figures_counted_by_hand() -> None:
    has_tumor = np.array([True, True, True, False, False])
    figures = tumor_presence(has_tumor, np.array([0.9, 0.6, 0.2, 0.3, 0.1], np.float32), 0.5)
    assert figures.sensitivity == pytest.approx(2 / 3)
    assert figures.specificity == 1.0
    assert figures.auroc == pytest.approx(5 / 6)
    assert figures.sensitivity_at_95_specificity == pytest.approx(2 / 3)


def test_answers_at_odds_with_the_operating_point_are_not_certain() -> None:
    # The class is "no tumor", but the tumor classes together exceed the point.
    probabilities = np.array([[0.3, 0.1, 0.55, 0.05], [0.05, 0.02, 0.92, 0.01]], np.float32)
    certain = certain_answers(probabilities, Decision(1.0, 0.0, 0.4), healthy=2)
    assert certain.tolist() == [False, True]


def test_bound_rises_when_changed_looks_are_read_worse() -> None:
    labels, raw = overconfident(spread=5)
    random = np.random.default_rng(1)
    worse = raw[random.permutation(len(raw))]
    mixed = np.where(random.random((len(raw), 1)) < 0.1, worse, raw)
    plain = choose_decision(labels, raw, 2)
    assert choose_decision(labels, raw, 2, mixed).uncertain_below > plain.uncertain_below


def test_certain_answers_on_fresh_pictures_keep_the_promised_error() -> None:
    labels, raw = overconfident(8000, spread=5)
    decision = choose_decision(labels[:4000], raw[:4000], healthy=2)
    probabilities = calibrate(raw[4000:], decision.temperature)
    figures = selective(labels[4000:], probabilities, certain_answers(probabilities, decision, 2))
    assert figures.error_among_certain < 0.02 < figures.error_among_all
    assert 0 < figures.coverage < 1


def test_figures_of_groups_that_chose_nothing_keep_the_promises() -> None:
    labels, raw = overconfident(spread=5)
    figures = cross_fitted(labels, raw, raw, np.arange(len(labels)) // 8, healthy=2)
    assert calibration(labels, raw).expected_calibration_error > 0.03
    assert figures.calibration.expected_calibration_error < 0.02
    assert figures.selective.error_among_certain < 0.025 < figures.selective.error_among_all
    assert figures.selective.coverage > 0.3


def test_what_the_gate_refuses_is_never_a_certain_answer() -> None:
    labels, raw = overconfident(spread=5)
    groups, answered = np.arange(len(labels)) // 8, np.arange(len(labels)) % 2 == 0
    every, half = (cross_fitted(labels, raw, raw, groups, 2, of).selective.coverage for of in (None, answered))
    assert half == pytest.approx(every / 2, rel=0.1)


def test_what_chose_the_bound_is_not_what_is_measured() -> None:
    # Two groups with the same probability: one is always right, the other always wrong.
    raw = np.tile(np.array([[0.02, 0.9, 0.08]], np.float32), (400, 1))
    groups = np.repeat([0, 1], 200)
    figures = cross_fitted(1 + groups, raw, raw, groups, healthy=0)
    assert figures.selective.error_among_certain == 1


def test_temperature_rises_when_changed_looks_are_read_worse() -> None:
    labels, raw = overconfident(spread=5)
    worse = raw[np.random.default_rng(1).permutation(len(raw))]
    assert choose_decision(labels, raw, 2, worse).temperature > choose_decision(labels, raw, 2).temperature * 1.2


def test_tumors_that_are_certainly_called_none_are_counted() -> None:
    # No tumor is the first class; certain from 0.9 on.
    no_tumor = np.array([0.95, 0.92, 0.8, 0.97, 0.05], np.float32)
    labels = np.array([0, 1, 1, 1, 1])
    accepted = np.array([True, True, True, False, True])
    probabilities = np.stack([no_tumor, 1 - no_tumor], axis=1)
    figures = trust_figures(labels, probabilities, Decision(1.0, 0.9, 0.5), ("no_tumor", "tumor"), accepted)
    assert (figures.selective.n_certain_no_tumor, figures.selective.n_tumors_among_these) == (2, 1)
