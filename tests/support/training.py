"""Steps of `python -m training` in separate processes, their tables, and decoded images."""

import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from tests.support.samples import TOP
from training.__main__ import main
from training.data.decoded import Decoded, whole_thumbnail
from training.data.folders import UNSPLIT, Picture

# Every step starts TensorFlow again; on two busy cores that alone takes up to twenty seconds.
STEP_TIMEOUT_SECONDS = 900


def environment() -> dict[str, str]:
    """Return the steps' environment: this process runs Keras on OpenVINO, the steps choose their own backend."""
    return {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}


def run_step(*arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "training", *map(str, arguments)],
        cwd=TOP, env=environment() | variables, capture_output=True, text=True, timeout=STEP_TIMEOUT_SECONDS,
        check=False,
    )  # fmt: skip


def smooth_pictures(n: int) -> np.ndarray:
    """Return different blurred noises, uint8 (n, 64, 64)."""
    noise = np.random.default_rng(5).integers(0, 255, (n, 8, 8), np.uint8)
    return np.stack([np.asarray(Image.fromarray(p).resize((64, 64), Image.Resampling.BICUBIC)) for p in noise])


def as_decoded(pixels: np.ndarray) -> Decoded:
    """Return images as decoded from files that the head fills; pixels: uint8 (n, size, size)."""
    frames = np.tile(np.array([0, pixels.shape[1], 0, pixels.shape[2], *pixels.shape[1:]]), (len(pixels), 1))
    pictures = tuple(Picture(Path(f"{i}.png"), str(i), UNSPLIT, "glioma") for i in range(len(pixels)))
    return Decoded(pictures, pixels, pixels, frames, np.stack([whole_thumbnail(p) for p in pixels]), ())


def write_picture(file: Path, seed: int = 0) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (40, 40), np.uint8)).save(file)


def write(file: Path, picture: Image.Image, **settings: object) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    picture.save(file, **settings)


def done(*arguments: object) -> None:
    """Run a step in this process, on its backend."""
    assert main([str(argument) for argument in arguments]) == 0


def refusal(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """Run a step in this process and return its refusal."""
    assert main([str(argument) for argument in arguments]) == 2
    message = capsys.readouterr().err
    assert "Traceback" not in message
    return message


def width_of(picture: Path) -> int:
    with Image.open(picture) as opened:
        return opened.width


def arrays_of(network: Path) -> dict[str, np.ndarray]:
    """Return all weights of a Keras file by their path in it."""
    found: dict[str, np.ndarray] = {}
    with zipfile.ZipFile(network) as archive, h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as file:
        file.visititems(lambda name, item: found.update({name: item[()]} if isinstance(item, h5py.Dataset) else {}))
    return found
