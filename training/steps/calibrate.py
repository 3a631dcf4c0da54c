"""Choose a run's thresholds on its validation images, or on unseen sources, and measure them.

Writes decision, gate and trust into the run; `publish` includes them.
"""

import argparse
import dataclasses
import hashlib
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from model.answers.calibration import calibrate
from model.card import Decision, GateCard, ModelCard
from model.network.classifier import Classifier
from model.safe_files import write_atomically
from training.data.decoded import Decoded
from training.data.outsiders import gather_outsiders
from training.data.sources import Sources, add_sources, sources_of
from training.drawing import plots
from training.errors import DataError
from training.figures import Figures
from training.fit import networks
from training.fit.run_folder import RUNS, RunFolder
from training.fit.run_pictures import Known, known_by_collection, read_run_pictures
from training.measure.gate import GateFigures, fit_gate, gate_figures, refused_by_other_groups, require_outsiders
from training.measure.metrics import Presence, Summary, summarize, wilson_interval
from training.measure.passes import answers_of
from training.measure.pointing import Pointing, PointingFigures
from training.measure.stability import changed_looks, stability
from training.measure.strangers import (
    Asked,
    OnStrangers,
    choose_on_strangers,
    figures_of_strangers,
    meet,
    sources_by_image,
)
from training.measure.trust import CrossFitted, choose_decision, cross_fitted, tumor_presence
from training.recipes import RECIPES
from training.steps.bounds import unmet_bounds
from training.steps.card_of_run import card_of_run
from training.steps.run_of_card import run_of_card
from training.steps.volumes import VolumeFigures, judge_volumes

# Number of random networks for comparing heat maps: each has its own favourite place.
N_RANDOM_NETWORKS = 5
N_FOR_RANDOM_NETWORKS = 200
# Number of images changed in four ways: enough for a share of 3 %, with one pass per change.
N_FOR_STABILITY = 400


@dataclass(frozen=True)
class SourceFigures(Figures):
    """A network's figures on one collection."""

    n_pictures: int
    accuracy: float
    accuracy_interval: list[float] | None


