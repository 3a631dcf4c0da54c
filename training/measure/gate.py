"""Fit the gate that refuses images other than brain MRI, and measure its errors on both sides."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_fill_holes, gaussian_filter, label

from model.answers.gate import AnyGate, Gate, LinearGate
from model.card import DISTANCE_GATE, LINEAR_GATE
from model.errors import ImageError
from model.network.classifier import Classifier
from model.preprocessing import preprocess
from model.reading.one_file import read_image
from training.data.outsiders import TEST_KINDS, TUNING_KINDS
from training.errors import DataError
from training.feed.augmentation import inside_head
from training.figures import Figures
from training.measure.linear_gate import fit_linear_gate, largest_distance, let_through_known, let_through_unseen
from training.measure.passes import answers_of
from training.measure.trust import group_folds

_SUFFIXES = {".png", ".jpg", ".jpeg"}
# Few enough for a small file. More would move the training images closer to the plane, but outsiders too.
N_DIRECTIONS = 32
# Images that span the plane: a few dozen for each direction.
N_FOR_PLANE = 1500
# Thickness of the removed skull, as a share of the side: by itself, and before brain extraction.
_SHELL = 0.07
_EXTRACTED_SHELL = (0.06, 0.12)
# Tissue darker than this share of the rest counts as fluid, which extraction removes with the skull.
_DARK_SHARE = (0.1, 0.45)
# Extraction that leaves less of the image than this has failed.
_SMALLEST_BRAIN = 0.02


@dataclass(frozen=True, eq=False)
class FittedGate:
    """A gate and the distances that its threshold was chosen from.

    inside: float32 (n, 3), distances of the validation images whole, without skull, and extracted;
    outside: float32 (m,), of the outsiders, None for a linear gate, whose threshold they do not choose. In mean squared
    deviations or odds, not in shares of the threshold.
    unseen, known: the share of each kind that is accepted by a linear gate fitted without it, and by one fitted to
    other images of it; empty for the other gate.
    """

    gate: AnyGate
    inside: NDArray[np.float32]
    outside: NDArray[np.float32] | None
    unseen: dict[str, float]
    known: dict[str, float]

    @property
    def kind(self) -> str:
        """The name of this kind of gate in the card."""
        return LINEAR_GATE if isinstance(self.gate, LinearGate) else DISTANCE_GATE


def fit_gate(
    classifier: Classifier, training: NDArray[np.uint8], validation: NDArray[np.uint8],
    features: NDArray[np.float32], outsiders: Path, seed: int, organs: Path | None = None,
) -> FittedGate:  # fmt: skip
    """Fit the gate to brain MRI and, if organs are given, to other images; choose the threshold between them.

    Many archives hold heads without skull, or only brains. Each of the three forms is a third of the images that span
    the plane, and counts equally for the threshold.

    training, validation: uint8 (n, size, size), preprocessed; features: float32 (n, channels), of `validation`;
    outsiders: the folder that `gather_outsiders` made; organs: a folder for each kind of medical image that is not
    brain MRI, which a linear gate learns to tell apart.

    Raises:
        DataError: there are no outsiders, or no organs, in the folder.
    """
    random = np.random.default_rng(seed)
    chosen = training[np.sort(random.permutation(len(training))[:N_FOR_PLANE])]
    bare, extracted = without_skulls(chosen[1::3]), extracted_brains(chosen[2::3], random)
    spanning = _features(classifier, np.concatenate([chosen[::3], bare, extracted]))
    forms = [
        features,
        _features(classifier, without_skulls(validation)),
        _features(classifier, extracted_brains(validation, random)),
    ]
    kinds = _features_of_kinds(classifier, outsiders, organs)
    gate: AnyGate = fit_linear_gate(spanning, kinds) if organs else _plane(spanning)
    every_form = np.concatenate(forms)
    unseen = let_through_unseen(spanning, every_form, kinds) if organs else {}
    known = let_through_known(spanning, every_form, kinds) if organs else {}
    inside = np.stack([gate.distances(of_form) for of_form in forms], axis=1)
    outside = None if organs else gate.distances(np.concatenate(list(kinds.values())))
    bounded = dataclasses.replace(gate, largest_distance=largest_distance(inside, outside))
    return FittedGate(bounded, inside, outside, unseen, known)


def _plane(spanning: NDArray[np.float32]) -> Gate:
    mean, deviation = spanning.mean(axis=0), spanning.std(axis=0) + np.float32(1e-4)
    _, _, directions = np.linalg.svd((spanning - mean) / deviation, full_matrices=False)
    return Gate(mean, deviation, np.ascontiguousarray(directions[:N_DIRECTIONS]), 1.0)


def without_skulls(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Remove the outer shell of each head, and preprocess the rest as in serving: uint8 (n, size, size)."""
    return np.stack([_preprocessed(np.where(inside_head(p.astype(np.float32), _SHELL), p, 0), p) for p in pixels])


