"""Batches for fine-tuning: both answers for every look, pasted and covered lesions, outlines as targets of places."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from model.card import CLASS_NAMES
from model.network.features import FeatureGrid
from training.data.outlines import Outlines
from training.feed.alike_views import AlikeViews
from training.feed.augmentation import augment
from training.feed.lesions import cover_lesion, paste_control, paste_lesion
from training.recipes import Recipe

# The label of a tumor whose kind is not known.
ANY_TUMOR = -1


@dataclass(frozen=True, eq=False)
class LabelledPictures:
    """Preprocessed images with labels, looks and outlines.

    pixels: uint8, (n, size, size), 0..255; labels: int64, (n,), ANY_TUMOR if the kind is unknown;
    looks: int64, (n,), a number for each source, plane and kind of preparation; outlines: of the lesions;
    healthy: the label of "no tumor".
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    looks: NDArray[np.int64]
    outlines: Outlines
    healthy: int

    def subset(self, indices: NDArray[np.int64]) -> "LabelledPictures":
        """Return the images at the given indices."""
        return LabelledPictures(
            self.pixels[indices], self.labels[indices], self.looks[indices], self.outlines.subset(indices), self.healthy
        )

    def targets(self, labels: NDArray[np.int64], n_classes: int) -> NDArray[np.float32]:
        """Return 1 for each possible class of an image: float32 (n, n_classes)."""
        targets = np.eye(n_classes, dtype=np.float32)[labels]
        targets[labels == ANY_TUMOR] = np.arange(n_classes) != self.healthy
        return targets


@dataclass(frozen=True, eq=False)
class Drawn:
    """One image for the network; outline: of its lesion, None if unknown."""

    pixels: NDArray[np.float32]
    label: int
    outline: NDArray[np.float32] | None = None


# Multiples of it, modulo 1, fill the unit interval evenly.
_GOLDEN = 0.6180339887498949
_TRIES = 4


class MixedPictures(keras.utils.PyDataset):
    """Batches of drawn images. The draw depends only on seed and epoch: resumed runs agree."""

    def __init__(
        self, pictures: LabelledPictures, recipe: Recipe, grid: FeatureGrid, seed: int, first_epoch: int
    ) -> None:
        """Draw from all images by the recipe."""
        super().__init__(workers=1, max_queue_size=4)
        self._n_classes = len(CLASS_NAMES[recipe.task])
        self._no_tumor_share = recipe.no_tumor_share
        self._pictures, self._augmentation, self._synthesis = pictures, recipe.augmentation, recipe.synthesis
        self._grid, self._batch_size = grid, recipe.batch_size
        self._has_places = recipe.places_weight > 0
        self._n_draws = recipe.draws_per_epoch
        self._seed, self._epoch = seed, first_epoch
        labels = pictures.labels
        kinds = [k for k in (*range(self._n_classes), ANY_TUMOR) if k != pictures.healthy and (labels == k).any()]
        self._members = {k: _by_look(pictures, labels == k) for k in (*kinds, pictures.healthy)}
        # Square roots: rarer kinds are drawn more often than their share.
        self._kinds, counts = kinds, np.sqrt([(labels == k).sum() for k in kinds])
        self._kind_shares = counts / counts.sum()
        donors = {k: np.flatnonzero(pictures.outlines.known & (labels == k)) for k in kinds if k != ANY_TUMOR}
        self._donors = {k: found for k, found in donors.items() if found.size}
        self._views = [AlikeViews(pictures.pixels[members]) for members in self._members[pictures.healthy]]
        glioma = CLASS_NAMES[recipe.task].index("glioma") if "glioma" in CLASS_NAMES[recipe.task] else None
        # A glioma extends beyond its outline: its uncovered rest must not be called healthy.
        coverable = [found for k, found in self._donors.items() if k != glioma]
        self._coverable = np.concatenate(coverable) if coverable else np.empty(0, np.int64)

    def __len__(self) -> int:
        return self._n_draws // self._batch_size

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], Any]:
        drawn = [self.draw(index * self._batch_size + i) for i in range(self._batch_size)]
        labels = np.array([d.label for d in drawn])
        targets = self._pictures.targets(labels, self._n_classes)
        pixels = np.stack([d.pixels for d in drawn])[..., None]
        if not self._has_places:
            return pixels, targets
        places = [place_targets(d.outline, t, self._pictures.healthy, self._grid)
                  for d, t in zip(drawn, targets, strict=True)]  # fmt: skip
        return pixels, {"probabilities": targets, "places": np.stack(places)}

    def on_epoch_end(self) -> None:
        """Draw again."""
        self._epoch += 1

    def draw(self, place: int) -> Drawn:
        """Return the image at one position of this epoch."""
        random = np.random.default_rng((self._seed, self._epoch, place))
        # Spread evenly: every stretch of the epoch has both answers in the right proportion.
        is_free = (place * _GOLDEN + random.random() * 0.01) % 1 < self._no_tumor_share
        made = self._without_tumor(random) if is_free else self._with_tumor(random)
        partner = self._pictures.pixels[int(random.integers(len(self._pictures.pixels)))]
        pixels, outline = augment(made.pixels, self._augmentation, random, partner, made.outline)
        return Drawn(pixels, made.label, outline)

    def _with_tumor(self, random: np.random.Generator) -> Drawn:
        if self._donors and random.random() < self._synthesis.paste_probability:
            for _ in range(_TRIES):
                pasted = self._pasted(random)
                if pasted:
                    return pasted
        kind = int(random.choice(self._kinds, p=self._kind_shares))
        chosen = _one_of(self._members[kind], random)
        return self._as_it_is(chosen)

    def _pasted(self, random: np.random.Generator) -> Drawn | None:
        """Paste a donor's lesion into a tumor-free head. The head's look is drawn first."""
        kind = int(random.choice(list(self._donors)))
        donor = int(random.choice(self._donors[kind]))
        host = self._host(self._pictures.pixels[donor], self._synthesis.paste_likeness, random)
        outline = self._pictures.outlines[donor]
        if host is None or outline is None:
            return None
        made = paste_lesion(host, self._pictures.pixels[donor], outline, self._synthesis, random)
        return Drawn(made[0], kind, made[1]) if made else None

    def _host(self, like: NDArray[np.uint8], least: float, random: np.random.Generator) -> NDArray[np.uint8] | None:
        """Draw a look, then a tumor-free head of that look with the same view as an image, mirrored if needed."""
        members = self._members[self._pictures.healthy]
        look = int(random.choice(len(members), p=_look_shares(members)))
        found = self._views[look].draw(like, least, random)
        if found is None:
            return None
        pixels = self._pictures.pixels[members[look][found[0]]]
        return pixels[:, ::-1] if found[1] else pixels

    def _without_tumor(self, random: np.random.Generator) -> Drawn:
        kind, healthy, settings = random.random(), self._pictures.healthy, self._synthesis
        if kind < settings.cover_probability and self._coverable.size:
            for _ in range(_TRIES):
                covered = self._covered(random)
                if covered is not None:
                    return Drawn(covered, healthy)
        chosen = self._as_it_is(_one_of(self._members[healthy], random))
        if self._donors and kind > 1 - settings.control_probability:
            host = chosen.pixels.astype(np.uint8)
            other = self._host(host, settings.paste_likeness, random)
            outline = self._pictures.outlines[int(random.choice(self._donors[int(random.choice(list(self._donors)))]))]
            if other is not None and outline is not None:
                return Drawn(paste_control(host, other, outline, settings, random), healthy)
        return chosen

    def _covered(self, random: np.random.Generator) -> NDArray[np.float32] | None:
        candidate = int(random.choice(self._coverable))
        image, outline = self._pictures.pixels[candidate], self._pictures.outlines[candidate]
        if outline is None or outline.mean() > self._synthesis.cover_largest_area:
            return None
        other = self._host(image, self._synthesis.cover_likeness, random)
        return None if other is None else cover_lesion(image, outline, other, self._synthesis, random)

    def _as_it_is(self, i: int) -> Drawn:
        pictures = self._pictures
        return Drawn(pictures.pixels[i].astype(np.float32), int(pictures.labels[i]), pictures.outlines[i])


