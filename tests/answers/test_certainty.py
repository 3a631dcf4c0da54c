"""The three kinds of answer - a class, "uncertain", "not a brain MRI" - and how page, API and command show them."""

import csv
import dataclasses
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from flask.testing import FlaskClient
from PIL import Image

from app import create_app
from model.__main__ import main
from model.answers.calibration import calibrate
from model.answers.certainty import NOT_BRAIN_MRI, UNCERTAIN, Answer, Tumor
from model.card import CLASS_NAMES, Decision, ModelCard
from model.network.classifier import Classifier
from tests.support.client import multipart
from tests.support.networks import add_gate, models_that_answer
from training.measure.trust import certain_answers

ANSWERS = ("class", UNCERTAIN, NOT_BRAIN_MRI)


@pytest.fixture(scope="module")
def models(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """Return the tiny models; the first answers as the test's parameter says. No test may change them."""
    return models_that_answer(request.param, tiny_models, tmp_path_factory.mktemp("answering") / "models")


@pytest.fixture(scope="module")
def client(models: Path) -> FlaskClient:
    return create_app({"MODELS_DIR": models}).test_client()


def picture() -> io.BytesIO:
    content = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (60, 60), np.uint8)).save(content, "PNG")
    return io.BytesIO(content.getvalue())


