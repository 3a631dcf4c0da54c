"""Decode and preprocess images once, and keep the result as uint8 on disk."""

import dataclasses
import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from model.errors import ImageError
from model.preprocessing import PREPROCESSING_VERSION, pad_to_square, preprocess
from model.reading.one_file import read_image
from training.data.folders import Picture, fingerprint

WHOLE_SIZE_PX = 32
# Copies are searched at this side for every network: the split must not depend on the network's input size.
COMPARED_SIZE_PX = 160


@dataclass(frozen=True, eq=False)
class Decoded:
    """Preprocessed images.

    pictures: those that could be read, in the given order.
    pixels: uint8, shape (n, size, size), 0..255, one per image.
    heads: uint8, shape (n, 160, 160): the same at a fixed size, for finding copies and groups.
    frames: int64, shape (n, 6), in px: top, bottom, left, right of the head's box, height, width of the image read.
    wholes: uint8, shape (n, 32, 32): the whole images, not cropped to the head, for finding copies.
    problems: one sentence for each unreadable image, and for each reason why images were dropped.
    """

    pictures: tuple[Picture, ...]
    pixels: NDArray[np.uint8]
    heads: NDArray[np.uint8]
    frames: NDArray[np.int64]
    wholes: NDArray[np.uint8]
    problems: tuple[str, ...]

    def labels(self, class_names: Sequence[str]) -> NDArray[np.int64]:
        """The class index of each image, int64, shape (n,)."""
        return np.array([class_names.index(p.class_name) for p in self.pictures], np.int64)

    def subset(self, indices: NDArray[np.int64]) -> "Decoded":
        """Return the images at the given indices."""
        pictures = tuple(self.pictures[i] for i in indices)
        pixels = self.pixels[indices]
        heads = pixels if self.heads is self.pixels else self.heads[indices]
        return Decoded(pictures, pixels, heads, self.frames[indices], self.wholes[indices], self.problems)

    def without(self, dropped: NDArray[np.bool_], *why: str) -> "Decoded":
        """Drop images, bool (n,), and note the reasons among the problems."""
        kept = self.subset(np.flatnonzero(~dropped))
        return dataclasses.replace(kept, problems=(*self.problems, *why))


def decode(pictures: Sequence[Picture], input_size_px: int, cache: Path | None = None) -> Decoded:
    """Preprocess every readable image, or read the result from the cache folder."""
    file = cache / f"decoded-{_key(pictures, input_size_px)}.npz" if cache else None
    if file and file.is_file():
        with np.load(file) as stored:
            kept, pixels, frames, wholes = (stored[name] for name in ("kept", "pixels", "frames", "wholes"))
            heads = stored.get("heads", pixels)
            problems = tuple(map(str, stored["problems"]))
    else:
        kept, (pixels, heads, frames, wholes), problems = _decode_all(pictures, input_size_px)
        if file:
            file.parent.mkdir(parents=True, exist_ok=True)
            aside = file.with_suffix(".part.npz")
            arrays = {"kept": kept, "pixels": pixels, "frames": frames, "wholes": wholes}
            if heads is not pixels:
                arrays["heads"] = heads
            np.savez(aside, **arrays, problems=np.array(problems, str))
            aside.replace(file)
    return Decoded(tuple(pictures[i] for i in kept), pixels, heads, frames, wholes, problems)


def whole_thumbnail(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Reduce an unprocessed image, uint8 (height, width), to uint8 (32, 32), keeping its proportions."""
    side = (WHOLE_SIZE_PX, WHOLE_SIZE_PX)
    return np.asarray(Image.fromarray(pad_to_square(pixels)).resize(side, Image.Resampling.BOX))


def _decode_all(
    pictures: Sequence[Picture], input_size_px: int
) -> tuple[NDArray[np.int64], tuple[NDArray[Any], ...], tuple[str, ...]]:
    def decode_one(picture: Picture) -> tuple[Any, ...] | str:
        try:
            pixels = read_image(picture.path).pixels
            given = preprocess(pixels, input_size_px)
            head = given if input_size_px == COMPARED_SIZE_PX else preprocess(pixels, COMPARED_SIZE_PX)
        except (ImageError, OSError) as error:
            return f"{picture.name}: {error}"
        frame = [given.box.top, given.box.bottom, given.box.left, given.box.right, *pixels.shape]
        return given.pixels, head.pixels, frame, whole_thumbnail(pixels)

    with ThreadPoolExecutor() as pool:
        progress = tqdm(pool.map(decode_one, pictures), total=len(pictures), desc="decoding", unit="image")
        results = list(progress)
    kept = np.array([i for i, result in enumerate(results) if not isinstance(result, str)], np.int64)
    problems = tuple(result for result in results if isinstance(result, str))
    readable = [result for result in results if not isinstance(result, str)]
    inputs = np.array([result[0] for result in readable], np.uint8).reshape(-1, input_size_px, input_size_px)
    heads = inputs
    if input_size_px != COMPARED_SIZE_PX:
        heads = np.array([result[1] for result in readable], np.uint8)
        heads = heads.reshape(-1, COMPARED_SIZE_PX, COMPARED_SIZE_PX)
    frames = np.array([result[2] for result in readable], np.int64).reshape(-1, 6)
    wholes = np.array([result[3] for result in readable], np.uint8).reshape(-1, WHOLE_SIZE_PX, WHOLE_SIZE_PX)
    return kept, (inputs, heads, frames, wholes), problems


def _key(pictures: Sequence[Picture], input_size_px: int) -> str:
    names = [p.name for p in pictures]
    sizes = f"{input_size_px}, {COMPARED_SIZE_PX}"
    settings = f"frames, wholes\t{PREPROCESSING_VERSION}\t{sizes}\t{names}\t{fingerprint(pictures)}"
    return hashlib.sha256(settings.encode()).hexdigest()[:16]
