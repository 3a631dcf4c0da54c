"""One command turns a Keras file from elsewhere into a served model."""

from pathlib import Path

import pytest

from model.card import read_card
from model.network.classifier import load_classifier
from model.network.keras_import import import_keras
from tests.support.training import refusal, run_step
from training.fit.foreign import SCALINGS


def save_theirs(file: Path) -> Path:
    keras = import_keras()
    layers = keras.layers
    keras.Sequential(
        [keras.Input((32, 32, 3)), layers.Conv2D(6, 5, strides=4, activation="relu"), layers.GlobalMaxPooling2D(),
         layers.BatchNormalization(), layers.Dense(1, activation="sigmoid")]
    ).save(file)  # fmt: skip
    return file


@pytest.mark.slow
def test_adopted_network_is_served_with_its_figures_and_what_it_lacks(tmp_path: Path, drawn_data: Path) -> None:
    theirs = save_theirs(tmp_path / "theirs.h5")
    step = run_step(
        "adopt", theirs, "--outputs", "no", "yes", "--scaling", "0..1", "--data", drawn_data, "--to", tmp_path
    )
    assert step.returncode == 0, step.stderr
    card = read_card(tmp_path / "mine.json")
    (figures,) = [of for name, of in card.metrics.items() if name != "samples"]
    assert (figures["all"]["n_pictures"], card.feature_layer) == (13, "")
    assert card.decision.temperature == figures["model"]["decision"]["temperature"]
    assert ["elsewhere" in card.limits[0], "Shows no evidence" in "".join(card.limits)] == [True, True]
    assert load_classifier(tmp_path / "mine.json").card == card


@pytest.mark.parametrize("outputs", [["glioma", "kitten"], ["no"], ["glioma", "gliomas", "no", "pituitary"]])
def test_outputs_that_are_no_task_are_refused(
    outputs: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = refusal(capsys, "adopt", tmp_path / "theirs.h5", "--outputs", *outputs, "--scaling", "0..1")
    assert "Expected --outputs glioma meningioma no_tumor pituitary; or no_tumor tumor" in given


@pytest.mark.parametrize("scaling", SCALINGS)
def test_every_scaling_can_be_typed_as_it_is_listed(
    scaling: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = refusal(capsys, "adopt", tmp_path / "theirs.h5", "--outputs", "kitten", "--scaling", scaling)
    assert "Expected --outputs" in given
