"""The gate between brain MRI and everything else."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.card import GateCard, read_card
from model.network.classifier import Classifier
from model.network.keras_import import import_keras
from tests.support.networks import save_with_card
from training.errors import DataError
from training.measure.gate import extracted_brains, fit_gate, refused_by_other_groups, without_skulls
from training.measure.linear_gate import largest_distance
from training.measure.passes import answers_of


def test_refused_brain_mri_are_counted_by_bounds_that_other_groups_chose() -> None:
    groups = np.repeat(np.arange(10), 100)
    inside = np.random.default_rng(0).uniform(0.5, 1.0, (1000, 3)).astype(np.float32)
    # One group comes from another scanner: a threshold chosen with its help would accept nearly all of it.
    inside[groups == 9, 0] *= 5
    assert (inside > largest_distance(inside)).mean() <= 0.01
    whole, bare, extracted = refused_by_other_groups(inside, None, groups).mean(axis=0)
    assert whole >= 0.1
    assert max(bare, extracted) < 0.05


def test_brains_without_skull_and_extracted_brains_fill_the_frame_as_they_do_in_serving() -> None:
    y, x = np.mgrid[-1:1:160j, -1:1:160j]
    radius, ventricle = np.hypot(y, x), np.hypot(y, x) < 0.15
    head = np.zeros((160, 160), np.uint8)
    # From the outside in: skull, fluid around the brain, brain, and fluid inside it.
    head[radius < 0.98], head[radius < 0.9], head[radius < 0.7], head[ventricle] = 250, 40, 150, 30
    random = np.random.default_rng(0)
    bare, brain = without_skulls(head[None])[0], extracted_brains(head[None], random)[0]
    # Of the head's square, 14 % of its side is shell; the fluid stays until the brain is extracted.
    assert 0 < bare[80, 4] < bare[80, 40]
    assert brain[80, 4] > 200
    assert brain[80, 40] == 255
    assert brain[0, 0] == bare[0, 0] == 0
    assert 0 < np.median(brain[75:85, 75:85]) < 100, "fluid that the brain encloses stays"


def test_heads_of_which_extraction_would_leave_nothing_stay() -> None:
    black = np.zeros((2, 80, 80), np.uint8)
    black[1, 40, 40] = 255
    np.testing.assert_array_equal(extracted_brains(black, np.random.default_rng(0)), black)
    np.testing.assert_array_equal(without_skulls(black), black)


def drawn_head(random: np.random.Generator) -> np.ndarray:
    """Draw skull, fluid and brain, each of a random grey level: uint8, (96, 96)."""
    y, x = np.mgrid[-1:1:96j, -1:1:96j]
    radius = np.hypot(y / random.uniform(0.85, 1), x / random.uniform(0.85, 1))
    head = np.zeros(radius.shape)
    for edge, darkest, brightest in ((0.98, 180, 255), (0.88, 20, 60), (random.uniform(0.7, 0.8), 100, 170)):
        head[radius < edge] = random.uniform(darkest, brightest)
    return np.clip(head + (radius < 0.98) * random.normal(0, 8, head.shape), 0, 255).astype(np.uint8)


def test_gate_is_fitted_to_heads_without_skull_and_to_extracted_brains_too(tmp_path: Path) -> None:
    keras = import_keras()
    layers = keras.layers
    grey = keras.Input((96, 96, 1))
    # More channels than the plane has directions, so that something is left to measure.
    seeded = keras.initializers.GlorotUniform(seed=1)
    maps = layers.Conv2D(80, 7, strides=5, activation="relu", kernel_initializer=seeded)(
        layers.Rescaling(1 / 255)(grey)
    )
    features = layers.GlobalAveragePooling2D(name="feature_pool")(maps)
    network = keras.Model(grey, layers.Dense(4, activation="softmax")(features))
    save_with_card(network, tmp_path, "xception", "tumor_type", "feature_pool")
    card = dataclasses.replace(read_card(tmp_path / "xception.json"), gate=GateCard("feature_pool", "", "", 1.0))
    classifier = Classifier(card, network)
    random = np.random.default_rng(0)
    training, validation = (np.stack([drawn_head(random) for _ in range(n)]) for n in (600, 60))
    measured = answers_of(classifier, validation).gate_features
    assert measured is not None
    for i in range(3):
        (tmp_path / "noise").mkdir(exist_ok=True)
        Image.fromarray(random.integers(0, 255, (64, 64), np.uint8)).save(tmp_path / "noise" / f"{i}.png")
    fitted = fit_gate(classifier, training, validation, measured, tmp_path, 0)
    whole, bare, extracted = np.median(fitted.inside, axis=0)
    # If whole heads replace a form, that form is further out: 0.7 and 1.4 times as far.
    assert bare < 0.5 * whole
    assert extracted < whole
    assert (fitted.inside > fitted.gate.largest_distance).mean() < 0.02
    assert fitted.kind == "distance"
    for kind, level in (("spine", 250), ("heart", 160)):
        (tmp_path / "organs" / kind).mkdir(parents=True)
        for i in range(6):
            # Of two levels alone it would be refused as a mask.
            organ = random.integers(0, 30, (96, 96), np.uint8)
            organ[:, 40:56] += np.uint8(level - 30 - 10 * i)
            Image.fromarray(organ).save(tmp_path / "organs" / kind / f"{i}.jpg")
    told_apart = fit_gate(classifier, training, validation, measured, tmp_path, 0, tmp_path / "organs")
    assert told_apart.kind == "linear"
    assert set(told_apart.unseen) == {"noise", "spine", "heart"}
    assert told_apart.unseen["spine"] < 0.2
    assert told_apart.known["spine"] == 0
    assert (told_apart.inside > told_apart.gate.largest_distance).mean() < 0.02
    with pytest.raises(DataError, match="--not-brain-mri"):
        fit_gate(classifier, training, validation, measured, tmp_path, 0, tmp_path / "nowhere")
