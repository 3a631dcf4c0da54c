"""Feed fine-tuning: each class and each collection in turn, lesions pasted, looks borrowed, boxes as targets."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from numpy.typing import NDArray

from model.card import CLASS_NAMES
from model.network.features import FeatureGrid
from training.feed.alike_views import AlikeViews
from training.feed.augmentation import augment
from training.feed.lesions import ANYWHERE, cover_lesion, paste_healthy, paste_lesion, replace_lesion

if TYPE_CHECKING:
    from training.recipes import Recipe


@dataclass(frozen=True, eq=False)
class LabelledPictures:
    """Preprocessed pictures and what is known of them.

    pixels: uint8, (n, size, size), 0..255; labels: int64, (n,); origins: int64, (n,), a number per collection;
    boxes: float32, (n, 4), top, bottom, left, right as shares of the side, NaN where unknown;
    placements: int64, (n,), where the lesion may be pasted (training.feed.lesions); healthy: the label of "no tumor".
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    origins: NDArray[np.int64]
    boxes: NDArray[np.float32]
    placements: NDArray[np.int64]
    healthy: int

    def subset(self, indices: NDArray[np.int64]) -> "LabelledPictures":
        """Keep the pictures at the given places."""
        return LabelledPictures(
            self.pixels[indices], self.labels[indices], self.origins[indices], self.boxes[indices],
            self.placements[indices], self.healthy,
        )  # fmt: skip


# Multiples of it fill the unit interval evenly.
_GOLDEN = 0.6180339887498949


