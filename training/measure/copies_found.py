"""Measure the search for near-duplicates: recall on images with known changes, false pairs among different images.

The usual choice, a perceptual hash from a library, is measured on the same pairs.
"""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from model.errors import ImageError
from model.preprocessing import find_head, preprocess
from model.reading.one_file import read_image
from training.data.copies import LEFT_OUT, describe, likeness
from training.data.decoded import COMPARED_SIZE_PX, whole_thumbnail
from training.figures import Figures

N_CHANGED = 200
# Two images count as the same up to this many differing bits of 64, as in the library's documentation and most uses.
HASH_BITS = 8

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Recall(Figures):
    """The share of changed images that are still recognised: by this code, and by the library's hash."""

    found: float
    found_by_phash: float


@dataclass(frozen=True)
class FalsePairs(Figures):
    """Pairs of different classes, so of different patients, and how many of them are called copies."""

    n_pairs: int
    false_pairs: int
    false_pair_rate: float
    false_pair_rate_by_phash: float


def check_recall(read: Sequence[Pixels], seed: int = 0) -> dict[str, Recall]:
    """Return the recall of changed images by kind of change.

    read: images before preprocessing, uint8 (height, width).
    """
    chosen = np.random.default_rng(seed).permutation(len(read))[:N_CHANGED]
    found: dict[str, Recall] = {}
    for name, change in CHANGES.items():
        ours, hashed = [], []
        for i in chosen:
            try:
                changed = change(read[i])
                pair = [_described(pixels) for pixels in (read[i], changed)]
            except ImageError:
                ours.append(False)
                continue
            ours.append(bool(likeness(*pair)[0, 0] > LEFT_OUT))
            hashed.append(_same_hash(read[i], changed))
        found[name] = Recall(float(np.mean(ours)), float(np.mean(hashed)))
    return found


def check_false_pairs(
    described: NDArray[np.float32], read: Sequence[Pixels], classes: Sequence[str], seed: int = 0
) -> FalsePairs:
    """Return the share of pairs that are called copies although their classes, and so their patients, differ.

    classes: the class of each image in its original source, a series of numbered slices.
    """
    random, names = np.random.default_rng(seed), np.array(classes)
    order = random.permutation(len(read))
    half = len(order) // 2
    one, other = order[:half], order[half:]
    differ = names[one][:, None] != names[other][None]
    hashes = [imagehash.phash(Image.fromarray(picture)) for picture in read]
    bits = np.array([h.hash.ravel() for h in hashes], np.float32) * 2 - 1
    distance = (64 - bits[one] @ bits[other].T) / 2
    same = likeness(described[:, one], described[:, other]) > LEFT_OUT
    n_pairs, wrong = int(differ.sum()), int((same & differ).sum())
    by_phash = int(((distance <= HASH_BITS) & differ).sum())
    return FalsePairs(n_pairs, wrong, wrong / max(n_pairs, 1), by_phash / max(n_pairs, 1))


def _described(pixels: Pixels) -> NDArray[np.float32]:
    return describe(preprocess(pixels, COMPARED_SIZE_PX).pixels[None], whole_thumbnail(pixels)[None])


def _same_hash(one: Pixels, other: Pixels) -> bool:
    """Return whether a perceptual hash finds two images, or one and the other's mirror image, the same."""
    first = imagehash.phash(Image.fromarray(one))
    return any(
        first - imagehash.phash(Image.fromarray(np.ascontiguousarray(turned))) <= HASH_BITS
        for turned in (other, other[:, ::-1])
    )


def _jpeg(pixels: Pixels) -> Pixels:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=35)
    return read_image(buffer.getvalue()).pixels


def _resized(factor: float) -> Callable[[Pixels], Pixels]:
    def resize(pixels: Pixels) -> Pixels:
        size = (max(round(pixels.shape[1] * factor), 16), max(round(pixels.shape[0] * factor), 16))
        return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))

    return resize


def _cropped_to_head(pixels: Pixels) -> Pixels:
    box = find_head(pixels)
    return pixels[box.top : box.bottom, box.left : box.right]


def _with_margin(pixels: Pixels) -> Pixels:
    rows, columns = (side // 6 for side in pixels.shape)
    return np.pad(pixels, ((rows, rows // 2), (columns // 2, columns)))


CHANGES: dict[str, Callable[[Pixels], Pixels]] = {
    "jpeg_quality_35": _jpeg,
    "half_size": _resized(0.5),
    "double_size": _resized(2.0),
    "cropped_to_head": _cropped_to_head,
    "black_margin": _with_margin,
    "mirrored": lambda pixels: np.ascontiguousarray(pixels[:, ::-1]),
    "darker": lambda pixels: (pixels * 0.6).astype(np.uint8),
    "gamma_0.6": lambda pixels: (255 * (pixels / 255) ** 0.6).astype(np.uint8),
    "gamma_1.6": lambda pixels: (255 * (pixels / 255) ** 1.6).astype(np.uint8),
    "all_of_it": lambda pixels: _jpeg(
        _resized(0.5)((255 * (_cropped_to_head(pixels)[:, ::-1] / 255) ** 1.3).astype(np.uint8))
    ),
}
