"""The models that the repository ships: they load, classify the samples, and score what their cards say."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app import create_app
from model.answers.calibration import calibrate
from model.card import DEFAULT_MODELS, WEIGHTS_FOLDER, read_card
from model.network.classifier import Classifier, load_classifier
from model.network.self_test import PICTURES
from model.reading.one_file import read_image
from tests.support.samples import SAMPLES, TOP
from training.data.decoded import decode
from training.data.folders import find_pictures
from training.data.sources import Sources
from training.drawing import plots
from training.drawing.documents import SERVED, texts, trust_measured, trust_plot
from training.fit.run_folder import RunFolder
from training.known_sources import KNOWN_SOURCES
from training.measure.metrics import summarize
from training.steps.run_of_card import run_of_card
from web.page.wording import LABELS

DATA = TOP.parent / "shared" / "data"
TESTING = DATA / "sartaj" / "Testing"


@pytest.fixture(scope="module", params=DEFAULT_MODELS)
def classifier(request: pytest.FixtureRequest) -> Classifier:
    return load_classifier(WEIGHTS_FOLDER / f"{request.param}.json")


def test_every_sample_gets_probabilities_that_sum_to_one(classifier: Classifier) -> None:
    samples = sorted((SAMPLES).glob("*.jpg"))
    assert [sample.stem for sample in samples] == ["glioma", "meningioma", "no_tumor", "pituitary"]
    for prediction in classifier.predict([read_image(sample) for sample in samples]):
        assert prediction.predicted_class in classifier.card.class_names
        assert np.isclose(prediction.probabilities.sum(), 1, atol=1e-5)


def test_card_says_what_the_model_answers_to_the_known_pictures(classifier: Classifier) -> None:
    assert {known.picture for known in classifier.card.known_answers} == set(PICTURES)


def test_card_names_licences_of_data_and_base_weights_and_the_test_score(classifier: Classifier) -> None:
    card = classifier.card
    assert card.base_weights["licence"] == {"VGG16": "CC BY 4.0", "Xception": "MIT"}[card.base_weights["architecture"]]
    assert all(entry["licence"] and len(entry["fingerprint"]) == 64 for entry in card.training_data)
    scored = card.metrics["sartaj/Testing"]
    assert scored["all"]["n_pictures"] == 394
    assert scored["also_in_training"]["n_pictures"] + scored["not_in_training"]["n_pictures"] == 394
    assert not card.recipe["quick"]


@pytest.mark.slow
@pytest.mark.skipif(not TESTING.is_dir(), reason="the data set is not at ../shared/data")
def test_shipped_model_can_be_reopened_with_the_data_that_its_card_names(
    classifier: Classifier, tmp_path: Path
) -> None:
    # Boxes and table distinguish slices of one head from copies of one slice: they decide which images count.
    trained_on = {entry["source"] for entry in classifier.card.training_data}
    folders = [DATA / row.folder for row in KNOWN_SOURCES.values() if row.source in trained_on]
    folders = [folder / "Training" if (folder / "Training").is_dir() else folder for folder in folders]
    assert len(folders) == len(trained_on)
    run = RunFolder(tmp_path / "run")
    table = DATA / "more.csv" if len(folders) > 3 else None
    sources = Sources(tuple(folders), DATA / "tumor_boxes.csv", tmp_path / "cache", table=table)
    run_of_card(WEIGHTS_FOLDER / f"{classifier.card.name}.json", sources, run)
    assert run.sha256() == classifier.card.sha256


@pytest.mark.slow
@pytest.mark.skipif(not TESTING.is_dir(), reason="the data set is not at ../shared/data")
def test_shipped_model_scores_on_the_official_testing_pictures_what_its_card_says(classifier: Classifier) -> None:
    card = classifier.card
    decoded = decode(find_pictures([TESTING], card.task).pictures, card.input_size_px)
    batches = [
        classifier.predict_inputs(decoded.pixels[i : i + 32, ..., None]).probabilities
        for i in range(0, len(decoded.pixels), 32)
    ]
    probabilities = calibrate(np.concatenate(batches), card.decision.temperature)
    measured = summarize(decoded.labels(card.class_names), probabilities, card.class_names)
    stated = card.metrics["sartaj/Testing"]["all"]
    # The figures come from another Keras backend: a borderline image may change its class.
    assert abs(measured.n_correct - stated["n_correct"]) <= 1
    for name, figures in stated["per_class"].items():
        assert measured.per_class[name].recall == pytest.approx(figures["recall"], abs=0.015)
        assert measured.per_class[name].auroc == pytest.approx(figures["auroc"], abs=0.001)


def test_what_is_made_from_figures_says_what_the_cards_and_the_data_of_studies_say() -> None:
    cards = [read_card(WEIGHTS_FOLDER / f"{name}.json") for name in DEFAULT_MODELS]
    made = texts(cards)
    assert {
        SERVED,
        "MODEL_CARD.md",
        "docs/fr/MODEL_CARD.md",
        "README.md",
        "docs/fr/README.md",
        "docs/studies/README.md",
    } < made.keys()
    for name, text in made.items():
        assert (TOP / name).read_text(encoding="utf-8") == text, name


def test_every_study_is_shown_on_a_page() -> None:
    sources = "".join(path.read_text() for path in (TOP / "docs" / "studies" / "source").iterdir())
    studies = [path.stem for path in (TOP / "docs" / "studies" / "data").glob("*.json")]
    assert [name for name in studies if not re.search(rf"\b{name}\b", sources)] == []


def test_model_card_shows_how_far_probabilities_are_off_on_validation_and_test_pictures(tmp_path: Path) -> None:
    card = read_card(WEIGHTS_FOLDER / "xception.json")
    measured = trust_measured(card)
    assert list(measured) == ["validation", "sartaj/Testing"]
    plots.trust(measured, tmp_path / "trust.png")
    with Image.open(tmp_path / "trust.png") as drawn, Image.open(TOP / trust_plot(card)) as shipped:
        assert drawn.size == shipped.size
    written = (TOP / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert f"]({trust_plot(card)})" in written
    validation, tested = measured.values()
    row = next(line for line in written.splitlines() if line.startswith("| expected calibration error"))
    assert f"| {validation['calibration']['expected_calibration_error']:.3f};" in row
    assert f"Expected calibration error {tested['calibration']['expected_calibration_error']:.3f}" in written
    assert f"risk-coverage curve {tested['selective']['area_under_risk_coverage']:.3f}" in written


def test_page_and_api_show_the_figures_of_the_card(classifier: Classifier) -> None:
    client = create_app({"MODEL_NAMES": (classifier.card.name,)}, {classifier.card.name: classifier}).test_client()
    figures = client.get("/api/v1/models").get_json()["models"][0]
    assert figures["metrics"] == classifier.card.metrics
    results = client.get("/api/v1/results").get_json()["models"]
    served = next(model for model in results if model["name"] == classifier.card.name)
    for part in ("all", "not_in_training", "also_in_training"):
        stated = figures["metrics"]["sartaj/Testing"][part]
        assert served["metrics"]["sartaj/Testing"][part].items() <= stated.items()
        assert served["metrics"]["sartaj/Testing"][part]["accuracy"] == stated["accuracy"]
    scored = figures["metrics"]["sartaj/Testing"]
    page = " ".join(client.get("/").get_data(as_text=True).split())
    assert f"{100 * scored['not_in_training']['accuracy']:.1f}%" in page
    # Figures on images that chose no threshold are next to those on images that did.
    if "trust" in figures["metrics"]:
        selective = scored["trust"]["selective"]
        assert f"names a class for {selective['coverage']:.0%} of them and is wrong about" in page
        with_refused = "Images that it refuses as “not a brain MRI” are counted here too." in page
        assert with_refused != selective.get("refused_are_not_certain", False)
        assert f"about {selective['error_among_certain']:.0%} of these" in page


def test_scoring_log_has_a_row_for_each_shipped_model(classifier: Classifier) -> None:
    log = (TOP / "docs" / "scorings.md").read_text(encoding="utf-8")
    assert classifier.card.sha256[:12] in log


def test_scoring_log_has_the_accuracy_of_each_shipped_card_beside_its_network(classifier: Classifier) -> None:
    lines = (TOP / "docs" / "scorings.md").read_text(encoding="utf-8").splitlines()
    scored = classifier.card.metrics["sartaj/Testing"]
    stated = [f"| {scored[part]['accuracy']:.3f} (" for part in ("all", "not_in_training")]
    rows = [line for line in lines if classifier.card.sha256[:12] in line]
    assert any(all(share in row for share in stated) for row in rows)


def test_every_scoring_of_the_log_is_explained_on_the_page_of_the_testing_folder() -> None:
    lines = (TOP / "docs" / "scorings.md").read_text(encoding="utf-8").splitlines()
    page = (TOP / "docs" / "studies" / "testing-folder.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| ") and line.split("|")[1].strip().isdigit()]
    assert len(rows) == sum(line.startswith("| 2") for line in lines) >= 15


def test_card_and_page_say_which_samples_get_no_class(classifier: Classifier) -> None:
    card = classifier.card
    samples = sorted((TOP / "static" / "samples").glob("*.jpg"))
    assert {path.stem: classifier.predict([read_image(path)])[0].answer for path in samples} == card.metrics["samples"]
    client = create_app({"MODEL_NAMES": (card.name,)}, {card.name: classifier}).test_client()
    page = " ".join(client.get("/").get_data(as_text=True).split())
    silent = [name for name in ("glioma", "meningioma", "no_tumor", "pituitary")
              if card.metrics["samples"][name] not in card.class_names]  # fmt: skip
    said = f"{card.name} {card.version} names no class for: {', '.join(LABELS[name] for name in silent)}."
    assert (said in page) == bool(silent)
    meant = {name: {name, "tumor"} - ({"tumor"} if name == "no_tumor" else set()) for name in card.metrics["samples"]}
    given = {name: answer for name, answer in card.metrics["samples"].items() if answer in card.class_names}
    misread = [LABELS[name] for name, answer in given.items() if answer not in meant[name]]
    assert (f"{card.name} {card.version} is wrong about: {', '.join(misread)}." in page) == bool(misread)
