"""bfloat16 is used only where it is asked for and the processor has it, and then this is said."""

import shutil
from pathlib import Path

import numpy as np
import openvino
import pytest

from app import create_app
from model.errors import ModelFileError
from model.network.classifier import Classifier, load_classifier, load_classifiers
from model.network.precision import AUTO, BFLOAT16, FLOAT32, usable
from model.network.self_test import answers_to_known_pictures
from model.reading.one_file import read_image
from model.scan.command import main as scan
from tests.support.samples import SAMPLES
from training.steps.publish import write_known_answers

IMAGES = [read_image(file) for file in sorted(SAMPLES.glob("*.jpg"))]
has_bfloat16 = "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
needs_bfloat16 = pytest.mark.skipif(not has_bfloat16, reason="this processor does not compute in bfloat16")


def test_automatic_precision_is_the_faster_one_of_the_processor() -> None:
    assert usable(AUTO) == (BFLOAT16 if has_bfloat16 else FLOAT32)


@pytest.mark.skipif(has_bfloat16, reason="this processor computes in bfloat16")
def test_bfloat16_is_refused_where_the_processor_lacks_it() -> None:
    with pytest.raises(ModelFileError, match="auto or float32"):
        usable(BFLOAT16)


@needs_bfloat16
def test_bfloat16_changes_probabilities_a_little_and_float32_not_at_all(tiny_models: Path) -> None:
    card = tiny_models / "xception.json"
    exact, again, fast = (
        np.stack([p.probabilities for p in Classifier.load(card, precision=precision).predict(IMAGES)])
        for precision in (FLOAT32, FLOAT32, BFLOAT16)
    )
    np.testing.assert_array_equal(exact, again)
    assert 0 < np.abs(exact - fast).max() < 0.05


@needs_bfloat16
def test_known_answers_in_bfloat16_may_differ_by_more_but_not_by_anything(tiny_models: Path, tmp_path: Path) -> None:
    card = Path(shutil.copytree(tiny_models, tmp_path / "models")) / "xception.json"
    write_known_answers(card)
    classifier = load_classifier(card, precision=BFLOAT16)
    assert answers_to_known_pictures(classifier.predict)
    text, known = card.read_text(), classifier.card.known_answers[0]
    class_name, probability = next(iter(known.probabilities.items()))
    card.write_text(text.replace(f'"{class_name}": {probability}', f'"{class_name}": {probability - 0.06}', 1))
    with pytest.raises(ModelFileError, match="known image"):
        load_classifier(card, precision=BFLOAT16)


@needs_bfloat16
def test_service_in_bfloat16_says_so_on_the_page_to_programs_and_to_operators(tiny_models: Path) -> None:
    client = create_app({"PRECISION": "bfloat16"}, load_classifiers(tiny_models, precision=BFLOAT16)).test_client()
    assert "bfloat16" in client.get("/").text
    assert client.get("/api/v1/models").json["precision"] == "bfloat16"
    assert client.get("/readyz").json["precision"] == "bfloat16"
    assert 'precision="bfloat16"' in client.get("/metrics").text


def test_service_in_float32_has_no_word_of_precision_on_the_page(tiny_models: Path) -> None:
    client = create_app({}, load_classifiers(tiny_models)).test_client()
    assert "bfloat16" not in client.get("/").text


@needs_bfloat16
def test_scan_in_another_precision_is_another_scan(
    tiny_models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [str(SAMPLES / "glioma.jpg"), "--out", str(tmp_path / "out"), "--models", str(tiny_models)]
    assert scan([*arguments, "--precision", "auto"]) == 0
    assert scan([*arguments, "--resume"]) == 2
    assert "precision: bfloat16 there, float32 now" in capsys.readouterr().err
