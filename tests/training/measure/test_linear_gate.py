"""The plane between brain MRI and other organs."""

import numpy as np
import pytest

from training.measure.linear_gate import fit_linear_gate, largest_distance, let_through_known, let_through_unseen


def test_gate_between_brain_mri_and_other_organs_is_measured_on_kinds_that_it_was_not_shown() -> None:
    random = np.random.default_rng(0)
    brains = random.normal(size=(400, 30)).astype(np.float32)
    shift = np.zeros(30, np.float32)
    shift[:3] = 4
    # Partly similar, like organs; the last kind is brain MRI under another name.
    outside = {name: (random.normal(size=(40, 30)) + shift * part).astype(np.float32)
               for name, part in (("heart", 1.0), ("spine", 0.9), ("abdomen", 1.1), ("a brain", 0.0))}  # fmt: skip
    gate = fit_linear_gate(brains[:300], outside)
    bound = largest_distance(gate.distances(brains[300:]))
    assert (gate.distances(brains[300:]) <= bound).mean() == pytest.approx(0.99, abs=0.01)
    assert (gate.distances(outside["heart"]) <= bound).mean() < 0.05
    unseen = let_through_unseen(brains[:300], brains[300:], outside)
    assert unseen["spine"] < 0.1
    assert unseen["a brain"] > 0.8


def test_gate_is_measured_on_other_images_of_the_kinds_that_it_was_shown() -> None:
    random = np.random.default_rng(0)
    brains = random.normal(size=(400, 30)).astype(np.float32)
    outside = {name: (random.normal(size=(n, 30)) + np.eye(30)[i] * 6).astype(np.float32)
               for i, (name, n) in enumerate((("heart", 40), ("spine", 31)))}  # fmt: skip
    # One patient's images, next to each other, are like no other: a gate fitted to them would refuse them.
    outside["spine"][:10] = random.normal(size=(10, 30)) + np.eye(30)[7] * 6
    known = let_through_known(brains[:300], brains[300:], outside)
    assert known["heart"] < 0.2
    assert known["spine"] == pytest.approx(10 / 31, abs=0.04)
    assert let_through_unseen(brains[:300], brains[300:], outside)["heart"] > 0.8


def test_bound_of_the_gate_lies_between_brain_mri_and_what_is_none() -> None:
    inside, outside = np.full(100, 2.0, np.float32), np.full(50, 8.0, np.float32)
    assert largest_distance(inside, outside) == pytest.approx(4.0)
    # If the two overlap, brain MRI is accepted.
    assert largest_distance(inside, outside / 8) == pytest.approx(2.0)
