"""Run the frozen part of a network over the data once and keep its features."""

from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from training.data.decoded import Decoded
from training.feed.augmentation import Augmentation, augment


def cached_features(
    frozen: keras.Model, decoded: Decoded, views: int, strength: Augmentation, batch_size: int, seed: int, file: Path
) -> NDArray[np.float16]:
    """Return the features of `views` copies of each image, the first unchanged, the others augmented.

    float16, shape (views, n, ...features), read from the file if it exists. Half precision is enough: it rounds the
    features by 0.05 %, less than the image's compression changes them.
    """
    if not file.is_file():
        features = np.stack([_view(frozen, decoded, view, strength, batch_size, seed) for view in range(views)])
        aside = file.with_suffix(".part.npy")
        np.save(aside, features)
        aside.replace(file)
    return np.load(file)


def _view(
    frozen: keras.Model, decoded: Decoded, view: int, strength: Augmentation, batch_size: int, seed: int
) -> NDArray[np.float16]:
    n = len(decoded.pixels)
    batches = []
    for start in tqdm(range(0, n, batch_size), desc=f"features, view {view + 1}", unit="batch"):
        pixels = decoded.pixels[start : start + batch_size]
        if view == 0:
            inputs = pixels.astype(np.float32)
        else:
            inputs = np.stack(
                [augment(p, strength, np.random.default_rng((seed, view, start + i)))[0] for i, p in enumerate(pixels)]
            )
        # The last batch is padded with its own images: equal shapes, which devices can share equally.
        full = np.resize(inputs[..., None], (batch_size, *inputs.shape[1:], 1))
        batches.append(np.asarray(frozen.predict_on_batch(full), np.float16)[: len(inputs)])
    return np.concatenate(batches)
