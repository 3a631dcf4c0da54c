"""The answer for a volume follows from its classified slices."""

from dataclasses import replace

import numpy as np
import pytest

from model.answers.certainty import NOT_BRAIN_MRI, UNCERTAIN, Tumor
from model.answers.prediction import Prediction
from model.answers.volume import VolumeSummary, summarize
from model.card import CLASS_NAMES, Decision
from model.errors import UnsuitableImage
from model.preprocessing import HeadBox

CLASSES = CLASS_NAMES["tumor_type"]
# Of a model that was measured on healthy volumes.
JUDGED = Decision(volume_false_alarms=0.05)


def prediction(glioma: float, decision: Decision, distance: float = 0.5) -> Prediction:
    probabilities = np.array([glioma, 0, 1 - glioma, 0], np.float32)
    return Prediction(
        class_names=CLASSES, probabilities=probabilities, decision=decision, distance=distance, box=HeadBox(0, 1, 0, 1),
        feature_maps=np.zeros((1, 1, 1), np.float32),
    )  # fmt: skip


def said(*glioma: float, refused: tuple[int, ...] = (), decision: Decision | None = None) -> VolumeSummary:
    """Summarize slices with these probabilities of glioma, the rest without tumor; those refused fail the gate."""
    predictions = [
        prediction(p, decision or JUDGED, distance=2.0 if i in refused else 0.5) for i, p in enumerate(glioma)
    ]
    return summarize(predictions, range(100, 100 + 2 * len(glioma), 2))


def test_window_of_three_with_the_highest_mean_gives_the_summary() -> None:
    summary = said(0.1, 0.6, 0.9, 0.8, 0.1)
    assert (summary.answer, summary.predicted_class) == ("glioma", "glioma")
    assert summary.by_class()["glioma"] == pytest.approx((0.6 + 0.9 + 0.8) / 3)
    assert summary.tumor_probability == pytest.approx((0.6 + 0.9 + 0.8) / 3)
    assert (summary.first_slice, summary.key_slice, summary.last_slice) == (102, 104, 106)
    assert (summary.n_classified, summary.n_brain_mri) == (5, 5)
    assert summary.reason == ""


def test_lone_false_alarm_does_not_decide() -> None:
    assert said(0, 0, 1, 0, 0, 0).answer == "no_tumor"


def test_small_tumor_in_three_slices_of_thirty_does() -> None:
    assert said(*[0.02] * 20, 0.9, 0.9, 0.9, *[0.02] * 7).answer == "glioma"


@pytest.mark.parametrize("n_slices", [1, 2])
def test_fewer_slices_than_a_window_are_judged_together(n_slices: int) -> None:
    summary = said(*[0.8] * n_slices)
    assert (summary.answer, summary.first_slice, summary.last_slice) == ("glioma", 100, 98 + 2 * n_slices)


def test_slices_that_the_gate_refuses_do_not_count() -> None:
    summary = said(1, 1, 1, 0.1, 0.2, 0.1, refused=(0, 1, 2))
    assert (summary.answer, summary.first_slice, summary.last_slice) == ("no_tumor", 106, 110)
    assert (summary.n_classified, summary.n_brain_mri) == (6, 3)


def test_slices_are_judged_together_that_lie_together_not_those_that_the_gate_leaves_far_apart() -> None:
    alone, among_refused = [0.9, 0.1, 0.2, 0.1, *[1.0] * 5, 0.9, *[1.0] * 5, 0.9], (*range(4, 9), *range(10, 15))
    summary = said(*alone, refused=among_refused)
    assert (summary.answer, summary.window, summary.lies_apart) == ("no_tumor", (100, 102, 104), False)
    # Neighbours, apart from single refused slices between them.
    assert said(0.9, 0, 0.9, 0, 0.9, 0.1, 0.1, refused=(1, 3)).window == (100, 104, 108)
    # If there are none, the accepted slices are judged together.
    apart = said(0.9, *[1.0] * 5, 0.1, *[1.0] * 5, 0.1, refused=(*range(1, 6), *range(7, 12)))
    assert (apart.answer, apart.window, apart.lies_apart) == ("no_tumor", (100, 112, 124), True)


def test_volume_of_which_no_slice_passes_the_gate_is_no_brain_mri() -> None:
    summary = said(0.9, 0.9, refused=(0, 1))
    assert (summary.answer, summary.n_brain_mri) == (NOT_BRAIN_MRI, 0)
    assert "Send a series of the head" in summary.reason


def test_decision_of_the_card_applies_to_the_means() -> None:
    decision = replace(JUDGED, uncertain_below=0.7)
    assert said(0.9, 0.5, 0.5, decision=decision).answer == UNCERTAIN
    assert said(0.9, 0.9, 0.5, decision=decision).answer == "glioma"
    assert said(0.45, 0.45, 0.45, decision=replace(JUDGED, tumor_from=0.4)).answer == UNCERTAIN


def test_one_slice_as_a_volume_is_answered_as_the_picture_is() -> None:
    for p in (0.1, 0.45, 0.55, 0.9):
        decision = replace(JUDGED, uncertain_below=0.5, tumor_from=0.3)
        assert said(p, decision=decision).answer == prediction(p, decision).answer


def test_volume_without_contrast_is_refused() -> None:
    with pytest.raises(UnsuitableImage, match="flat grey"):
        summarize([], [])


def test_three_slices_may_span_five_and_no_more() -> None:
    assert not said(0.5, 0, 0.5, 0, 0.5, refused=(1, 3)).lies_apart
    assert said(0.5, 0, 0.5, 0, 0, 0.5, refused=(1, 3, 4)).lies_apart


def test_distance_is_that_of_the_slice_most_like_the_training_images() -> None:
    slices = [prediction(0.5, Decision(), distance) for distance in (0.9, 0.2, 0.7)]
    assert summarize(slices, range(3)).distance == 0.2


@pytest.mark.parametrize("rate", [None, 0.1, 0.5])
def test_model_that_calls_too_many_healthy_volumes_a_tumor_says_neither_yes_nor_no(rate: float | None) -> None:
    for glioma in (0.01, 0.99):
        summary = said(*[glioma] * 3, decision=Decision(volume_false_alarms=rate))
        assert (summary.tumor, summary.answer) == (Tumor.UNCLEAR, UNCERTAIN)
        assert "healthy volumes" in summary.reason


def test_volume_has_a_bound_of_its_own_where_the_card_has_one() -> None:
    bound = replace(JUDGED, volume_tumor_from=0.8)
    assert said(*[0.79] * 3, decision=bound).tumor is Tumor.UNCLEAR
    assert said(*[0.81] * 3, decision=bound).tumor is Tumor.YES
    assert prediction(0.79, bound).tumor is Tumor.YES