def place_targets(
    outline: NDArray[np.float32] | None, target: NDArray[np.float32], healthy: int, grid: FeatureGrid
) -> NDArray[np.float32]:
    """Return the weight of each class at each place: float32 (rows, columns, n_classes), 0 if unknown.

    target: float32 (n_classes,), 1 for each possible class of the image. Without tumor every place is "no tumor". With
    an outlined lesion half of the weight is on the lesion's places, half on places clear of it.
    """
    n = grid.n_places
    weights = np.zeros((n, n, len(target)), np.float32)
    if target[healthy]:
        weights[..., healthy] = 1 / n**2
    elif outline is not None and target.sum() == 1:
        covered = outline_on(outline, grid)
        lesion, clear = np.where(covered >= 0.4, covered, 0), covered < 0.02
        weights[..., int(target.argmax())] = lesion / (2 * max(float(lesion.sum()), 1e-6))
        weights[..., healthy] = clear / (2 * max(int(clear.sum()), 1))
    return weights


def outline_on(outline: NDArray[np.float32], grid: FeatureGrid) -> NDArray[np.float32]:
    """Return the share of each place under an outline, at least one place fully: float32 (rows, columns), 0..1."""
    centres, half = grid.centres_px(), grid.step_px / 2
    edges = [(max(round(c - half), 0), max(round(c + half), 1)) for c in centres]
    sums = np.pad(outline.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    size = len(outline)
    low, high = (np.array([min(e[i], size) for e in edges]) for i in (0, 1))
    total = sums[np.ix_(high, high)] - sums[np.ix_(low, high)] - sums[np.ix_(high, low)] + sums[np.ix_(low, low)]
    covered = (total / grid.step_px**2).astype(np.float32)
    if outline.any():
        covered[np.unravel_index(covered.argmax(), covered.shape)] = 1
    return np.clip(covered, 0, 1)


def _by_look(pictures: LabelledPictures, chosen: NDArray[np.bool_]) -> list[NDArray[np.int64]]:
    """Return the indices of the chosen images, one array per look."""
    return [np.flatnonzero(chosen & (pictures.looks == look)) for look in np.unique(pictures.looks[chosen])]


def _look_shares(members: list[NDArray[np.int64]]) -> NDArray[np.float64]:
    """Return the probability of each look, in proportion to the square root of its size.

    Small looks add variety, but drawn too often their few images would be memorized.
    """
    roots = np.sqrt([len(of_look) for of_look in members])
    return np.asarray(roots / roots.sum())


def _one_of(members: list[NDArray[np.int64]], random: np.random.Generator) -> int:
    return int(random.choice(members[int(random.choice(len(members), p=_look_shares(members)))]))
