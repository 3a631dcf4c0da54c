"""Steps of `python -m training` in processes of their own, their tables, and images as they were decoded."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from tests.support.samples import TOP
from training.data.decoded import Decoded, whole_thumbnail
from training.data.folders import UNSPLIT, Picture

# Every step starts TensorFlow anew; on two busy cores that alone takes up to twenty seconds.
STEP_TIMEOUT_SECONDS = 900


def environment() -> dict[str, str]:
    """This process runs Keras on OpenVINO; the steps choose their own backend."""
    return {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}


def run_step(*arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "training", *map(str, arguments)],
        cwd=TOP, env=environment() | variables, capture_output=True, text=True, timeout=STEP_TIMEOUT_SECONDS,
        check=False,
    )  # fmt: skip


def smooth_pictures(n: int) -> np.ndarray:
    """Different blurred noises, uint8 (n, 64, 64)."""
    noise = np.random.default_rng(5).integers(0, 255, (n, 8, 8), np.uint8)
    return np.stack([np.asarray(Image.fromarray(p).resize((64, 64), Image.Resampling.BICUBIC)) for p in noise])


def as_decoded(pixels: np.ndarray) -> Decoded:
    """Pictures as if they had been read from files whose head fills them, uint8 (n, size, size)."""
    frames = np.tile(np.array([0, pixels.shape[1], 0, pixels.shape[2], *pixels.shape[1:]]), (len(pixels), 1))
    pictures = tuple(Picture(Path(f"{i}.png"), str(i), UNSPLIT, "glioma") for i in range(len(pixels)))
    return Decoded(pictures, pixels, pixels, frames, np.stack([whole_thumbnail(p) for p in pixels]), ())
