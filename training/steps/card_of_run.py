"""Build the card of a run's best network: facts from the run, the data sets and the base weights."""

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from model.answers.gate import read_gate
from model.card import CLASS_NAMES, Decision, GateCard, ModelCard
from model.errors import ModelFileError
from model.network.classifier import Classifier, load_classifier
from model.preprocessing import PREPROCESSING_VERSION
from model.safe_files import sha256_of
from model.sentences import Sentence
from training.fit.run_folder import Config, Json, RunFolder
from training.known_sources import KNOWN_SOURCES
from training.steps.bounds import LEAST_POINTING

_TITLES = {
    "tumor_type": Sentence("Glioma, meningioma, pituitary tumor or no tumor"),
    "tumor_presence": Sentence("Tumor or no tumor"),
}
_INTENDED_USE = Sentence(
    "Research and teaching on single grey MRI slices of the head. Not a medical device: never for diagnosis, triage or "
    "treatment."
)
_QUICK = Sentence("Trained with --quick on a few small images: this only shows that the steps work.")
_UNGATED = Sentence(
    "Gives one of its classes for any image, even one that is not a brain MRI, and always with some probability."
)
UNCALIBRATED = Sentence("The probabilities are not calibrated.")
_POINTS_ELSEWHERE = Sentence(
    "Its evidence is too often strongest outside the tumor. It may know the look of an image rather than its "
    "tumor, and its colours do not show where a tumor is."
)
_OF_ONE_COLLECTION = Sentence(
    "Almost all training images of tumors come from one collection and share its look. It misses tumors of other "
    "scanners and sequences more often than its figures on that collection say."
)
_MEASURED_ON_STRANGERS = Sentence(
    "For images from elsewhere, expect the figures of sources that it never saw, not those of its own held-out images."
)
_FROM_ELSEWHERE = Sentence(
    "Was trained elsewhere. It is not known on which images, nor whether it has seen those that it is shown here."
)
_OTHER_PREPARATION = Sentence(
    "It may have learned from images that were prepared in another way. Here the head is cut out, grey levels are "
    "stretched, and images that are not square are padded with black."
)
_NO_HEAT_MAP = Sentence("Shows no evidence: its last layers do not tell which places spoke for a class.")
_LIMITS = (
    Sentence(
        "Knows only glioma, meningioma and pituitary tumor. Other tumors, strokes, bleeding and inflammation get one "
        "of its classes, or an unclear answer."
    ),
    Sentence("Age, sex, scanner and hospital are not known for its images, so nothing was measured for such groups."),
)
# Source: the licence notes of keras.applications for each network.
_BASE_WEIGHTS = {
    "VGG16": {
        "title": "VGG16 trained on ImageNet, Visual Geometry Group, University of Oxford; ported by Keras",
        "licence": "CC BY 4.0",
    },
    "Xception": {"title": "Xception trained on ImageNet by the authors of Keras", "licence": "MIT"},
}
# By the fingerprint of the 2870 images of the official Training folder, with the labels of either task.
_KNOWN_DATA = {
    "da074ccf875f5bf883cd7e0bcbd20607f5cbcd49b53a7eb55964cef0121ec346": "sartaj",
    "178cad6fc35a97627371e5d9f3068d5533f0e18a817b29eab172775b007f23f1": "sartaj",
}


def card_of_run(
    run: RunFolder, name: str | None = None, version: str = "0", evaluations: Sequence[Json] = (),
    calibrated: bool = True,
) -> ModelCard:  # fmt: skip
    """Return the card of a run's best network.

    calibrated: with the choices and figures of `calibrate`, if any.

    Raises:
        ModelFileError: the folder is not a run with a saved network, or `calibrate` wrote its files for another
            network.
    """
    try:
        config, sha256 = run.read_config(), run.sha256()
    except (OSError, ValueError, TypeError) as error:
        raise ModelFileError(
            f"Expected a run of `python -m training train` in {run.path}. There is none: {error}."
        ) from error
    recipe = config.recipe
    validation, trust = run.validation_file, run.trust_file
    metrics = {"validation": json.loads(validation.read_text())} if validation.is_file() else {}
    decision, gate = _decision(run, sha256) if calibrated else (Decision(), None)
    metrics |= {"trust": json.loads(trust.read_text())} if calibrated and trust.is_file() else {}
    metrics |= {"/".join(e["data"]["folders"]): e for e in evaluations}
    training_data = _training_data(config, metrics.get("trust", {}).get("sources", {}))
    return ModelCard(
        name=name or recipe["name"],
        version=version,
        title=_TITLES[recipe["task"]],
        task=recipe["task"],
        class_names=CLASS_NAMES[recipe["task"]],
        input_size_px=recipe["input_size_px"],
        preprocessing_version=PREPROCESSING_VERSION,
        feature_layer=recipe["feature_layer"],
        weights_file=run.network_file.name,
        sha256=sha256,
        created=datetime.now(UTC).date().isoformat(),
        intended_use=_INTENDED_USE,
        limits=_limits(config, decision, gate, metrics.get("trust", {})),
        licence=_licence(training_data),
        base_weights={"architecture": recipe["architecture"], **_base_weights(config)},
        training_data=training_data,
        recipe={
            "seed": config.seed,
            "quick": config.quick,
            "precision": config.precision,
            **recipe,
            "environment": config.environment,
            "data": config.data,
            "went_on_from": config.start,
            "blended": config.blended,
        },
        decision=decision,
        gate=gate,
        metrics=metrics,
    )