def extracted_brains(pixels: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    """Return each head after brain extraction, preprocessed: uint8 (n, size, size).

    Extraction removes the skull and the fluid around the brain; the outline follows the folds. Dark tissue enclosed
    by brighter tissue stays. If almost nothing is left, only the skull is removed.
    """
    return np.stack([_extracted(p, random.uniform(*_EXTRACTED_SHELL), random.uniform(*_DARK_SHARE)) for p in pixels])


def _extracted(pixels: NDArray[np.uint8], shell: float, dark_share: float) -> NDArray[np.uint8]:
    picture = pixels.astype(np.float32)
    inside = inside_head(picture, shell)
    if not inside.any():
        return pixels
    tissue, _ = label(inside & (gaussian_filter(picture, 0.7) > np.quantile(picture[inside], dark_share)))
    sizes = np.bincount(tissue.ravel())
    # 0 is what is no tissue.
    sizes[0] = 0
    brain = inside & binary_fill_holes(tissue == sizes.argmax()) if sizes.any() else inside
    if brain.sum() < _SMALLEST_BRAIN * brain.size:
        brain = inside
    return _preprocessed(np.where(brain, pixels, 0), pixels)


def _preprocessed(changed: NDArray[np.uint8], before: NDArray[np.uint8]) -> NDArray[np.uint8]:
    try:
        return preprocess(changed.astype(np.uint8), len(before)).pixels
    except ImageError:
        # Nothing is left of the image.
        return before


def _features(classifier: Classifier, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    features = answers_of(classifier, pixels).gate_features
    assert features is not None, "the classifier was made with a gate layer"
    return features


def require_outsiders(outsiders: Path) -> None:
    """Check a folder of outsiders before computing anything.

    Raises:
        DataError: it has no images of the kinds that choose the threshold.
    """
    if not any(any((outsiders / kind).glob("*.png")) for kind in TUNING_KINDS):
        raise DataError(
            f"Expected images that are not brain MRI in {outsiders}, as `calibrate` gathers them. There are none of "
            f"the kinds that choose the threshold ({', '.join(TUNING_KINDS)}). Give another --outsiders."
        )


def _features_of_kinds(classifier: Classifier, outsiders: Path, organs: Path | None) -> dict[str, NDArray[np.float32]]:
    require_outsiders(outsiders)
    folders = [outsiders / kind for kind in TUNING_KINDS]
    if organs:
        # Each kind is measured with a gate fitted without it: none has to be set aside.
        folders += [outsiders / kind for kind in TEST_KINDS] + _folders_of_organs(organs)
    pixels = {folder.name: outsider_pixels(folder, classifier.card.input_size_px)[0] for folder in folders}
    return {kind: _features(classifier, of_kind) for kind, of_kind in pixels.items() if len(of_kind)}


def _folders_of_organs(organs: Path) -> list[Path]:
    found = sorted(folder for folder in organs.iterdir() if folder.is_dir()) if organs.is_dir() else []
    if len(found) < 2:
        raise DataError(
            f"Expected in {organs} a folder for each kind of image that is not brain MRI, two or more. "
            f"Received {len(found)}. Choose another --not-brain-mri, or leave it out."
        )
    return found


def refused_by_other_groups(
    inside: NDArray[np.float32], outside: NDArray[np.float32] | None, groups: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Return which brain MRI is refused, each tenth of the groups by the other nine's threshold: bool (n, 3).

    inside, outside: distances as in FittedGate; groups: int64 (n,), of inside.
    """
    refused = np.zeros(inside.shape, bool)
    for chosen, measured in group_folds(groups):
        refused[measured] = inside[measured] > largest_distance(inside[chosen], outside)
    return refused


@dataclass(frozen=True)
class KindFigures(Figures):
    """Images of one kind that are not brain MRI."""

    chose_the_bound: bool
    n_pictures: int
    n_accepted: int


@dataclass(frozen=True)
class GateFigures(Figures):
    """The accepted share of other images, and the refused share of brain MRI: whole, without skull, extracted.

    Kinds that fitted the gate or chose its threshold are separate from those that test it. Each test kind is measured
    with a gate that did not see it, and brain MRI with thresholds from other groups.
    """

    kinds: dict[str, KindFigures]
    accepted_of_tuning_kinds: float
    n_of_tuning_kinds: int
    accepted_of_test_kinds: float
    n_of_test_kinds: int
    refused_brain_mri: float
    refused_without_skull: float
    refused_extracted: float
    n_brain_mri: int
    refused_by_other_groups: bool = True
    # The accepted share of each kind, by a gate fitted without it and by one fitted to other images of it; None if the
    # gate was fitted to no kind. What is refused before the network is not counted.
    unseen_kinds: dict[str, float] | None = None
    known_kinds: dict[str, float] | None = None


def gate_figures(
    classifier: Classifier, outsiders: Path, refused: NDArray[np.bool_], fitted: FittedGate
) -> GateFigures:
    """Count the accepted outsiders of each kind; refused: bool (n, 3), brain MRI whole, without skull, extracted."""
    shares = {kind: share for kind, share in fitted.unseen.items() if kind in TEST_KINDS}
    kinds = {
        kind: _kind_figures(classifier, outsiders, kind, shares.get(kind)) for kind in (*TUNING_KINDS, *TEST_KINDS)
    }
    whole, bare, extracted = map(float, refused.mean(axis=0))
    tuning, n_tuning = _accepted([kinds[kind] for kind in TUNING_KINDS])
    test, n_test = _accepted([kinds[kind] for kind in TEST_KINDS])
    return GateFigures(kinds, tuning, n_tuning, test, n_test, whole, bare, extracted, len(refused),
                       unseen_kinds=fitted.unseen or None, known_kinds=fitted.known or None)  # fmt: skip


def _kind_figures(classifier: Classifier, outsiders: Path, kind: str, share: float | None) -> KindFigures:
    pixels, n_refused = outsider_pixels(outsiders / kind, classifier.card.input_size_px)
    if share is None:
        share = float((answers_of(classifier, pixels).distances <= 1).mean()) if len(pixels) else 0.0
    return KindFigures(kind in TUNING_KINDS, len(pixels) + n_refused, round(share * len(pixels)))


def _accepted(kinds: list[KindFigures]) -> tuple[float, int]:
    n = sum(of.n_pictures for of in kinds)
    return sum(of.n_accepted for of in kinds) / max(n, 1), n


def outsider_pixels(folder: Path, input_size_px: int) -> tuple[NDArray[np.uint8], int]:
    """Return the preprocessed images of a kind, uint8 (n, size, size), and how many were refused before the network."""
    pixels, n_refused = [], 0
    for file in sorted(file for file in folder.glob("*") if file.suffix in _SUFFIXES):
        try:
            pixels.append(preprocess(read_image(file).pixels, input_size_px).pixels)
        except ImageError:
            n_refused += 1
    return np.array(pixels, np.uint8).reshape(-1, input_size_px, input_size_px), n_refused
