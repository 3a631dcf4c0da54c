"""The headline of an answer: a test for each row of its table of cases."""

from collections.abc import Sequence

import numpy as np
import pytest

from model.answers.certainty import Answer
from model.answers.headline import Tone, bounds, headline, share
from model.answers.prediction import Prediction
from model.answers.volume import VolumeSummary, summarize
from model.card import CLASS_NAMES, Decision
from model.preprocessing import HeadBox

BOUND = Decision(uncertain_below=0.94)


def kinds(*probabilities: float, distance: float = 0.0) -> Answer:
    """Return an answer of a network with the classes glioma, meningioma, no tumor and pituitary tumor."""
    return Answer(
        class_names=CLASS_NAMES["tumor_type"], probabilities=np.array(probabilities), decision=BOUND, distance=distance
    )


def tumor(probability: float, distance: float = 0.0) -> Answer:
    """Return an answer of a network with the classes tumor and no tumor."""
    return Answer(
        class_names=CLASS_NAMES["tumor_presence"], probabilities=np.array([1 - probability, probability]),
        decision=BOUND, distance=distance,
    )  # fmt: skip


def volume(glioma: float, decision: Decision, distance: float = 0.0) -> VolumeSummary:
    probabilities = np.array([glioma, 0, 1 - glioma, 0])
    slices = [
        Prediction(
            class_names=CLASS_NAMES["tumor_type"], probabilities=probabilities, decision=decision, distance=distance,
            box=HeadBox(0, 1, 0, 1), feature_maps=np.zeros((1, 1, 1), np.float32),
        )
    ] * 3  # fmt: skip
    return summarize(slices, range(3))


GLIOMA, HEALTHY, UNCLEAR = kinds(0.97, 0.01, 0.02, 0), kinds(0.01, 0, 0.99, 0), kinds(0.3, 0.13, 0.57, 0)
WHICH, STRANGE = kinds(0.905, 0.091, 0.003, 0.001), kinds(0, 0, 1, 0, distance=2)
OPEN = "Unclear whether there is a tumor (43%)."
OPEN_KIND = "Tumor likely. Which kind is unclear: glioma 90%, meningioma 9%."


@pytest.mark.parametrize(
    ("first", "second", "text", "tone"),
    [
        # One network alone.
        (GLIOMA, None, "Tumor likely: glioma (97%).", Tone.SURE),
        (WHICH, None, OPEN_KIND, Tone.UNSURE),
        (tumor(0.995), None, "Tumor likely (over 99%).", Tone.SURE),
        (HEALTHY, None, "No sign of a tumor.", Tone.SURE),
        (UNCLEAR, None, OPEN, Tone.UNSURE),
        (STRANGE, None, "Not a brain MRI.", Tone.UNSURE),
        # Two that agree.
        (GLIOMA, tumor(0.98), "Tumor likely: glioma (97%).", Tone.SURE),
        (WHICH, tumor(0.98), OPEN_KIND, Tone.UNSURE),
        (HEALTHY, tumor(0.02), "No sign of a tumor.", Tone.SURE),
        (UNCLEAR, tumor(0.5), OPEN, Tone.UNSURE),
        # One says tumor, the other no tumor, whatever else they say.
        (GLIOMA, tumor(0.02), "The two models disagree: do not rely on either.", Tone.DISAGREE),
        (WHICH, tumor(0.02), "The two models disagree: do not rely on either.", Tone.DISAGREE),
        (HEALTHY, tumor(0.98), "The two models disagree: do not rely on either.", Tone.DISAGREE),
        # One is sure, the other not.
        (GLIOMA, tumor(0.2), "Tumor likely: glioma (97%). The second model is not sure (20%).", Tone.UNSURE),
        (HEALTHY, tumor(0.7), "No sign of a tumor. The second model is not sure (70%).", Tone.UNSURE),
        (UNCLEAR, tumor(0.98), f"{OPEN} The second model says tumor (98%).", Tone.UNSURE),
        (UNCLEAR, tumor(0), f"{OPEN} The second model says no tumor (under 1%).", Tone.UNSURE),
        # Two kinds.
        (GLIOMA, kinds(0, 1, 0, 0), "Tumor likely: glioma (97%). The second model says meningioma.", Tone.UNSURE),
        # One of them finds no brain.
        (
            HEALTHY, tumor(1, distance=2),
            "No sign of a tumor. The second model does not take this for a brain MRI.", Tone.UNSURE,
        ),
        (STRANGE, tumor(1), "Not a brain MRI.", Tone.UNSURE),
        # Volumes.
        (
            volume(0.99, BOUND), None,
            "Unclear: it was not measured how often this model calls a healthy volume a tumor. See the chart.",
            Tone.UNSURE,
        ),
        (
            volume(0, Decision(volume_false_alarms=0.4)), tumor(1),
            "Unclear: this model calls 40% of healthy volumes a tumor. See the chart.", Tone.UNSURE,
        ),
        (volume(0.96, Decision(volume_false_alarms=0.05)), None, "Tumor likely: glioma (96%).", Tone.SURE),
        (volume(0, Decision(volume_false_alarms=0.05)), None, "No sign of a tumor.", Tone.SURE),
        # A second network that was not measured on volumes adds no doubt.
        (volume(0.96, Decision(volume_false_alarms=0.05)), volume(0, BOUND), "Tumor likely: glioma (96%).", Tone.SURE),
        (volume(0, BOUND, distance=2), None, "Not a brain MRI.", Tone.UNSURE),
    ],
)  # fmt: skip
def test_headline_is_made_of_both_questions_and_both_networks(
    first: Answer, second: Answer | None, text: str, tone: Tone
) -> None:
    said = headline(first, second)
    assert (said.text, said.tone) == (text, tone)


@pytest.mark.parametrize(
    ("probability", "text"),
    [(1, "over 99%"), (0.991, "over 99%"), (0.99, "99%"), (0.434, "43%"), (0.01, "1%"), (0.009, "under 1%")],
)
def test_probability_has_no_decimals_and_is_never_all_or_nothing(probability: float, text: str) -> None:
    assert share(probability) == text


@pytest.mark.parametrize(
    ("decision", "words"),
    [
        (BOUND, ["94% on", "under 6%", "kind is named from 94%"]),
        (Decision(), ["50% on", "under 50%"]),
        (
            Decision(healthy_below=0.2, certain_tumor_from=0.8, kind_from=0.7),
            ["80% on", "under 20%", "makes up at least 70% of the tumor"],
        ),
        (Decision(uncertain_below=1.5), ["not sure of anything"]),
    ],
)
def test_bounds_are_named(decision: Decision, words: Sequence[str]) -> None:
    said = bounds(decision, is_volume=False, has_kinds=True)
    assert [word for word in words if word not in said] == []
    assert "kind is" not in bounds(decision, is_volume=False, has_kinds=False)


def test_bound_of_volumes_is_named_where_there_is_one() -> None:
    assert "87% on" in bounds(Decision(volume_tumor_from=0.87), is_volume=True, has_kinds=True)