def card_of_file(
    network: Path, name: str, version: str, task: str, input_size_px: int, feature_layer: str, recipe: Json
) -> ModelCard:  # fmt: skip
    """Return the card of a converted network that was trained elsewhere; recipe: how it was converted."""
    missing = (
        _FROM_ELSEWHERE,
        _OTHER_PREPARATION,
        _UNGATED,
        UNCALIBRATED,
        *(() if feature_layer else (_NO_HEAT_MAP,)),
    )
    return ModelCard(
        name=name,
        version=version,
        title=_TITLES[task],
        task=task,
        class_names=CLASS_NAMES[task],
        input_size_px=input_size_px,
        preprocessing_version=PREPROCESSING_VERSION,
        feature_layer=feature_layer,
        weights_file=f"{name}.keras",
        sha256=sha256_of(network),
        created=datetime.now(UTC).date().isoformat(),
        intended_use=_INTENDED_USE,
        limits=missing + _LIMITS,
        licence="not known",
        base_weights={"title": "not known", "licence": "not known"},
        training_data=(),
        recipe=recipe,
    )


def load(model: Path) -> Classifier:
    """Load a published card (.json), or the best network of a run folder."""
    if model.suffix == ".json":
        return load_classifier(model)
    run = RunFolder(model)
    card = card_of_run(run)
    return Classifier(card, run.network(), read_gate(card.gate, model) if card.gate else None)


def published_split(name: str) -> str:
    """Return the file name of a published model's table of images. It is next to the weights, but not for serving."""
    return f"{name}.split.csv"


def _decision(run: RunFolder, sha256: str) -> tuple[Decision, GateCard | None]:
    """Return the choices of `calibrate` for the run's network; defaults if it was not calibrated."""
    file = run.decision_file
    if not file.is_file():
        return Decision(), None
    chosen = json.loads(file.read_text())
    if chosen.get("network_sha256", sha256) != sha256:
        raise ModelFileError(
            f"Expected in {file} thresholds for the run's network. They belong to another one: the run was "
            "trained further. Run `python -m training calibrate` again."
        )
    return Decision(**chosen["decision"]), GateCard(**chosen["gate"])


def _limits(config: Config, decision: Decision, gate: GateCard | None, trust: Json) -> tuple[str, ...]:
    in_box = trust.get("heatmaps", {}).get("hottest_point_in_box")
    missing = (
        *(() if gate else (_UNGATED,)),
        *((UNCALIBRATED,) if decision == Decision() else ()),
        *((_POINTS_ELSEWHERE,) if in_box is not None and in_box < LEAST_POINTING else ()),
    )
    origin = _MEASURED_ON_STRANGERS if "strangers" in trust else _OF_ONE_COLLECTION
    return ((_QUICK,) if config.quick else ()) + missing + (origin, *_LIMITS)


def _base_weights(config: Config) -> dict[str, str]:
    if config.weights == "random":
        return {"title": "none: trained from random weights", "licence": "-"}
    return {**_BASE_WEIGHTS[config.recipe["architecture"]], "file": config.weights}


def _training_data(config: Config, sources: Json) -> tuple[Json, ...]:
    """Return one entry per collection if `calibrate` counted them, else one for all."""
    data = config.data
    if sources:
        return tuple({**_described(name, name), **found} for name, found in sources.items())
    described = _described(_KNOWN_DATA.get(data["fingerprint"], ""), ", ".join(data["folders"]))
    return ({**described, "n_pictures": data["n_pictures"], "fingerprint": data["fingerprint"]},)


def _licence(training_data: Sequence[Json]) -> str:
    """Return the licence of the weights, with the terms that training images require."""
    bound = [of["title"] for of in training_data if re.search(r"\b(NC|SA)\b", of["licence"])]
    if bound:
        return f"CC BY-NC-SA 4.0 for this file, as terms of its training images ask ({'; '.join(bound)})"
    return "MIT for this file, as far as the licences of the data and of the base weights reach"


def _described(folder: str, otherwise: str) -> Json:
    """Return title, source and licence of a known collection, else the given title."""
    row = KNOWN_SOURCES.get(folder)
    if row is None:
        return {"title": otherwise, "licence": "not known"}
    return {"title": row.title, "source": row.source, "licence": row.licence}