@dataclass(frozen=True)
class Trust(CrossFitted):
    """All figures of a run on its validation images, each slice once."""

    sources: dict[str, Known]
    each_slice_once: bool
    not_counted_as_in_training: int
    validation: Summary
    decision: Decision
    tumor_presence: Presence
    by_source: dict[str, SourceFigures]
    stability: dict[str, float]
    heatmaps: PointingFigures
    heatmaps_of_random_weights: PointingFigures | dict[str, float]
    gate: GateFigures
    unmet_bounds: list[str]
    strangers: OnStrangers | None = None
    volumes: VolumeFigures | None = None


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options: a run or a published model, its images, and images that are not brain MRI."""
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--run", type=Path, metavar="DIR")
    which.add_argument("--model", type=Path, metavar="CARD", help="a published card (.json), whose run is rebuilt")
    parser.add_argument("--out", type=Path, metavar="DIR", help="the run folder of --model (default: runs/NAME-again)")
    add_sources(parser)
    parser.add_argument("--outsiders", type=Path, default=RUNS / "outsiders", metavar="DIR",
                        help="images that are not brain MRI, for the gate; gathered here once")  # fmt: skip
    parser.add_argument("--more-outsiders", nargs="*", default=[], metavar="KIND=DIR",
                        help="more of a kind to gather, as wallpapers=/usr/share/backgrounds")  # fmt: skip
    parser.add_argument("--not-brain-mri", type=Path, metavar="DIR",
                        help="a folder for each kind of other medical image, for the gate to refuse")  # fmt: skip
    parser.add_argument("--volumes", type=Path, metavar="DIR",
                        help="volumes in a folder no_tumor and in another, to choose their threshold on")  # fmt: skip
    parser.add_argument("--strangers", nargs="+", type=Path, default=[], metavar="DIR",
                        help="sources that the run never saw, to choose temperature and thresholds on")  # fmt: skip


def run(options: argparse.Namespace) -> None:
    """Gather images that are not brain MRI, rebuild the run of a published model, and calibrate."""
    extra: dict[str, list[Path]] = {}
    for given in options.more_outsiders:
        kind, _, folder = given.partition("=")
        extra.setdefault(kind, []).append(Path(folder))
    gather_outsiders(options.outsiders, extra)
    require_outsiders(options.outsiders)
    sources = sources_of(options)
    folder = RunFolder(options.run or options.out or RUNS / f"{options.model.stem}-again")
    if options.model:
        run_of_card(options.model, sources, folder)
    strangers = None
    if options.strangers:
        # The table of boxes belongs to the run's own images.
        strangers = dataclasses.replace(sources, folders=tuple(options.strangers), boxes=None)
    calibrate_run(folder, sources, options.outsiders, organs=options.not_brain_mri, strangers=strangers,
                  volumes=options.volumes)  # fmt: skip


def calibrate_run(
    run: RunFolder, sources: Sources, outsiders: Path, seed: int = 0, organs: Path | None = None,
    strangers: Sources | None = None, volumes: Path | None = None,
) -> Trust:  # fmt: skip
    """Choose decision and gate, measure them, write everything into the run, and return the figures.

    strangers: folders of sources that the run never saw; the decision is chosen on them instead of on validation.
    volumes: a folder with volumes without and with a tumor; the threshold for volumes is chosen on them.

    Raises:
        DataError: the folders lack images of the run, all validation images are in one group, the strangers
            are known to the run or lack one answer, or the outsiders are missing.
        ModelFileError: the run has no network.
    """
    # The results of an earlier call stay until this one has measured.
    card = card_of_run(run, calibrated=False)
    recipe = RECIPES[card.recipe["name"]]
    split = read_run_pictures(run, sources, card)
    if len(np.unique(split.groups)) < 2:
        raise DataError("Expected validation images of two groups or more. Received one: none could test its choice.")
    labels, healthy = split.validation.labels(card.class_names), card.class_names.index("no_tumor")
    ungated = Classifier(dataclasses.replace(card, gate=GateCard(recipe.gate_layer, "", "", 1.0)), run.network())
    met = meet(strangers, split.known, ungated) if strangers else None
    pointing = _pointing(ungated, split.validation, labels, sources)
    validation = answers_of(ungated, split.validation.pixels, pointing.look)
    looks = changed_looks(split.validation.pixels, split.training.pixels, seed)
    shifted = answers_of(ungated, looks).probabilities
    features = validation.gate_features
    assert features is not None, "the classifier was made with a gate layer"
    held_out = Asked(labels, validation.probabilities, sources_by_image(split.validation), split.groups)
    if met:
        decision = choose_on_strangers(met.asked, held_out, healthy)
    else:
        decision = choose_decision(labels, validation.probabilities, healthy, shifted)
    fitted = fit_gate(ungated, split.training.pixels, split.validation.pixels, features, outsiders, seed, organs)
    gate_bytes, gate_file = fitted.gate.to_bytes(), run.gate_file.name
    sha256 = hashlib.sha256(gate_bytes).hexdigest()
    gate_card = GateCard(recipe.gate_layer, gate_file, sha256, fitted.gate.largest_distance, fitted.kind)
    classifier = Classifier(dataclasses.replace(card, decision=decision, gate=gate_card), run.network(), fitted.gate)
    judged = judge_volumes(classifier, volumes) if volumes else None
    if judged:
        decision = dataclasses.replace(
            decision, volume_tumor_from=judged.tumor_from, volume_false_alarms=judged.false_alarms
        )
    probabilities = calibrate(validation.probabilities, decision.temperature)
    right = probabilities.argmax(axis=1) == labels
    refused = refused_by_other_groups(fitted.inside, fitted.outside, split.groups)
    settled = decision if met else None
    crossed = cross_fitted(labels, validation.probabilities, shifted, split.groups, healthy, ~refused[:, 0], settled)
    presence = tumor_presence(labels != healthy, 1 - probabilities[:, healthy], decision.tumor_from)
    gate = gate_figures(classifier, outsiders, refused, fitted)
    some = np.sort(np.random.default_rng(seed).permutation(len(labels))[:N_FOR_STABILITY])
    stable = stability(classifier, split.validation.subset(some), validation.probabilities[some].argmax(axis=1))
    heatmaps = pointing.figures(right)
    of_strangers = None
    if met:
        refused_strangers = fitted.gate.distances(met.features) > 1
        of_strangers = figures_of_strangers(met.asked, held_out, refused_strangers, healthy)
    trust = Trust(
        sources=known_by_collection(split.known),
        each_slice_once=True,
        not_counted_as_in_training=split.n_in_training,
        validation=summarize(labels, probabilities, card.class_names, split.groups),
        decision=decision,
        **vars(crossed),
        tumor_presence=presence,
        by_source=_by_source(split.validation, right),
        stability=stable,
        heatmaps=heatmaps,
        heatmaps_of_random_weights=_random_pointing(card, split.validation, labels, sources),
        gate=gate,
        unmet_bounds=unmet_bounds(
            presence, heatmaps, crossed.calibration, crossed.selective, gate, stable, of_strangers
        ),
        strangers=of_strangers,
        volumes=judged,
    )
    _write(run, trust, gate_card, gate_bytes, card.sha256)
    _tell(trust)
    return trust


def _write(run: RunFolder, trust: Trust, gate: GateCard, gate_bytes: bytes, network_sha256: str) -> None:
    write_atomically(run.gate_file, gate_bytes)
    chosen = {"decision": dataclasses.asdict(trust.decision), "gate": dataclasses.asdict(gate)}
    run.write_json(run.decision_file, {**chosen, "network_sha256": network_sha256})
    run.write_json(run.trust_file, trust.plain())
    run.write_json(run.validation_file, trust.validation.plain())
    plots.reliability(trust.calibration, run.reliability_file)
    plots.risk_coverage(trust.selective, run.risk_coverage_file)


def _pointing(classifier: Classifier, images: Decoded, labels: NDArray[np.int64], sources: Sources) -> Pointing:
    return Pointing(classifier, labels, sources.boxes_around(images), classifier.card.class_names)


def _random_pointing(
    card: ModelCard, images: Decoded, labels: NDArray[np.int64], sources: Sources
) -> PointingFigures | dict[str, float]:
    """Measure networks of the same form with random weights: hits of the trained maps must come from training."""
    recipe = dataclasses.replace(
        RECIPES[card.recipe["name"]], task=card.task, input_size_px=card.input_size_px,
        decides_at_places=card.recipe.get("decides_at_places", False),
    )  # fmt: skip
    boxed = np.flatnonzero(~np.isnan(sources.boxes_around(images)[:, 0]))
    # A random draw, to have all classes: the images are in the order of the folders.
    boxed = np.sort(np.random.default_rng(0).permutation(boxed)[:N_FOR_RANDOM_NETWORKS])
    if not boxed.size:
        return {}
    found = []
    for seed in range(N_RANDOM_NETWORKS):
        keras.utils.set_random_seed(seed)
        classifier = Classifier(dataclasses.replace(card, gate=None), networks.build(recipe, "random"))
        pointing = _pointing(classifier, images.subset(boxed), labels[boxed], sources)
        answers_of(classifier, images.pixels[boxed], pointing.look)
        found.append(pointing.figures(np.ones(boxed.size, bool)))
    hits = [figures.hottest_point_in_box or 0.0 for figures in found]
    return dataclasses.replace(
        found[0],
        n_networks=N_RANDOM_NETWORKS,
        hottest_point_in_box=float(np.mean(hits)),
        highest_hottest_point_in_box=max(hits),
        evidence_in_box=float(np.mean([figures.evidence_in_box or 0.0 for figures in found])),
    )


def _by_source(images: Decoded, right: NDArray[np.bool_]) -> dict[str, SourceFigures]:
    sources = sources_by_image(images)
    figures = {}
    for name in np.unique(sources):
        of_source = right[sources == name]
        interval = wilson_interval(int(of_source.sum()), len(of_source))
        figures[str(name)] = SourceFigures(len(of_source), float(of_source.mean()), interval)
    return figures


def _tell(trust: Trust) -> None:
    validation, calibrated, selective = trust.validation, trust.calibration, trust.selective
    print(f"validation accuracy {validation.accuracy:.3f} of {validation.n_pictures}; {trust.decision}")
    print(
        f"cross-fitted: expected calibration error {calibrated.expected_calibration_error:.3f}, "
        f"certain {selective.coverage:.3f} with error {selective.error_among_certain}"
    )
    shifted = trust.selective_in_changed_look
    print(
        "in a changed look: expected calibration error "
        f"{trust.calibration_in_changed_look.expected_calibration_error:.3f}, certain {shifted.coverage:.3f} "
        f"with error {shifted.error_among_certain}, all {shifted.error_among_all:.3f}"
    )
    print(f"tumor or not: {trust.tumor_presence.in_words()}")
    print("by source: " + ", ".join(f"{k} {of.accuracy:.3f} of {of.n_pictures}" for k, of in trust.by_source.items()))
    print("class changes when " + ", ".join(f"{k} {v:.3f}" for k, v in trust.stability.items()))
    print(f"heat maps: {trust.heatmaps}")
    print(f"heat maps of random weights: {trust.heatmaps_of_random_weights}")
    print(f"gate: {trust.gate}")
    if trust.volumes:
        print(f"volumes: {trust.volumes.plain()}")
    if trust.strangers:
        print(f"on strangers: {trust.strangers.plain()}")
    print("goals for publishing that are missed: " + ("; ".join(trust.unmet_bounds) or "none"))
