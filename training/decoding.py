"""Decode and preprocess pictures once, and keep the result as uint8 on disk."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from model.errors import ImageError
from model.preprocessing import PREPROCESSING_VERSION, preprocess
from model.reading import read_image
from training.dataset import Picture, fingerprint


@dataclass(frozen=True, eq=False)
class Decoded:
    """Preprocessed pictures.

    pictures: those that could be read, in the given order.
    pixels: uint8, shape (n, size, size), 0..255, one per picture.
    frames: int64, shape (n, 6): top, bottom, left, right of the head's box, height, width of the picture as read, in px.
    problems: one sentence per picture that could not be read.
    """

    pictures: tuple[Picture, ...]
    pixels: NDArray[np.uint8]
    frames: NDArray[np.int64]
    problems: tuple[str, ...]

    def labels(self, class_names: Sequence[str]) -> NDArray[np.int64]:
        """The class index of each picture, int64, shape (n,)."""
        return np.array([class_names.index(p.class_name) for p in self.pictures], np.int64)

    def subset(self, indices: NDArray[np.int64]) -> "Decoded":
        """Keep the pictures at the given places."""
        return Decoded(tuple(self.pictures[i] for i in indices), self.pixels[indices], self.frames[indices], ())


def decode(pictures: Sequence[Picture], input_size_px: int, cache: Path | None = None) -> Decoded:
    """Preprocess every readable picture; from the cache folder where the same pictures were decoded before."""
    file = cache / f"decoded-{_key(pictures, input_size_px)}.npz" if cache else None
    if file and file.is_file():
        with np.load(file) as stored:
            kept, pixels, frames = stored["kept"], stored["pixels"], stored["frames"]
            problems = tuple(map(str, stored["problems"]))
    else:
        kept, pixels, frames, problems = _decode_all(pictures, input_size_px)
        if file:
            file.parent.mkdir(parents=True, exist_ok=True)
            aside = file.with_suffix(".part.npz")
            np.savez(aside, kept=kept, pixels=pixels, frames=frames, problems=np.array(problems, str))
            aside.replace(file)
    return Decoded(tuple(pictures[i] for i in kept), pixels, frames, problems)


def _decode_all(
    pictures: Sequence[Picture], input_size_px: int
) -> tuple[NDArray[np.int64], NDArray[np.uint8], NDArray[np.int64], tuple[str, ...]]:
    def decode_one(picture: Picture) -> tuple[NDArray[np.uint8], list[int]] | str:
        try:
            pixels = read_image(picture.path).pixels
            given = preprocess(pixels, input_size_px)
        except (ImageError, OSError) as error:
            return f"{picture.name}: {error}"
        return given.pixels, [given.box.top, given.box.bottom, given.box.left, given.box.right, *pixels.shape]

    with ThreadPoolExecutor() as pool:
        progress = tqdm(pool.map(decode_one, pictures), total=len(pictures), desc="decoding", unit="picture")
        results = list(progress)
    kept = np.array([i for i, result in enumerate(results) if not isinstance(result, str)], np.int64)
    problems = tuple(result for result in results if isinstance(result, str))
    readable = [result for result in results if not isinstance(result, str)]
    pixels = [given for given, _ in readable] or np.zeros((0, input_size_px, input_size_px), np.uint8)
    frames = [frame for _, frame in readable] or np.zeros((0, 6), np.int64)
    return kept, np.array(pixels), np.array(frames, np.int64), problems


def _key(pictures: Sequence[Picture], input_size_px: int) -> str:
    settings = f"frames\t{PREPROCESSING_VERSION}\t{input_size_px}\t{[p.name for p in pictures]}\t{fingerprint(pictures)}"
    return hashlib.sha256(settings.encode()).hexdigest()[:16]
