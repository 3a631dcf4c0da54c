"""Choose, on a run's validation pictures, what turns probabilities into answers; measure how well it does.

Writes decision.json, gate.npz and trust.json into the run; `publish` takes them along.
"""

import dataclasses
import hashlib
import io
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from model.answers.calibration import calibrate
from model.card import GateCard, ModelCard
from model.network.classifier import Classifier
from model.preprocessing import preprocess
from model.reading.one_file import read_image
from model.safe_files import write_atomically
from training.data.boxes import boxes_in_input, boxes_of, lesions_of, read_boxes, series_of
from training.data.copies import copies_among, first_copies, joined, unknown_to
from training.data.decoded import Decoded, decode
from training.data.folders import DataError, Picture, find_pictures, fingerprint
from training.data.split import pictures_of_run, read_rows, split_of
from training.drawing import plots
from training.feed.augmentation import Augmentation, augment
from training.fit import networks
from training.fit.recipes import RECIPES
from training.measure.bounds import unmet_bounds
from training.measure.gate import accepted_outsiders, fit_gate, refusals, refused_by_other_groups, require_outsiders
from training.measure.metrics import summarize, wilson_interval
from training.measure.passes import answers_of
from training.measure.pointing import Pointing
from training.measure.trust import choose_decision, cross_fitted, tumor_presence
from training.steps.card_of_run import card_of_run

