"""Images unlike every training image get no class, and the gate's file is checked like the weights."""

import numpy as np
import pytest
from numpy.typing import NDArray

from model.answers.gate import Gate, LinearGate, read_gate
from model.card import LINEAR_GATE, GateCard
from model.errors import ModelFileError


def gate_of_a_plane() -> tuple[Gate, NDArray[np.float32]]:
    """Return a gate around a plane of two dimensions in twelve, and points near that plane."""
    random = np.random.default_rng(0)
    directions = np.linalg.qr(random.normal(size=(12, 2)))[0].T.astype(np.float32)
    points = random.normal(size=(50, 2)) @ directions + 0.05 * random.normal(size=(50, 12))
    gate = Gate(np.zeros(12, np.float32), np.ones(12, np.float32), directions, 0.01)
    return gate, points.astype(np.float32)


def test_points_near_the_training_plane_are_let_through_and_others_are_not() -> None:
    gate, points = gate_of_a_plane()
    assert (gate.distances(points) < 1).all()
    far = np.random.default_rng(1).normal(size=(50, 12)).astype(np.float32)
    assert (gate.distances(far) > 1).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_features_that_are_no_numbers_are_refused(value: float) -> None:
    gate, points = gate_of_a_plane()
    points[0, 3] = value
    assert gate.distances(points[:1])[0] > 1


def test_one_wild_feature_counts_as_twenty_deviations_and_no_more() -> None:
    gate = Gate(np.zeros(400, np.float32), np.ones(400, np.float32), np.zeros((1, 400), np.float32), 2.0)
    features = np.zeros((1, 400), np.float32)
    features[0, 7] = 1e6
    # 20 squared over 400 channels is 1, half of the largest distance: a photograph differs in many features.
    np.testing.assert_allclose(gate.distances(features), [0.5])


def test_gate_survives_being_written_and_an_altered_file_is_refused(tmp_path) -> None:  # type: ignore[no-untyped-def]
    import hashlib

    gate, points = gate_of_a_plane()
    content = gate.to_bytes()
    (tmp_path / "a.npz").write_bytes(content)
    card = GateCard("layer", "a.npz", hashlib.sha256(content).hexdigest(), 0.01)
    np.testing.assert_array_equal(read_gate(card, tmp_path).distances(points), gate.distances(points))
    (tmp_path / "a.npz").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ModelFileError, match="SHA-256"):
        read_gate(card, tmp_path)
    (tmp_path / "a.npz").unlink()
    with pytest.raises(ModelFileError, match="missing"):
        read_gate(card, tmp_path)


def linear_gate() -> LinearGate:
    """Return a gate that refuses features with a larger first channel than second."""
    weights = np.array([2, -2, 0], np.float32)
    return LinearGate(np.zeros(3, np.float32), np.ones(3, np.float32), weights, np.float32(0), float(np.exp(1.0)))


def test_linear_gate_refuses_one_side_of_its_plane() -> None:
    features = np.array([[1, 0.6, 7], [1, 0.4, -7], [np.nan, 0, 0], [1e9, 0, 0]], np.float32)
    near, far, nothing, extreme = linear_gate().distances(features)
    assert near < 1 < far < extreme < np.inf
    assert nothing == np.inf


def test_linear_gate_survives_being_written_and_is_not_read_as_a_distance(tmp_path) -> None:  # type: ignore[no-untyped-def]
    import dataclasses
    import hashlib

    content = linear_gate().to_bytes()
    (tmp_path / "a.npz").write_bytes(content)
    card = GateCard("layer", "a.npz", hashlib.sha256(content).hexdigest(), float(np.exp(1.0)), LINEAR_GATE)
    features = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    np.testing.assert_array_equal(read_gate(card, tmp_path).distances(features), linear_gate().distances(features))
    with pytest.raises(ModelFileError, match="Expected a gate"):
        read_gate(dataclasses.replace(card, kind="distance"), tmp_path)
