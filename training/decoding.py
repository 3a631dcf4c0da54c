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
    problems: one sentence per picture that could not be read.
    """

    pictures: tuple[Picture, ...]
    pixels: NDArray[np.uint8]
    problems: tuple[str, ...]

    def labels(self, class_names: Sequence[str]) -> NDArray[np.int64]:
        """The class index of each picture, int64, shape (n,)."""
        return np.array([class_names.index(p.class_name) for p in self.pictures], np.int64)

    def subset(self, indices: NDArray[np.int64]) -> "Decoded":
        """Keep the pictures at the given places."""
        return Decoded(tuple(self.pictures[i] for i in indices), self.pixels[indices], ())


def decode(pictures: Sequence[Picture], input_size_px: int, cache: Path | None = None) -> Decoded:
    """Preprocess every readable picture; from the cache folder where the same pictures were decoded before."""
    file = cache / f"decoded-{_key(pictures, input_size_px)}.npz" if cache else None
    if file and file.is_file():
        with np.load(file) as stored:
            kept, pixels, problems = stored["kept"], stored["pixels"], tuple(map(str, stored["problems"]))
    else:
        kept, pixels, problems = _decode_all(pictures, input_size_px)
        if file:
            file.parent.mkdir(parents=True, exist_ok=True)
            aside = file.with_suffix(".part.npz")
            np.savez(aside, kept=kept, pixels=pixels, problems=np.array(problems, str))
            aside.replace(file)
    return Decoded(tuple(pictures[i] for i in kept), pixels, problems)


def _decode_all(
    pictures: Sequence[Picture], input_size_px: int
) -> tuple[NDArray[np.int64], NDArray[np.uint8], tuple[str, ...]]:
    def decode_one(picture: Picture) -> NDArray[np.uint8] | str:
        try:
            return preprocess(read_image(picture.path).pixels, input_size_px).pixels
        except (ImageError, OSError) as error:
            return f"{picture.name}: {error}"

    with ThreadPoolExecutor() as pool:
        progress = tqdm(pool.map(decode_one, pictures), total=len(pictures), desc="decoding", unit="picture")
        results = list(progress)
    kept = np.array([i for i, result in enumerate(results) if not isinstance(result, str)], np.int64)
    problems = tuple(result for result in results if isinstance(result, str))
    readable = [result for result in results if not isinstance(result, str)]
    empty = np.zeros((0, input_size_px, input_size_px), np.uint8)
    return kept, np.stack(readable) if readable else empty, problems


def _key(pictures: Sequence[Picture], input_size_px: int) -> str:
    settings = f"{PREPROCESSING_VERSION}\t{input_size_px}\t{[p.name for p in pictures]}\t{fingerprint(pictures)}"
    return hashlib.sha256(settings.encode()).hexdigest()[:16]