@pytest.mark.parametrize("models", [UNCERTAIN], indirect=True)
def test_uncertain_answer_keeps_probabilities_and_says_who_must_look(client: FlaskClient) -> None:
    result = client.post("/api/v1/predictions", **multipart({"files": (picture(), "a.png")})).get_json()["results"][0]
    assert result["answer"] == UNCERTAIN
    assert "specialist" in result["reason"]
    assert sum(result["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert result["tumor_probability"] == pytest.approx(1 - result["probabilities"]["no_tumor"], abs=1e-5)
    page = client.post("/", **multipart({"files": (picture(), "a.png")})).get_data(as_text=True)
    assert "specialist" in page
    assert page.count("<meter") == 4


@pytest.mark.parametrize("models", [NOT_BRAIN_MRI], indirect=True)
def test_what_is_no_brain_mri_gets_a_reason_and_no_probability(client: FlaskClient) -> None:
    answer = client.post("/api/v1/predictions", **multipart({"files": (picture(), "a.png")}))
    result = answer.get_json()["results"][0]
    assert answer.status_code == 200
    assert result["answer"] == NOT_BRAIN_MRI
    assert "unlike the brain MRI" in result["reason"]
    assert result["predicted_class"] is None
    assert result["probabilities"] is None
    page = client.post("/", **multipart({"files": (picture(), "a.png")})).get_data(as_text=True)
    assert "Not a brain MRI" in page
    assert "<meter" not in page
    assert "Not a medical device" in page


@pytest.mark.parametrize("models", ANSWERS, indirect=True)
def test_command_writes_the_answer_and_no_class_for_what_is_no_brain_mri(
    models: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    (tmp_path / "a.png").write_bytes(picture().getvalue())
    assert main([str(tmp_path / "a.png"), "--models", str(models), "--csv", str(tmp_path / "out.csv")]) == 0
    row = next(csv.DictReader((tmp_path / "out.csv").read_text().splitlines()))
    expected = request.node.callspec.params["models"]
    assert row["answer"] == (row["predicted_class"] if expected == "class" else expected)
    assert bool(row["p_glioma"]) == (expected != NOT_BRAIN_MRI)


@pytest.mark.parametrize("models", [UNCERTAIN], indirect=True)
def test_models_tell_the_numbers_behind_their_answers(client: FlaskClient) -> None:
    decision = client.get("/api/v1/models").get_json()["models"][0]["decision"]
    assert decision == {"temperature": 1.5, "uncertain_below": 0.9999, "tumor_from": 0.5}


@pytest.mark.parametrize("models", [NOT_BRAIN_MRI], indirect=True)
def test_altered_gate_is_refused_when_the_model_is_loaded(models: Path, tmp_path: Path) -> None:
    altered = Path(shutil.copytree(models, tmp_path / "altered"))
    (altered / "xception.gate.npz").write_bytes(b"altered")
    with pytest.raises(Exception, match="SHA-256"):
        Classifier.load(altered / "xception.json")


def test_card_without_decision_and_gate_is_still_read(tiny_models: Path) -> None:
    fields = json.loads((tiny_models / "xception.json").read_text())
    del fields["decision"], fields["gate"]
    card = ModelCard.from_json(json.dumps(fields))
    assert card.decision == Decision(1.0, 0.0, 0.5)
    assert card.gate is None


def test_temperature_softens_probabilities_and_keeps_their_order() -> None:
    given = np.array([[0.9, 0.06, 0.03, 0.01]], np.float32)
    softer = calibrate(given, 2.0)
    # By hand: square roots, divided by their sum.
    expected = np.sqrt(given) / np.sqrt(given).sum()
    np.testing.assert_allclose(softer, expected, rtol=1e-5)
    np.testing.assert_allclose(calibrate(given, 1.0), given, rtol=1e-5)


@pytest.mark.parametrize("models", [NOT_BRAIN_MRI], indirect=True)
@pytest.mark.parametrize("is_gated", [False, True])
def test_no_second_opinion_on_what_is_no_brain_mri_not_even_where_the_other_lets_it_through(
    models: Path, tmp_path: Path, is_gated: bool
) -> None:
    both = Path(shutil.copytree(models, tmp_path / "both"))
    if is_gated:
        add_gate(both, "vgg16", 0.0, 1e9)
    client = create_app({"MODELS_DIR": both}).test_client()
    asked = {"files": (picture(), "a.png"), "model": "vgg16"}
    assert client.post("/api/v1/predictions", **multipart(asked)).get_json()["results"][0]["answer"] != NOT_BRAIN_MRI
    page = client.post("/", **multipart({"files": (picture(), "a.png")})).get_data(as_text=True)
    assert "Not a brain MRI" in page
    assert '<section class="second' not in page


def said(no_tumor: float, uncertain_below: float = 0.4) -> Answer:
    """Return an answer whose tumor probability is shared by two classes."""
    probabilities = np.array([(1 - no_tumor) / 2, no_tumor, (1 - no_tumor) / 2])
    names = ("glioma", "no_tumor", "pituitary")
    return Answer(class_names=names, probabilities=probabilities, decision=Decision(uncertain_below=uncertain_below))


@pytest.mark.parametrize(
    ("no_tumor", "bound", "word"), [(0.4, 0.9, "not sure enough"), (0.4, 0.3, "contradict"), (0.97, 0.9, "")]
)
def test_reason_of_an_uncertain_answer_is_the_real_one(no_tumor: float, bound: float, word: str) -> None:
    found = said(no_tumor, bound)
    assert (found.answer == UNCERTAIN) == (not found.is_given) == bool(word)
    assert word in found.reason
    assert bool(found.reason) == bool(word)


@pytest.mark.parametrize("models", ["class"], indirect=True)
@pytest.mark.parametrize(("side", "n_notes"), [(60, 1), (100, 0)])
def test_picture_of_few_pixels_is_warned_about(client: FlaskClient, side: int, n_notes: int) -> None:
    content = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (side, side), np.uint8)).save(content, "PNG")
    answer = client.post("/api/v1/predictions", **multipart({"files": (content, "a.png")})).get_json()
    assert len(answer["results"][0]["notes"]) == n_notes


def test_probability_at_a_bound_of_the_card_reaches_it() -> None:
    says = Answer(
        class_names=CLASS_NAMES["tumor_type"],
        probabilities=np.array([0.5, 0, 0.5, 0]),
        decision=Decision(tumor_from=0.5, uncertain_below=0.5),
    )
    assert says.shows_tumor
    assert says.answer == "glioma"


BOUNDS = Decision(healthy_below=0.2, certain_tumor_from=0.8, kind_from=0.75)


@pytest.mark.parametrize(
    ("probabilities", "decision", "tumor", "answer"),
    [
        # The card's thresholds for tumor or not, and for the kind among the kinds of tumor.
        ((0.1, 0.05, 0.85, 0.0), BOUNDS, Tumor.NO, "no_tumor"),
        ((0.1, 0.15, 0.75, 0.0), BOUNDS, Tumor.UNCLEAR, UNCERTAIN),
        ((0.78, 0.0, 0.22, 0.0), BOUNDS, Tumor.UNCLEAR, UNCERTAIN),
        ((0.65, 0.2, 0.15, 0.0), BOUNDS, Tumor.YES, "glioma"),
        ((0.5, 0.35, 0.15, 0.0), BOUNDS, Tumor.YES, UNCERTAIN),
        # Without them: the one for the class, and the operating point.
        ((0.9, 0.1, 0.0, 0.0), Decision(uncertain_below=0.94), Tumor.YES, UNCERTAIN),
        ((0.95, 0.0, 0.05, 0.0), Decision(uncertain_below=0.94), Tumor.YES, "glioma"),
        ((0.93, 0.0, 0.07, 0.0), Decision(uncertain_below=0.94), Tumor.UNCLEAR, UNCERTAIN),
        ((0.0, 0.05, 0.95, 0.0), Decision(uncertain_below=0.94), Tumor.NO, "no_tumor"),
        ((0.0, 0.05, 0.95, 0.0), Decision(uncertain_below=0.94, tumor_from=0.04), Tumor.UNCLEAR, UNCERTAIN),
    ],
)
def test_tumor_and_its_kind_are_named_beyond_their_bounds_alone(
    probabilities: tuple[float, ...], decision: Decision, tumor: Tumor, answer: str
) -> None:
    says = Answer(class_names=CLASS_NAMES["tumor_type"], probabilities=np.array(probabilities), decision=decision)
    assert (says.tumor, says.answer) == (tumor, answer)


def test_network_without_kinds_names_each_tumor_whatever_its_probabilities_are_rounded_to() -> None:
    sure = np.linspace(0.8, 1, 999)
    decision = Decision(healthy_below=0.1, certain_tumor_from=0.7, kind_from=1.0)
    both = np.stack([1 - sure, sure], axis=1).astype(np.float32)
    answers = [Answer(class_names=CLASS_NAMES["tumor_presence"], probabilities=p, decision=decision) for p in both]
    assert {says.answer for says in answers} == {"tumor"}
    assert certain_answers(both, decision, healthy=0).all()


def test_card_keeps_the_bounds_that_it_has_and_no_others(tiny_models: Path) -> None:
    card = dataclasses.replace(ModelCard.from_json((tiny_models / "xception.json").read_text()), decision=BOUNDS)
    assert "volume_tumor_from" not in card.to_json()
    assert ModelCard.from_json(card.to_json()).decision == BOUNDS
