"""Measure a network on slightly changed images, and on images that look as if from elsewhere."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from model.network.classifier import Classifier
from model.preprocessing import preprocess
from model.reading.one_file import read_image
from training.data.decoded import Decoded
from training.feed.augmentation import augment
from training.measure.passes import answers_of
from training.recipes import Augmentation

# Looks of images from elsewhere: other grey levels, sharpness, noise and coding, with nearly the same shapes.
LOOK_SHIFT = Augmentation(
    rotation_degrees=8, scale=0.08, shift_share=0.04, gamma=1.6, contrast=0.2, brightness=15, bias_field=0.2,
    erase_probability=0, borrow_levels_probability=0.5, borrow_spectrum_probability=0.5, jpeg_probability=0.3,
)  # fmt: skip


def changed_looks(pixels: NDArray[np.uint8], partners: NDArray[np.uint8], seed: int) -> NDArray[np.uint8]:
    """Return each image, uint8 (n, size, size), with the look of one of the partners, (m, size, size)."""
    random = np.random.default_rng(seed)
    drawn = partners[random.integers(0, len(partners), len(pixels))]
    changed = [augment(one, LOOK_SHIFT, random, partner)[0] for one, partner in zip(pixels, drawn, strict=True)]
    return np.stack(changed).astype(np.uint8)


def stability(classifier: Classifier, images: Decoded, before: NDArray[np.int64]) -> dict[str, float]:
    """Return, by change, the share of images whose class is no longer `before` when the file changes a little."""
    size = classifier.card.input_size_px
    read = [read_image(p.path).pixels for p in images.pictures]
    shares = {}
    for name, change in _CHANGES.items():
        changed = np.stack([preprocess(change(pixels), size).pixels for pixels in read])
        shares[name] = float((answers_of(classifier, changed).probabilities.argmax(axis=1) != before).mean())
    return shares


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