# Random networks whose heat maps are looked at: each has its own favourite place.
N_RANDOM_NETWORKS = 5
N_FOR_RANDOM_NETWORKS = 200
# What pictures from elsewhere may look like: other grey levels, sharpness, noise and coding; shapes hardly change.
LOOK_SHIFT = Augmentation(
    rotation_degrees=8, scale=0.08, shift_share=0.04, gamma=1.6, contrast=0.2, brightness=15, bias_field=0.2,
    erase_probability=0, borrow_levels_probability=0.5, borrow_spectrum_probability=0.5, jpeg_probability=0.3,
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class RunPictures:
    """A run's pictures.

    known: all of them; training, validation: the two sides, the second with each slice once; groups: int64 (n,), of
    the validation pictures; n_in_training: how many of these were left away because training holds a copy.
    """

    known: tuple[Picture, ...]
    training: Decoded
    validation: Decoded
    groups: NDArray[np.int64]
    n_in_training: int


def calibrate_run(
    run: Path, folders: Sequence[Path], boxes: Path | None, outsiders: Path | None, cache: Path | None, seed: int = 0
) -> dict[str, Any]:
    """Choose decision and gate, measure them, write everything into the run, and give the figures.

    Raises:
        DataError: the folders do not hold the run's pictures, its validation pictures are all of one group, or the
            outsiders are missing. ModelFileError: the run holds no network.
    """
    if outsiders:
        require_outsiders(outsiders)
    # What an earlier call chose stays until this one has measured.
    card = card_of_run(run, calibrated=False)
    recipe = RECIPES[card.recipe["name"]]
    split = read_split(run, folders, boxes, card, cache)
    if len(np.unique(split.groups)) < 2:
        raise DataError("Expected validation pictures of two groups or more. Received one: none could test its choice.")
    labels = split.validation.labels(card.class_names)
    healthy = card.class_names.index("no_tumor")
    ungated = Classifier(dataclasses.replace(card, gate=GateCard(recipe.gate_layer, "", "", 1.0)), _network(run))
    pointing = _pointing(ungated, split.validation, labels, boxes)
    validation = answers_of(ungated, split.validation.pixels, pointing.look)
    shifted = answers_of(ungated, changed_looks(split, seed)).probabilities
    decision = choose_decision(labels, validation.probabilities, healthy, shifted)
    features = validation.gate_features
    assert features is not None, "the classifier was made with a gate layer"
    fitted = fit_gate(ungated, split.training.pixels, split.validation.pixels, features, outsiders, seed)
    gate, gate_bytes = fitted.gate, fitted.gate.to_bytes()
    gate_card = GateCard(recipe.gate_layer, "gate.npz", hashlib.sha256(gate_bytes).hexdigest(), gate.largest_distance)
    classifier = Classifier(dataclasses.replace(card, decision=decision, gate=gate_card), _network(run), gate)
    probabilities = calibrate(validation.probabilities, decision.temperature)
    right = probabilities.argmax(axis=1) == labels
    refused = refused_by_other_groups(fitted.inside, fitted.outside, split.groups)
    crossed = cross_fitted(labels, validation.probabilities, shifted, split.groups, healthy, ~refused[:, 0])
    figures: dict[str, Any] = {
        "sources": sources_of(split.known),
        "each_slice_once": True,
        "not_counted_as_in_training": split.n_in_training,
        "validation": summarize(labels, probabilities, card.class_names, split.groups),
        "decision": dataclasses.asdict(decision),
        **crossed,
        "tumor_presence": tumor_presence(labels != healthy, 1 - probabilities[:, healthy], decision.tumor_from),
        "by_source": _by_source(split.validation, right),
        "stability": stability(classifier, split.validation, validation.probabilities.argmax(axis=1)),
        "mean_with_mirrored": mean_with_mirrored(ungated, split.validation, labels, validation.probabilities),
        "heatmaps": pointing.figures(right),
        "heatmaps_of_random_weights": _random_pointing(card, split.validation, labels, boxes),
        "gate": accepted_outsiders(classifier, outsiders) | refusals(refused),
    }
    figures["unmet_bounds"] = unmet_bounds(figures)
    chosen = {"decision": dataclasses.asdict(decision), "gate": dataclasses.asdict(gate_card)}
    chosen["network_sha256"] = card.sha256
    write_atomically(run / "gate.npz", gate_bytes)
    write_atomically(run / "decision.json", json.dumps(chosen, indent=1).encode())
    write_atomically(run / "trust.json", json.dumps(figures, indent=1).encode())
    write_atomically(run / "validation.json", json.dumps(figures["validation"], indent=1).encode())
    plots.reliability(crossed["calibration"], run / "reliability.png")
    plots.risk_coverage(crossed["selective"], run / "risk_coverage.png")
    _print(figures)
    return figures


def read_split(
    run: Path, folders: Sequence[Path], boxes: Path | None, card: ModelCard, cache: Path | None,
    each_slice_once: bool = True,
) -> RunPictures:  # fmt: skip
    """Find the run's pictures again by the table that it wrote.

    each_slice_once: of several copies of a slice one stays for validation, and none where training holds one: some were
    uploaded twenty times, and one mistake would count as often.

    Raises:
        DataError: some of them are not in the folders.
    """
    rows = read_rows(run)
    decoded = decode(pictures_of_run(find_pictures(folders, card.task).pictures, rows, run), card.input_size_px, cache)
    groups, split = split_of(decoded.pictures, rows)
    once, n_known = split.validation, 0
    if each_slice_once:
        n = len(decoded.pictures)
        copies = copies_among(decoded, series_of(decoded.pictures, boxes_of(boxes, decoded.pictures)))
        unknown = unknown_to(split.training, split.validation, n, copies)
        n_known = len(split.validation) - len(unknown)
        once, groups = first_copies(unknown, n, copies), joined(groups, copies)
    return RunPictures(
        tuple(decoded.pictures), decoded.subset(split.training), decoded.subset(once), groups[once], n_known
    )


def changed_looks(split: RunPictures, seed: int) -> NDArray[np.uint8]:
    """Give each validation picture the look of a training picture: uint8 (n, size, size)."""
    random = np.random.default_rng(seed)
    partners = split.training.pixels[random.integers(0, len(split.training.pixels), len(split.validation.pixels))]
    changed = [
        augment(picture, LOOK_SHIFT, random, partner)[0]
        for picture, partner in zip(split.validation.pixels, partners, strict=True)
    ]
    return np.stack(changed).astype(np.uint8)


def stability(classifier: Classifier, pictures: Decoded, before: NDArray[np.int64]) -> dict[str, float]:
    """Give the share of pictures whose class, which was `before`, changes when the file is changed a little."""
    size = classifier.card.input_size_px
    read = [read_image(p.path).pixels for p in pictures.pictures]
    shares = {}
    for name, change in _CHANGES.items():
        changed = np.stack([preprocess(change(pixels), size).pixels for pixels in read])
        shares[name] = float((answers_of(classifier, changed).probabilities.argmax(axis=1) != before).mean())
    return shares


def mean_with_mirrored(
    classifier: Classifier, pictures: Decoded, labels: NDArray[np.int64], straight: NDArray[np.float32]
) -> dict[str, Any]:
    """What asking twice would gain: the mean of a picture's probabilities, `straight`, and its mirror image's."""
    mirrored = answers_of(classifier, np.ascontiguousarray(pictures.pixels[:, :, ::-1])).probabilities
    mean = (straight + mirrored) / 2
    healthy = classifier.card.class_names.index("no_tumor")
    presence = tumor_presence(labels != healthy, 1 - mean[:, healthy], 0.5)
    return {
        "n_pictures": len(labels),
        "n_correct": int((mean.argmax(axis=1) == labels).sum()),
        "n_correct_straight": int((straight.argmax(axis=1) == labels).sum()),
        **{k: presence[k] for k in ("auroc", "sensitivity_at_95_specificity") if k in presence},
    }


def _crop(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    rows, columns = (round(0.025 * side) for side in pixels.shape)
    return pixels[rows : pixels.shape[0] - rows, columns : pixels.shape[1] - columns]


def _recompress(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=60)
    return read_image(buffer.getvalue()).pixels


_CHANGES = {
    "mirrored": lambda pixels: pixels[:, ::-1],
    "cropped_by_5_percent": _crop,
    "jpeg_quality_60": _recompress,
    "shifted_by_1_px": lambda pixels: np.pad(pixels, ((1, 0), (1, 0)))[:-1, :-1],
}


def _network(run: Path) -> keras.Model:
    return keras.saving.load_model(run / "best.keras", compile=False)


def _pointing(classifier: Classifier, pictures: Decoded, labels: NDArray[np.int64], boxes: Path | None) -> Pointing:
    lesions = lesions_of(pictures.pictures, read_boxes(boxes))
    return Pointing(classifier, labels, boxes_in_input(pictures, lesions), classifier.card.class_names)


def _random_pointing(
    card: ModelCard, pictures: Decoded, labels: NDArray[np.int64], boxes: Path | None
) -> dict[str, Any]:
    """What networks of the same form with random weights point at: the maps must owe their hits to training."""
    recipe = dataclasses.replace(RECIPES[card.recipe["name"]], task=card.task, input_size_px=card.input_size_px)
    lesions = lesions_of(pictures.pictures, read_boxes(boxes))
    boxed = np.flatnonzero([lesion is not None for lesion in lesions])
    # Drawn, so that all classes are among them: the pictures stand in the order of the folders.
    boxed = np.sort(np.random.default_rng(0).permutation(boxed)[:N_FOR_RANDOM_NETWORKS])
    if not boxed.size:
        return {}
    found = []
    for seed in range(N_RANDOM_NETWORKS):
        keras.utils.set_random_seed(seed)
        classifier = Classifier(dataclasses.replace(card, gate=None), networks.build(recipe, "random"))
        pointing = _pointing(classifier, pictures.subset(boxed), labels[boxed], boxes)
        answers_of(classifier, pictures.pixels[boxed], pointing.look)
        found.append(pointing.figures(np.ones(boxed.size, bool)))
    hits = [figures["hottest_point_in_box"] for figures in found]
    return found[0] | {
        "n_networks": N_RANDOM_NETWORKS,
        "hottest_point_in_box": float(np.mean(hits)),
        "highest_hottest_point_in_box": max(hits),
        "evidence_in_box": float(np.mean([figures["evidence_in_box"] for figures in found])),
    }


def sources_of(known: Sequence[Picture]) -> dict[str, Any]:
    """Describe what a run knew, by collection: pictures per class for training and validation, fingerprint."""
    sources: dict[str, Any] = {}
    for name in sorted({p.source for p in known}):
        of_source = [p for p in known if p.source == name]
        counts = dict(sorted(Counter(p.class_name for p in of_source).items()))
        sources[name] = {"n_pictures": counts, "fingerprint": fingerprint(of_source)}
    return sources


def _by_source(pictures: Decoded, right: NDArray[np.bool_]) -> dict[str, Any]:
    sources = np.array([p.source for p in pictures.pictures])
    return {
        str(name): {
            "n_pictures": int((sources == name).sum()),
            "accuracy": float(right[sources == name].mean()),
            "accuracy_interval": wilson_interval(int(right[sources == name].sum()), int((sources == name).sum())),
        }
        for name in np.unique(sources)
    }


def _print(figures: dict[str, Any]) -> None:
    validation, calibrated, selective = figures["validation"], figures["calibration"], figures["selective"]
    presence, maps, gate = figures["tumor_presence"], figures["heatmaps"], figures["gate"]
    print(f"validation accuracy {validation['accuracy']:.3f} of {validation['n_pictures']}; {figures['decision']}")
    print(
        f"cross-fitted: expected calibration error {calibrated['expected_calibration_error']:.3f}, "
        f"certain {selective['coverage']:.3f} with error {selective['error_among_certain']}"
    )
    shifted = figures["selective_in_changed_look"]
    error = figures["calibration_in_changed_look"]["expected_calibration_error"]
    print(
        f"in a changed look: expected calibration error {error:.3f}, certain {shifted['coverage']:.3f} "
        f"with error {shifted['error_among_certain']}, all {shifted['error_among_all']:.3f}"
    )
    print("tumor or not: " + ", ".join(f"{k} {v:.3f}" for k, v in presence.items() if isinstance(v, float)))
    sources = [f"{name} {of['accuracy']:.3f} of {of['n_pictures']}" for name, of in figures["by_source"].items()]
    print("by source: " + ", ".join(sources))
    print("class changes when " + ", ".join(f"{k} {v:.3f}" for k, v in figures["stability"].items()))
    twice = figures["mean_with_mirrored"]
    print(
        f"asked twice, also mirrored: right in {twice['n_correct']} of {twice['n_pictures']}, once in "
        f"{twice['n_correct_straight']}; " + ", ".join(f"{k} {v:.3f}" for k, v in twice.items() if isinstance(v, float))
    )
    print(f"heat maps: {maps}")
    print(f"heat maps of random weights: {figures['heatmaps_of_random_weights']}")
    print(f"gate: {gate}")
    print("bounds for publishing: " + ("; ".join(figures["unmet_bounds"]) or "all kept"))
