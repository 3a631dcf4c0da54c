"""Feed the two phases: cached features, and augmented images."""

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from training.feed.augmentation import Augmentation, augment
from training.feed.devices import equal_shares


def balanced_order(labels: NDArray[np.int64], random: np.random.Generator) -> NDArray[np.int64]:
    """Draw as many indices as there are images: each class equally often, each image as evenly as possible."""
    classes = np.unique(labels)
    per_class = -(-len(labels) // len(classes))
    drawn = []
    for number in classes:
        members = np.flatnonzero(labels == number)
        rounds = -(-per_class // len(members))
        drawn.append(np.concatenate([random.permutation(members) for _ in range(rounds)])[:per_class])
    return random.permutation(np.concatenate(drawn))


class _Balanced(keras.utils.PyDataset):
    """Batches in a new balanced order each epoch. It depends only on seed and epoch: resumed runs agree."""

    def __init__(self, labels: NDArray[np.int64], n_classes: int, batch_size: int, seed: int, first_epoch: int) -> None:
        super().__init__(workers=1, max_queue_size=4)
        self._labels, self._batch_size, self._seed = labels, batch_size, seed
        self._targets = np.eye(n_classes, dtype=np.float32)[labels]
        self._epoch = first_epoch
        self._order = self._draw()

    def __len__(self) -> int:
        return -(-len(self._order) // self._batch_size)

    def __getitem__(self, index: int) -> tuple[Any, NDArray[np.float32]]:
        places = np.arange(index * self._batch_size, min((index + 1) * self._batch_size, len(self._order)))
        chosen = self._order[places]
        return self._inputs(chosen, places), self._targets[chosen]

    def on_epoch_end(self) -> None:
        self._epoch += 1
        self._order = self._draw()

    def _draw(self) -> NDArray[np.int64]:
        return equal_shares(balanced_order(self._labels, np.random.default_rng((self._seed, self._epoch))))

    def _inputs(self, chosen: NDArray[np.int64], places: NDArray[np.int64]) -> Any:
        raise NotImplementedError


class FeatureBatches(_Balanced):
    """Batches of cached features, float16 (views, n, ...), with a random view of each image."""

    def __init__(self, features: NDArray[np.float16], labels: NDArray[np.int64], **settings: Any) -> None:
        self._features = features
        super().__init__(labels, **settings)

    def _inputs(self, chosen: NDArray[np.int64], places: NDArray[np.int64]) -> NDArray[np.float32]:
        views = np.random.default_rng((self._seed, self._epoch, int(places[0]))).integers(
            0, len(self._features), len(chosen)
        )
        return self._features[views, chosen].astype(np.float32)


class AugmentedPictures(_Balanced):
    """Batches of preprocessed images, uint8 (n, size, size), augmented at every draw."""

    def __init__(
        self, pixels: NDArray[np.uint8], labels: NDArray[np.int64], strength: Augmentation, **settings: Any
    ) -> None:
        self._pixels, self._strength = pixels, strength
        super().__init__(labels, **settings)

    def _inputs(self, chosen: NDArray[np.int64], places: NDArray[np.int64]) -> NDArray[np.float32]:
        pictures = [
            augment(self._pixels[i], self._strength, np.random.default_rng((self._seed, self._epoch, int(place))))[0]
            for i, place in zip(chosen, places, strict=True)
        ]
        return np.stack(pictures)[..., None]