class MixedPictures(keras.utils.PyDataset):
    """Batches of drawn pictures; what is drawn depends on seed and epoch alone, so that a resumed run agrees."""

    def __init__(
        self, pictures: LabelledPictures, recipe: "Recipe", grid: FeatureGrid, seed: int, first_epoch: int
    ) -> None:
        """Draw from all of the pictures as the recipe has it, which must have a synthesis."""
        super().__init__(workers=1, max_queue_size=4)
        assert recipe.synthesis, "the recipe pastes lesions"
        n_classes = len(CLASS_NAMES[recipe.task])
        share = 1 / n_classes if recipe.no_tumor_share is None else recipe.no_tumor_share
        self._chances = np.full(n_classes, (1 - share) / (n_classes - 1))
        self._chances[pictures.healthy] = share
        self._pictures, self._augmentation, self._synthesis = pictures, recipe.augmentation, recipe.synthesis
        self._grid, self._n_classes, self._batch_size = grid, n_classes, recipe.batch_size
        self._n_draws = recipe.draws_per_epoch or len(pictures.labels)
        self._seed, self._epoch = seed, first_epoch
        self._by_class = [_draw_shares(pictures, label) for label in range(n_classes)]
        boxed = np.isfinite(pictures.boxes[:, 0])
        self._donors = [np.flatnonzero(boxed & (pictures.labels == label)) for label in range(n_classes)]
        self._lesions = np.concatenate(self._donors)
        # A glioma reaches beyond its box: what would be left of it uncovered must not be called healthy.
        self._coverable = self._lesions[pictures.placements[self._lesions] != ANYWHERE]
        self._alike = AlikeViews(pictures.pixels, pictures.boxes, pictures.labels == pictures.healthy)

    def __len__(self) -> int:
        return self._n_draws // self._batch_size

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], dict[str, NDArray[np.float32]]]:
        drawn = [self._draw(index * self._batch_size + i) for i in range(self._batch_size)]
        labels = np.array([label for _, label, _ in drawn])
        probabilities = np.eye(self._n_classes, dtype=np.float32)[labels]
        maps = np.stack([box_mask(box, self._grid) for _, _, box in drawn])[..., None] * probabilities[:, None, None]
        return np.stack([picture for picture, _, _ in drawn])[..., None], {"probabilities": probabilities, "maps": maps}

    def on_epoch_end(self) -> None:
        """Draw anew."""
        self._epoch += 1

    def _draw(self, place: int) -> tuple[NDArray[np.float32], int, NDArray[np.float32]]:
        random = np.random.default_rng((self._seed, self._epoch, place))
        # Spread evenly over the epoch: every stretch of pictures holds every class as often as it should.
        label = int(np.searchsorted(self._chances.cumsum(), (place * _GOLDEN + random.random() * 0.01) % 1, "right"))
        label = min(label, self._n_classes - 1)
        make = self._without_tumor if label == self._pictures.healthy else self._with_tumor
        picture, box = make(label, random)
        partner = self._pictures.pixels[self._pick(int(random.integers(self._n_classes)), random)]
        picture, box = augment(picture, self._augmentation, random, partner, box)
        return picture, label, box

    def _with_tumor(self, label: int, random: np.random.Generator) -> tuple[Any, NDArray[np.float32]]:
        pictures, donors = self._pictures, self._donors[label]
        if donors.size and random.random() < self._synthesis.paste_probability:
            donor = int(random.choice(donors))
            brain = pictures.pixels[self._pick(pictures.healthy, random)]
            return paste_lesion(brain, pictures.pixels[donor], pictures.boxes[donor], int(pictures.placements[donor]),
                                self._synthesis, random)  # fmt: skip
        chosen = self._pick(label, random)
        return pictures.pixels[chosen], pictures.boxes[chosen]

    def _without_tumor(self, label: int, random: np.random.Generator) -> tuple[Any, NDArray[np.float32]]:
        pictures, kind, nothing = self._pictures, random.random(), np.full(4, np.nan, np.float32)
        brain = pictures.pixels[self._pick(label, random)]
        if not self._lesions.size:
            return brain, nothing
        lesion = int(random.choice(self._lesions))
        if kind < self._synthesis.cover_probability:
            for candidate in random.choice(self._coverable, 6) if self._coverable.size else ():
                covered = self._covered(int(candidate), random)
                if covered is not None:
                    return covered, nothing
        elif kind < self._synthesis.cover_probability + self._synthesis.healthy_patch_probability:
            other = pictures.pixels[self._pick(label, random)]
            return paste_healthy(brain, other, pictures.boxes[lesion], self._synthesis, random), nothing
        return brain, nothing

    def _covered(self, candidate: int, random: np.random.Generator) -> NDArray[np.float32] | None:
        """Cover the lesion of a picture; None where neither another head nor the other side can."""
        picture, box, settings = self._pictures.pixels[candidate], self._pictures.boxes[candidate], self._synthesis
        if (box[1] - box[0]) * (box[3] - box[2]) > settings.cover_largest_area:
            return None
        if random.random() < settings.cover_from_another_share:
            found = self._alike.draw(picture, box, random)
            if found is not None:
                other = self._pictures.pixels[found[0]]
                return replace_lesion(picture, box, other[:, ::-1] if found[1] else other, settings, random)
        return cover_lesion(picture, box, settings, random)

    def _pick(self, label: int, random: np.random.Generator) -> int:
        members, shares = self._by_class[label]
        return int(members[np.searchsorted(shares, random.random())])


def box_mask(box: NDArray[np.float32], grid: FeatureGrid) -> NDArray[np.float32]:
    """Give how much of each place of the feature grid the box covers, 0..1, at least one place fully.

    Returns float32 (rows, columns); all ones for a box of NaN.
    """
    centres = grid.centres_px()
    n = len(centres)
    if np.isnan(box[0]):
        return np.ones((n, n), np.float32)
    top, bottom, left, right = box * grid.input_size_px
    mask = np.outer(_overlap(centres, grid.step_px, top, bottom), _overlap(centres, grid.step_px, left, right))
    mask[np.abs(centres - (top + bottom) / 2).argmin(), np.abs(centres - (left + right) / 2).argmin()] = 1
    return mask.astype(np.float32)


def _overlap(centres: NDArray[np.float64], step: int, start: float, end: float) -> NDArray[np.float64]:
    return np.clip((np.minimum(centres + step / 2, end) - np.maximum(centres - step / 2, start)) / step, 0, 1)


def _draw_shares(pictures: LabelledPictures, label: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The pictures of a class and the rising sums of their chances.

    A collection is drawn in proportion to the square root of its size: the small ones bring other looks, but their few
    pictures must not be learnt by heart.
    """
    members = np.flatnonzero(pictures.labels == label)
    counts = np.bincount(pictures.origins[members])
    chances = 1 / np.sqrt(counts[pictures.origins[members]])
    shares = np.cumsum(chances / chances.sum())
    shares[-1] = 1.0
    return members, shares
